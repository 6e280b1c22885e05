import { expectAccessible, expectNoSidewaysScroll } from './accessible.ts';
import { Api, expect, goTo, login, newPerson, register, test } from './tenure.ts';

test('an administrator sees the month and limits the organisation, a member and a key', async ({
  page,
  origin,
}) => {
  const ada = newPerson();
  await register(page, ada);
  const api = await Api.login(origin, ada);
  await api.call('PUT', '/secrets/token', { value: 'a quiet secret' });
  const member = await api.member('viewer');
  await api.call('POST', '/api-keys', { name: 'Nightly', scopes: ['team:read'] });

  await goTo(page, 'Usage');
  await expect(page.getByRole('heading', { name: 'Storage' })).toBeVisible();
  await page.getByText('Storage, day by day').click();
  const today = new Date().toISOString().slice(0, 10);
  await expect(page.getByRole('row', { name: new RegExp(`${today} .* bytes`) })).toBeVisible();
  await expectAccessible(page);
  await expectNoSidewaysScroll(page);

  // More than the platform gives is refused at the field; less is kept.
  await page.getByLabel('Requests a minute').fill('501');
  await page.getByRole('button', { name: 'Save rate limit' }).click();
  await expect(page.getByText(/must be at most 500/)).toBeVisible();
  await page.getByLabel('Requests a minute').fill('450');
  await page.getByLabel('Requests a day').fill('90000');
  await page.getByRole('button', { name: 'Save rate limit' }).click();
  await expect(page.getByText('Rate limit saved')).toBeVisible();
  await page.reload();
  await expect(page.getByLabel('Requests a minute')).toHaveValue('450');
  expect((await api.call('GET', '/rate-limits')).limit).toEqual({
    per_minute: 450,
    per_hour: null,
    per_day: 90000,
  });

  await goTo(page, 'Members');
  await page.getByRole('button', { name: `Actions for ${member.name}` }).click();
  await page.getByRole('menuitem', { name: 'Rate limit' }).click();
  await page.getByLabel('Requests an hour').fill('40');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Save rate limit' }).click();
  await expect(page.getByRole('dialog')).toBeHidden();

  await goTo(page, 'API keys');
  await page.getByRole('button', { name: 'Actions for Nightly' }).click();
  await page.getByRole('menuitem', { name: 'Rate limit' }).click();
  await page.getByLabel('Requests a day').fill('7');
  await page.getByRole('button', { name: 'Save rate limit' }).click();
  await expect(page.getByRole('dialog')).toBeHidden();
  const [key] = (await api.call('GET', '/api-keys')).items;
  expect(key.rate_limit).toEqual({ per_minute: null, per_hour: null, per_day: 7 });
});

test('what is private to a team is not there for others', async ({ page, origin, visitor }) => {
  const ada = newPerson();
  await register(page, ada);
  const api = await Api.login(origin, ada);
  const me = await api.call('GET', '/auth/me');
  const outsider = await api.member('admin');
  const { id: team } = await api.call('POST', '/teams', { name: 'Night shift' });
  await api.call('PUT', `/teams/${team}/members/${me.user.id}`);
  // More than the server gives at once.
  for (let n = 0; n < 55; n++) await api.call('POST', '/teams', { name: `Team ${n}` });

  await goTo(page, 'Secrets');
  await page.getByRole('button', { name: 'New secret' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('token');
  await page.getByLabel('Value').fill('a quiet secret');
  await page.getByRole('button', { name: /Who sees and uses it/ }).click();
  const offered = page.getByRole('option', { name: /^(Team \d+|Night shift)$/ });
  await expect(offered).toHaveCount(56);
  await page.getByRole('option', { name: 'Night shift' }).click();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Save secret' }).click();
  await expect(page.getByText('Private to Night shift')).toBeVisible();

  const other = await visitor();
  await other.goto('/secrets');
  await login(other, outsider);
  await expect(other.getByRole('heading', { name: 'No secrets yet' })).toBeVisible();

  await page.getByRole('button', { name: 'Actions for token' }).click();
  await page.getByRole('menuitem', { name: 'Team' }).click();
  await page.getByRole('button', { name: /Who sees and uses it/ }).click();
  await page.getByRole('option', { name: 'Everybody in the organisation' }).click();
  await page.getByRole('button', { name: 'Save team' }).click();
  await expect(page.getByText('Private to Night shift')).toBeHidden();
  await other.reload();
  await expect(other.getByRole('button', { name: 'Actions for token' })).toBeVisible();
});
