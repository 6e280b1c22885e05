import { expectAccessible } from './accessible.ts';
import { Api, expect, goTo, login, newPerson, register, test } from './tenure.ts';

const EXPENSE = `name: expense
input:
  type: object
  required: [amount]
  properties: { amount: { type: number } }
nodes:
  ask: { type: approval, approvers: { roles: [operator], at_least: 1 }, show: "{amount: .input.amount}" }
  book: { type: transform, jq: "{booked: .input.amount, by: .state.ask.decision}" }
edges:
  - { from: start, to: ask }
  - { from: ask, to: book }
  - { from: book, to: end }
`;

test('a run waits until someone else approves, and says so to both', async ({ page, visitor, origin }) => {
  const admin = newPerson();
  await register(page, admin);
  const api = await Api.login(origin, admin);
  await api.workflow(EXPENSE);

  // The administrator adds an operator.
  const operator = newPerson('Olu Adeyemi');
  await goTo(page, 'Members');
  await page.getByRole('button', { name: 'Add member' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add a member' });
  await dialog.getByLabel('Full name').fill(operator.name);
  await dialog.getByLabel('E-mail').fill(operator.email);
  await dialog.getByLabel('User name').fill(operator.username);
  await dialog.getByLabel('First password').fill(operator.password);
  await dialog.getByText('viewer', { exact: false }).click();
  await dialog.getByText('operator', { exact: false }).click();
  await dialog.getByRole('button', { name: 'Add member' }).click();
  await expect(page.getByRole('row', { name: operator.name })).toContainText('operator');

  // And asks for money.
  await goTo(page, 'Workflows');
  await page.getByRole('link', { name: 'Run expense' }).click();
  await page.getByLabel('amount').fill('1250');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByText('Waiting').first()).toBeVisible();
  await page.getByRole('link', { name: 'See the approvals' }).click();
  await expect(page.getByText('You cannot decide this one')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Approve' })).toHaveCount(0);

  // The operator finds it on the first page.
  const theirs = await visitor();
  await theirs.goto('/login');
  await login(theirs, operator);
  // The password that the administrator typed opens nothing but its change.
  await expect(theirs.getByRole('heading', { name: 'Choose your own password' })).toBeVisible();
  await expectAccessible(theirs);
  await theirs.goto('/approvals');
  await theirs.getByLabel('Current password').fill(operator.password);
  await theirs.getByLabel('New password', { exact: true }).fill('a new sentence of my own');
  await theirs.getByLabel('New password again').fill('a new sentence of my own');
  await theirs.getByRole('button', { name: 'Change password' }).click();
  await theirs.getByRole('link', { name: 'Home' }).first().click();
  await expect(theirs.getByText('One run waits for your decision')).toBeVisible();
  await theirs.getByRole('link', { name: 'Decide' }).click();
  await expect(theirs.getByText('1,250')).toBeVisible();
  await theirs.getByLabel('Comment').fill('Within the budget');
  await theirs.getByRole('button', { name: 'Approve' }).click();
  await expect(theirs.getByText('Nothing waits for you')).toBeVisible();
  await theirs.getByRole('tab', { name: 'All' }).click();
  await expect(theirs.getByText('Within the budget')).toBeVisible();

  // The run went on.
  await goTo(page, 'Executions');
  await page.getByRole('link', { name: 'expense', exact: true }).click();
  await expect(page.getByText('Succeeded').first()).toBeVisible();
  await expect(page.getByLabel('Output of the execution')).toContainText('1,250');
});

test('a rejection ends the run as rejected, never as a success', async ({ page, origin }) => {
  const admin = newPerson();
  const api = await Api.register(origin, admin);
  const operator = await api.member('operator');
  const run = await api.run(await api.workflow(EXPENSE), { amount: 9 });
  await page.goto('/approvals');
  await login(page, operator);
  await page.getByRole('button', { name: 'Reject' }).click();
  await expect(page.getByText('Nothing waits for you')).toBeVisible();
  await page.goto(`/executions/${run}`);
  await expect(page.getByText('Failed', { exact: true }).first()).toBeVisible();
  await expect(page.getByText('Succeeded')).toHaveCount(0);
});
