import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, expect, it, vi } from 'vitest';
import { PasswordLength } from './PasswordLength';

let own: number | null;
let sent: unknown[];
let permissions: string[];

async function server(request: Request): Promise<Response> {
  const line = `${request.method} ${new URL(request.url).pathname.replace('/api/v1', '')}`;
  const answer = (data: unknown, status = 200) => new Response(JSON.stringify(data), { status });
  const settings = () => ({ require_mfa: true, password_min_length: own, updated_at: null });
  if (line === 'GET /auth/me') return answer({ permissions });
  if (line === 'GET /instance') return answer({ password_min_length: 12 });
  if (line === 'GET /organization/security') return answer(settings());
  if (line === 'PUT /organization/security') {
    const body = await request.json();
    sent.push(body);
    own = body.password_min_length;
    return answer(settings());
  }
  throw new Error(`nobody answers ${line}`);
}

beforeEach(() => {
  [own, sent, permissions] = [null, [], ['tenant:read', 'tenant:update']];
  vi.stubGlobal('fetch', vi.fn(server));
});

function show() {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(
    <QueryClientProvider client={client}>
      <PasswordLength />
    </QueryClientProvider>,
  );
}

it('asks for a length, takes it back, and names nothing else', async () => {
  show();
  expect(await screen.findByText(/at least 12 characters, and less beside/)).toBeDefined();
  await userEvent.click(screen.getByRole('button', { name: 'Change the length' }));
  await userEvent.type(screen.getByLabelText('Characters'), '16');
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  expect(await screen.findByText('New passwords have at least 16 characters.')).toBeDefined();
  await userEvent.click(screen.getByRole('button', { name: 'Change the length' }));
  await userEvent.clear(screen.getByLabelText('Characters'));
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(sent).toEqual([{ password_min_length: 16 }, { password_min_length: null }]));
});

it('is shown to who may only look, and hidden from who may not', async () => {
  permissions = ['tenant:read'];
  own = 20;
  show();
  expect(await screen.findByText('New passwords have at least 20 characters.')).toBeDefined();
  expect(screen.queryByRole('button')).toBeNull();
});
