import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import type { Page } from '@playwright/test';

/** One request of the browser and what came back, event streams with all that was sent until now. */
export interface Exchange {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
  status: number;
  answerHeaders: IncomingHttpHeaders;
  answer: string;
}

/**
 * Stands between the browser and the server and keeps every byte of both directions. The browser's own records would
 * not do: they leave out the bodies of streams and of whatever a page does not wait for.
 */
export class Relay {
  readonly exchanges: Exchange[] = [];

  private constructor(
    private readonly server: Server,
    readonly origin: string,
  ) {}

  static async start(target: string): Promise<Relay> {
    const server = createServer((incoming, outgoing) => {
      const { method = '', url = '', headers } = incoming;
      const exchange: Exchange = { method, url, headers, body: '', status: 0, answerHeaders: {}, answer: '' };
      relay.exchanges.push(exchange);
      // What is compressed could not be searched.
      const { 'accept-encoding': _, ...plain } = headers;
      const onward = request(new URL(url, target), { method, headers: plain }, (answer) => {
        exchange.status = answer.statusCode ?? 0;
        exchange.answerHeaders = answer.headers;
        outgoing.writeHead(exchange.status, answer.headers);
        outgoing.flushHeaders();
        answer.on('data', (chunk: Buffer) => {
          exchange.answer += chunk.toString('latin1');
          outgoing.write(chunk);
        });
        answer.on('end', () => outgoing.end());
        answer.on('error', () => outgoing.destroy());
      });
      onward.on('error', () => outgoing.destroy());
      outgoing.on('close', () => onward.destroy());
      incoming.on('data', (chunk: Buffer) => {
        exchange.body += chunk.toString('latin1');
        onward.write(chunk);
      });
      incoming.on('end', () => onward.end());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('no free port');
    const relay = new Relay(server, `http://127.0.0.1:${address.port}`);
    return relay;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** What a page showed, said and kept; what it sent is with the relay. */
export class Witness {
  /** Where it was found, and the text. */
  readonly seen: { place: string; text: string }[] = [];
  readonly urls: string[] = [];
  readonly sockets: string[] = [];

  constructor(private readonly page: Page) {
    page.on('request', (asked) => this.urls.push(asked.url()));
    page.on('websocket', (socket) => this.sockets.push(socket.url()));
    page.on('console', (message) => this.seen.push({ place: 'the console', text: message.text() }));
  }

  /** Takes down what the page holds at this moment. */
  async look(): Promise<void> {
    const held = await this.page.evaluate(everythingHeld);
    const cookies = JSON.stringify(await this.page.context().cookies());
    const at = new URL(this.page.url()).pathname;
    for (const [place, text] of [...Object.entries(held), ['cookies', cookies] as const]) {
      this.seen.push({ place: `${place} at ${at}`, text });
    }
  }
}

/** Runs in the page: each place in which a page can keep something, as text. */
async function everythingHeld(): Promise<Record<string, string>> {
  const done = <T>(asked: IDBRequest<T>) =>
    new Promise<T>((resolve, reject) => {
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
  const databases: unknown[] = [];
  for (const { name } of await indexedDB.databases()) {
    const database = await done(indexedDB.open(name ?? ''));
    for (const store of database.objectStoreNames) {
      const rows = database.transaction(store).objectStore(store);
      databases.push(name, store, await done(rows.getAllKeys()), await done(rows.getAll()));
    }
    database.close();
  }
  const cached: string[] = [];
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const key of await cache.keys())
      cached.push(key.url, (await (await cache.match(key))?.text()) ?? '');
  }
  const fields = [...document.querySelectorAll<HTMLInputElement>('input, textarea, select')];
  return {
    document: document.documentElement.outerHTML,
    fields: fields.map((field) => field.value).join('\n'),
    address: location.href + JSON.stringify(history.state),
    localStorage: JSON.stringify({ ...localStorage }),
    sessionStorage: JSON.stringify({ ...sessionStorage }),
    indexedDB: JSON.stringify(databases),
    caches: JSON.stringify(cached),
  };
}

const percent = (bytes: Buffer): string =>
  [...bytes].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');

const html = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Every way in which a value is looked for, by name. */
export function spellings(value: string): Map<string, string> {
  const bytes = Buffer.from(value);
  const json = JSON.stringify(value).slice(1, -1);
  const found = new Map([
    ['raw', value],
    ['json', json],
    ['json in json', JSON.stringify(json).slice(1, -1)],
    ['html', html(value)],
    ['hex', bytes.toString('hex')],
    ['HEX', bytes.toString('hex').toUpperCase()],
    ['percent', encodeURIComponent(value)],
    ['percent, all of it', percent(bytes)],
    ['percent twice', encodeURIComponent(encodeURIComponent(value))],
  ]);
  // At each of three offsets base64 differs; the characters in the middle are of the value alone.
  for (let offset = 0; offset < 3; offset += 1) {
    const padded = Buffer.concat([Buffer.alloc(offset, 'x'), bytes]);
    found.set(`base64 at ${offset}`, padded.toString('base64').slice(4, -4));
    found.set(`base64url at ${offset}`, padded.toString('base64url').slice(4, -4));
  }
  return found;
}

/** All that is sent back of a text, in the ways that are looked for. */
export function echoes(text: string): Record<string, unknown> {
  const bytes = Buffer.from(text);
  const padded = [0, 1, 2].map((offset) => Buffer.concat([Buffer.alloc(offset, 'x'), bytes]));
  return {
    raw: text,
    json: JSON.stringify(text),
    html: html(text),
    hex: bytes.toString('hex'),
    HEX: bytes.toString('hex').toUpperCase(),
    percent: encodeURIComponent(text),
    percents: percent(bytes),
    twice: encodeURIComponent(encodeURIComponent(text)),
    base64: padded.map((each) => each.toString('base64')),
    base64url: padded.map((each) => each.toString('base64url')),
  };
}
