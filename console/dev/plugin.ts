import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { Connect, Plugin } from 'vite';
import { handle } from './mock.ts';

/** The policy that the real server sends; see README.md. */
export const csp = (nonce: string) =>
  [
    "default-src 'self'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ');

async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const method = req.method ?? 'GET';
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  const headers = new Headers();
  for (const [name, value] of Object.entries(req.headers))
    if (value !== undefined) headers.set(name, String(value));
  const abort = new AbortController();
  res.on('close', () => abort.abort());
  const request = new Request(`http://${req.headers.host}${req.url}`, {
    method,
    headers,
    signal: abort.signal,
    ...(method === 'GET' || method === 'HEAD' ? {} : { body: Buffer.concat(chunks) }),
  });
  const response = await handle(request);
  res.writeHead(response.status, Object.fromEntries(response.headers));
  if (!response.body) {
    res.end();
    return;
  }
  const body = Readable.fromWeb(response.body as import('node:stream/web').ReadableStream);
  body.on('error', () => res.end());
  body.pipe(res);
}

const api: Connect.NextHandleFunction = (req, res, next) => {
  if (req.url?.startsWith('/api/')) answer(req, res).catch(next);
  else next();
};

/** Serves dev/mock.ts under /api, and in `vite preview` the built page under the real policy. */
export function mockPlugin(): Plugin {
  return {
    name: 'tenure-mock',
    configureServer: (server) => void server.middlewares.use(api),
    configurePreviewServer: (server) => {
      server.middlewares.use(api);
      server.middlewares.use(async (req, res, next) => {
        if (/\.[a-z0-9]+$/i.test(req.url?.split('?')[0] ?? '')) return next();
        const nonce = randomBytes(16).toString('base64');
        const page = await readFile('dist/index.html', 'utf8');
        res.setHeader('content-security-policy', csp(nonce));
        res.setHeader('content-type', 'text/html; charset=utf-8');
        res.end(page.replaceAll('__CSP_NONCE__', nonce));
      });
    },
  };
}
