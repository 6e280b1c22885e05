import { Api, expect, goTo, login, newPerson, register, test } from './tenure.ts';

const GREETING = `name: greeting
nodes:
  greet: { type: transform, jq: '"Hello"' }
edges:
  - { from: start, to: greet }
  - { from: greet, to: end }
`;

test('a viewer is refused in words, and the refusal is in the audit log', async ({
  page,
  visitor,
  origin,
}) => {
  const admin = newPerson();
  await register(page, admin);
  const api = await Api.login(origin, admin);
  const workflow = await api.workflow(GREETING);
  const viewer = await api.member('viewer');

  const theirs = await visitor();
  await theirs.goto('/workflows');
  await login(theirs, viewer);
  await expect(theirs.getByRole('link', { name: 'greeting', exact: true })).toBeVisible();
  await expect(theirs.getByRole('link', { name: 'Run greeting' })).toHaveCount(0);
  await expect(theirs.getByRole('link', { name: 'New workflow' })).toHaveCount(0);
  // Who knows the address meets the server's refusal.
  await theirs.goto(`/workflows/${workflow}/run`);
  await theirs.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(theirs.getByRole('alert')).toContainText('workflow:execute');
  await theirs.goto('/audit');
  await expect(theirs.getByRole('heading', { name: 'You may not see events' })).toBeVisible();
  await expect(theirs.getByText('audit:read')).toBeVisible();

  await page.goto('/audit?outcome=denied');
  await expect(page.getByRole('row', { name: new RegExp(viewer.name) }).first()).toContainText('denied');
});

test('an auditor is shown what an auditor may see, and asks for nothing else', async ({ page, origin }) => {
  const api = await Api.register(origin, newPerson());
  const auditor = await api.member('auditor');
  const refused: string[] = [];
  page.on('response', (response) => {
    if (response.status() === 403) refused.push(response.url());
  });
  await page.goto('/login');
  await login(page, auditor);
  await expect(page.getByRole('heading', { level: 1, name: /^Good / })).toBeVisible();
  const links = page.getByRole('navigation', { name: 'Main' }).getByRole('link');
  await expect(links).toHaveText(['Home', 'Usage', 'Audit log']);
  await goTo(page, 'Audit log');
  await expect(page.getByRole('cell', { name: /session.started/ }).first()).toBeVisible();
  expect(refused).toEqual([]);
});

test('one organisation finds nothing of another, by list or by address', async ({ page, origin }) => {
  const ours = await Api.register(origin, newPerson());
  const workflow = await ours.workflow(GREETING);
  const run = await ours.run(workflow, null);

  await register(page, newPerson());
  for (const [path, empty] of [
    ['/workflows', 'No workflows yet'],
    ['/executions', 'Nothing has run yet'],
    ['/approvals', 'Nothing waits for you'],
    ['/plugins', 'No plugins yet'],
    ['/secrets', 'No secrets yet'],
  ] as const) {
    await page.goto(path);
    await expect(page.getByRole('heading', { name: empty })).toBeVisible();
  }
  for (const path of [`/workflows/${workflow}`, `/workflows/${workflow}/run`, `/executions/${run}`]) {
    await page.goto(path);
    await expect(page.getByRole('heading', { name: 'Not found' })).toBeVisible();
    await expect(page.getByText('greeting')).toHaveCount(0);
  }
});

test('a page says when the server cannot be reached, and goes on when it can', async ({ page }) => {
  await register(page, newPerson());
  await page.route('**/api/v1/teams*', (route) => route.abort());
  await goTo(page, 'Teams');
  await expect(page.getByRole('heading', { name: 'The server cannot be reached' })).toBeVisible();
  await page.unroute('**/api/v1/teams*');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('cell', { name: /Everyone/ }).first()).toBeVisible();
});
