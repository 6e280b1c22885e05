import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { spelled } from './api';
import { DeviceLogin } from './DevicePage';

let asked: { line: string; body: unknown }[] = [];

async function server(input: Request | string): Promise<Response> {
  const request = typeof input === 'string' ? new Request(new URL(input, 'http://localhost')) : input;
  const { pathname, search } = new URL(request.url);
  const line = `${request.method} ${pathname.replace('/api/v1', '')}${search}`;
  asked.push({ line, body: request.method === 'POST' ? await request.clone().json() : undefined });
  const answer = (data: unknown, status = 200) => new Response(JSON.stringify(data), { status });
  if (line === 'GET /auth/me') {
    return answer({ user: { full_name: 'Ada Okonkwo' }, organization: { name: 'Acme' }, permissions: [] });
  }
  if (line === 'GET /auth/device?user_code=BCDF-GHJK') {
    return answer({
      client: 'tenure on build-7',
      address: '192.0.2.7',
      user_agent: null,
      created_at: '2026-01-01T00:00:00Z',
      expires_at: '2026-01-01T00:10:00Z',
    });
  }
  if (line.startsWith('POST /auth/device/')) return new Response(null, { status: 204 });
  return answer({ type: 'x', title: 'Not found', detail: 'no program waits with this code' }, 404);
}

beforeEach(() => {
  asked = [];
  vi.stubGlobal('fetch', server);
});
afterEach(() => vi.unstubAllGlobals());

function show(initial?: string) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(
    <QueryClientProvider client={client}>
      <DeviceLogin initial={initial} />
    </QueryClientProvider>,
  );
}

const of = (start: string) => asked.filter(({ line }) => line.startsWith(start));

it('spells a code as it is typed', () => {
  expect(spelled('bcdfghjk')).toBe('BCDF-GHJK');
  expect(spelled(' bc-df ghjkxyz')).toBe('BCDF-GHJK');
  expect(spelled('bcd')).toBe('BCD');
});

it('shows what asks before anybody can let it in', async () => {
  const user = userEvent.setup();
  show('bcdfghjk');
  // A link fills in the code, and does nothing else.
  expect(screen.getByLabelText<HTMLInputElement>(/^Code/).value).toBe('BCDF-GHJK');
  expect(of('GET /auth/device')).toHaveLength(0);
  await user.click(screen.getByRole('button', { name: 'Go on' }));
  expect(await screen.findByText('tenure on build-7')).toBeTruthy();
  expect(screen.getByText('192.0.2.7')).toBeTruthy();
  expect(of('POST')).toHaveLength(0);
  await user.click(screen.getByRole('button', { name: 'Let it in' }));
  expect(await screen.findByText(/Go back to the program/)).toBeTruthy();
  expect(of('POST /auth/device/approve')[0]?.body).toEqual({ user_code: 'BCDF-GHJK' });
  expect(of('POST')).toHaveLength(1);
});

it('says no, and asks for a wrong code once', async () => {
  const user = userEvent.setup();
  show();
  await user.type(screen.getByLabelText(/^Code/), 'xxxxxxxx');
  await user.click(screen.getByRole('button', { name: 'Go on' }));
  expect(await screen.findByText(/no program waits with this code/)).toBeTruthy();
  expect(of('GET /auth/device')).toHaveLength(1);
  await user.clear(screen.getByLabelText(/^Code/));
  await user.type(screen.getByLabelText(/^Code/), 'bcdfghjk');
  await user.click(screen.getByRole('button', { name: 'Go on' }));
  await user.click(await screen.findByRole('button', { name: 'Deny' }));
  expect(await screen.findByText(/somebody else tried/)).toBeTruthy();
  expect(of('POST /auth/device/deny')[0]?.body).toEqual({ user_code: 'BCDF-GHJK' });
  expect(of('POST')).toHaveLength(1);
});
