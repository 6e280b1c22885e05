import { afterEach, expect, it, vi } from 'vitest';
import { follow, type StreamStatus } from './stream';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function sse(text: string): Response {
  return new Response(text, { headers: { 'content-type': 'text/event-stream' } });
}

it('resumes a broken stream after the last event that it saw', async () => {
  vi.useFakeTimers();
  const resumedFrom: (string | null)[] = [];
  const answers = [
    sse('id: 7\nevent: step\ndata: {"name":"a"}\n\nid: 8\nevent: st'), // cut in the middle
    sse('id: 8\nevent: step\ndata: {"name":"b"}\n\nid: 9\nevent: end\ndata: {}\n\n'),
  ];
  vi.stubGlobal('fetch', async (request: Request) => {
    resumedFrom.push(request.headers.get('last-event-id'));
    return answers.shift();
  });
  const seen: unknown[] = [];
  const statuses: StreamStatus[] = [];
  const done = follow(
    '/api/v1/executions/exe_1/events',
    { onEvent: (_, data) => seen.push(data), onStatus: (status) => statuses.push(status) },
    new AbortController().signal,
  );
  await vi.runAllTimersAsync();
  await done;
  expect(seen).toEqual([{ name: 'a' }, { name: 'b' }]);
  expect(resumedFrom).toEqual([null, '7']);
  expect(statuses.at(-1)).toBe('ended');
});

it('does not ask again when it is refused', async () => {
  const fetch = vi.fn(
    async () =>
      new Response(
        '{"type":"/docs/problems#not-found","code":"not-found","title":"Not found","status":404}',
        {
          status: 404,
        },
      ),
  );
  vi.stubGlobal('fetch', fetch);
  const onStatus = vi.fn();
  await follow(
    '/api/v1/executions/exe_1/events',
    { onEvent: () => {}, onStatus },
    new AbortController().signal,
  );
  expect(fetch).toHaveBeenCalledTimes(1);
  expect(onStatus.mock.lastCall?.[1]).toMatchObject({ status: 404, code: 'not-found' });
});
