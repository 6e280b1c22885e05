import { Api, expect, goTo, login, newPerson, register, test } from './tenure.ts';

const ROUNDS = 5;

test('two tabs that refresh at once take turns, and both stay logged in', async ({ page, origin }) => {
  const person = newPerson();
  await register(page, person);
  const second = await page.context().newPage();
  await second.goto('/teams');
  // Its own refresh is over: a reload would cut it off.
  await expect(second.getByRole('navigation', { name: 'Main' })).toBeVisible();

  // Slow enough that without turns both would send the same cookie.
  let [present, most, all] = [0, 0, 0];
  await page.context().route('**/api/v1/auth/refresh', async (route) => {
    present += 1;
    all += 1;
    most = Math.max(most, present);
    await new Promise((over) => setTimeout(over, 200));
    const response = await route.fetch();
    expect(response.status()).toBe(200);
    present -= 1;
    await route.fulfill({ response });
  });
  for (let round = 0; round < ROUNDS; round += 1) {
    await Promise.all([page.reload(), second.reload()]);
    for (const tab of [page, second]) {
      await expect(tab.getByRole('navigation', { name: 'Main' })).toBeVisible();
      await expect(tab.getByRole('heading', { name: 'Log in' })).toHaveCount(0);
    }
  }
  expect([all, most]).toEqual([2 * ROUNDS, 1]);

  // Nor did anything look like a token that was stolen.
  const api = await Api.login(origin, person);
  const reused = await api.call('GET', '/audit/events?action=session.reuse-detected');
  expect(reused.items).toEqual([]);
  const sessions = await api.call('GET', '/auth/sessions');
  expect(sessions.items.map(({ client }: { client: string }) => client).toSorted()).toEqual([
    'api',
    'console',
  ]);
});

test('a login takes the place of the one that the browser had, in every tab', async ({ page, origin }) => {
  const [ada, bob] = [newPerson('Ada'), newPerson('Bob')];
  const api = await Api.register(origin, ada);
  await Api.register(origin, bob);
  // Both stand on the login page; who is logged in is not shown it.
  const second = await page.context().newPage();
  for (const tab of [page, second]) await tab.goto('/login');
  await login(page, ada);
  await goTo(page, 'Teams');
  await login(second, bob);
  for (const tab of [second, page]) {
    await expect(tab.getByRole('button', { name: new RegExp(`^Account of ${bob.name}`) })).toBeVisible();
  }
  const sessions = await api.call('GET', '/auth/sessions');
  expect(sessions.items.map(({ client }: { client: string }) => client)).toEqual(['api']);
});
