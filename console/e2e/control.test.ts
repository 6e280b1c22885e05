import { Receiver } from './receiver.ts';
import { Api, expect, newPerson, register, test } from './tenure.ts';

const PAUSED = `name: paced
nodes:
  first: { type: transform, jq: "1" }
  rest: { type: wait, for: 3s }
  last: { type: transform, jq: "2" }
edges:
  - { from: start, to: first }
  - { from: first, to: rest }
  - { from: rest, to: last }
  - { from: last, to: end }
`;
const TWO_CALLS = (url: string) => `name: two calls
nodes:
  order: { type: http, request: { method: POST, url: "${url}/order", json: {} } }
  confirm: { type: http, request: { method: POST, url: "${url}/confirm", json: {} } }
edges:
  - { from: start, to: order }
  - { from: order, to: confirm }
  - { from: confirm, to: end }
`;

test('a run is paused, stays so, and goes on when it is resumed', async ({ page, origin }) => {
  const person = newPerson();
  await register(page, person);
  const api = await Api.login(origin, person);
  const run = await api.run(await api.workflow(PAUSED), null);
  await page.goto(`/executions/${run}`);
  const state = page.getByRole('heading', { level: 1 }).locator('..');
  await expect(state).toContainText('Waiting');
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(state).toContainText('Paused');
  await expect(page.getByRole('button', { name: /^last, transform/ })).toHaveCount(0);
  await page.getByRole('button', { name: 'Resume' }).click();
  await expect(state).toContainText('Succeeded');
  await expect(page.getByLabel('Output of the execution')).toContainText('2');
});

test('a failed run is retried from where it failed, and the page follows it again', async ({
  page,
  origin,
}) => {
  const receiver = await Receiver.start();
  try {
    receiver.broken.add('/confirm');
    const person = newPerson();
    await register(page, person);
    const api = await Api.login(origin, person);
    const run = await api.run(await api.workflow(TWO_CALLS(receiver.url)), null);
    await page.goto(`/executions/${run}`);
    const state = page.getByRole('heading', { level: 1 }).locator('..');
    await expect(state).toContainText('Failed');
    await expect(page.getByRole('alert').first()).toContainText(
      'confirm got an answer that it does not accept',
    );

    receiver.broken.clear();
    await page.getByRole('button', { name: 'Retry' }).click();
    await expect(state).toContainText('Succeeded');
    await expect(page.getByRole('alert')).toHaveCount(0);
    await expect(page.getByRole('button', { name: /^confirm, http: Succeeded/ })).toBeVisible();
    expect(Object.fromEntries(receiver.calls)).toEqual({ '/order': 1, '/confirm': 2 });
  } finally {
    receiver.stop();
  }
});
