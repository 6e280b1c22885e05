import { expectAccessible } from './accessible.ts';
import { Api, expect, login, newPerson, register, test } from './tenure.ts';

const PASSWORD = 'a loud yellow morning';

test('an administrator imports, finds, changes and offboards people', async ({ page, origin }) => {
  const admin = newPerson();
  await register(page, admin);
  const api = await Api.login(origin, admin);
  const mark = admin.username;
  const csv = [
    'email,username,full_name,password,roles,attributes.level:number',
    `grace-${mark}@x.example,grace-${mark},Grace ${mark},${PASSWORD},operator,3`,
    `hedy-${mark}@x.example,hedy-${mark},Hedy ${mark},${PASSWORD},,`,
    'nobody,x,,short,,',
  ].join('\n');

  // A dry run, the import, and what it says of the line that is wrong.
  await page.goto('/members');
  await page.getByRole('button', { name: 'Import' }).click();
  const dialog = page.getByRole('dialog', { name: 'Import people' });
  await dialog.locator('input[type=file]').setInputFiles({
    name: 'people.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(csv),
  });
  await expect(dialog.getByText('people.csv')).toBeVisible();
  await expect(dialog.locator('.drop-zone')).toHaveCSS('border-top-style', 'dashed');
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Say what would happen' }).click();
  await expect(dialog.getByText('2 would be added, 1 refused')).toBeVisible();
  await expect(dialog.getByText('is not an e-mail address')).toBeVisible();
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Add 2 people' }).click();
  await expect(dialog.getByText('2 added, 1 refused')).toBeVisible();
  const download = page.waitForEvent('download');
  await dialog.getByRole('button', { name: 'Save the report' }).click();
  expect((await download).suggestedFilename()).toBe('import-report.csv');
  await dialog.getByRole('button', { name: 'Close' }).click();

  // Found by a filter that the address carries.
  const rows = page.getByRole('table', { name: 'members' }).locator('tbody tr');
  await expect(rows).toHaveCount(3);
  const asked: string[] = [];
  page.on('request', (request) => {
    const { pathname, searchParams } = new URL(request.url());
    if (pathname === '/api/v1/users') asked.push(searchParams.get('search') ?? '');
  });
  const search = page.getByLabel('Name or e-mail');
  await search.pressSequentially(`grace-${mark}`, { delay: 20 });
  await expect(search).toHaveValue(`grace-${mark}`);
  await expect(rows).toHaveCount(1);
  // Asked once, for the whole of it.
  expect(asked).toEqual([`grace-${mark}`]);
  await search.press('Home');
  await search.pressSequentially('x');
  await expect(page.getByRole('heading', { name: 'Nobody matches' })).toBeVisible();
  await search.clear();
  await expect(rows).toHaveCount(3);
  await page.getByRole('button', { name: /^Activity|Activity$/ }).click();
  await page.getByRole('option', { name: 'Never logged in' }).click();
  await expect(rows).toHaveCount(2);
  await expect(page).toHaveURL(/activity=never/);
  await page.reload();
  await expect(rows).toHaveCount(2);
  await expectAccessible(page);

  // One who joined can be changed with others; one who has not is refused by name.
  const grace = { ...newPerson(), username: `grace-${mark}`, password: PASSWORD };
  await Api.login(origin, grace);
  await page.goto('/members');
  await page.getByText('Choose all that are shown').click();
  await page.getByRole('button', { name: 'Activate…', exact: true }).click();
  await page
    .getByRole('alertdialog', { name: 'Activate 3 members?' })
    .getByText('Activate', { exact: true })
    .click();
  const refused = page.getByRole('dialog', { name: 'Not everybody was changed' });
  await expect(refused.getByText(`Hedy ${mark}`)).toBeVisible();
  await expect(refused.getByText(/has not agreed/)).toBeVisible();
  await refused.getByRole('button', { name: 'Close' }).click();

  await page.getByRole('button', { name: `Actions for Grace ${mark}` }).click();
  await page.getByRole('menuitem', { name: 'Attributes' }).click();
  await expect(page.getByLabel('Value')).toHaveValue('3');
  await expectAccessible(page);
  await page.getByLabel('Value').fill('4');
  await page.getByRole('button', { name: 'Save attributes' }).click();
  await expect(page.getByText('saved')).toBeVisible();

  await page.getByRole('button', { name: `Actions for Grace ${mark}` }).click();
  await page.getByRole('menuitem', { name: 'Activity' }).click();
  const activity = page.getByRole('dialog', { name: `Activity of Grace ${mark}` });
  await expect(activity.getByRole('table')).toBeVisible();
  const size = page.viewportSize() ?? { width: 1280, height: 720 };
  await page.setViewportSize({ width: 390, height: 844 });
  await expect(activity.getByRole('button', { name: 'Close' })).toBeInViewport({ ratio: 1 });
  await page.setViewportSize(size);
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: `Actions for Grace ${mark}` }).click();
  await page.getByRole('menuitem', { name: 'Offboard' }).click();
  const offboard = page.getByRole('dialog', { name: `Offboard Grace ${mark}` });
  await expect(offboard.getByText('1 end', { exact: true })).toBeVisible();
  await offboard.getByRole('button', { name: /Who takes over/ }).click();
  await page.getByRole('option', { name: new RegExp(admin.email) }).click();
  await expectAccessible(page);
  await offboard.getByRole('button', { name: 'Offboard' }).click();
  await expect(page.getByText('has left')).toBeVisible();
  const found = await api.call('GET', `/users?search=grace-${mark}`);
  expect(found.items[0]).toMatchObject({ status: 'deactivated', attributes: { level: 4 } });
});

test('a person saves what names them, and deletes their account', async ({ page, origin }) => {
  const admin = newPerson();
  const api = await Api.register(origin, admin);
  const person = await api.member('viewer');
  await page.goto('/login');
  await login(page, person);
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
  await page.goto('/profile');
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save my data' }).click();
  expect((await download).suggestedFilename()).toMatch(/^usr_.*\.json$/);

  await page.getByRole('button', { name: 'Delete my account…' }).click();
  const dialog = page.getByRole('alertdialog', { name: 'Delete your account?' });
  await expectAccessible(page);
  await dialog.getByLabel('Your password').fill('not my password at all');
  await dialog.getByRole('button', { name: 'Delete my account' }).click();
  await expect(dialog.getByText('is not your password')).toBeVisible();
  await dialog.getByLabel('Your password').fill(person.password);
  await dialog.getByRole('button', { name: 'Delete my account' }).click();
  await expect(page.getByRole('heading', { name: 'Log in' })).toBeVisible();
  await login(page, person);
  await expect(page.getByRole('alert')).toBeVisible();
});
