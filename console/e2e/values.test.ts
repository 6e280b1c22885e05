import { readFile } from 'node:fs/promises';
import { expectAccessible, tabTo } from './accessible.ts';
import { Api, expect, login, newPerson, test } from './tenure.ts';

const LARGE = `name: large
nodes:
  give: { type: transform, jq: "{parts: [range(.input.count) | \\"part \\\\(.) of it\\"]}" }
edges:
  - { from: start, to: give }
  - { from: give, to: end }
`;

test('what is too large to be shown is saved as a file, by keyboard too', async ({ page, origin }) => {
  const person = newPerson();
  const api = await Api.register(origin, person);
  const execution = await api.run(await api.workflow(LARGE), { count: 20_000 });
  await page.goto(`/executions/${execution}`);
  await login(page, person);
  const output = page.getByRole('region', { name: 'Output', exact: true }).first();
  await expect(output).toContainText('too large to show here');
  await expectAccessible(page);
  const expected = Array.from({ length: 20_000 }, (_, n) => `part ${n} of it`);

  const press = [
    async () => {
      await tabTo(page, 'button', 'Download output');
      await page.keyboard.press('Enter');
    },
    () => page.getByRole('tabpanel').getByRole('button', { name: 'Download output' }).click(),
  ];
  const names = [`${execution}-output.json`, `${execution}-give-output.json`];
  for (const [index, act] of press.entries()) {
    const [download] = await Promise.all([page.waitForEvent('download'), act()]);
    expect(download.suggestedFilename()).toBe(names[index]);
    const saved = JSON.parse(await readFile(await download.path(), 'utf8'));
    expect(saved).toEqual({ parts: expected });
  }
});
