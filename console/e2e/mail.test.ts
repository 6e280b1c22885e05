import type { Page } from '@playwright/test';
import { expectAccessible } from './accessible.ts';
import { Api, expect, login, newPerson, register, test } from './tenure.ts';

/** The newest message of this subject to this address, in the outbox of the page's server; opens its link. */
async function openFromOutbox(page: Page, subject: string, to: string): Promise<void> {
  await page.goto('/outbox');
  const message = page.getByRole('region', { name: subject }).filter({ hasText: to }).first();
  await message.getByRole('link').click();
}

test('an address is confirmed with the link in the outbox', async ({ page }) => {
  const person = newPerson();
  await register(page, person);
  const banner = page.getByRole('complementary', { name: 'Your e-mail address' });
  await expect(banner).toContainText(person.email);
  await expectAccessible(page);
  await banner.getByRole('button', { name: 'Send it again' }).click();
  await expect(banner).toContainText('A link is on its way');
  await banner.getByRole('link', { name: 'outbox' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Outbox' })).toBeVisible();
  await expectAccessible(page);

  await openFromOutbox(page, 'Confirm your e-mail address', person.email);
  const confirm = page.getByRole('button', { name: 'Confirm my address' });
  await expect(confirm).toBeVisible();
  expect(page.url()).not.toContain('token');
  await expectAccessible(page);
  await confirm.click();
  await expect(page.getByText('Your address is confirmed')).toBeVisible();
  await page.getByRole('link', { name: 'Go on' }).click();
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
  await expect(banner).toHaveCount(0);
});

test('a forgotten password is set anew, once', async ({ page, visitor, origin }) => {
  const person = newPerson();
  await register(page, person);
  const forgetful = await visitor();
  await forgetful.goto('/login');
  await forgetful.getByRole('link', { name: 'Forgot your password?' }).click();
  await forgetful.getByLabel('E-mail').fill(person.email);
  await expectAccessible(forgetful);
  await forgetful.getByRole('button', { name: 'Send the link' }).click();
  await expect(forgetful.getByText(`If ${person.email} belongs to an account`)).toBeVisible();

  await openFromOutbox(forgetful, 'Set a new password', person.email);
  const password = 'a new sentence of my own';
  await forgetful.getByLabel('New password', { exact: true }).fill('administrator');
  await forgetful.getByLabel('New password again').fill('administrator');
  await forgetful.getByRole('button', { name: 'Change password' }).click();
  await expect(forgetful.getByText(/tried first/)).toBeVisible();
  await expectAccessible(forgetful);
  // A reload does not lose the link.
  await forgetful.reload();
  await forgetful.getByLabel('New password', { exact: true }).fill(password);
  await forgetful.getByLabel('New password again').fill(password);
  await forgetful.getByRole('button', { name: 'Change password' }).click();
  await expect(forgetful.getByText('Your password was changed')).toBeVisible();
  await forgetful.getByRole('link', { name: 'Log in' }).click();
  await login(forgetful, { ...person, password });
  await expect(forgetful.getByRole('navigation', { name: 'Main' })).toBeVisible();

  // Whoever was logged in is so no more.
  await page.goto('/teams');
  await expect(page.getByRole('heading', { name: 'Log in' })).toBeVisible();
  await expect(Api.login(origin, person)).rejects.toThrow('401');
  const { items } = await (await fetch(`${origin}/api/v1/dev/outbox`)).json();
  const subjects = items.filter(({ to }: { to: string }) => to === person.email);
  expect(subjects[0].subject).toBe('Your password was changed');
});

test('somebody new and somebody who is known join by invitation', async ({ page, visitor, origin }) => {
  const [admin, grace, hank] = [newPerson(), newPerson('Grace'), newPerson('Hank')];
  await register(page, admin);
  await Api.register(origin, hank);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Members' }).click();
  const invite = async (email: string) => {
    await page.getByRole('button', { name: 'Invite by mail' }).click();
    const dialog = page.getByRole('dialog', { name: 'Invite by mail' });
    await dialog.getByLabel('E-mail').fill(email);
    await dialog.getByRole('checkbox', { name: /^operator/ }).check({ force: true });
    await expectAccessible(page);
    await dialog.getByRole('button', { name: 'Send the invitation' }).click();
    await expect(dialog).toHaveCount(0);
  };
  await invite(grace.email);
  const invitations = page.getByRole('table', { name: 'invitations' }).locator('tbody tr');
  await expect(invitations).toHaveCount(1);
  await expect(invitations.first()).toContainText('open');
  await expectAccessible(page);

  const first = await visitor();
  await openFromOutbox(first, `Invitation to ${admin.organization}`, grace.email);
  await expect(first.getByRole('heading', { name: `Join ${admin.organization}` })).toBeVisible();
  await expectAccessible(first);
  await first.getByLabel('Your full name').fill(grace.name);
  await first.getByLabel('User name').fill(admin.username);
  await first.getByLabel('Password').fill(grace.password);
  await first.getByRole('button', { name: 'Join' }).click();
  await expect(first.getByText('is taken', { exact: false }).first()).toBeVisible();
  await first.getByLabel('User name').fill(grace.username);
  await first.getByRole('button', { name: 'Join' }).click();
  await expect(first.getByRole('navigation', { name: 'Main' })).toBeVisible();
  await expect(first.getByText('operator').first()).toBeVisible();
  await expect(first.getByRole('complementary', { name: 'Your e-mail address' })).toHaveCount(0);

  await page.reload();
  await expect(invitations.first()).toContainText('accepted');
  await invite(hank.email);
  await expect(invitations).toHaveCount(2);
  // Whoever is logged in as somebody else logs out, and goes on from there.
  const second = await visitor();
  await register(second, newPerson());
  await openFromOutbox(second, `Invitation to ${admin.organization}`, hank.email);
  await second.getByRole('button', { name: 'Log out' }).click();
  await second.getByRole('link', { name: 'Log in to join' }).click();
  expect(second.url()).not.toContain('token');
  await login(second, hank);
  await second.getByRole('button', { name: `Join ${admin.organization}` }).click();
  await expect(second.getByRole('button', { name: new RegExp(admin.organization) })).toBeVisible();

  // One that is taken back opens nothing.
  const third = newPerson('Third');
  await invite(third.email);
  await page.getByRole('button', { name: `Actions for the invitation of ${third.email}` }).click();
  await page.getByRole('menuitem', { name: 'Take back' }).click();
  await page.getByRole('button', { name: 'Take back' }).click();
  await expect(invitations.first()).toContainText('revoked');
  const late = await visitor();
  await openFromOutbox(late, `Invitation to ${admin.organization}`, third.email);
  await expect(late.getByRole('alert')).toContainText('this link was used already, or has run out');
});

test('another address is the account’s once the link that was sent there is opened', async ({
  page,
  origin,
}) => {
  const person = newPerson();
  await register(page, person);
  const email = `new-${person.email}`;
  await page.goto('/profile');
  await page.getByLabel('New e-mail address').fill(email);
  await page.getByLabel('Your password', { exact: true }).fill(person.password);
  await page.getByRole('button', { name: 'Change address' }).click();
  await expect(page.getByText('A link is on its way to the new address')).toBeVisible();
  await expect(Api.login(origin, { ...person, username: email })).rejects.toThrow('401');

  await openFromOutbox(page, 'Confirm your new e-mail address', email);
  await expect(page).toHaveURL(`${origin}/change-email`);
  await expect(page.getByRole('heading', { name: 'Use this address from now on' })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Use this address' }).click();
  await expect(page.getByText('Your address was changed')).toBeVisible();
  const changed = await Api.login(origin, { ...person, username: email });
  expect((await changed.call('GET', '/auth/me')).user.email).toBe(email);
  await expect(Api.login(origin, { ...person, username: person.email })).rejects.toThrow('401');

  // Once.
  await openFromOutbox(page, 'Confirm your new e-mail address', email);
  await page.getByRole('button', { name: 'Use this address' }).click();
  await expect(page.getByRole('alert')).toContainText('this link was used already, or has run out');
});

test('who is made to wait after failed logins ends the wait by mail', async ({ page, origin }) => {
  test.setTimeout(90_000);
  const person = newPerson();
  await Api.register(origin, person);
  const until = await lockOut(origin, person.username);
  await page.goto('/login');
  await login(page, person);
  await page.getByRole('link', { name: 'Log in without waiting' }).click();
  await expect(page).toHaveURL(`${origin}/locked-out`);
  await page.getByLabel('E-mail').fill(person.email);
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Send the link' }).click();
  await expect(page.getByText(`If ${person.email} belongs to an account`)).toBeVisible();

  await openFromOutbox(page, 'Log in again without waiting', person.email);
  await expect(page).toHaveURL(`${origin}/unlock`);
  await expectAccessible(page);
  await page.getByRole('button', { name: 'End the wait' }).click();
  await expect(page.getByText('You can log in now')).toBeVisible();
  await page.getByRole('link', { name: 'Go on' }).click();
  await login(page, person);
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
  expect(Date.now(), 'the wait would not have been over by itself').toBeLessThan(until);
});

/** Fails to log in until the wait is a long one; when it would be over. */
async function lockOut(origin: string, username: string): Promise<number> {
  for (;;) {
    const response = await fetch(`${origin}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username, password: 'a sentence that is wrong' }),
    });
    const wait = Number(response.headers.get('retry-after') ?? 0) * 1000;
    if (wait > 10_000) return Date.now() + wait;
    await new Promise((over) => setTimeout(over, wait));
  }
}
