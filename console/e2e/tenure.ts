import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import { test as base, expect, type Page } from '@playwright/test';

const START_TIMEOUT_MS = 120_000;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (typeof address !== 'object' || address === null) throw new Error('no free port');
  return address.port;
}

async function ready(origin: string, server: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (server.exitCode !== null)
      throw new Error(`the server ended with ${server.exitCode} before it was ready`);
    const response = await fetch(`${origin}/readyz`).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the server was not ready after ${START_TIMEOUT_MS} ms`);
}

interface WorkerFixtures {
  /** Where the real server answers: TENURE_URL, or one started from TENURE_BIN on an empty data directory. */
  origin: string;
}

interface TestFixtures {
  /** Fails the test on a CSP violation or an uncaught error in the page. */
  clean: undefined;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  origin: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures from the pattern
    async ({}, use) => {
      if (process.env.TENURE_URL) {
        await use(process.env.TENURE_URL);
        return;
      }
      const binary = process.env.TENURE_BIN;
      if (!binary)
        throw new Error('set TENURE_BIN to the server’s binary, or TENURE_URL to a running server');
      const data = await mkdtemp(join(tmpdir(), 'tenure-e2e-'));
      await chmod(data, 0o711); // root's server has another user run PostgreSQL in it
      const listen = `127.0.0.1:${await freePort()}`;
      const server = spawn(binary, ['serve'], {
        env: { ...process.env, TENURE_DATA_DIR: data, TENURE_LISTEN: listen },
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      try {
        await ready(`http://${listen}`, server);
        await use(`http://${listen}`);
      } finally {
        if (server.exitCode === null) {
          server.kill('SIGTERM');
          await once(server, 'exit');
        }
        await rm(data, { recursive: true, force: true });
      }
    },
    { scope: 'worker', timeout: START_TIMEOUT_MS + 10_000 },
  ],
  baseURL: async ({ origin }, use) => use(origin),
  clean: [
    async ({ page }, use) => {
      const faults: string[] = [];
      page.on('pageerror', (error) => faults.push(error.message));
      page.on('console', (message) => {
        if (/Content Security Policy/i.test(message.text())) faults.push(message.text());
      });
      await use(undefined);
      expect(faults, 'errors and policy violations in the page').toEqual([]);
    },
    { auto: true },
  ],
});

export interface Person {
  organization: string;
  name: string;
  email: string;
  username: string;
  password: string;
}

let serial = 0;
/** Someone whom this server has not seen. */
export function newPerson(): Person {
  const mark = `${Date.now().toString(36)}${serial++}`;
  return {
    organization: `Acme ${mark}`,
    name: `Ada Okonkwo ${mark}`,
    email: `ada-${mark}@acme.example`,
    username: `ada-${mark}`,
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

export async function login(page: Page, person: Person): Promise<void> {
  await page.getByLabel('User name or e-mail').fill(person.username);
  await page.getByLabel('Password').fill(person.password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

/** No WCAG 2.2 AA violation that axe can find. */
export async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
    .analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target).join(', ')}`)).toEqual(
    [],
  );
}

export { expect };
