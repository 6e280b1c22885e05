import { expectAccessible } from './accessible.ts';
import { expect, newPerson, register, test } from './tenure.ts';

test('what is typed into a field for a password does not show and can be pasted', async ({
  page,
  context,
  origin,
}) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
  const pasted = `${'a sentence of ninety and more characters '.repeat(3)}ünd`;
  const fields = page.locator('input[type=password], input[autocomplete*=password]');
  const look = async (path: string, expected: string[]) => {
    await page.goto(path);
    await expect(fields).toHaveCount(expected.length);
    await page.evaluate((text) => navigator.clipboard.writeText(text), pasted);
    for (const [place, autocomplete] of expected.entries()) {
      const field = fields.nth(place);
      await expect(field).toHaveAttribute('type', 'password');
      await expect(field).toHaveAttribute('autocomplete', autocomplete);
      await field.focus();
      await page.keyboard.press('ControlOrMeta+V');
      // Whole: nothing cuts it.
      await expect(field).toHaveValue(pasted);
    }
  };
  await look('/login', ['current-password']);
  await look('/register', ['new-password']);
  await look('/reset-password#token=tnr_ml_AAAA', ['new-password', 'new-password']);
  await register(page, newPerson());
  await look('/profile', ['current-password', 'new-password', 'new-password', 'current-password']);
});

test('an organisation asks for longer passwords, and says so where one is chosen', async ({ page }) => {
  const admin = newPerson();
  await register(page, admin);
  await page.goto('/members');
  await expect(page.getByText(/^New passwords have at least 12 characters/)).toBeVisible();
  await page.getByRole('button', { name: 'Change the length' }).click();
  await expectAccessible(page);
  await page.getByLabel('Characters').fill('40');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('New passwords have at least 40 characters.')).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Add member' }).click();
  await expect(page.getByText(/^At least 40 characters/)).toBeVisible();
  await page.getByRole('button', { name: 'Cancel' }).click();

  await page.goto('/profile');
  const change = async (next: string) => {
    await page.getByLabel('Current password').first().fill(admin.password);
    await page.getByLabel('New password', { exact: true }).fill(next);
    await page.getByLabel('New password again').fill(next);
    await page.getByRole('button', { name: 'Change password' }).click();
  };
  await expect(page.getByText(/^At least 40 characters/)).toBeVisible();
  await change(`${admin.organization} ${admin.organization} ${admin.organization} 1234567890`);
  await expect(page.getByText(/little more than your name/)).toBeVisible();
  await change('a sentence that is as long as everybody here is asked for');
  await expect(page.getByText('Password changed')).toBeVisible();
});
