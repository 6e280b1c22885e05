import { vi } from 'vitest';

export interface Asked {
  line: string;
  body: unknown;
}

/** Answers by `METHOD /path`: a status and a body. What nobody expects is a 404. Gives what was asked. */
export function serve(answers: Record<string, [number, unknown]>): Asked[] {
  const asked: Asked[] = [];
  vi.stubGlobal('fetch', async (input: Request | string, init?: RequestInit) => {
    const request = typeof input === 'string' ? new Request(new URL(input, location.origin), init) : input;
    const line = `${request.method} ${new URL(request.url).pathname.replace('/api/v1', '')}`;
    const text = await request.clone().text();
    asked.push({ line, body: text ? JSON.parse(text) : undefined });
    const [status, body] = answers[line] ?? [
      404,
      { type: '', title: 'Not here', code: 'not-found', status: 404 },
    ];
    return new Response(status === 204 ? null : JSON.stringify(body), { status });
  });
  return asked;
}

/** A problem as the server words it. */
export function problem(status: number, code: string, detail: string, errors: unknown[] = []) {
  return [status, { type: '', title: code, code, status, detail, errors }] as [number, unknown];
}
