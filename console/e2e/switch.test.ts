import { expectAccessible } from './accessible.ts';
import { Api, confirmAddress, expect, newPerson, register, test } from './tenure.ts';

test('an invitation is accepted, and a person goes from one organisation to another', async ({
  page,
  origin,
}) => {
  const [ada, bob] = [newPerson(), newPerson('Bob Roe')];
  const api = await Api.register(origin, ada);
  await register(page, bob);
  await page.getByRole('button', { name: `Account of ${bob.name}` }).click();
  await expect(page.getByRole('menuitem', { name: 'Profile' })).toBeVisible();
  await expect(page.getByRole('menuitem', { name: 'Switch organisation' })).toHaveCount(0);

  await api.add('viewer', { ...bob, username: `${bob.username}-2` });
  await page.reload();
  await page.getByRole('button', { name: `Account of ${bob.name}` }).click();
  await page.getByRole('menuitem', { name: 'Switch organisation' }).click();
  await expect(page.getByRole('dialog').getByText('asks you to be a member. If you join')).toBeVisible();
  await expectAccessible(page);
  // Whoever registered under an address is not by that who the organisation means.
  await page.getByRole('button', { name: 'Join and switch' }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).toContainText('The address is not confirmed');
  await confirmAddress(page, bob);
  await page.getByRole('button', { name: `Account of ${bob.name}` }).click();
  await page.getByRole('menuitem', { name: 'Switch organisation' }).click();
  await page.getByRole('button', { name: 'Join and switch' }).click();
  await expect(
    page.getByRole('button', { name: `Account of ${bob.name}, ${ada.organization}` }),
  ).toBeVisible();

  // The session lasts over a reload: the cookie is the new login's.
  await page.reload();
  await page.getByRole('button', { name: `Account of ${bob.name}, ${ada.organization}` }).click();
  await page.getByRole('menuitem', { name: 'Switch organisation' }).click();
  await page.getByRole('button', { name: 'Switch', exact: true }).click();
  await expect(
    page.getByRole('button', { name: `Account of ${bob.name}, ${bob.organization}` }),
  ).toBeVisible();
});
