import type { Page } from '@playwright/test';
import { Api, expect, goTo, login, newPerson, register, test } from './tenure.ts';

const MANIFEST = `name: acme/classify
version: 1.2.0
kind: node
display_name: Classify
description: Tells spam from ham
capabilities: [log]
`;
const SOURCE = `from tenure import log

def execute(state, config):
    log("classifying")
    text = state["input"]["text"]
    return {"label": "spam" if "win" in text else "ham"}
`;
const USING = `name: sort mail
input:
  type: object
  required: [text]
  properties: { text: { type: string } }
nodes:
  classify: { type: plugin, plugin: acme/classify@^1 }
edges:
  - { from: start, to: classify }
  - { from: classify, to: end }
`;

async function replace(page: Page, label: string, text: string): Promise<void> {
  await page.getByLabel(label).focus();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
}

const file = (name: string, text: string) => ({
  name,
  mimeType: 'application/octet-stream',
  buffer: Buffer.from(text),
});

test('a plugin is uploaded, tried on the bench, activated, used, and kept while it is', async ({
  page,
  origin,
}) => {
  const person = newPerson();
  await register(page, person);
  await goTo(page, 'Plugins');
  await page.getByRole('button', { name: 'Upload plugin' }).first().click();
  await page
    .locator('input[type=file]')
    .setInputFiles([file('plugin.yaml', MANIFEST), file('main.py', SOURCE)]);
  await page.getByRole('dialog').getByRole('button', { name: 'Upload', exact: true }).click();
  await expect(page.getByRole('dialog')).toContainText('stored as draft');
  await page.getByRole('link', { name: 'Open and test' }).click();
  await expect(page.getByText('write to the step’s log')).toBeVisible();

  await replace(page, 'state (JSON)', '{ "input": { "text": "you win" } }');
  await page.getByRole('button', { name: 'Run test' }).click();
  await expect(page.getByRole('region', { name: 'Output' })).toContainText('spam');
  await expect(page.getByText('classifying', { exact: false }).last()).toBeVisible();
  await replace(page, 'state (JSON)', '{ "input": {} }');
  await page.getByRole('button', { name: 'Run test' }).click();
  await expect(page.getByRole('region', { name: 'Test bench' }).getByRole('alert')).toContainText('KeyError');
  await replace(page, 'state (JSON)', '{ "input": ');
  await page.getByRole('button', { name: 'Run test' }).click();
  await expect(page.getByText(/^Not JSON/)).toBeVisible();

  await page.getByRole('button', { name: 'Activate' }).click();
  await expect(page.getByText('active', { exact: true }).first()).toBeVisible();
  const api = await Api.login(origin, person);
  const run = await api.run(await api.workflow(USING), { text: 'hello' });
  await page.goto(`/executions/${run}`);
  await expect(page.getByText('Succeeded').first()).toBeVisible();
  await expect(page.getByLabel('Output of the execution')).toContainText('ham');
  await page.getByRole('button', { name: /^classify, plugin/ }).click();
  await page.getByRole('tab', { name: 'Logs' }).click();
  await expect(page.getByRole('list', { name: 'Log lines' })).toContainText('classifying');

  await goTo(page, 'Plugins');
  await page.getByRole('link', { name: 'acme/classify' }).click();
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Delete plugin' }).click();
  await expect(page.getByRole('alertdialog').getByRole('alert')).toContainText('Used by sort mail');
});

test('a plugin that cannot be read is refused with the place of its fault', async ({ page }) => {
  await register(page, newPerson());
  await page.goto('/plugins');
  await page.getByRole('button', { name: 'Upload plugin' }).first().click();
  await page
    .locator('input[type=file]')
    .setInputFiles([
      file('plugin.yaml', MANIFEST),
      file('main.py', 'def execute(state, config):\n  return (\n'),
    ]);
  await page.getByRole('dialog').getByRole('button', { name: 'Upload', exact: true }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).toContainText('line');
});

test('a secret is set, granted, and never comes back', async ({ page, origin }) => {
  const person = newPerson();
  const value = `canary-${person.username}-value`;
  const bodies: string[] = [];
  page.on('response', async (response) => {
    if (response.url().includes('/api/')) bodies.push(await response.text().catch(() => ''));
  });
  await register(page, person);
  const api = await Api.login(origin, person);
  await api.workflow(
    USING.replace('plugin: acme/classify@^1', 'language: python, source: "def execute(s, c): return 1"'),
  );
  await goTo(page, 'Secrets');
  await page.getByRole('button', { name: 'New secret' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('crm_token');
  await page.getByLabel('Value').fill(value);
  await page.getByRole('button', { name: 'Save secret' }).click();
  await expect(page.getByRole('cell', { name: 'crm_token', exact: true })).toBeVisible();

  await page.getByRole('button', { name: 'Actions for crm_token' }).click();
  await page.getByRole('menuitem', { name: 'Grants' }).click();
  await page.getByRole('dialog').getByText('sort mail').click();
  await page.getByRole('button', { name: 'Save grants' }).click();
  await expect(page.getByRole('cell', { name: 'sort mail' })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('cell', { name: 'sort mail' })).toBeVisible();
  await page.goto('/audit');
  await expect(page.getByText('secret.created')).toBeVisible();
  await page.getByText('secret.created').click();
  await expect(page.getByRole('dialog')).toContainText('crm_token');
  expect(bodies.length).toBeGreaterThan(5);
  expect(bodies.filter((body) => body.includes(value))).toEqual([]);
  expect(await page.content()).not.toContain(value);
});

test('a member is put into a team and taken out again', async ({ page, visitor, origin }) => {
  const admin = newPerson();
  await register(page, admin);
  const viewer = await (await Api.login(origin, admin)).member('viewer');
  await page.goto('/teams');
  await page.getByRole('button', { name: 'Actions for Everyone' }).click();
  await page.getByRole('menuitem', { name: 'Members' }).click();
  await page.getByRole('button', { name: `Add ${viewer.name}` }).click();
  await expect(page.getByRole('button', { name: `Remove ${viewer.name}` })).toBeVisible();

  const theirs = await visitor();
  await theirs.goto('/teams');
  await login(theirs, viewer);
  await theirs.getByRole('button', { name: 'Actions for Everyone' }).click();
  await theirs.getByRole('menuitem', { name: 'Members' }).click();
  await expect(theirs.getByRole('dialog')).toContainText(viewer.name);
  await expect(theirs.getByRole('dialog').getByRole('button', { name: /^Remove/ })).toHaveCount(0);

  await page.getByRole('button', { name: `Remove ${viewer.name}` }).click();
  await expect(page.getByRole('button', { name: `Add ${viewer.name}` })).toBeVisible();
});
