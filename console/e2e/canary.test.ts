import { randomBytes } from 'node:crypto';
import { Receiver } from './receiver.ts';
import { type Exchange, echoes, Relay, spellings, Witness } from './recorder.ts';
import { Api, test as base, expect, goTo, newPerson, register } from './tenure.ts';

const test = base.extend<{ relay: Relay; receiver: Receiver }>({
  relay: async ({ origin }, use) => {
    const relay = await Relay.start(origin);
    await use(relay);
    relay.stop();
  },
  baseURL: async ({ relay }, use) => use(relay.origin),
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures from the pattern
  receiver: async ({}, use) => {
    const receiver = await Receiver.start();
    await use(receiver);
    receiver.stop();
  },
});

/** Sends a secret and something that is none in the same places, and hands on what came back to every kind of output. */
const ECHOED = (url: string) => `name: echoed
input:
  type: object
  required: [control]
  properties: { control: { type: string } }
nodes:
  call:
    type: http
    request:
      method: POST
      url: "${url}/echo"
      headers: { authorization: "Bearer {{ secrets.crm_token }}", x-control: "{{ input.control }}" }
      json: { token: "{{ secrets.crm_token }}", control: "{{ input.control }}" }
  refused:
    type: http
    continue_on_error: true
    request:
      method: POST
      url: "${url}/refused"
      query: { token: "{{ secrets.crm_token }}" }
      json: { token: "a {{ secrets.crm_token }} b", control: "{{ input.control }}" }
  tell:
    type: plugin
    language: python
    source: |
      def execute(state, config):
          for name, spelled in state["state"]["call"]["json"].items():
              print(name, spelled)
          return {"again": state["state"]["call"]["json"]}
edges:
  - { from: start, to: call }
  - { from: call, to: refused }
  - { from: refused, to: tell }
  - { from: tell, to: end }
`;

/** Something that nobody else would write, with marks that each spelling spells in its own way. */
function marked(): { value: string; core: string } {
  const core = randomBytes(12).toString('hex');
  return { value: `Zx/${core}+&="<%41>\\?${core.slice(0, 6)}`, core };
}

test('a secret that is set in the console is sent to its receiver and never back to the browser', async ({
  page,
  origin,
  relay,
  receiver,
}) => {
  const secret = marked();
  const control = marked();
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  receiver.answer = async (received) => {
    await held;
    return echoes(received);
  };
  receiver.broken.add('/refused');
  const witness = new Witness(page);

  const person = newPerson();
  await register(page, person);
  const workflow = await (await Api.login(origin, person)).workflow(ECHOED(receiver.url));
  await goTo(page, 'Secrets');
  await page.getByRole('button', { name: 'New secret' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('crm_token');
  await page.getByLabel('Value').fill(secret.value);
  await page.getByRole('button', { name: 'Save secret' }).click();
  await expect(page.getByRole('cell', { name: 'crm_token', exact: true })).toBeVisible();
  await witness.look();
  await page.getByRole('button', { name: 'Actions for crm_token' }).click();
  await page.getByRole('menuitem', { name: 'Grants' }).click();
  await page.getByRole('dialog').getByText('echoed').click();
  await page.getByRole('button', { name: 'Save grants' }).click();
  await expect(page.getByRole('cell', { name: 'echoed' })).toBeVisible();
  await witness.look();

  await page.goto(`/workflows/${workflow}/run`);
  await page.getByRole('textbox', { name: 'control' }).fill(control.value);
  await witness.look();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page).toHaveURL(/\/executions\/exe_/);
  // Only now the answer: what comes of it goes through the open stream.
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
  await expect(page.getByRole('button', { name: /^call, http/ })).toBeVisible();
  release();
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Succeeded');
  await expect(page.getByLabel('Output of the execution')).toContainText(control.core);
  const run = new URL(page.url()).pathname;
  for (const step of ['call', 'refused', 'tell']) {
    await page.getByRole('button', { name: new RegExp(`^${step}, `) }).click();
    for (const tab of ['Input', 'Logs', 'Timing', 'Output']) {
      await page.getByRole('region', { name: step }).getByRole('tab', { name: tab }).click();
      await expect(page.getByRole('tabpanel', { name: tab })).toBeVisible();
      await witness.look();
    }
  }

  await page.goto('/audit');
  for (const action of ['secret.created', 'secret.granted', 'secret.opened', 'execution.succeeded']) {
    await page.getByText(action, { exact: true }).first().click();
    await expect(page.getByRole('dialog')).toContainText(action);
    await witness.look();
    await page.keyboard.press('Escape');
    await expect(page.getByRole('dialog')).toHaveCount(0);
  }
  const others = ['/', '/workflows', `/workflows/${workflow}`, '/executions', run, '/approvals', '/plugins'];
  for (const path of [...others, '/secrets', '/usage', '/members', '/teams', '/audit']) {
    await page.goto(path, { waitUntil: 'networkidle' });
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await witness.look();
  }

  for (const path of ['/echo', `/refused?token=${encodeURIComponent(secret.value)}`])
    expect(receiver.received.get(path), `what came to ${path}`).toContain(control.core);
  const [headers, body] = (receiver.received.get('/echo') ?? '').split('\n\n');
  expect(headers).toContain(`Bearer ${secret.value}`);
  expect(JSON.parse(body ?? '').token).toBe(secret.value);

  // Nothing went past the relay.
  expect(witness.sockets).toEqual([]);
  expect(witness.urls.filter((url) => !url.startsWith(relay.origin))).toEqual([]);
  expect(relay.exchanges.length).toBeGreaterThan(50);

  // The one place that holds it is the body of the request that set it.
  const setting = relay.exchanges.filter(({ body }) => body.includes(secret.core));
  expect(setting.map(({ method, url }) => `${method} ${url}`)).toEqual(['PUT /api/v1/secrets/crm_token']);
  for (const exchange of setting) exchange.body = '';
  const records = [...relay.exchanges.flatMap(parts), ...witness.seen];
  const needles = new Map([...spellings(secret.value), ...prefixed('core: ', spellings(secret.core))]);
  const found = records.flatMap(({ place, text }) =>
    [...needles].filter(([, needle]) => text.includes(needle)).map(([how]) => `${place}: ${how}`),
  );
  expect(found).toEqual([]);

  // The search finds what it looks for: the control went the same way, and is there in every spelling and place.
  const missed = [...spellings(control.value)].filter(
    ([, needle]) => !records.some(({ text }) => text.includes(needle)),
  );
  expect(missed.map(([how]) => how)).toEqual([]);
  const raw = records.filter(({ text }) => text.includes(control.core)).map(({ place }) => place);
  for (const place of [/^answer of GET .*\/events/, /^answer of GET .*\/steps\/call$/, /^document at /])
    expect(raw, `the control in ${place}`).toContainEqual(expect.stringMatching(place));
  expect(records.some(({ text }) => text.includes('[redacted:crm_token]'))).toBe(true);
});

test('whatever a page keeps or says is looked at', async ({ page }) => {
  const { core } = marked();
  const witness = new Witness(page);
  await page.goto('/login');
  await page.getByLabel('User name or e-mail').fill(`field ${core}`);
  await page.evaluate(async (planted) => {
    localStorage.setItem('planted', planted);
    sessionStorage.setItem('planted', planted);
    // biome-ignore lint/suspicious/noDocumentCookie: the one way that every browser has
    document.cookie = `planted=${planted}`;
    // biome-ignore lint/suspicious/noConsole: what is said there is looked at too
    console.info(planted);
    history.replaceState({ planted }, '');
    await (await caches.open('planted')).put('/planted', new Response(planted));
    await new Promise((resolve) => {
      const opened = indexedDB.open('planted');
      opened.onupgradeneeded = () => opened.result.createObjectStore('planted').put(planted, 1);
      opened.onsuccess = () => resolve(opened.result.close());
    });
    document.body.dataset.planted = planted;
  }, core);
  await witness.look();
  const places = witness.seen.filter(({ text }) => text.includes(core)).map(({ place }) => place);
  expect(new Set(places)).toEqual(
    new Set([
      'the console',
      ...[
        'document',
        'fields',
        'address',
        'localStorage',
        'sessionStorage',
        'indexedDB',
        'caches',
        'cookies',
      ].map((place) => `${place} at /login`),
    ]),
  );
});

function parts({ method, url, headers, body, answerHeaders, answer }: Exchange) {
  const name = `${method} ${url.split('?')[0]}`;
  return [
    { place: `address of ${name}`, text: url },
    { place: `headers of ${name}`, text: JSON.stringify(headers) },
    { place: `body of ${name}`, text: body },
    { place: `answer’s headers of ${name}`, text: JSON.stringify(answerHeaders) },
    { place: `answer of ${name}`, text: answer },
  ];
}

const prefixed = (prefix: string, named: Map<string, string>) =>
  [...named].map(([name, text]) => [prefix + name, text] as const);
