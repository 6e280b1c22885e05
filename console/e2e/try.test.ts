import type { Page } from '@playwright/test';
import { expectAccessible } from './accessible.ts';
import { Api, expect, newPerson, test } from './tenure.ts';

/** What axe finds that is the library's own and cannot be mended from outside; docs/api-clients.md says what it means to a reader. */
const OF_THE_LIBRARY = ['nested-interactive'];

async function expectAsAccessibleAsCanBe(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const dark = page.locator('html.dark-mode');
    await (colorScheme === 'dark' ? expect(dark).toHaveCount(1) : expect(dark).toHaveCount(0));
    await expectAccessible(page, OF_THE_LIBRARY);
  }
}

test('whoever authorizes by the password form calls a route from the reference', async ({ page, origin }) => {
  // Axe takes its time over a page of so many parts.
  test.setTimeout(300_000);
  const person = newPerson();
  await Api.register(origin, person);
  // From the page to read to the same route on the page to try it.
  await page.goto('/docs#identity.me');
  await page.getByRole('link', { name: 'Try it out: GET /api/v1/auth/me', exact: true }).click();
  const route = page.locator('.opblock.is-open');
  await expect(route.getByText('Needs a login and no permission.')).toBeVisible();
  await expectAsAccessibleAsCanBe(page);

  const call = async () => {
    const answered = page.waitForResponse(`${origin}/api/v1/auth/me`);
    await route.getByRole('button', { name: 'Execute' }).click();
    return answered;
  };
  await route.getByRole('button', { name: 'Try it out' }).click();
  expect((await call()).status()).toBe(401);
  await expect(route.getByText('"unauthenticated"').first()).toBeVisible();

  await page.getByRole('button', { name: 'Authorize', exact: true }).click();
  const form = page.locator('.auth-container').filter({ hasText: 'OAuth2, password' });
  await form.getByLabel('username').fill(person.username);
  await form.getByLabel('password').fill('something else altogether');
  await form.getByRole('button', { name: 'Apply given OAuth2 credentials' }).click();
  await expect(form.getByText(/invalid_grant, description: .*password/)).toBeVisible();
  await expectAsAccessibleAsCanBe(page);

  await form.getByLabel('password').fill(person.password);
  const granted = page.waitForRequest(`${origin}/api/v1/auth/token`);
  await form.getByRole('button', { name: 'Apply given OAuth2 credentials' }).click();
  expect((await granted).headers().authorization).toBeUndefined();
  await expect(form.getByRole('heading', { name: 'Authorized' })).toBeVisible();
  await form.getByRole('button', { name: 'Close' }).click();
  const answer = await call();
  expect(answer.status()).toBe(200);
  expect((await answer.json()).user.username).toBe(person.username);
  await expect(route.getByText(`"username": "${person.username}"`)).toBeVisible();
  await expectAsAccessibleAsCanBe(page);

  // Nothing of it outlives the page.
  const kept = await page.evaluate(
    () => JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie,
  );
  expect(kept).toBe('{}');
  await page.reload();
  await route.getByRole('button', { name: 'Try it out' }).click();
  expect((await call()).status()).toBe(401);
});

test('a route is called with an API key and a body', async ({ page, origin }) => {
  const api = await Api.register(origin, newPerson());
  const { secret, key } = await api.call('POST', '/api-keys', {
    name: 'docs',
    scopes: ['team:read', 'team:write'],
  });
  await page.goto('/docs/try#/Teams/teams.create');
  await page.getByRole('button', { name: 'Authorize', exact: true }).click();
  const form = page.locator('.auth-container').filter({ hasText: 'X-API-Key' });
  await form.getByLabel('Value').fill(secret ?? key);
  await form.getByRole('button', { name: 'Apply credentials' }).click();
  await page.getByRole('button', { name: 'Close' }).last().click();
  const route = page.locator('.opblock.is-open');
  await route.getByRole('button', { name: 'Try it out' }).click();
  await route.locator('textarea').fill('{"name": "Made from the reference"}');
  const answered = page.waitForResponse(`${origin}/api/v1/teams`);
  await route.getByRole('button', { name: 'Execute' }).click();
  expect((await answered).status()).toBe(201);
  const teams = await api.call('GET', '/teams');
  expect(teams.items.map(({ name }: { name: string }) => name)).toContain('Made from the reference');
});
