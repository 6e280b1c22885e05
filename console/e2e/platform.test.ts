import { expectAccessible, expectNoSidewaysScroll, tabTo } from './accessible.ts';
import { Server, START_TIMEOUT_MS } from './server.ts';
import { Api, expect, goTo, login, newPerson, test } from './tenure.ts';
import { code } from './totp.ts';

test('a link makes the first administrator, who bounds and suspends organisations', async ({ page }) => {
  test.setTimeout(2 * START_TIMEOUT_MS);
  const server = await Server.start({
    TENURE_ENVIRONMENT: 'production',
    TENURE_MASTER_KEY: '11'.repeat(32),
    TENURE_REGISTRATION: 'open',
    TENURE_LOG_FORMAT: 'json',
  });
  try {
    await expect.poll(() => server.said).toMatch(/\/setup#token=\S+/);
    const [link = ''] = /\S+\/setup#token=\S+/.exec(server.said) ?? [];
    expect(link.startsWith(server.origin)).toBe(true);
    const olga = newPerson('Olga');
    await page.goto(link);
    await page.getByLabel('Organisation', { exact: true }).fill(olga.organization);
    await page.getByLabel('Your full name').fill(olga.name);
    await page.getByLabel('E-mail').fill(olga.email);
    await page.getByLabel('User name').fill(olga.username);
    await page.getByLabel('Password').fill(olga.password);
    expect(page.url()).toBe(`${server.origin}/setup`);
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Set up' }).click();
    await expect(page.getByRole('heading', { name: 'Organisations' })).toBeVisible();

    // Who is anybody else sees nothing of it.
    const ada = newPerson('Ada');
    const acme = await Api.register(server.origin, { ...ada, organization: `Globex ${ada.username}` });
    expect((await acme.call('GET', '/auth/me')).platform_permissions).toEqual([]);
    const operator = await Api.login(server.origin, olga);
    const { secret } = await operator.call('POST', '/auth/mfa/totp');
    const { recovery_codes } = await operator.call('POST', '/auth/mfa/totp/confirm', {
      code: code(secret),
    });

    // A trusted device lets in, and has proven nothing just now.
    for (const trusts of [true, false]) {
      await page.goto(`${server.origin}/login?return=/platform/organizations`);
      await login(page, olga);
      if (trusts) {
        await page.getByText('Trust this device for 30 days').click();
        await page.getByLabel('Code of your authenticator app').fill(code(secret, 1));
        await page.getByRole('button', { name: 'Log in' }).click();
        await expect(page.getByRole('heading', { name: 'Organisations' })).toBeVisible();
        await page.getByRole('button', { name: /^Account of/ }).click();
        await page.getByRole('menuitem', { name: 'Log out' }).click();
        await expect(page.getByRole('heading', { name: 'Log in' })).toBeVisible();
      }
    }
    const list = page.getByRole('table', { name: 'organisations' });
    await expect(list.getByRole('row')).toHaveCount(3);
    await page.getByLabel('Search by name').fill('globex');
    await expect(list.getByRole('row')).toHaveCount(2);
    await expectAccessible(page);
    await page.emulateMedia({ colorScheme: 'dark' });
    await expectAccessible(page);

    // By keyboard alone.
    await tabTo(page, 'link', `Globex ${ada.username}`);
    await page.keyboard.press('Enter');
    await expect(page.getByRole('heading', { level: 1, name: /^Globex/ })).toBeVisible();
    await expectAccessible(page);
    await page.emulateMedia({ colorScheme: 'light' });
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Change the limit of Workflows' }).click();
    await page.getByRole('button', { name: /Which limit/ }).click();
    await page.getByRole('option', { name: 'Another one' }).click();
    await page.getByLabel('Limit', { exact: true }).fill('7');
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Save limit' }).click();
    const question = page.getByRole('dialog', { name: 'Is it you?' });
    await question.getByRole('button', { name: 'Use a recovery code instead' }).click();
    await question.getByLabel('Recovery code').fill(recovery_codes[0]);
    await question.getByRole('button', { name: 'Go on' }).click();
    await expect(page.getByRole('row', { name: /^Workflows .* 7 set by the platform 5/ })).toBeVisible();
    await page.getByLabel('Requests a minute').fill('900');
    await page.getByRole('button', { name: 'Save rate limit' }).click();
    await expect(page.getByText('At most 900 requests a minute')).toBeVisible();
    expect((await acme.call('GET', '/rate-limits')).most.per_minute).toBe(900);

    await page.getByRole('button', { name: 'Suspend', exact: true }).click();
    const decision = page.getByRole('alertdialog');
    await decision.getByLabel('Reason').fill('two invoices are open');
    await expectAccessible(page);
    await decision.getByRole('button', { name: 'Suspend organisation' }).click();
    await expect(page.getByText('suspended', { exact: true })).toBeVisible();
    await expect(acme.call('GET', '/teams')).rejects.toThrow('tenant-suspended');
    await page.getByRole('button', { name: 'Resume', exact: true }).click();
    await decision.getByLabel('Reason').fill('they are paid');
    await decision.getByRole('button', { name: 'Resume organisation' }).click();
    await expect(page.getByText('active', { exact: true })).toBeVisible();
    expect((await acme.call('GET', '/teams')).items).toHaveLength(1);

    // A person is found by name, and suspended wherever they are.
    await goTo(page, 'People');
    await expect(page.getByText('Whom do you look for?')).toBeVisible();
    const search = page.getByLabel('Search by user name or e-mail');
    await search.fill(ada.username.slice(0, 2));
    await expect(page.getByText('Type at least 3 characters')).toBeVisible();
    await search.fill(ada.email);
    const people = page.getByRole('table', { name: 'people' });
    await expect(
      people.getByRole('row', { name: new RegExp(`${ada.username} .* active none 1`) }),
    ).toBeVisible();
    await expectAccessible(page);
    await people.getByRole('button', { name: `Suspend ${ada.username}` }).click();
    await decision.getByLabel('Reason').fill('their laptop was stolen');
    await expectAccessible(page);
    await decision.getByRole('button', { name: 'Suspend person' }).click();
    await expect(people.getByText('suspended', { exact: true })).toBeVisible();
    await expect(acme.call('GET', '/teams')).rejects.toThrow('unauthenticated');
    await expect(Api.login(server.origin, ada)).rejects.toThrow('invalid-credentials');
    await search.fill('');
    await page.getByText('Only who is suspended').click();
    await expect(people.getByRole('row')).toHaveCount(2);
    await page.setViewportSize({ width: 390, height: 844 });
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
    await people.getByRole('button', { name: `Resume ${ada.username}` }).click();
    await decision.getByLabel('Reason').fill('they have another one');
    await decision.getByRole('button', { name: 'Resume person' }).click();
    await expect(page.getByText('Nobody is suspended')).toBeVisible();
    await Api.login(server.origin, ada);
    await page.goBack();
    await expect(page.getByRole('heading', { level: 1, name: /^Globex/ })).toBeVisible();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);

    // What the platform did is read in its own log, with who, whom and why.
    await page.setViewportSize({ width: 1440, height: 900 });
    await tabTo(page, 'link', 'Platform log');
    await page.keyboard.press('Enter');
    await expect(page.getByRole('heading', { level: 1, name: 'Platform log' })).toBeFocused();
    const events = page.getByRole('table', { name: 'events' });
    const decided = events.getByRole('row', {
      name: new RegExp(`user.suspended ${olga.username} ${ada.username} success`),
    });
    await expect(decided).toHaveCount(1);
    await expect(events.getByText('team.created')).toHaveCount(0);
    await expectAccessible(page);
    await page.emulateMedia({ colorScheme: 'dark' });
    await expectAccessible(page);
    await page.emulateMedia({ colorScheme: 'light' });
    await decided.getByRole('button', { name: 'user.suspended' }).click();
    const told = page.getByRole('dialog', { name: 'user.suspended' });
    await expect(told.getByText('their laptop was stolen')).toBeVisible();
    await expectAccessible(page);
    await told.getByRole('button', { name: 'Its history' }).click();
    await expect(page.getByText('Only events on')).toBeVisible();
    await expect(events.getByRole('row', { name: /user\.(suspended|resumed)/ })).toHaveCount(2);
    await page.getByLabel('Action').fill('nothing.');
    await expect(page.getByText('No event matches')).toBeVisible();
    await page.setViewportSize({ width: 390, height: 844 });
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.getByRole('button', { name: 'Clear filters' }).click();
    await expect(decided).toHaveCount(1);

    // The link is over.
    await page.goto(link);
    await expect(page.getByRole('heading', { name: 'Set up this installation' })).toBeVisible();
  } finally {
    await server.stop();
  }
});
