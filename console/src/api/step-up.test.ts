import { act, renderHook } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { authorizedFetch } from './client';
import { adopt, forget } from './session';
import { useQuestion } from './step-up';

const REFUSED = { type: '', title: '', status: 403, code: 'step-up-required', factors: ['totp'] };
let sent: string[] = [];
let proven = false;

beforeEach(() => {
  sent = [];
  proven = false;
  adopt({ access_token: 'token', expires_in: 900 } as never);
  vi.stubGlobal('fetch', async (request: Request) => {
    sent.push(await request.text());
    return proven ? new Response('{}') : new Response(JSON.stringify(REFUSED), { status: 403 });
  });
});
afterEach(() => vi.unstubAllGlobals());

const request = (body: string) => new Request('http://localhost/api/v1/x', { method: 'POST', body });

it('asks once for all that wait, and repeats each request with its body', async () => {
  const { result } = renderHook(() => useQuestion());
  const both = [authorizedFetch(request('one')), authorizedFetch(request('two'))];
  await vi.waitFor(() => expect(result.current?.factors).toEqual(['totp']));
  await vi.waitFor(() => expect(sent).toEqual(['one', 'two']));
  // Both have come to wait.
  await new Promise((resolve) => setTimeout(resolve, 20));
  proven = true;
  act(() => result.current?.answer(true));
  expect((await Promise.all(both)).map(({ status }) => status)).toEqual([200, 200]);
  expect(sent.slice(2).sort()).toEqual(['one', 'two']);
  expect(result.current).toBeUndefined();
});

it('gives the refusal back to who does not prove it, or cannot', async () => {
  const { result } = renderHook(() => useQuestion());
  const refused = authorizedFetch(request('one'));
  await vi.waitFor(() => expect(result.current).toBeDefined());
  act(() => result.current?.answer(false));
  expect(await (await refused).json()).toEqual(REFUSED);
  vi.stubGlobal(
    'fetch',
    async () => new Response(JSON.stringify({ ...REFUSED, factors: [] }), { status: 403 }),
  );
  expect((await authorizedFetch(request('one'))).status).toBe(403);
  expect(result.current).toBeUndefined();
});

it('drops the question with its session, and sends nothing of it as the next person', async () => {
  const { result } = renderHook(() => useQuestion());
  const ofAda = authorizedFetch(request('of ada'));
  await vi.waitFor(() => expect(result.current).toBeDefined());
  const [unanswered] = [result.current];
  act(forget);
  expect(result.current).toBeUndefined();
  expect((await ofAda).status).toBe(403);

  // Neither does an answer that comes late, to a question that another now stands for.
  act(() => adopt({ access_token: 'of bob', expires_in: 900 } as never));
  const ofBob = authorizedFetch(request('of bob'));
  await vi.waitFor(() => expect(result.current).toBeDefined());
  act(() => unanswered?.answer(true));
  expect(result.current).toBeDefined();
  proven = true;
  act(() => adopt({ access_token: 'of bob elsewhere', expires_in: 900 } as never));
  expect((await ofBob).status).toBe(403);
  expect(sent).toEqual(['of ada', 'of bob']);
});
