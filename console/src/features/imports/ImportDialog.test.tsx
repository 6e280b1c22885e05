import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, expect, it, vi } from 'vitest';
import type { UserImport } from '~/api/types';
import type { Kind } from './api';
import { ImportDialog } from './ImportDialog';

const START = {
  users: 'POST /users/import',
  roles: 'POST /role-imports',
  api_keys: 'POST /api-key-imports',
} as const;
const LIST = {
  users: 'GET /users/imports',
  roles: 'GET /role-imports',
  api_keys: 'GET /api-key-imports',
} as const;

let asked: { line: string; body: unknown }[] = [];
let imports: Record<string, Partial<UserImport>> = {};

async function server(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const line = `${request.method} ${pathname.replace('/api/v1', '')}`;
  const body =
    request.method === 'GET'
      ? undefined
      : await request
          .clone()
          .json()
          .catch(() => undefined);
  asked.push({ line: line + search, body });
  const answer = (data: unknown, status = 200) => new Response(JSON.stringify(data), { status });
  const kind: Kind = pathname.includes('/role-')
    ? 'roles'
    : pathname.includes('/api-key-')
      ? 'api_keys'
      : 'users';
  if (line === 'GET /auth/me')
    return answer({
      user: { id: 'usr_ada' },
      permissions: ['user:write', 'role:assign', 'role:write', 'api_key:write', 'service_account:write'],
      organization: { slug: 'acme' },
    });
  if (line === START[kind]) {
    const id = (body as { dry_run: boolean }).dry_run ? 'imp_try' : 'imp_run';
    imports[id] = {
      id,
      kind,
      dry_run: id === 'imp_try',
      state: 'finished',
      total: 3,
      done: 3,
      added: 2,
      refused: 1,
      undone: 0,
      kept: 0,
    };
    return answer({ ...imports[id], state: 'waiting', done: 0 }, 201);
  }
  const [, id] = /^\/api\/v1\/(?:users\/imports|role-imports|api-key-imports)\/(\w+)/.exec(pathname) ?? [];
  if (line === LIST[kind]) return answer({ items: Object.values(imports), next_cursor: null });
  if (id && pathname.endsWith('/lines'))
    return answer({
      items: [
        {
          line: 3,
          state: 'refused',
          ...(kind === 'users'
            ? { username: 'x', email: 'nobody', name: '' }
            : { username: '', email: '', name: 'Weak' }),
          errors: [{ column: 'email', detail: 'is not an e-mail address' }],
        },
      ],
      next_cursor: null,
    });
  if (id && line.endsWith('/undo')) {
    imports[id] = { ...imports[id], state: 'undone', undone: 1, kept: 1 };
    return answer(imports[id]);
  }
  if (id) return answer(imports[id]);
  return answer({ title: `not expected: ${line}` }, 500);
}

beforeEach(() => {
  asked = [];
  imports = {};
  vi.stubGlobal('fetch', server);
});

function show(first: Kind) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  return render(
    <QueryClientProvider client={client}>
      <ImportDialog first={first} onClose={() => {}} />
    </QueryClientProvider>,
  );
}
const sent = (line: string) => asked.filter((one) => one.line === line).map(({ body }) => body);

it('tries a file before it adds anybody, and takes an import back', async () => {
  const { container } = show('users');
  const csv = 'email,username,full_name,password\na@b,ann,Ann,x\n';
  const input = (container.ownerDocument.querySelector('input[type=file]') ?? container) as HTMLInputElement;
  await userEvent.upload(input, new File([csv], 'people.csv', { type: 'text/csv' }));
  await userEvent.click(await screen.findByRole('button', { name: 'Say what would happen' }));
  expect(await screen.findByText('2 would be added, 1 refused')).toBeTruthy();
  expect(await screen.findByText('is not an e-mail address', { exact: false })).toBeTruthy();
  expect(sent('POST /users/import')).toEqual([{ csv, dry_run: true }]);

  await userEvent.click(screen.getByRole('button', { name: 'Add 2 people' }));
  expect(await screen.findByText('2 added, 1 refused')).toBeTruthy();
  expect(sent('POST /users/import').at(-1)).toEqual({ csv, dry_run: false });
  await userEvent.click(screen.getByRole('button', { name: 'Undo the import' }));
  expect(await screen.findByText('1 removed again, 1 stayed')).toBeTruthy();
  expect(screen.queryByRole('button', { name: 'Undo the import' })).toBeNull();
});

it('says of a file that is not UTF-8, and sends nothing of it', async () => {
  const { container } = show('users');
  const input = container.ownerDocument.querySelector('input[type=file]') as HTMLInputElement;
  const latin1 = new File(['full_name\n', new Uint8Array([0xeb])], 'people.csv', { type: 'text/csv' });
  await userEvent.upload(input, latin1);
  expect((await screen.findByRole('alert')).textContent).toContain('save it as CSV UTF-8');
  expect(screen.getByRole('button', { name: 'Say what would happen' })).toHaveProperty('disabled', true);
  expect(sent('POST /users/import')).toEqual([]);
});

it('opens an import of before', async () => {
  imports = {
    imp_old: {
      id: 'imp_old',
      dry_run: false,
      state: 'stopped',
      stopped_because: 'somebody cancelled it',
      total: 9,
      done: 4,
      added: 4,
      refused: 0,
      undone: 0,
      kept: 0,
      created_at: '2026-01-01T00:00:00Z',
    },
  };
  show('users');
  expect(await screen.findByText('4 added, 0 refused')).toBeTruthy();
  await userEvent.click(screen.getByRole('button', { name: 'Open' }));
  expect(await screen.findByText('It stopped: somebody cancelled it.')).toBeTruthy();
  expect(screen.getByRole('button', { name: 'Undo the import' })).toBeTruthy();
});

it('imports what the file is said to hold, by the paths of that kind', async () => {
  const { container } = show('roles');
  await userEvent.click(await screen.findByRole('button', { name: /What the file holds/ }));
  await userEvent.click(await screen.findByRole('option', { name: 'keys' }));
  expect(await screen.findByRole('dialog', { name: 'Import API keys' })).toBeTruthy();
  expect(screen.getByText('key_sha256')).toBeTruthy();
  const csv = 'name,owner,key,scopes\nWeak,ada,4711,team:read\n';
  const input = (container.ownerDocument.querySelector('input[type=file]') ?? container) as HTMLInputElement;
  await userEvent.upload(input, new File([csv], 'keys.csv', { type: 'text/csv' }));
  await userEvent.click(await screen.findByRole('button', { name: 'Say what would happen' }));
  expect(await screen.findByText('Weak')).toBeTruthy();
  await userEvent.click(screen.getByRole('button', { name: 'Add 2 keys' }));
  expect(await screen.findByText('2 added, 1 refused')).toBeTruthy();
  expect(sent(START.api_keys)).toEqual([
    { csv, dry_run: true },
    { csv, dry_run: false },
  ]);
  await userEvent.click(screen.getByRole('button', { name: 'Undo the import' }));
  expect(await screen.findByText('1 removed again, 1 stayed')).toBeTruthy();
  expect(asked.some(({ line }) => line.startsWith('POST /users') || line.startsWith('POST /role'))).toBe(
    false,
  );
});
