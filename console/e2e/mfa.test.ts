import type { Page } from '@playwright/test';
import { expectAccessible } from './accessible.ts';
import { Api, expect, goTo, login, newPerson, register, test } from './tenure.ts';
import { code } from './totp.ts';

async function profile(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^Account of/ }).click();
  await page.getByRole('menuitem', { name: 'Profile' }).click();
}

/** What a browser says when its tab is left and returned to: what is stale is asked for again, and answered. */
async function leaveAndReturn(page: Page): Promise<void> {
  const asked = page.waitForResponse('**/api/v1/auth/me');
  await page.evaluate(() => window.dispatchEvent(new Event('visibilitychange')));
  await (await asked).finished();
}

/** Wherever it is offered; the secret and the recovery codes. `meanwhile` happens before the code is typed, and over the codes. */
async function setUpApp(
  page: Page,
  meanwhile: () => Promise<void> = async () => {},
): Promise<{ secret: string; codes: string[] }> {
  await page.getByRole('button', { name: 'Set up an app' }).click();
  await page.getByRole('button', { name: 'Show the picture to scan' }).click();
  await expect(page.getByRole('img', { name: 'What the app scans' })).toBeVisible();
  await page.getByText('Without a camera').click();
  const secret = (await page.locator('details code').textContent()) ?? '';
  await expectAccessible(page);
  await meanwhile();
  await page.getByLabel('Code', { exact: true }).fill('000000');
  await page.getByRole('button', { name: 'Confirm' }).click();
  await expect(page.getByText('is not what the app shows')).toBeVisible();
  await page.getByLabel('Code', { exact: true }).fill(code(secret));
  await page.getByRole('button', { name: 'Confirm' }).click();
  const codes = page.getByRole('list', { name: 'Recovery codes' }).locator('code');
  await expect(codes).toHaveCount(10);
  await meanwhile();
  await page.keyboard.press('Escape');
  await page.mouse.click(5, 5);
  await expectAccessible(page);
  const shown = await codes.allTextContents();
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download' }).click();
  expect((await download).suggestedFilename()).toBe('tenure-recovery-codes.txt');
  await page.getByRole('button', { name: 'I have kept them' }).click();
  return { secret, codes: shown };
}

async function logOut(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^Account of/ }).click();
  await page.getByRole('menuitem', { name: 'Log out' }).click();
  await expect(page.getByRole('heading', { name: 'Log in' })).toBeVisible();
}

test('an app is set up, asked for, and not asked for on a device that is trusted', async ({ page }) => {
  const person = newPerson();
  await register(page, person);
  await profile(page);
  await expect(page.getByText('Your password stands alone')).toBeVisible();
  const { secret, codes } = await setUpApp(page);
  await expect(page.getByText('10 left')).toBeVisible();

  await logOut(page);
  await login(page, person);
  await expect(page.getByRole('heading', { name: 'Second factor' })).toBeVisible();
  await expectAccessible(page);
  const answer = page.getByLabel('Code of your authenticator app');
  await answer.fill('000000');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByText('the second factor is wrong')).toBeVisible();
  await page.getByText('Trust this device for 30 days').click();
  await answer.fill(code(secret, 1));
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();

  // This browser is trusted; what is sensitive asks all the same, and is done once it is answered.
  await logOut(page);
  await login(page, person);
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
  await profile(page);
  await page.getByRole('button', { name: 'Get new codes' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Get new codes' }).click();
  const question = page.getByRole('dialog', { name: 'Is it you?' });
  await question.getByRole('button', { name: 'Use a recovery code instead' }).click();
  await expectAccessible(page);
  await question.getByLabel('Recovery code').fill(codes[0] ?? '');
  await question.getByRole('button', { name: 'Go on' }).click();
  const fresh = page.getByRole('list', { name: 'Recovery codes' }).locator('code');
  await expect(fresh).toHaveCount(10);
  expect(await fresh.first().textContent()).not.toBe(codes[0]);
  await page.getByRole('button', { name: 'I have kept them' }).click();

  await page
    .getByRole('table', { name: 'trusted devices' })
    .getByRole('button', { name: /^Forget/ })
    .click();
  await expect(page.getByRole('table', { name: 'trusted devices' })).toHaveCount(0);
  await logOut(page);
  await login(page, person);
  await expect(page.getByRole('heading', { name: 'Second factor' })).toBeVisible();
});

test('a passkey is made, and opens the account alone', async ({ page, origin }) => {
  // Passkeys belong to a domain; the server is reached by this one, too.
  const home = origin.replace('127.0.0.1', 'localhost');
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const options = {
    protocol: 'ctap2',
    transport: 'internal',
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: true,
  } as const;
  await cdp.send('WebAuthn.addVirtualAuthenticator', { options });
  const person = newPerson();
  await Api.register(origin, person);
  await page.goto(`${home}/login`);
  await login(page, person);
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
  await profile(page);
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByLabel('Name of the passkey').fill('This laptop');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Add passkey' }).click();
  await expect(page.getByRole('list', { name: 'Recovery codes' }).locator('code')).toHaveCount(10);
  await page.getByRole('button', { name: 'I have kept them' }).click();
  await expect(page.getByText('This laptop')).toBeVisible();

  // As the second factor, and alone.
  await logOut(page);
  await login(page, person);
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
  await logOut(page);
  await page.getByRole('button', { name: 'Log in with a passkey' }).click();
  await expect(page.getByRole('button', { name: `Account of ${person.name}` })).toBeVisible();
  await profile(page);
  await page.getByRole('button', { name: 'Remove the passkey This laptop' }).click();
  await page.getByRole('button', { name: 'Remove passkey' }).click();
  await expect(page.getByText('Your password stands alone')).toBeVisible();
});

test('an administrator asks everybody for a second factor, and resets who has lost theirs', async ({
  page,
  visitor,
  origin,
}) => {
  const admin = newPerson();
  await register(page, admin);
  const member = await (await Api.login(origin, admin)).member('viewer', newPerson('Mo Vie'));
  await profile(page);
  await setUpApp(page);
  await goTo(page, 'Members');
  await page.getByRole('button', { name: 'Ask everybody for one' }).click();
  await page.getByRole('button', { name: 'Ask everybody', exact: true }).click();
  await expect(page.getByText('Every member needs a second factor.', { exact: true })).toBeVisible();
  await expectAccessible(page);

  const elsewhere = await visitor();
  await elsewhere.goto('/login');
  await login(elsewhere, member);
  await expect(elsewhere.getByRole('heading', { name: 'Set up a second factor' })).toBeVisible();
  await expectAccessible(elsewhere);
  await elsewhere.goto('/teams');
  await expect(elsewhere.getByRole('heading', { name: 'Set up a second factor' })).toBeVisible();
  // The authenticator app is on the same telephone, say: the tab is left for it, and what it showed must stay.
  await setUpApp(elsewhere, () => leaveAndReturn(elsewhere));
  await expect(elsewhere.getByRole('heading', { level: 1, name: 'Teams' })).toBeVisible();

  await page.reload();
  const row = page.getByRole('row').filter({ hasText: member.name });
  await expect(row.getByText('set up')).toBeVisible();
  await page.getByRole('button', { name: `Actions for ${member.name}` }).click();
  await page.getByRole('menuitem', { name: 'Remove second factors' }).click();
  await page.getByRole('button', { name: 'Remove second factors' }).click();
  await expect(row.getByText('none')).toBeVisible();
  await elsewhere.goto('/');
  await expect(elsewhere.getByRole('heading', { name: 'Log in' })).toBeVisible();
});
