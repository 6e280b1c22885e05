import { expectAccessible, expectNoSidewaysScroll, tabTo } from './accessible.ts';
import { Server, START_TIMEOUT_MS } from './server.ts';
import { Api, expect, login, newPerson, type Person, test } from './tenure.ts';

const DEFINITION = `name: review
description: Has one of each thing that a page can show
input:
  type: object
  required: [amount]
  properties:
    amount: { type: number, description: In euros }
    mode: { type: string, enum: [fast, careful] }
    tags: { type: array, items: { type: string } }
    urgent: { type: boolean }
nodes:
  size: { type: branch, cases: [{ when: "input.amount > 100", to: ask }], else: book }
  ask: { type: approval, approvers: { roles: [operator], at_least: 1 }, show: "{amount: .input.amount, lines: [{n: 1, of: \\"a\\"}, {n: 2, of: \\"b\\"}]}" }
  book: { type: transform, jq: "{booked: .input.amount, by: {north: 3, south: 5}}" }
edges:
  - { from: start, to: size }
  - { from: ask, to: book }
  - { from: book, to: end }
`;
const FAILING = `name: failing
nodes:
  fail: { type: transform, jq: "error(\\"no\\")" }
edges:
  - { from: start, to: fail }
  - { from: fail, to: end }
`;

interface Seeded {
  operator: Person;
  paths: Record<string, string>;
}

async function seed(origin: string, admin: Person): Promise<Seeded> {
  const api = await Api.register(origin, admin);
  const operator = await api.member('operator');
  const workflow = await api.workflow(DEFINITION);
  const failing = await api.workflow(FAILING);
  const plugin = await api.call('POST', '/plugins', {
    manifest: 'name: acme/shout\nversion: 1.0.0\nkind: node\ndescription: Says it louder\n',
    source: 'def execute(state, config):\n    return state\n',
  });
  await api.call('PUT', '/secrets/crm_token', { value: 'nobody sees this' });
  const done = await api.run(workflow, { amount: 5 });
  const waiting = await api.run(workflow, { amount: 500 });
  const failed = await api.run(failing, null);
  const paths = {
    home: '/',
    workflows: '/workflows',
    'new workflow': '/workflows/new',
    definition: `/workflows/${workflow}`,
    'run form': `/workflows/${workflow}/run`,
    executions: '/executions',
    'a finished run': `/executions/${done}`,
    'a waiting run': `/executions/${waiting}`,
    'a failed run': `/executions/${failed}`,
    approvals: '/approvals',
    plugins: '/plugins',
    plugin: `/plugins/${plugin.version.plugin_id}`,
    secrets: '/secrets',
    audit: '/audit',
    usage: '/usage',
    members: '/members',
    roles: '/roles',
    teams: '/teams',
    profile: '/profile',
    'service accounts': '/service-accounts',
    'API keys': '/api-keys',
    outbox: '/outbox',
    nothing: '/nowhere',
  };
  return { operator, paths };
}

test('each page can be read by everyone: light and dark, wide and narrow', async ({
  page,
  visitor,
  origin,
}) => {
  test.setTimeout(600_000);
  const admin = newPerson();
  const { operator, paths } = await seed(origin, admin);
  const look = async (name: string, on = page) => {
    await test.step(name, async () => {
      await expect(on.getByRole('heading', { level: 1 })).toBeVisible();
      await expect(on.getByRole('status').filter({ hasText: /^Loading/ })).toHaveCount(0);
      await on.emulateMedia({ colorScheme: 'light' });
      await expectAccessible(on);
      await on.emulateMedia({ colorScheme: 'dark' });
      await expectAccessible(on);
      await on.setViewportSize({ width: 390, height: 844 });
      await expectNoSidewaysScroll(on);
      await expectAccessible(on);
      await on.setViewportSize({ width: 1440, height: 900 });
    });
  };
  await page.setViewportSize({ width: 1440, height: 900 });
  for (const path of ['/register', '/login']) {
    await page.goto(path);
    await look(path);
  }
  await login(page, admin);
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
  for (const [name, path] of Object.entries(paths)) {
    await page.goto(path);
    await look(name);
  }

  // What one page shows to some: a decision to make, the answer of a verification, what the menus hold.
  await page.goto('/audit');
  await page.getByRole('button', { name: 'Verify now' }).click();
  await expect(page.getByRole('heading', { name: 'The log is intact' })).toBeVisible();
  await look('verified audit log');
  await page.getByRole('button', { name: 'session.started' }).first().click();
  await expectAccessible(page);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('dialog', { name: 'Search and commands' })).toBeVisible();
  await expectAccessible(page);
  const theirs = await visitor();
  await theirs.setViewportSize({ width: 1440, height: 900 });
  await theirs.goto('/approvals');
  await login(theirs, operator);
  await expect(theirs.getByRole('button', { name: 'Approve' })).toBeVisible();
  await look('an approval to decide', theirs);
});

test('the main path can be gone without a mouse', async ({ page, origin }) => {
  const person = newPerson();
  await Api.register(origin, person);
  await page.goto('/login');
  await expect(page.getByLabel('User name or e-mail')).toBeFocused();
  await page.keyboard.type(person.username);
  await page.keyboard.press('Tab');
  await page.keyboard.type(person.password);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();

  await tabTo(page, 'link', 'New workflow');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'New workflow' })).toBeFocused();
  await expect(page.getByText('No problems')).toBeVisible();
  await tabTo(page, 'button', 'Create workflow');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'my-first-workflow' })).toBeFocused();
  // Through the editor and the graph, which must let go of the focus.
  await tabTo(page, 'textbox', 'Definition (YAML)');
  await tabTo(page, 'button', 'Fit View');
  await tabTo(page, 'link', 'Run');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'Run my-first-workflow' })).toBeFocused();
  await tabTo(page, 'button', 'Run');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'my-first-workflow' })).toBeFocused();
  await expect(page.getByText('Succeeded').first()).toBeVisible();
  await tabTo(page, 'tab', 'Output');
  await page.keyboard.press('ArrowRight');
  await expect(page.getByRole('tab', { name: 'Input' })).toHaveAttribute('aria-selected', 'true');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('audit');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'Audit log' })).toBeFocused();
});

test('where there are no logins, the first visit goes straight in', async ({ page }) => {
  test.setTimeout(2 * START_TIMEOUT_MS);
  const server = await Server.start({ TENURE_AUTH: 'off' });
  try {
    const seen: string[] = [];
    page.on('framenavigated', (frame) => seen.push(new URL(frame.url()).pathname));
    await page.goto(server.origin);
    await expect(page.getByRole('heading', { level: 1, name: /^Good / })).toBeVisible();
    expect(seen.filter((path) => path !== '/')).toEqual([]);
    await page.getByRole('button', { name: /^Account of/ }).click();
    await expect(page.getByRole('menuitemradio', { name: /Dark theme/ })).toBeVisible();
    await expect(page.getByRole('menuitem', { name: 'Log out' })).toHaveCount(0);
  } finally {
    await server.stop();
  }
});
