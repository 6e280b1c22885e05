import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import type { ReactNode } from 'react';
import { beforeEach, expect, it, vi } from 'vitest';
import type { Member } from '~/api/types';
import { Toasts } from '~/ui/toast';
import { AttributesForm } from './AttributesForm';
import { BulkBar } from './BulkBar';
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
  if (line === 'POST /users/usr_ada/offboard') return answer({ member: ADA, approvals_left: 2 });
  if (line === 'PATCH /users/usr_ada') return answer(ADA);
  if (line === 'GET /users') return answer({ items: [ADA, BEA], next_cursor: null });
  return answer({ title: `not expected: ${line}` }, 500);
}

beforeEach(() => {
  asked = [];
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

it('shows what somebody owns, and gives it to another than them', async () => {
  const onDone = vi.fn();
  show(
    <>
      <Offboard member={ADA} onDone={onDone} />
      <Toasts />
    </>,
  );
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
  expect(await screen.findByText('Ada has left; 2 open approvals name them still')).toBeTruthy();
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
