import { expectAccessible } from './accessible.ts';
import { expect, goTo, newPerson, register, test } from './tenure.ts';
import { code } from './totp.ts';

test('a service account gets an API key, which works once copied until it is revoked', async ({
  page,
  origin,
}) => {
  await register(page, newPerson());
  await goTo(page, 'Service accounts');
  await page.getByRole('button', { name: 'New service account' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('Importer');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Create service account' }).click();
  await expect(page.getByRole('cell', { name: 'Importer', exact: true })).toBeVisible();

  await goTo(page, 'API keys');
  await page.getByRole('button', { name: 'New API key' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('Nightly');
  await page.getByRole('button', { name: /Acts for/ }).click();
  await page.getByRole('option', { name: 'Importer' }).click();
  // Its permissions are those of the person, with what each is for; its limit is refused at its field.
  await page.getByText('workflow:read', { exact: true }).click();
  await page.getByText('everything of execution').click();
  await expect(page.getByRole('checkbox', { name: /^execution:read/ })).toBeChecked();
  await page.getByText('Rate limit', { exact: true }).click();
  await page.getByLabel('Requests a minute').fill('501');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Create API key' }).click();
  await expect(page.getByText(/must be at most 500/)).toBeVisible();
  await page.getByLabel('Requests a minute').fill('77');
  await page.getByRole('button', { name: 'Create API key' }).click();
  const key = (await page.getByTestId('api-key').textContent()) ?? '';
  expect(key).toMatch(/^tnr_dev_[0-9a-z]{26}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
  await expectAccessible(page);
  // Neither a click beside the dialog nor Escape loses it.
  await page.mouse.click(5, 5);
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('api-key')).toHaveText(key);
  await page.getByRole('button', { name: 'I have copied it' }).click();
  await expect(page.getByText('Importer · dev')).toBeVisible();
  await expect(page.getByRole('row', { name: /Nightly/ })).toContainText(/execution: .*read/);
  await page.getByRole('button', { name: 'Actions for Nightly' }).click();
  await page.getByRole('menuitem', { name: 'Rate limit' }).click();
  await expect(page.getByLabel('Requests a minute')).toHaveValue('77');
  await page.getByRole('button', { name: 'Cancel' }).click();

  const status = async (path: string, credential = key) =>
    (await fetch(`${origin}/api/v1${path}`, { headers: { 'x-api-key': credential } })).status;
  expect(await status('/workflows')).toBe(200);
  expect(await status('/teams')).toBe(403);

  // Never again, neither on the page nor after a reload.
  await page.reload();
  await expect(page.getByText('Importer · dev')).toBeVisible();
  expect(await page.content()).not.toContain(key.split('_')[3]);

  await page.getByRole('button', { name: 'Actions for Nightly' }).click();
  await page.getByRole('menuitem', { name: 'Rotate' }).click();
  await page.getByRole('button', { name: /The old key works on/ }).click();
  await page.getByRole('option', { name: 'not at all' }).click();
  await page.getByRole('button', { name: 'Rotate API key' }).click();
  const second = (await page.getByTestId('api-key').textContent()) ?? '';
  await page.getByRole('button', { name: 'I have copied it' }).click();
  expect([await status('/workflows'), await status('/workflows', second)]).toEqual([401, 200]);

  await page.getByRole('button', { name: 'Actions for Nightly' }).first().click();
  await page.getByRole('menuitem', { name: 'Revoke' }).click();
  await expect(page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' })).toBeFocused();
  await page.getByRole('button', { name: 'Revoke API key' }).click();
  await expect(page.getByText('Revoked', { exact: true })).toBeVisible();
  expect(await status('/workflows', second)).toBe(401);
});

test('a key that the password alone has made stops with the first factor, and is good once rotated', async ({
  page,
  origin,
}) => {
  await register(page, newPerson());
  await goTo(page, 'API keys');
  await page.getByRole('button', { name: 'New API key' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('Hourly');
  await page.getByText('workflow:read', { exact: true }).click();
  await page.getByText('team:read', { exact: true }).click();
  await page.getByRole('button', { name: 'Create API key' }).click();
  const key = (await page.getByTestId('api-key').textContent()) ?? '';
  await page.getByRole('button', { name: 'I have copied it' }).click();
  const status = async (path: string, credential = key) =>
    (await fetch(`${origin}/api/v1${path}`, { headers: { 'x-api-key': credential } })).status;

  // Another name and less to do.
  await page.getByRole('button', { name: 'Actions for Hourly' }).click();
  await page.getByRole('menuitem', { name: 'Change' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Nightly');
  await page.getByText('team:read', { exact: true }).click();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Save API key' }).click();
  await expect(page.getByRole('row', { name: /Nightly/ })).toContainText('Active');
  expect([await status('/workflows'), await status('/teams')]).toEqual([200, 403]);

  await page.getByRole('button', { name: /^Account of/ }).click();
  await page.getByRole('menuitem', { name: 'Profile' }).click();
  const own = page.getByRole('region', { name: 'Your API keys' });
  await expect(own.getByRole('row', { name: /Nightly/ })).toContainText('Active');
  await page.getByRole('button', { name: 'Set up an app' }).click();
  await expect(page.getByText('An API key of yours will stop')).toBeVisible();
  await page.getByRole('button', { name: 'Show the picture to scan' }).click();
  await page.getByText('Without a camera').click();
  const secret = (await page.locator('details code').textContent()) ?? '';
  await expectAccessible(page);
  await page.getByLabel('Code', { exact: true }).fill(code(secret));
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByRole('button', { name: 'I have kept them' }).click();
  expect(await status('/workflows')).toBe(403);
  await expect(own.getByRole('row', { name: /Nightly/ })).toContainText('Blocked');
  await expectAccessible(page);

  await own.getByRole('link', { name: /API keys/ }).click();
  await expect(page.getByRole('row', { name: /Nightly/ })).toContainText('rotate it');
  await page.getByRole('button', { name: 'Actions for Nightly' }).click();
  await page.getByRole('menuitem', { name: 'Rotate' }).click();
  await page.getByRole('button', { name: 'Rotate API key' }).click();
  const next = (await page.getByTestId('api-key').textContent()) ?? '';
  await page.getByRole('button', { name: 'I have copied it' }).click();
  expect([await status('/workflows'), await status('/workflows', next)]).toEqual([403, 200]);
});
