import { expectAccessible } from './accessible.ts';
import { Api, expect, goTo, login, newPerson, register, test } from './tenure.ts';

test('a role is cloned, changed, given, explained, and kept while somebody has it', async ({
  page,
  visitor,
  origin,
}) => {
  const admin = newPerson();
  await register(page, admin);
  const api = await Api.login(origin, admin);
  const viewer = await api.member('viewer', newPerson('Bob Roe'));
  await goTo(page, 'Roles');
  await expect(page.getByRole('heading', { level: 1, name: 'Roles' })).toBeFocused();

  await page.getByRole('button', { name: 'New role' }).click();
  await expect(page.getByRole('checkbox', { name: 'secret:write' })).not.toBeChecked();
  await expectAccessible(page);
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: 'Actions for viewer' }).click();
  await page.getByRole('menuitem', { name: 'Clone' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Night Shift');
  await page.getByRole('button', { name: 'Make role' }).click();
  await expect(page.getByRole('dialog').getByText('must be a lower-case letter')).toBeVisible();
  await page.getByLabel('Name', { exact: true }).fill('night-shift');
  await page.getByText('everything of secret').click();
  await expect(page.getByRole('checkbox', { name: 'secret:write' })).toBeChecked();
  await page.getByRole('button', { name: 'Make role' }).click();
  const matrix = page.getByRole('table', { name: 'Permissions of each role' });
  await expect(matrix.getByRole('columnheader', { name: 'night-shift' })).toBeVisible();
  // Its column is the last, and says so of what it holds.
  const row = matrix.getByRole('row', { name: /^secret:write/ });
  await expect(row.getByRole('cell').last().getByRole('img', { name: 'yes' })).toBeVisible();
  await expect(
    matrix
      .getByRole('row', { name: /^audit:read/ })
      .getByRole('cell')
      .last(),
  ).toHaveText('–no');

  const theirs = await visitor();
  await theirs.goto('/secrets');
  await login(theirs, viewer);
  await expect(theirs.getByText('This needs the permission secret:read')).toBeVisible();

  await page.goto('/members');
  await page.getByRole('button', { name: `Actions for ${viewer.name}` }).click();
  await page.getByRole('menuitem', { name: 'Change roles' }).click();
  await page.getByRole('dialog').getByText('night-shift').click();
  await page.getByRole('button', { name: 'Save roles' }).click();
  await expect(page.getByRole('cell', { name: 'night-shift, viewer' })).toBeVisible();
  await theirs.reload();
  await expect(theirs.getByText('No secrets')).toBeVisible();

  await page.getByRole('button', { name: `Actions for ${viewer.name}` }).click();
  await page.getByRole('menuitem', { name: 'What they may do' }).click();
  const why = page.getByRole('row', { name: /^secret:write/ });
  await expect(why).toContainText('the role “night-shift” holds it');
  await expect(page.getByRole('row', { name: /^audit:read/ })).toContainText('none of their roles holds it');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Close' }).click();

  await page.goto('/roles');
  await page.getByRole('button', { name: 'Actions for night-shift' }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Delete role' }).click();
  await expect(page.getByRole('alertdialog').getByText('have this role')).toBeVisible();
});
