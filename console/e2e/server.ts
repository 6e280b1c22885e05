import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Longer than the one time that a new machine needs to compile the guests' images. */
export const START_TIMEOUT_MS = 180_000;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (typeof address !== 'object' || address === null) throw new Error('no free port');
  return address.port;
}

/** The real server, from TENURE_BIN on an empty data directory, and always at the same address. */
export class Server {
  readonly origin: string;
  /** What it wrote on standard error. */
  said = '';
  private process: ChildProcess | undefined;

  private constructor(
    private readonly data: string,
    private readonly listen: string,
    private readonly settings: Record<string, string>,
  ) {
    this.origin = `http://${listen}`;
  }

  static async start(settings: Record<string, string> = {}): Promise<Server> {
    const data = await mkdtemp(join(tmpdir(), 'tenure-e2e-'));
    await chmod(data, 0o711); // root's server has another user run PostgreSQL in it
    const server = new Server(data, `127.0.0.1:${await freePort()}`, settings);
    await server.up();
    return server;
  }

  /** Starts it, again after `kill`, and waits until it answers. */
  async up(): Promise<void> {
    const binary = process.env.TENURE_BIN;
    if (!binary) throw new Error('set TENURE_BIN to the server’s binary');
    const child = spawn(binary, ['serve'], {
      env: {
        ...process.env,
        TENURE_LOG: 'warn',
        ...this.settings,
        TENURE_DATA_DIR: this.data,
        TENURE_LISTEN: this.listen,
      },
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    child.stderr.on('data', (part: Buffer) => {
      this.said += part;
      process.stderr.write(part);
    });
    this.process = child;
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (Date.now() < deadline) {
      if (child.exitCode !== null)
        throw new Error(`the server ended with ${child.exitCode} before it was ready`);
      const response = await fetch(`${this.origin}/readyz`).catch(() => undefined);
      if (response?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the server was not ready after ${START_TIMEOUT_MS} ms`);
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const over = once(child, 'exit');
    child.kill(signal);
    await over;
  }

  /** `kill -9`: no warning, no clean-up. */
  kill(): Promise<void> {
    return this.end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
    await rm(this.data, { recursive: true, force: true });
  }
}
