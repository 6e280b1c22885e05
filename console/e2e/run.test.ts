import { Api, expect, newPerson, register, test } from './tenure.ts';

test('a newcomer writes a workflow, runs it from its form, and changes it', async ({ page }) => {
  await register(page, newPerson());
  await page.getByRole('link', { name: 'New workflow' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'New workflow' })).toBeVisible();
  await expect(page.getByText('No problems')).toBeVisible();
  await page.getByRole('button', { name: 'Create workflow' }).click();

  await expect(page.getByRole('heading', { level: 1, name: 'my-first-workflow' })).toBeVisible();
  await page.getByRole('link', { name: 'Run', exact: true }).click();
  const numbers = page.getByRole('group', { name: 'numbers' });
  await expect(numbers.getByRole('spinbutton')).toHaveCount(3);
  await numbers.getByRole('button', { name: 'Add' }).click();
  await numbers.getByRole('spinbutton').nth(3).fill('36');
  await page.getByRole('button', { name: 'Run', exact: true }).click();

  await expect(page).toHaveURL(/\/executions\/exe_/);
  await expect(page.getByText('Succeeded').first()).toBeVisible();
  await expect(page.getByLabel('Output of the execution')).toContainText('42');
  await page.getByRole('button', { name: /^total, transform: Succeeded/ }).click();
  await expect(page.getByRole('region', { name: 'total' })).toContainText('42');

  await page.getByRole('link', { name: '1', exact: true }).click();
  await replaceText(page, (source) => source.replace('.input.numbers | add', '.input.numbers | length'));
  await page.getByRole('button', { name: 'Save version 2' }).click();
  await page.getByLabel('What changed').fill('Counts instead');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Version 2', { exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Versions' }).click();
  await expect(page.getByRole('cell', { name: 'Counts instead' })).toBeVisible();
});

test('faults are marked where they are, while one types, and keep a version from being saved', async ({
  page,
}) => {
  await register(page, newPerson());
  await page.goto('/workflows/new');
  await expect(page.getByText('No problems')).toBeVisible();
  await replaceText(page, (source) => source.replace('to: total }', 'to: totle }'));
  const fault = page.getByRole('region', { name: 'Problems' }).getByRole('button', { name: /totle/ }).first();
  await expect(fault).toBeVisible();
  await expect(page.getByRole('button', { name: 'Create workflow' })).toBeDisabled();
  await expect(page.locator('.cm-lintRange-error').first()).toBeVisible();
  await fault.click();
  await expect(page.getByLabel('Definition (YAML)')).toBeFocused();
  await replaceText(page, (source) => source.replace('totle', 'total'));
  await expect(page.getByText('No problems')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Create workflow' })).toBeEnabled();
});

test('an input that the schema refuses is marked at its field, and nothing runs', async ({ page }) => {
  await register(page, newPerson());
  await page.goto('/workflows/new');
  await replaceText(page, () => FORM);
  await expect(page.getByText('No problems')).toBeVisible();
  await page.getByRole('button', { name: 'Create workflow' }).click();
  await page.getByRole('link', { name: 'Run', exact: true }).click();
  // In the author's order, not in that of the alphabet.
  const labels = page.locator('form .field-label');
  await expect(labels).toHaveText([/^what/, /^amount/, /^urgent/]);
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByText('Needed').first()).toBeVisible();
  await expect(page).toHaveURL(/\/run$/);
  await page.getByRole('textbox', { name: 'what' }).fill('a kettle');
  await page.getByLabel('amount').fill('3');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByLabel('Output of the execution')).toContainText('a kettle');
});

test('a version that another saved meanwhile is not lost under an edit', async ({ page, origin }) => {
  const person = newPerson();
  await register(page, person);
  const api = await Api.login(origin, person);
  const workflow = await api.workflow(FORM);
  await page.goto(`/workflows/${workflow}`);
  await replaceText(page, (source) => source.replace('.input.what', '.input.amount'));
  await api.call('POST', `/workflows/${workflow}/versions`, FORM.replace('.input.what', '.input.urgent'));

  await page.getByRole('button', { name: 'Save version 2' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).toContainText('version 2 was saved since');
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByText('Version 2 was saved since you began')).toBeVisible();
  await page.getByRole('button', { name: 'Discard mine' }).click();
  await expect(page.getByLabel('Definition (YAML)')).toContainText('.input.urgent');
  expect((await api.call('GET', `/workflows/${workflow}`)).version).toBe(2);
});

test('a run is cancelled while it waits, and is never shown as a success', async ({ page, origin }) => {
  const person = newPerson();
  await register(page, person);
  const api = await Api.login(origin, person);
  const run = await api.run(await api.workflow(LONG), null);
  await page.goto(`/executions/${run}`);
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Waiting');
  await page.getByRole('button', { name: 'Cancel run' }).click();
  await expect(page.getByRole('button', { name: 'Let it run' })).toBeFocused();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel run' }).click();
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Cancelled');
  await expect(page.getByRole('button', { name: 'Cancel run' })).toHaveCount(0);
  await page.goto('/executions?show=cancelled');
  await expect(page.getByRole('row', { name: /long/ })).toContainText('Cancelled');
});

const LONG = `name: long
nodes:
  pause: { type: wait, for: 10m }
edges:
  - { from: start, to: pause }
  - { from: pause, to: end }
`;
const FORM = `name: order
input:
  type: object
  required: [what, amount]
  properties:
    what: { type: string }
    amount: { type: integer, minimum: 1 }
    urgent: { type: boolean }
nodes:
  say: { type: transform, jq: ".input.what" }
edges:
  - { from: start, to: say }
  - { from: say, to: end }
`;

/** Types the changed text over all that stands in the editor. */
async function replaceText(
  page: import('@playwright/test').Page,
  change: (source: string) => string,
): Promise<void> {
  const editor = page.getByLabel('Definition (YAML)');
  await expect(editor).toContainText('name:');
  const lines = await editor.locator('.cm-line').allTextContents();
  await editor.focus();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(change(lines.join('\n')));
}
