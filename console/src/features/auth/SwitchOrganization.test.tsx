import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { adopt, currentToken } from '~/api/session';
import type { Me } from '~/api/types';
import { SwitchOrganization } from './SwitchOrganization';

const acme = { id: 'ten_1', slug: 'acme', name: 'Acme' };
const globex = { id: 'ten_2', slug: 'globex', name: 'Globex' };
const me = {
  user: { username: 'ada' },
  organization: acme,
  organizations: [acme, globex],
} as unknown as Me;
let asked: { path: string; init: RequestInit }[] = [];

function server(status: number, body: unknown): void {
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    asked.push({ path, init });
    return path.endsWith('/logout')
      ? new Response(null, { status: 204 })
      : new Response(JSON.stringify(body), { status });
  });
}

beforeEach(() => {
  asked = [];
  adopt({ access_token: 'of-acme', expires_in: 900 } as never);
});
afterEach(() => vi.unstubAllGlobals());

async function submit(onSwitched: () => void): Promise<void> {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <SwitchOrganization me={me} isOpen onClose={() => {}} onSwitched={onSwitched} />
    </QueryClientProvider>,
  );
  await userEvent.type(screen.getByLabelText('Password'), 'a quiet green meadow');
  await userEvent.click(screen.getByRole('button', { name: 'Switch' }));
}

it('logs in to the other organisation, then ends the login before', async () => {
  server(200, { access_token: 'of-globex', expires_in: 900 });
  const onSwitched = vi.fn();
  await submit(onSwitched);
  await waitFor(() => expect(onSwitched).toHaveBeenCalledOnce());
  expect(currentToken()).toBe('of-globex');
  expect(asked.map(({ path }) => path)).toEqual(['/api/v1/auth/login', '/api/v1/auth/logout']);
  expect(JSON.parse(String(asked[0]?.init.body))).toEqual({
    username: 'ada',
    password: 'a quiet green meadow',
    organization: 'globex',
    refresh: 'cookie',
  });
  // The cookie is the new login's by then, and would end that one.
  expect(asked[1]?.init.credentials).toBe('omit');
  expect(new Headers(asked[1]?.init.headers).get('authorization')).toBe('Bearer of-acme');
});

it('stays where it is when the password is wrong', async () => {
  server(401, { type: '', code: 'invalid-credentials', title: 'The login was refused', status: 401 });
  const onSwitched = vi.fn();
  await submit(onSwitched);
  expect((await screen.findByRole('alert')).textContent).toContain('The login was refused');
  expect(currentToken()).toBe('of-acme');
  expect(asked).toHaveLength(1);
  expect(onSwitched).not.toHaveBeenCalled();
});
