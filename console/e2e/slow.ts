import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What turns the cookie: its answer must reach the browser, whatever becomes of the page that asked. */
const TURNS = /^\/api\/v1\/auth\/(refresh|switch)$/;

/**
 * Stands before a server as a slow network does: what changes the cookie is done at once, and its answer held back. Nothing is
 * answered in the server's place, so the server and the browser's store of cookies are what they are to everybody.
 */
export class Slow {
  /** How long an answer is held back. */
  holdMs = 0;
  /** How many answers the server has given, delivered or not. */
  given = 0;

  private constructor(
    readonly origin: string,
    private readonly proxy: Server,
  ) {}

  static async before(origin: string): Promise<Slow> {
    const proxy = createServer((asked, answer) => {
      const turns = TURNS.test(asked.url ?? '');
      const passed = request(`${origin}${asked.url}`, {
        method: asked.method ?? 'GET',
        headers: asked.headers,
      });
      passed.on('error', () => answer.destroy());
      passed.on('response', (given) => {
        const deliver = () => {
          answer.writeHead(given.statusCode ?? 502, given.rawHeaders);
          given.pipe(answer);
        };
        if (!turns) return deliver();
        slow.given += 1;
        setTimeout(deliver, slow.holdMs);
      });
      // A stream ends with its reader; what turns the cookie is carried out.
      if (!turns) answer.on('close', () => passed.destroy());
      asked.pipe(passed);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const slow = new Slow(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, proxy);
    return slow;
  }

  close(): void {
    this.proxy.close();
    this.proxy.closeAllConnections();
  }
}
