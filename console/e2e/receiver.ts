import { once } from 'node:events';
import { createServer, type Server } from 'node:http';

/** A service outside Tenure that counts what it is sent, by path, and can be broken for a while. */
export class Receiver {
  readonly calls = new Map<string, number>();
  readonly broken = new Set<string>();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<Receiver> {
    const server = createServer((request, response) => {
      const path = request.url ?? '';
      receiver.calls.set(path, (receiver.calls.get(path) ?? 0) + 1);
      response.statusCode = receiver.broken.has(path) ? 500 : 200;
      request.resume().on('end', () => response.end('{"taken": true}'));
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
