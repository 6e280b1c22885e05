import { expectAccessible } from './accessible.ts';
import { Api, expect, login, newPerson, test } from './tenure.ts';

async function form(url: string, fields: Record<string, string>) {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(fields) });
  return { status: response.status, body: (await response.json()) as Record<string, string> };
}

test('a person lets a program log in, and sees and ends its session', async ({ page, origin }) => {
  const person = newPerson();
  await Api.register(origin, person);
  const { body: codes } = await form(`${origin}/api/v1/auth/device`, { client_id: 'tenure on build-7' });
  const { device_code = '', user_code = '' } = codes;
  const poll = () =>
    form(`${origin}/api/v1/auth/token`, {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code,
    });

  // The link that the program shows leads through the login.
  await page.goto(`/device?code=${user_code}`);
  await login(page, person);
  await expect(page.getByRole('heading', { level: 1, name: 'Let a program log in' })).toBeVisible();
  await expect(page.getByLabel('Code')).toHaveValue(user_code);
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Go on' }).click();
  await expect(page.getByText('tenure on build-7')).toBeVisible();
  // Where it asks from, and what it calls itself: by that a person sees whether it is theirs.
  const facts = page.locator('dl.facts');
  await expect(facts.locator('dt:text-is("Address") + dd')).toHaveText(/^(127\.0\.0\.1|::1)$/);
  await expect(facts.locator('dt:text-is("Client") + dd')).toHaveText('node');
  await expect(facts.locator('dt:text-is("Code") + dd')).toHaveText(user_code);
  await expect(page.getByText(`${person.name} in ${person.organization}`)).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Let it in' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'Go back to the program' })).toBeVisible();

  const { status, body: given } = await poll();
  expect(status).toBe(200);
  const me = () =>
    fetch(`${origin}/api/v1/auth/me`, { headers: { authorization: `Bearer ${given.access_token}` } });
  expect((await me()).status).toBe(200);

  await page.goto('/profile');
  const sessions = page.getByRole('table', { name: 'sessions' }).locator('tbody tr');
  const row = sessions.filter({ hasText: 'Command line' });
  await expect(row).toHaveCount(1);
  await row.getByRole('button').click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'End session' }).click();
  await expect(row).toHaveCount(0);
  await expect.poll(async () => (await me()).status).toBe(401);

  // A code that nobody shows.
  await page.goto('/device');
  await page.getByLabel('Code').fill('BCDFGHJK');
  await page.getByRole('button', { name: 'Go on' }).click();
  await expect(page.getByText(/no program waits with this code/)).toBeVisible();
});
