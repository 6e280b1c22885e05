import { Receiver } from './receiver.ts';
import { Server, START_TIMEOUT_MS } from './server.ts';
import { Api, expect, login, newPerson, test } from './tenure.ts';

const definition = (url: string) => `name: order with a pause
nodes:
  order: { type: http, request: { method: POST, url: "${url}/order", json: { what: kettle } } }
  pause: { type: wait, for: 6s }
  confirm: { type: http, request: { method: POST, url: "${url}/confirm", json: { what: kettle } } }
edges:
  - { from: start, to: order }
  - { from: order, to: pause }
  - { from: pause, to: confirm }
  - { from: confirm, to: end }
`;

test('a run goes on after kill -9, repeats no finished step, and the page goes on with it', async ({
  page,
}) => {
  test.setTimeout(2 * START_TIMEOUT_MS);
  const receiver = await Receiver.start();
  const server = await Server.start({ TENURE_EGRESS_ALLOW: 'localhost' });
  try {
    const person = newPerson();
    const api = await Api.register(server.origin, person);
    const run = await api.run(await api.workflow(definition(receiver.url)), null);
    await page.goto(`${server.origin}/executions/${run}`);
    await login(page, person);
    await expect(page.getByRole('button', { name: /^order, http: Succeeded/ })).toBeVisible();
    await expect(page.getByText('Waiting').first()).toBeVisible();
    expect(Object.fromEntries(receiver.calls)).toEqual({ '/order': 1 });

    await server.kill();
    await expect(page.getByText('Connection lost; reconnecting…')).toBeVisible();
    await server.up();

    // The page is not reloaded: it finds its way back by itself.
    await expect(page.getByRole('button', { name: /^confirm, http: Succeeded/ })).toBeVisible({
      timeout: 60_000,
    });
    await expect(page.getByText('Succeeded').first()).toBeVisible();
    expect(Object.fromEntries(receiver.calls)).toEqual({ '/order': 1, '/confirm': 1 });

    await page.goto(`${server.origin}/audit`);
    await page.getByRole('button', { name: 'Verify now' }).click();
    await expect(page.getByRole('heading', { name: 'The log is intact' })).toBeVisible();
  } finally {
    await server.stop();
    receiver.stop();
  }
});
