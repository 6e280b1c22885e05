import { expectAccessible } from './accessible.ts';
import { expect, newPerson, register, test } from './tenure.ts';

const file = (name: string, ...lines: string[]) => ({
  name,
  mimeType: 'text/csv',
  buffer: Buffer.from(`${lines.join('\n')}\n`),
});

test('roles and API keys of another system are tried, imported, used and taken back', async ({
  page,
  origin,
}) => {
  const admin = newPerson();
  await register(page, admin);
  const legacy = `sk_live_51HG7abzYq0Wn3Rd8Kf${admin.username.replace(/\W/g, '')}`;
  const works = async () =>
    (await fetch(`${origin}/api/v1/teams`, { headers: { 'x-api-key': legacy } })).status;

  // Roles, from their page.
  await page.goto('/roles');
  await page.getByRole('button', { name: 'Import' }).click();
  const roles = page.getByRole('dialog', { name: 'Import roles' });
  await roles
    .locator('input[type=file]')
    .setInputFiles(
      file(
        'roles.csv',
        'name,description,permissions',
        'night-shift,Keeps things running,execution:* workflow:read',
        'admin,The system’s,team:read',
      ),
    );
  await expectAccessible(page);
  await roles.getByRole('button', { name: 'Say what would happen' }).click();
  await expect(roles.getByText('1 would be added, 1 refused')).toBeVisible();
  await expect(roles.getByText('is taken')).toBeVisible();
  await roles.getByRole('button', { name: 'Add 1 roles' }).click();
  await expect(roles.getByText('1 added, 1 refused')).toBeVisible();
  await roles.getByRole('button', { name: 'Close' }).click();
  await expect(page.getByText('Keeps things running')).toBeVisible();

  // Keys: the same dialog, told that the file holds keys.
  await page.getByRole('button', { name: 'Import' }).click();
  await page.getByRole('button', { name: /What the file holds/ }).click();
  await page.getByRole('option', { name: 'keys' }).click();
  const keys = page.getByRole('dialog', { name: 'Import API keys' });
  const input = keys.locator('input[type=file]');
  await input.setInputFiles(
    file(
      'keys.csv',
      'name,owner,key,scopes',
      `Nightly,${admin.username},${legacy},team:read`,
      `Weak,${admin.username},hunter2,team:read`,
    ),
  );
  await keys.getByRole('button', { name: 'Say what would happen' }).click();
  await expect(keys.getByText('1 would be added, 1 refused')).toBeVisible();
  await expect(keys.getByText(/7 characters of/)).toBeVisible();
  await expectAccessible(page);
  expect(await works()).toBe(401);
  await keys.getByRole('button', { name: 'Add 1 keys' }).click();
  await expect(keys.getByText('1 added, 1 refused')).toBeVisible();
  expect(await works()).toBe(200);
  expect(await page.content()).not.toContain(legacy);
  await keys.getByRole('button', { name: 'Close' }).click();
  await page.goto('/api-keys');
  await expect(page.getByText('dev · imported')).toBeVisible();
  expect(await page.content()).not.toContain('tnr_');

  // An import of before is found below its kind, and undone.
  await page.getByRole('button', { name: 'Import' }).click();
  const again = page.getByRole('dialog', { name: 'Import API keys' });
  await again
    .getByRole('row', { name: /1 added, 1 refused/ })
    .getByRole('button', { name: 'Open' })
    .click();
  await again.getByRole('button', { name: 'Undo the import' }).click();
  await expect(again.getByText('1 removed again, 0 stayed')).toBeVisible();
  await again.getByRole('button', { name: 'Close' }).click();
  await expect(page.getByText('dev · imported')).toBeHidden();
  expect(await works()).toBe(401);
});
