import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ProfilePage } from './ProfilePage';

const session = (id: string, current: boolean, user_agent: string | null) => ({
  id,
  current,
  user_agent,
  client: 'console',
  address: '192.0.2.7',
  organization: { id: 'ten_1', slug: 'acme', name: 'Acme' },
  created_at: '2026-01-01T00:00:00Z',
  last_seen_at: '2026-01-02T00:00:00Z',
  expires_at: '2026-02-01T00:00:00Z',
});
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0';
const me = {
  user: {
    full_name: 'Ada Okonkwo',
    email: 'ada@acme.example',
    username: 'ada',
    created_at: '2026-01-01T00:00:00Z',
  },
  organization: { name: 'Acme' },
  organizations: [],
  roles: ['admin'],
  permissions: [],
};

const login = (id: string, outcome: string, reason: string | null, rest = {}) => ({
  id,
  outcome,
  reason,
  time: '2026-01-01T00:00:00Z',
  session: null,
  address: null,
  user_agent: FIREFOX,
  ...rest,
});
const LOGINS = [
  login('evt_3', 'denied', 'rate-limited', { count: 12 }),
  login('evt_2', 'denied', 'invalid-credentials', { address: '198.51.100.9' }),
  login('evt_1', 'success', null),
  login('evt_0', 'denied', 'invalid-second-factor'),
];

const MFA = {
  enabled: false,
  required: false,
  totp_since: null,
  passkeys: 0,
  recovery_codes: 0,
  passkeys_possible: true,
  api_keys_made_without: 0,
  password_min_length: 14,
};

let asked: { line: string; body: unknown }[] = [];
let sessions = [session('ses_here', true, FIREFOX), session('ses_there', false, 'curl/8')];
let refuse: { pointer: string; detail: string } | undefined;
let auth = 'on';
const handedOn = (id: string, acting: string | null) => ({
  id,
  acting,
  scope: 'team:read',
  workflow: null,
  parent: null,
  created_at: '2026-01-01T00:00:00Z',
  expires_at: '2026-01-01T01:00:00Z',
});
let tokens: ReturnType<typeof handedOn>[] = [];

async function server(input: Request | string): Promise<Response> {
  const request = typeof input === 'string' ? new Request(new URL(input, 'http://localhost')) : input;
  const { pathname, search } = new URL(request.url);
  const line = `${request.method} ${pathname.replace('/api/v1', '')}${search}`;
  const body = request.method === 'POST' ? await request.clone().json() : undefined;
  asked.push({ line, body });
  const answer = (data: unknown, status = 200) => new Response(JSON.stringify(data), { status });
  if (line === 'GET /instance') return answer({ password_min_length: 14, auth });
  if (line === 'GET /auth/me') return answer(me);
  if (line === 'GET /auth/sessions') return answer({ items: sessions, next_cursor: null });
  if (line === 'GET /auth/mfa') return answer(MFA);
  if (line.startsWith('GET /auth/mfa/')) return answer({ items: [], next_cursor: null });
  if (line === 'GET /auth/tokens') return answer({ items: tokens, next_cursor: null });
  if (line.startsWith('DELETE /auth/tokens/')) {
    tokens = tokens.slice(1);
    return new Response(null, { status: 204 });
  }
  if (line === 'GET /auth/logins') return answer({ items: LOGINS, next_cursor: null });
  if (line === 'DELETE /auth/sessions') {
    sessions = sessions.filter(({ current }) => current);
    return answer({ ended: 1 });
  }
  if (request.method === 'DELETE') {
    sessions = sessions.filter(({ id }) => !pathname.endsWith(id));
    return new Response(null, { status: 204 });
  }
  if (refuse)
    return answer(
      { type: '', title: 'Some fields are wrong', code: 'invalid', status: 422, errors: [refuse] },
      422,
    );
  return new Response(null, { status: 204 });
}

beforeEach(() => {
  asked = [];
  refuse = undefined;
  auth = 'on';
  tokens = [];
  sessions = [session('ses_here', true, FIREFOX), session('ses_there', false, 'curl/8')];
  vi.stubGlobal('fetch', server);
});
afterEach(() => vi.unstubAllGlobals());

function show(): void {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <ProfilePage />
    </QueryClientProvider>,
  );
}

const lines = () => asked.map(({ line }) => line);

it('ends one session after asking', async () => {
  show();
  expect((await screen.findByText('Firefox on Linux')).parentElement?.textContent).toContain('this device');
  await userEvent.click(screen.getByRole('button', { name: 'End the session of curl' }));
  expect(lines()).not.toContain('DELETE /auth/sessions/ses_there');
  await userEvent.click(await screen.findByRole('button', { name: 'End session' }));
  await waitFor(() => expect(screen.queryByText('curl')).toBeNull());
  expect(lines()).toContain('DELETE /auth/sessions/ses_there');
});

it('revokes one of the tokens that were handed on, and shows none where there is none', async () => {
  tokens = [handedOn('tok_1', 'svc_1'), handedOn('tok_2', null)];
  show();
  expect(await screen.findByText('svc_1')).toBeDefined();
  await userEvent.click(screen.getByRole('button', { name: 'Revoke the token tok_1' }));
  await waitFor(() => expect(screen.queryByText('svc_1')).toBeNull());
  expect(lines()).toContain('DELETE /auth/tokens/tok_1');
  await userEvent.click(screen.getByRole('button', { name: 'Revoke the token tok_2' }));
  await waitFor(() => expect(screen.queryByRole('heading', { name: 'Handed on' })).toBeNull());
});

it('ends all others, and offers it no more when there are none', async () => {
  show();
  await userEvent.click(await screen.findByRole('button', { name: 'End all others' }));
  const [, confirm] = await screen.findAllByRole('button', { name: 'End all others', hidden: true });
  await userEvent.click(confirm as HTMLElement);
  await waitFor(() => expect(screen.queryByText('curl')).toBeNull());
  const offered = await screen.findByRole('button', { name: 'End all others' });
  expect(offered).toHaveProperty('disabled', true);
});

it('changes the password only where both are the same, and says what the server refuses', async () => {
  refuse = { pointer: '/new_password', detail: 'is one of those that are tried first' };
  show();
  const type = async (label: string, text: string) => {
    await userEvent.clear(await screen.findByLabelText(label));
    await userEvent.type(screen.getByLabelText(label), text);
  };
  await type('Current password', 'a quiet green meadow');
  await type('New password', 'administrator1');
  await type('New password again', 'administrator2');
  const submit = screen.getByRole('button', { name: 'Change password' });
  await userEvent.click(submit);
  expect(await screen.findByText(/not the same/)).toBeTruthy();
  expect(lines()).not.toContain('POST /auth/password');
  await type('New password again', 'administrator1');
  await userEvent.click(submit);
  expect(await screen.findByText(/tried first/)).toBeTruthy();
  refuse = undefined;
  await userEvent.click(submit);
  await waitFor(() => expect(screen.getByLabelText('Current password')).toHaveProperty('value', ''));
  const sent = asked.filter(({ line }) => line === 'POST /auth/password');
  expect(sent.at(-1)?.body).toEqual({
    current_password: 'a quiet green meadow',
    new_password: 'administrator1',
  });
});

it('tells of tries that failed, and how many were folded', async () => {
  show();
  const table = await screen.findByRole('table', { name: 'login history' });
  const rows = [...table.querySelectorAll('tbody tr')].map((row) => row.textContent);
  expect(rows[0]).toContain('Refusedtoo many failures before it, 12 more times');
  expect(rows[1]).toContain('198.51.100.9');
  expect(rows[2]).toContain('Logged in');
  expect(rows[3]).toContain('Refusedwrong second factor');
});

it('has neither sessions nor a password where nobody logs in', async () => {
  auth = 'off';
  show();
  expect(await screen.findByText('ada@acme.example')).toBeTruthy();
  await waitFor(() => expect(screen.queryByText('Sessions')).toBeNull());
  expect(screen.queryByLabelText('Current password')).toBeNull();
});
