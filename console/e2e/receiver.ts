import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { text } from 'node:stream/consumers';

/** A service outside Tenure that counts what it is sent, by path, and can be broken for a while. */
export class Receiver {
  readonly calls = new Map<string, number>();
  readonly broken = new Set<string>();
  /** What came, by path: the headers, an empty line, the body. */
  readonly received = new Map<string, string>();
  /** What is answered to a text that came; it may take its time. */
  answer: (received: string) => Promise<unknown> = async () => ({ taken: true });

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<Receiver> {
    const server = createServer(async (request, response) => {
      const path = request.url ?? '';
      receiver.calls.set(path, (receiver.calls.get(path) ?? 0) + 1);
      const received = await readAll(request);
      receiver.received.set(path, received);
      const answer = JSON.stringify(await receiver.answer(received));
      response.statusCode = receiver.broken.has(path) ? 500 : 200;
      response.setHeader('content-type', 'application/json').end(answer);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('no free port');
    const receiver = new Receiver(server, `http://localhost:${address.port}`);
    return receiver;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

async function readAll(request: IncomingMessage): Promise<string> {
  const headers = request.rawHeaders.map((part, index) => (index % 2 ? `${part}\n` : `${part}: `)).join('');
  return `${headers}\n${await text(request)}`;
}
