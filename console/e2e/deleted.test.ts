import { expectAccessible, expectNoSidewaysScroll } from './accessible.ts';
import { Api, expect, goTo, newPerson, register, test } from './tenure.ts';

const ECHO = `name: echoes
nodes: { echo: { type: transform, jq: ".input" } }
edges: [{ from: start, to: echo }, { from: echo, to: end }]
`;
const WAITS = `name: waits
nodes: { rest: { type: wait, for: 1h } }
edges: [{ from: start, to: rest }, { from: rest, to: end }]
`;

test('runs are deleted from their page and from the list, and give their storage back', async ({
  page,
  origin,
}) => {
  const person = newPerson();
  await register(page, person);
  const api = await Api.login(origin, person);
  const echo = await api.workflow(ECHO);
  const large = { text: 'x'.repeat(100_000) };
  const [first, second] = [await api.run(echo, large), await api.run(echo, large)];
  const waits = await api.run(await api.workflow(WAITS), null);
  const storage = async () => {
    const { items } = await api.call('GET', '/quotas');
    return items.find((quota: { name: string }) => quota.name === 'storage_bytes').used;
  };
  await page.goto(`/executions/${first}`);
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Succeeded');
  const both = await storage();
  expect(both).toBeGreaterThan(200_000);
  await page.getByRole('button', { name: 'Delete' }).click();
  const question = page.getByRole('alertdialog', { name: 'Delete this run of echoes?' });
  await expect(question.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await expectAccessible(page);
  await question.getByRole('button', { name: 'Delete run' }).click();
  await expect(page.getByText('Execution deleted')).toBeVisible();
  await expect(page).toHaveURL(/\/executions$/);
  await expect(page.getByText(first)).toHaveCount(0);
  expect(await storage()).toBe(both / 2);

  // In the list; what is not over offers nothing.
  await expect(page.getByRole('button', { name: `Actions for ${waits}` })).toHaveCount(0);
  await page.getByRole('button', { name: `Actions for ${second}` }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Delete run' }).click();
  await expect(page.getByText(second)).toHaveCount(0);
  await expect(page.getByText(waits)).toBeVisible();
  expect(await storage()).toBe(0);
});

test('an administrator says how long runs are kept, and is asked before any is deleted', async ({
  page,
  origin,
}) => {
  const person = newPerson();
  await register(page, person);
  const api = await Api.login(origin, person);
  await goTo(page, 'Usage');
  await expect(page.getByText('kept until somebody deletes them')).toBeVisible();
  await page.getByLabel('Days after their end').fill('0');
  await page.getByRole('button', { name: 'Save how long' }).click();
  await page.getByRole('button', { name: 'Delete what is older' }).click();
  await expect(page.getByText(/must be 1 to/)).toBeVisible();
  await page.getByLabel('Days after their end').fill('30');
  await page.getByRole('button', { name: 'Save how long' }).click();
  await expect(page.getByRole('alertdialog', { name: 'Keep executions for 30 days?' })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Delete what is older' }).click();
  await expect(page.getByText('deleted 30 days after they have ended')).toBeVisible();
  await expectNoSidewaysScroll(page);
  expect(await api.call('GET', '/executions/retention')).toEqual({
    keep_days: 30,
    installation_days: null,
    in_force_days: 30,
  });
  // Longer deletes nothing, so nobody is asked.
  await page.getByLabel('Days after their end').fill('');
  await page.getByRole('button', { name: 'Save how long' }).click();
  await expect(page.getByText('kept until somebody deletes them')).toBeVisible();
});
