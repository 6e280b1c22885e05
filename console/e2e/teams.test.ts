import { expectAccessible } from './accessible.ts';
import { Api, expect, goTo, login, newPerson, register, test } from './tenure.ts';

test('a newcomer registers, makes, renames and deletes a team', async ({ page }) => {
  await register(page, newPerson());
  await goTo(page, 'Teams');
  await expect(page.getByRole('heading', { level: 1, name: 'Teams' })).toBeFocused();

  await page.getByRole('button', { name: 'New team' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('Night watch');
  await page.getByRole('button', { name: 'Create team' }).click();
  await expect(page.getByRole('cell', { name: 'Night watch', exact: true })).toBeVisible();
  await expectAccessible(page);

  await page.getByRole('button', { name: 'Actions for Night watch' }).click();
  await page.getByRole('menuitem', { name: 'Edit' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Day watch');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('cell', { name: 'Day watch', exact: true })).toBeVisible();

  // The server has it, not only this page.
  await page.reload();
  await expect(page.getByRole('cell', { name: 'Day watch', exact: true })).toBeVisible();
  await expect(page.getByRole('cell', { name: 'Night watch', exact: true })).toHaveCount(0);

  await page.getByRole('button', { name: 'Actions for Day watch' }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await expect(page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' })).toBeFocused();
  await page.getByRole('button', { name: 'Delete team' }).click();
  await expect(page.getByRole('cell', { name: 'Day watch', exact: true })).toHaveCount(0);
});

test('a name that is taken is refused, and said where', async ({ page }) => {
  await register(page, newPerson());
  await page.goto('/teams');
  for (const attempt of ['first', 'second']) {
    await page.getByRole('button', { name: 'New team' }).first().click();
    await page.getByLabel('Name', { exact: true }).fill('Twice');
    await page.getByRole('button', { name: 'Create team' }).click();
    if (attempt === 'first')
      await expect(page.getByRole('cell', { name: 'Twice', exact: true })).toBeVisible();
  }
  await expect(page.getByRole('dialog').getByRole('alert')).toBeVisible();
});

test('one organisation does not see the teams of another', async ({ page, browser, origin }) => {
  await register(page, newPerson());
  await page.goto('/teams');
  await page.getByRole('button', { name: 'New team' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('Only ours');
  await page.getByRole('button', { name: 'Create team' }).click();
  await expect(page.getByRole('cell', { name: 'Only ours', exact: true })).toBeVisible();

  const other = await browser.newContext({ baseURL: origin });
  const theirs = await other.newPage();
  await register(theirs, newPerson());
  await theirs.goto('/teams');
  await expect(theirs.getByRole('heading', { level: 1, name: 'Teams' })).toBeVisible();
  await expect(theirs.getByRole('status').filter({ hasText: 'Loading' })).toHaveCount(0);
  await expect(theirs.getByText('Only ours')).toHaveCount(0);
  await other.close();
});

test('logging out ends the session in every tab, and logging in leads back', async ({ page, context }) => {
  const person = newPerson();
  await register(page, person);
  await page.goto('/teams');
  const second = await context.newPage();
  await second.goto('/teams');
  await expect(second.getByRole('heading', { level: 1, name: 'Teams' })).toBeVisible();

  await page.getByRole('button', { name: /^Account of/ }).click();
  await page.getByRole('menuitem', { name: 'Log out' }).click();
  await expect(page.getByRole('heading', { name: 'Log in' })).toBeVisible();
  await expect(second.getByRole('heading', { name: 'Log in' })).toBeVisible();

  await login(second, person);
  await expect(second).toHaveURL(/\/teams$/);
  await expect(second.getByRole('heading', { level: 1, name: 'Teams' })).toBeVisible();
});

test('no token is within reach of a script', async ({ page, context }) => {
  await register(page, newPerson());
  const reach = await page.evaluate(
    () => JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie,
  );
  expect(reach).not.toMatch(/eyJ|refresh|token/i);
  const cookies = await context.cookies();
  expect(cookies).toHaveLength(1);
  expect(cookies[0]).toMatchObject({
    httpOnly: true,
    sameSite: 'Strict',
    path: expect.stringMatching(/^\/api\/v1\/auth/),
  });
});

test('a wrong password is refused without telling which part was wrong', async ({ page }) => {
  const person = newPerson();
  await register(page, person);
  await page.context().clearCookies();
  await page.evaluate(() => localStorage.clear());
  await page.goto('/login');
  await expectAccessible(page);
  const refusals: string[] = [];
  for (const who of [person, newPerson()]) {
    const answered = page.waitForResponse((response) => response.url().endsWith('/auth/login'));
    await login(page, { ...who, password: 'another sentence entirely' });
    expect((await answered).status()).toBe(401);
    refusals.push((await page.getByRole('alert').textContent()) ?? '');
  }
  expect(refusals[1]).toBe(refusals[0]);
});

test('a workflow is made private to a team, and everybody’s again', async ({ page, origin }) => {
  const person = newPerson();
  await register(page, person);
  const api = await Api.login(origin, person);
  const { items } = await api.call('GET', '/teams');
  const { user } = await api.call('GET', '/auth/me');
  const team = items[0];
  await api.call('PUT', `/teams/${team.id}/members/${user.id}`, {});

  await page.goto('/workflows/new');
  await page.getByRole('button', { name: /Who sees and uses it/ }).click();
  await page.getByRole('option', { name: team.name }).click();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Create workflow' }).click();
  const badge = page.getByText(`Private to ${team.name}`);
  await expect(badge).toBeVisible();

  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: 'Who sees and uses it…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: /Who sees and uses it/ }).click();
  await page.getByRole('option', { name: 'Everybody in the organisation' }).click();
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Save team' }).click();
  await expect(badge).toHaveCount(0);
  const workflows = await api.call('GET', '/workflows');
  expect(workflows.items[0].team_id ?? null).toBeNull();
});
