import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, it, vi } from 'vitest';
import { meQuery } from '~/api/query';
import type { ApiKey, Member } from '~/api/types';
import { Explanation } from '~/features/members/Explanation';
import { OwnKeys } from '~/features/profile/OwnKeys';
import { SecondFactors } from '~/features/profile/SecondFactors';
import { showRouted } from '~/testing/routed';
import { problem, serve } from '~/testing/server';
import { EditKey } from './EditKey';

const KEY = {
  id: 'key_1',
  name: 'CI',
  state: 'active',
  blocked: null,
  scopes: ['team:read', 'team:write'],
  allowed_cidrs: ['192.0.2.0/24'],
} as unknown as ApiKey;
const MFA = {
  enabled: false,
  required: false,
  totp_since: null,
  passkeys: 0,
  recovery_codes: 0,
  passkeys_possible: false,
  api_keys_made_without: 2,
};

function show(page: React.ReactNode) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  client.setQueryData(meQuery.queryKey, { permissions: [] } as never);
  render(<QueryClientProvider client={client}>{page}</QueryClientProvider>);
}

afterEach(() => vi.unstubAllGlobals());

it('changes name and networks of a key, takes permissions away, and offers no others', async () => {
  const asked = serve({ 'PATCH /api-keys/key_1': [200, { ...KEY, name: 'Nightly' }] });
  const onDone = vi.fn();
  show(<EditKey apiKey={KEY} onDone={onDone} />);
  expect(screen.getAllByRole('checkbox')).toHaveLength(2);
  await userEvent.click(screen.getByRole('checkbox', { name: /^team:write/ }));
  await userEvent.clear(screen.getByLabelText('Name'));
  await userEvent.type(screen.getByLabelText('Name'), 'Nightly');
  await userEvent.type(screen.getByLabelText('Networks'), '\n10.0.0.0/8');
  await userEvent.click(screen.getByRole('button', { name: 'Save API key' }));
  await waitFor(() => expect(onDone).toHaveBeenCalledOnce());
  expect(asked.map(({ body }) => body)).toEqual([
    { name: 'Nightly', allowed_cidrs: ['192.0.2.0/24', '10.0.0.0/8'], scopes: ['team:read'] },
  ]);
});

it('says at the field what the server refuses of a change', async () => {
  const wrong = [{ pointer: '/allowed_cidrs/0', detail: 'must be a network' }];
  serve({ 'PATCH /api-keys/key_1': problem(422, 'invalid', 'some fields are wrong', wrong) });
  const onDone = vi.fn();
  show(<EditKey apiKey={KEY} onDone={onDone} />);
  await userEvent.click(screen.getByRole('button', { name: 'Save API key' }));
  expect(await screen.findByText(/must be a network/)).toBeTruthy();
  expect(onDone).not.toHaveBeenCalled();
});

it('lists one’s own keys in the profile, and says why one is refused', async () => {
  const blocked = { ...KEY, id: 'key_2', name: 'Old', blocked: 'made_without_second_factor' };
  const ended = { ...blocked, id: 'key_3', name: 'Gone', state: 'revoked' };
  serve({
    'GET /auth/me': [200, { permissions: ['api_key:read'] }],
    'GET /api-keys': [200, { items: [KEY, blocked, ended], next_cursor: null }],
  });
  showRouted(() => <OwnKeys />);
  const row = async (name: string) => (await screen.findByText(name)).closest('tr')?.textContent;
  expect(await row('CI')).toContain('Active');
  expect(await row('Old')).toMatch(/Blocked.*rotate it/);
  expect(await row('Gone')).toContain('Revoked');
  expect(screen.getByRole('link', { name: /API keys/ }).getAttribute('href')).toBe('/api-keys');
});

it('tells before the first factor how many keys it will stop', async () => {
  serve({
    'GET /auth/mfa': [200, MFA],
    'GET /auth/mfa/passkeys': [200, { items: [], next_cursor: null }],
  });
  show(<SecondFactors />);
  await userEvent.click(await screen.findByRole('button', { name: 'Set up an app' }));
  expect((await screen.findByText(/were made by a login/)).textContent).toMatch(/^2 were/);
});

it('tells of no keys where there is a factor already', async () => {
  serve({
    'GET /auth/mfa': [200, { ...MFA, enabled: true, passkeys: 1 }],
    'GET /auth/mfa/passkeys': [200, { items: [], next_cursor: null }],
  });
  show(<SecondFactors />);
  await userEvent.click(await screen.findByRole('button', { name: 'Set up an app' }));
  expect(await screen.findByRole('button', { name: 'Show the picture to scan' })).toBeTruthy();
  expect(screen.queryByText(/made by a login/)).toBeNull();
});

it('says of a member whose logins owe something that they may nothing yet', async () => {
  const read = {
    permission: 'team:read',
    description: 'See teams.',
    allowed: false,
    because: [],
    why: 'not yet',
  };
  serve({
    'GET /permissions/explain': [
      200,
      { user: 'usr_1', status: 'active', owes: 'second_factor', suspended: false, permissions: [read] },
    ],
  });
  show(<Explanation member={{ id: 'usr_1', full_name: 'Bob' } as unknown as Member} onClose={() => {}} />);
  expect(await screen.findByText(/setting up the second factor/)).toBeTruthy();
  expect((await screen.findByText('not yet')).closest('tr')?.textContent).toContain('no');
});

it('says of a member whom the platform has suspended that they may nothing', async () => {
  serve({
    'GET /permissions/explain': [
      200,
      { user: 'usr_1', status: 'active', owes: 'new_password', suspended: true, permissions: [] },
    ],
  });
  show(<Explanation member={{ id: 'usr_1', full_name: 'Bob' } as unknown as Member} onClose={() => {}} />);
  expect(await screen.findByText(/The platform has suspended them/)).toBeTruthy();
  expect(screen.queryByText(/password of their own/)).toBeNull();
});
