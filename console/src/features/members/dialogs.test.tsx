import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import type { ReactNode } from 'react';
import { beforeEach, expect, it, vi } from 'vitest';
import type { Member, UserImport } from '~/api/types';
import { AttributesForm } from './AttributesForm';
import { BulkBar } from './BulkBar';
import { ImportDialog } from './ImportDialog';
import { Offboard } from './Offboard';

const person = (id: string, full_name: string) =>
  ({
    id,
    full_name,
    email: `${id}@acme.example`,
    status: 'active',
    attributes: { level: 3 },
  }) as unknown as Member;
const ADA = person('usr_ada', 'Ada');
const BEA = person('usr_bea', 'Bea');

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
  if (line === 'POST /users/bulk')
    return answer({
      changed: 1,
      unchanged: 0,
      refused: 1,
      results: [
        { user: 'usr_ada', outcome: 'refused', detail: 'the last administrator stays' },
        { user: 'usr_bea', outcome: 'changed', detail: null },
      ],
    });
  if (line === 'POST /users/import') {
    const id = (body as { dry_run: boolean }).dry_run ? 'imp_try' : 'imp_run';
    imports[id] = {
      id,
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
  const [, id] = /^\/api\/v1\/users\/imports\/(\w+)/.exec(pathname) ?? [];
  if (line === 'GET /users/imports') return answer({ items: Object.values(imports), next_cursor: null });
  if (id && pathname.endsWith('/lines'))
    return answer({
      items: [
        {
          line: 3,
          state: 'refused',
          username: 'x',
          email: 'nobody',
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
  const some = (...names: string[]) => ({
    total: names.length,
    items: names.map((name) => ({ id: name, name })),
  });
  if (line === 'GET /users/usr_ada/assets')
    return answer({
      workflows: { total: 3, items: [{ id: 'wf_1', name: 'Nightly' }] },
      plugins: some(),
      api_keys: some('CI'),
      service_account_keys: some(),
      teams: some(),
      sessions: 2,
      approvals: 0,
      executions: 0,
      invitations: 1,
    });
  if (line === 'POST /users/usr_ada/offboard') return answer({ member: ADA });
  if (line === 'PATCH /users/usr_ada') return answer(ADA);
  if (line === 'GET /users') return answer({ items: [ADA, BEA], next_cursor: null });
  return answer({ title: `not expected: ${line}` }, 500);
}

beforeEach(() => {
  asked = [];
  imports = {};
  vi.stubGlobal('fetch', server);
});

function show(node: ReactNode) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  return render(<QueryClientProvider client={client}>{node}</QueryClientProvider>);
}
const sent = (line: string) => asked.filter((one) => one.line === line).map(({ body }) => body);

it('says of whom a change of many was refused, and why', async () => {
  const onDone = vi.fn();
  show(<BulkBar members={[ADA, BEA]} onDone={onDone} />);
  await userEvent.click(screen.getByRole('button', { name: 'Deactivate…' }));
  const question = await screen.findByRole('alertdialog', { name: 'Deactivate 2 members?' });
  expect(question.textContent).toContain('Their sessions here end within a second');
  expect(sent('POST /users/bulk')).toEqual([]);
  await userEvent.click(within(question).getByRole('button', { name: 'Deactivate' }));
  const dialog = await screen.findByRole('dialog', { name: 'Not everybody was changed' });
  expect(within(dialog).getByText('Ada').parentElement?.textContent).toContain(
    'the last administrator stays',
  );
  expect(within(dialog).queryByText('Bea')).toBeNull();
  expect(sent('POST /users/bulk')).toEqual([{ status: 'deactivated', users: ['usr_ada', 'usr_bea'] }]);
  expect(onDone).toHaveBeenCalled();
});

it('offers no change of more than the server takes', () => {
  const many = Array.from({ length: 201 }, (_, n) => person(`usr_${n}`, `P ${n}`));
  show(<BulkBar members={many} onDone={() => {}} />);
  expect(screen.getByText('At most 200 at once.')).toBeTruthy();
  expect(screen.getByRole('button', { name: 'Deactivate…' })).toHaveProperty('disabled', true);
});

it('tries a file before it adds anybody, and takes an import back', async () => {
  const { container } = show(<ImportDialog onClose={() => {}} />);
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
  const { container } = show(<ImportDialog onClose={() => {}} />);
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
  show(<ImportDialog onClose={() => {}} />);
  expect(await screen.findByText('4 added, 0 refused')).toBeTruthy();
  await userEvent.click(screen.getByRole('button', { name: 'Open' }));
  expect(await screen.findByText('It stopped: somebody cancelled it.')).toBeTruthy();
  expect(screen.getByRole('button', { name: 'Undo the import' })).toBeTruthy();
});

it('shows what somebody owns, and gives it to another than them', async () => {
  const onDone = vi.fn();
  show(<Offboard member={ADA} onDone={onDone} />);
  expect(await screen.findByText('3 go to who takes over')).toBeTruthy();
  expect(screen.getByText('Nightly and 2 more')).toBeTruthy();
  expect(screen.getByText('1 are taken back')).toBeTruthy();
  const button = screen.getByRole('button', { name: 'Offboard' });
  expect(button).toHaveProperty('disabled', true);
  await userEvent.click(screen.getByRole('button', { name: /Who takes over/ }));
  const options = (await screen.findAllByRole('option')).map(({ textContent }) => textContent);
  expect(options).toEqual(['Choose a member', 'Bea, usr_bea@acme.example']);
  await userEvent.click(screen.getByRole('option', { name: /Bea/ }));
  await userEvent.click(screen.getByRole('button', { name: 'Offboard' }));
  await waitFor(() => expect(onDone).toHaveBeenCalled());
  expect(sent('POST /users/usr_ada/offboard')).toEqual([{ to: 'usr_bea' }]);
});

it('keeps attributes of the kind that they are', async () => {
  show(<AttributesForm member={ADA} onDone={() => {}} />);
  const value = screen.getByLabelText('Value');
  await userEvent.clear(value);
  await userEvent.type(value, 'four');
  await userEvent.click(screen.getByRole('button', { name: 'Save attributes' }));
  expect(await screen.findByText('“level” is not a number.')).toBeTruthy();
  await userEvent.clear(value);
  await userEvent.type(value, '4');
  await userEvent.click(screen.getByRole('button', { name: 'Save attributes' }));
  await waitFor(() => expect(sent('PATCH /users/usr_ada')).toEqual([{ attributes: { level: 4 } }]));
});
