import type { Page } from '@playwright/test';
import { Slow } from './slow.ts';
import { Api, expect, login, newPerson, type Person, test } from './tenure.ts';

const HELD_MS = 1_500;

/** A person who is logged in, before a network that is slow from now on. */
async function behindSlowNetwork(page: Page, origin: string): Promise<{ slow: Slow; person: Person }> {
  const slow = await Slow.before(origin);
  const person = newPerson();
  await Api.register(origin, person);
  await page.goto(`${slow.origin}/login`);
  await login(page, person);
  await expectIn(page);
  slow.holdMs = HELD_MS;
  return { slow, person };
}

/** Does `begin`, and comes back when the server has turned the cookie and the browser has not heard of it. */
async function midway(slow: Slow, begin: () => Promise<unknown>): Promise<void> {
  const before = slow.given;
  await begin();
  await expect.poll(() => slow.given, { intervals: [20] }).toBe(before + 1);
}

async function expectIn(page: Page): Promise<void> {
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Log in' })).toHaveCount(0);
}

/** Nothing looked like a stolen token, and it is still the one login. */
async function expectOneLogin(origin: string, person: Person): Promise<void> {
  const api = await Api.login(origin, person);
  const reused = await api.call('GET', '/audit/events?action=session.reuse-detected');
  expect(reused.items).toEqual([]);
  const sessions = await api.call('GET', '/auth/sessions');
  const clients = sessions.items.map(({ client }: { client: string }) => client);
  expect(clients.filter((client: string) => client === 'console')).toHaveLength(1);
}

test('a reload, or many, while a refresh is under way keeps the login', async ({ page, origin }) => {
  const { slow, person } = await behindSlowNetwork(page, origin);
  try {
    await midway(slow, () => page.reload({ waitUntil: 'commit' }));
    await page.reload();
    await expectIn(page);
    for (let times = 0; times < 3; times += 1) {
      await page.reload({ waitUntil: 'commit' });
      await page.waitForTimeout(times * 150);
    }
    await expectIn(page);
    await expectOneLogin(origin, person);
  } finally {
    slow.close();
  }
});

test('going away and back while a refresh is under way keeps the login', async ({ page, origin }) => {
  const { slow, person } = await behindSlowNetwork(page, origin);
  try {
    await midway(slow, () => page.reload({ waitUntil: 'commit' }));
    await page.goto(`${slow.origin}/docs/problems`);
    await page.goBack({ waitUntil: 'commit' });
    await expectIn(page);
    // To another site, whose page asks nothing of this one.
    await midway(slow, () => page.reload({ waitUntil: 'commit' }));
    await page.goto('about:blank');
    await page.waitForTimeout(2 * HELD_MS);
    await page.goto(`${slow.origin}/teams`);
    await expectIn(page);
    await expectOneLogin(origin, person);
  } finally {
    slow.close();
  }
});

test('a tab that is closed while it refreshes leaves the login to the others', async ({ page, origin }) => {
  const { slow, person } = await behindSlowNetwork(page, origin);
  try {
    // Another tab waits for its turn when the first is closed.
    const second = await page.context().newPage();
    await midway(slow, () => second.goto(`${slow.origin}/teams`, { waitUntil: 'commit' }));
    await page.reload({ waitUntil: 'commit' });
    await second.close();
    await expectIn(page);
    // One is opened after the last was closed.
    await midway(slow, () => page.reload({ waitUntil: 'commit' }));
    const third = await page.context().newPage();
    await page.close();
    await third.goto(`${slow.origin}/teams`);
    await expectIn(third);
    await expectOneLogin(origin, person);
  } finally {
    slow.close();
  }
});
