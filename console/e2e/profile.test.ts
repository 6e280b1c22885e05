import { expectAccessible, tabTo } from './accessible.ts';
import { Api, expect, login, newPerson, register, test } from './tenure.ts';

test('a person sees their sessions, ends the others, and changes the password', async ({
  page,
  visitor,
  origin,
}) => {
  const person = newPerson();
  await register(page, person);
  const elsewhere = await visitor();
  await elsewhere.goto('/login');
  await login(elsewhere, person);
  await expect(elsewhere.getByRole('navigation', { name: 'Main' })).toBeVisible();
  await Api.login(origin, person);

  await page.getByRole('button', { name: /^Account of/ }).click();
  await page.getByRole('menuitem', { name: 'Profile' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Profile' })).toBeFocused();
  await expect(page.getByText(person.email, { exact: true })).toBeVisible();
  const rows = page.getByRole('table', { name: 'sessions' }).locator('tbody tr');
  await expect(rows).toHaveCount(3);
  await expect(rows.filter({ hasText: 'this device' })).toHaveCount(1);
  await expectAccessible(page);

  // One of them, without a mouse.
  await tabTo(page, 'button', 'End the session of node');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await expectAccessible(page);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(rows).toHaveCount(2);

  await page.getByRole('button', { name: 'End all others' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'End all others' }).click();
  await expect(rows).toHaveCount(1);
  await elsewhere.goto('/teams');
  await expect(elsewhere.getByRole('heading', { name: 'Log in' })).toBeVisible();

  const change = async (current: string, next: string) => {
    await page.getByLabel('Current password').fill(current);
    await page.getByLabel('New password', { exact: true }).fill(next);
    await page.getByLabel('New password again').fill(next);
    await page.getByRole('button', { name: 'Change password' }).click();
  };
  await change(person.password, 'administrator');
  await expect(page.getByText(/tried first/)).toBeVisible();
  await change('another sentence entirely', 'a new sentence of my own');
  await expect(page.getByText('is not your password')).toBeVisible();
  await login(elsewhere, person);
  await expect(elsewhere.getByRole('navigation', { name: 'Main' })).toBeVisible();
  await change(person.password, 'a new sentence of my own');
  await expect(page.getByText('Password changed')).toBeVisible();
  await elsewhere.goto('/members');
  await expect(elsewhere.getByRole('heading', { name: 'Log in' })).toBeVisible();
  await login(elsewhere, person);
  await expect(elsewhere.getByRole('alert')).toBeVisible();
  await login(elsewhere, { ...person, password: 'a new sentence of my own' });
  await expect(elsewhere.getByRole('heading', { level: 1, name: 'Members' })).toBeVisible();

  // What was refused is in the history, one's own and as an administrator reads it.
  await page.reload();
  const history = page.getByRole('table', { name: 'login history' }).locator('tbody tr');
  await expect(history.first()).toContainText('Logged in');
  await expect(history.nth(1)).toContainText('wrong password');
  await expectAccessible(page);
  await elsewhere.getByRole('button', { name: `Actions for ${person.name}` }).click();
  await elsewhere.getByRole('menuitem', { name: 'Login history' }).click();
  const dialog = elsewhere.getByRole('dialog', { name: `Logins of ${person.name}` });
  await expect(dialog.getByText('wrong password, or not allowed in')).toBeVisible();
  await expectAccessible(elsewhere);
  await dialog.getByRole('button', { name: 'Close' }).click();
});
