import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { authorizedFetch } from './client';
import { Problem } from './problem';

export type StreamStatus = 'connecting' | 'live' | 'interrupted' | 'ended';

export interface StreamHandlers {
  onEvent: (type: string, data: unknown) => void;
  onStatus: (status: StreamStatus, problem?: Problem) => void;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;

/**
 * Follows server-sent events over `fetch`, because EventSource cannot carry a bearer token. Reconnects with
 * `Last-Event-ID` and growing delay until `end` arrives, the server refuses, or `signal` aborts.
 */
export async function follow(path: string, handlers: StreamHandlers, signal: AbortSignal): Promise<void> {
  let lastEventId = '';
  let ended = false;
  let delay = FIRST_DELAY_MS;
  const onEvent = (message: EventSourceMessage) => {
    if (message.id !== undefined) lastEventId = message.id;
    delay = FIRST_DELAY_MS;
    if (message.event === 'end') ended = true;
    else handlers.onEvent(message.event ?? 'message', JSON.parse(message.data));
  };

  handlers.onStatus('connecting');
  while (!ended && !signal.aborted) {
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (lastEventId) headers['last-event-id'] = lastEventId;
      const url = new URL(path, location.origin);
      const response = await authorizedFetch(new Request(url, { headers, signal }));
      if (!response.ok || !response.body) {
        const problem = Problem.from(response, await response.json().catch(() => undefined));
        if (response.status >= 400 && response.status < 500 && response.status !== 429) {
          handlers.onStatus('ended', problem);
          return;
        }
        throw problem;
      }
      handlers.onStatus('live');
      await read(response.body, onEvent);
    } catch (error) {
      if (signal.aborted) return;
      handlers.onStatus('interrupted', Problem.of(error));
    }
    if (ended || signal.aborted) break;
    await sleep(delay, signal);
    delay = Math.min(delay * 2, LONGEST_DELAY_MS);
  }
  if (ended) handlers.onStatus('ended');
}

async function read(
  body: ReadableStream<Uint8Array>,
  onEvent: (message: EventSourceMessage) => void,
): Promise<void> {
  const parser = createParser({ onEvent });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parser.feed(decoder.decode(value, { stream: true }));
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
