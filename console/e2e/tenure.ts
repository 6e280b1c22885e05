import { type BrowserContext, test as base, expect, type Page } from '@playwright/test';
import { Server, START_TIMEOUT_MS } from './server.ts';

interface WorkerFixtures {
  /** Where the server of this worker answers, which the tests that do not kill it share. */
  origin: string;
}

interface TestFixtures {
  /** Fails the test on a policy violation, an error in the console or an uncaught one, in any of its pages. */
  clean: undefined;
  /** A fresh visitor: a context of its own, watched like the first page. */
  visitor: () => Promise<Page>;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  origin: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures from the pattern
    async ({}, use) => {
      const server = await Server.start({ TENURE_EGRESS_ALLOW: 'localhost' });
      try {
        await use(server.origin);
      } finally {
        await server.stop();
      }
    },
    { scope: 'worker', timeout: START_TIMEOUT_MS + 10_000 },
  ],
  baseURL: async ({ origin }, use) => use(origin),
  clean: [
    async ({ context }, use) => {
      const faults: string[] = [];
      watch(context, faults);
      await use(undefined);
      expect(faults, 'errors and policy violations in the page').toEqual([]);
    },
    { auto: true },
  ],
  visitor: async ({ browser, origin }, use) => {
    const contexts: BrowserContext[] = [];
    const faults: string[] = [];
    await use(async () => {
      const context = await browser.newContext({ baseURL: origin });
      contexts.push(context);
      watch(context, faults);
      return context.newPage();
    });
    for (const context of contexts) await context.close();
    expect(faults, 'errors and policy violations in a visitor’s page').toEqual([]);
  },
});

/** The browser reports each refused or unanswered request too; what a page makes of it is what tests look at. */
const EXPECTED = /^Failed to load resource/;

export function watch(context: BrowserContext, faults: string[]): void {
  context.on('weberror', (error) => faults.push(error.error().message));
  context.on('console', (message) => {
    const bad = message.type() === 'error' || /Content Security Policy/i.test(message.text());
    if (bad && !EXPECTED.test(message.text())) faults.push(message.text());
  });
}

export interface Person {
  organization: string;
  name: string;
  email: string;
  username: string;
  password: string;
}

let serial = 0;
/** Someone whom this server has not seen. */
export function newPerson(name = 'Ada Okonkwo'): Person {
  const mark = `${Date.now().toString(36)}${serial++}`;
  return {
    organization: `Acme ${mark}`,
    name: `${name} ${mark}`,
    email: `p-${mark}@acme.example`,
    username: `p-${mark}`,
    password: 'a sentence that nobody else would pick',
  };
}

export async function register(page: Page, person: Person): Promise<void> {
  await page.goto('/register');
  await page.getByLabel('Organisation', { exact: true }).fill(person.organization);
  await page.getByLabel('Your full name').fill(person.name);
  await page.getByLabel('E-mail').fill(person.email);
  await page.getByLabel('User name').fill(person.username);
  await page.getByLabel('Password').fill(person.password);
  await page.getByRole('button', { name: 'Register' }).click();
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
}

/** By the navigation: pages may have links of the same names. */
export async function goTo(page: Page, name: string): Promise<void> {
  const navigation = page.getByRole('navigation', { name: 'Main' });
  await navigation.getByRole('link', { name, exact: true }).click();
}

/** On the login page. */
export async function login(page: Page, person: Person): Promise<void> {
  await page.getByLabel('User name or e-mail').fill(person.username);
  await page.getByLabel('Password').fill(person.password);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
}

/** What the console does, without the console: for what a test needs and does not look at. */
export class Api {
  private constructor(
    private readonly origin: string,
    private readonly token: string,
  ) {}

  static async login(origin: string, { username, password }: Person): Promise<Api> {
    const { access_token } = await send(origin, '', 'POST', '/auth/login', { username, password });
    return new Api(origin, String(access_token));
  }

  static async register(origin: string, person: Person): Promise<Api> {
    const { organization: organization_name, name: full_name, email, username, password } = person;
    const body = { organization_name, full_name, email, username, password };
    const { access_token } = await send(origin, '', 'POST', '/auth/register', body);
    return new Api(origin, String(access_token));
  }

  // biome-ignore lint/suspicious/noExplicitAny: each caller knows the answer it asked for
  call(method: string, path: string, body?: unknown): Promise<any> {
    return send(this.origin, this.token, method, path, body);
  }

  async workflow(definition: string): Promise<string> {
    return (await this.call('POST', '/workflows', definition)).id;
  }

  async run(workflow: string, input: unknown): Promise<string> {
    return (await this.call('POST', `/workflows/${workflow}/executions`, { input })).id;
  }

  /** Somebody who is asked, and has not logged in yet. */
  async add(role: string, person = newPerson(`${role} person`)): Promise<Person> {
    const { name: full_name, email, username, password } = person;
    await this.call('POST', '/users', { full_name, email, username, password, roles: [role] });
    return person;
  }

  /** Somebody new, who has logged in and chosen a password. */
  async member(role: string, person?: Person): Promise<Person> {
    const added = await this.add(role, person);
    const new_password = `${added.password} again`;
    const own = await Api.login(this.origin, added);
    await own.call('POST', '/auth/password', { current_password: added.password, new_password });
    return { ...added, password: new_password };
  }
}

async function send(origin: string, token: string, method: string, path: string, body?: unknown) {
  const isText = typeof body === 'string';
  const response = await fetch(`${origin}/api/v1${path}`, {
    method,
    headers: {
      'content-type': isText ? 'application/yaml' : 'application/json',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

export { expect };

/** Opens the link that was sent to the person who is logged in on this page, out of the outbox. */
export async function confirmAddress(page: Page, person: Person): Promise<void> {
  await page.goto('/outbox');
  const message = page.getByRole('region', { name: 'Confirm your e-mail address' });
  await message.filter({ hasText: person.email }).first().getByRole('link').click();
  await page.getByRole('button', { name: 'Confirm my address' }).click();
  await expect(page.getByText('Your address is confirmed')).toBeVisible();
  await page.goto('/');
}
