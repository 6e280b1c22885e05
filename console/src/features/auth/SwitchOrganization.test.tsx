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
  invitations: [],
} as unknown as Me;
const invited = { ...me, organizations: [acme], invitations: [globex] } as Me;
let asked: { path: string; init: RequestInit }[] = [];

function server(status: number, body: unknown): void {
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    asked.push({ path, init });
    return new Response(JSON.stringify(body), { status });
  });
}

beforeEach(() => {
  asked = [];
  adopt({ access_token: 'of-acme', expires_in: 900 } as never);
});
afterEach(() => vi.unstubAllGlobals());

async function submit(person: Me, button: string, onSwitched: () => void): Promise<void> {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <SwitchOrganization me={person} isOpen onClose={() => {}} onSwitched={onSwitched} />
    </QueryClientProvider>,
  );
  await userEvent.click(screen.getByRole('button', { name: button }));
}

it.each([
  { person: me, button: 'Switch', accept: false },
  { person: invited, button: 'Join and switch', accept: true },
])('goes to the other organisation by “$button”', async ({ person, button, accept }) => {
  server(200, { access_token: 'of-globex', expires_in: 900 });
  const onSwitched = vi.fn();
  await submit(person, button, onSwitched);
  await waitFor(() => expect(onSwitched).toHaveBeenCalledOnce());
  expect(currentToken()).toBe('of-globex');
  expect(asked.map(({ path }) => path)).toEqual(['/api/v1/auth/switch']);
  const init = asked[0]?.init;
  expect(JSON.parse(String(init?.body))).toEqual({ organization: 'globex', accept, refresh: 'cookie' });
  expect(new Headers(init?.headers).get('authorization')).toBe('Bearer of-acme');
});

it('stays where it is when it is refused', async () => {
  server(403, { type: '', code: 'tenant-suspended', title: 'The organisation is suspended', status: 403 });
  const onSwitched = vi.fn();
  await submit(me, 'Switch', onSwitched);
  expect((await screen.findByRole('alert')).textContent).toContain('The organisation is suspended');
  expect(currentToken()).toBe('of-acme');
  expect(onSwitched).not.toHaveBeenCalled();
});
