import { screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { adopt, forget } from '~/api/session';
import { showRouted } from '~/testing/routed';
import { problem, serve } from '~/testing/server';
import { AcceptInvitationPage } from './AcceptInvitationPage';

const INSTANCE = { auth: 'on', mail: 'smtp', password_min_length: 12 };
const invitation = (has_account: boolean) => ({
  organization: 'acme',
  organization_name: 'Acme',
  email: 'grace@acme.example',
  has_account,
  password_min_length: 12,
  expires_at: '2026-01-08T00:00:00Z',
});
const me = (email: string) => ({ user: { email }, email_verified: true });

beforeEach(() => history.replaceState(null, '', '/accept-invitation#token=tnr_ml_inv'));
afterEach(() => {
  vi.unstubAllGlobals();
  sessionStorage.clear();
  forget();
  history.replaceState(null, '', '/');
});

it('joins as somebody new and logs in', async () => {
  const asked = serve({
    'GET /instance': [200, INSTANCE],
    'POST /invitations/open': [200, invitation(false)],
    'POST /invitations/accept': [201, { organization: 'acme', organization_name: 'Acme' }],
    'POST /auth/login': [200, { access_token: 'of-grace', expires_in: 900 }],
  });
  forget();
  showRouted(AcceptInvitationPage);
  await userEvent.type(await screen.findByLabelText('Your full name'), 'Grace Hopper');
  await userEvent.type(screen.getByLabelText('User name'), 'grace');
  await userEvent.type(screen.getByLabelText('Password'), 'a quiet green meadow');
  expect(location.href).not.toContain('tnr_ml_inv');
  await userEvent.click(screen.getByRole('button', { name: 'Join Acme' }));
  await waitFor(() => expect(asked.some(({ line }) => line === 'POST /auth/login')).toBe(true));
  const sent = (line: string) => asked.find((one) => one.line === line)?.body;
  expect(sent('POST /invitations/accept')).toEqual({
    token: 'tnr_ml_inv',
    full_name: 'Grace Hopper',
    username: 'grace',
    password: 'a quiet green meadow',
  });
  expect(sent('POST /auth/login')).toEqual({
    username: 'grace',
    password: 'a quiet green meadow',
    organization: 'acme',
    refresh: 'cookie',
  });
  expect(sessionStorage.length).toBe(0);
});

it('sends somebody who has an account to the login first', async () => {
  serve({ 'GET /instance': [200, INSTANCE], 'POST /invitations/open': [200, invitation(true)] });
  forget();
  showRouted(AcceptInvitationPage);
  const link = await screen.findByRole('link', { name: 'Log in to join' });
  // The token stays in this tab and enters no address.
  expect(link.getAttribute('href')).not.toContain('tnr_ml_inv');
  expect(sessionStorage.length).toBe(1);
});

it('does not let somebody else join', async () => {
  const asked = serve({
    'GET /instance': [200, INSTANCE],
    'GET /auth/me': [200, me('eve@evil.example')],
    'POST /auth/logout': [204, null],
    'POST /invitations/open': [200, invitation(true)],
  });
  adopt({ access_token: 'of-eve', expires_in: 900 } as never);
  showRouted(AcceptInvitationPage);
  expect(await screen.findByText('You are logged in as eve@evil.example')).toBeTruthy();
  expect(screen.queryByRole('button', { name: 'Join Acme' })).toBeNull();
  expect(asked.some(({ line }) => line === 'POST /invitations/join')).toBe(false);
  await userEvent.click(screen.getByRole('button', { name: 'Log out' }));
  expect(await screen.findByRole('link', { name: 'Log in to join' })).toBeTruthy();
});

it('joins with the account of the login', async () => {
  const asked = serve({
    'GET /instance': [200, INSTANCE],
    'GET /auth/me': [200, me('Grace@acme.example')],
    'POST /invitations/open': [200, invitation(true)],
    'POST /invitations/join': problem(409, 'conflict', 'you are a member of this organisation already'),
  });
  adopt({ access_token: 'of-grace', expires_in: 900 } as never);
  showRouted(AcceptInvitationPage);
  await userEvent.click(await screen.findByRole('button', { name: 'Join Acme' }));
  expect((await screen.findByRole('alert')).textContent).toContain('you are a member');
  expect(asked.at(-1)).toEqual({ line: 'POST /invitations/join', body: { token: 'tnr_ml_inv' } });
});

it('says when a link is over', async () => {
  serve({ 'POST /invitations/open': problem(410, 'link-over', 'this link was used already') });
  showRouted(AcceptInvitationPage);
  expect((await screen.findByRole('alert')).textContent).toContain('this link was used already');
});
