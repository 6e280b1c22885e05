import { screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, it, vi } from 'vitest';
import { showRouted } from '~/testing/routed';
import { problem, serve } from '~/testing/server';
import { ForgotPasswordPage } from './AskForLinkPage';
import { VerifyEmailPage } from './ConfirmLinkPage';
import { WithLinks } from './OutboxPage';
import { ResetPasswordPage } from './ResetPasswordPage';
import { VerifyBanner } from './VerifyBanner';

const INSTANCE = { auth: 'on', mail: 'smtp', password_min_length: 12 };
const me = (email_verified: boolean) => ({ user: { email: 'ada@acme.example' }, email_verified });

afterEach(() => {
  vi.unstubAllGlobals();
  sessionStorage.clear();
  history.replaceState(null, '', '/');
});

const open = (token: string) => history.replaceState(null, '', `/#token=${token}`);

it('says the same whether or not the address has an account', async () => {
  const asked = serve({ 'GET /instance': [200, INSTANCE], 'POST /auth/password/reset': [204, null] });
  showRouted(ForgotPasswordPage);
  await userEvent.type(await screen.findByLabelText('E-mail'), 'nobody@acme.example');
  await userEvent.click(screen.getByRole('button', { name: 'Send the link' }));
  expect(await screen.findByText(/If nobody@acme.example belongs to an account/)).toBeTruthy();
  expect(screen.queryByText(/outbox/)).toBeNull();
  expect(asked.at(-1)).toEqual({ line: 'POST /auth/password/reset', body: { email: 'nobody@acme.example' } });
});

it('offers no form where no mail is sent', async () => {
  serve({ 'GET /instance': [200, { ...INSTANCE, mail: 'none' }] });
  showRouted(ForgotPasswordPage);
  expect(await screen.findByText('This server sends no mail')).toBeTruthy();
  expect(screen.queryByLabelText('E-mail')).toBeNull();
});

it('sets the new password with the token of the link, and says what is wrong with it', async () => {
  const weak = problem(422, 'invalid', '', [{ pointer: '/new_password', detail: 'is one of those' }]);
  const answers = { 'GET /instance': [200, INSTANCE], 'POST /auth/password/reset/confirm': weak } as Record<
    string,
    [number, unknown]
  >;
  const asked = serve(answers);
  open('tnr_ml_reset');
  showRouted(ResetPasswordPage);
  await userEvent.type(await screen.findByLabelText('New password'), 'administrator');
  await userEvent.type(screen.getByLabelText('New password again'), 'administratos');
  const submit = screen.getByRole('button', { name: 'Change password' });
  await userEvent.click(submit);
  expect(await screen.findByText(/not the same/)).toBeTruthy();
  expect(asked.some(({ line }) => line.startsWith('POST'))).toBe(false);
  await userEvent.type(screen.getByLabelText('New password again'), '{backspace}r');
  await userEvent.click(submit);
  expect(await screen.findByText(/is one of those/)).toBeTruthy();
  answers['POST /auth/password/reset/confirm'] = [204, null];
  await userEvent.click(submit);
  expect(await screen.findByText('Your password was changed')).toBeTruthy();
  expect(asked.at(-1)?.body).toEqual({ token: 'tnr_ml_reset', new_password: 'administrator' });
  expect(sessionStorage.length).toBe(0);
});

it('uses a link only when asked to, and says when it is over', async () => {
  const asked = serve({
    'POST /auth/verify-email/confirm': problem(410, 'link-over', 'this link was used already'),
  });
  open('tnr_ml_verify');
  showRouted(VerifyEmailPage);
  const confirm = await screen.findByRole('button', { name: 'Confirm my address' });
  expect(asked).toEqual([]);
  await userEvent.click(confirm);
  expect((await screen.findByRole('alert')).textContent).toContain('this link was used already');
  expect(asked).toEqual([{ line: 'POST /auth/verify-email/confirm', body: { token: 'tnr_ml_verify' } }]);
});

it('reminds of an address that is not confirmed, and of no other', async () => {
  const asked = serve({
    'GET /instance': [200, { ...INSTANCE, mail: 'outbox' }],
    'GET /auth/me': [200, me(false)],
    'POST /auth/verify-email': [204, null],
  });
  showRouted(VerifyBanner);
  await userEvent.click(await screen.findByRole('button', { name: 'Send it again' }));
  expect(await screen.findByText('A link is on its way to ada@acme.example')).toBeTruthy();
  expect(screen.getByRole('link', { name: 'outbox' })).toBeTruthy();
  expect(asked.at(-1)?.line).toBe('POST /auth/verify-email');
});

it.each([
  { name: 'a confirmed address', instance: INSTANCE, verified: true },
  { name: 'no mail', instance: { ...INSTANCE, mail: 'none' }, verified: false },
  { name: 'no logins', instance: { ...INSTANCE, auth: 'off' }, verified: false },
])('does not remind where there is $name', async ({ instance, verified }) => {
  const asked = serve({ 'GET /instance': [200, instance], 'GET /auth/me': [200, me(verified)] });
  showRouted(VerifyBanner);
  await waitFor(() => expect(asked.length).toBeGreaterThan(0));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(screen.queryByText(/not confirmed/)).toBeNull();
});

it('makes links of what leads to this console alone', async () => {
  const ours = `${location.origin}/verify-email#token=tnr_ml_x`;
  serve({});
  showRouted(() => <WithLinks text={`Join https://evil.example/x#token=y or ${ours} now`} />);
  const links = await screen.findAllByRole('link');
  expect(links.map((link) => link.getAttribute('href'))).toEqual([ours]);
});
