import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

/** Answers each call in turn, and remembers what was asked. */
function server(answers: ((request: Request) => Response | Promise<Response>)[]) {
  const asked: Request[] = [];
  vi.stubGlobal('fetch', async (input: RequestInfo | URL, init?: RequestInit) => {
    const request =
      input instanceof Request ? input : new Request(new URL(String(input), 'http://tenure.test'), init);
    asked.push(request.clone());
    const answer = answers.shift();
    if (!answer) throw new Error(`not expected: ${request.method} ${request.url}`);
    return answer(request);
  });
  return asked;
}
const json = (status: number, body: unknown) => () =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
const tokens = (access_token: string, expires_in = 900) => ({
  access_token,
  token_type: 'Bearer',
  expires_in,
  user: {},
  organization: {},
});
const refused = json(401, { type: '/docs/problems#unauthenticated', title: 'Log in', status: 401 });
const get = () => new Request('http://tenure.test/api/v1/teams');

let session: typeof import('./session');
let client: typeof import('./client');
beforeEach(async () => {
  vi.resetModules();
  localStorage.clear();
  session = await import('./session');
  client = await import('./client');
});
afterEach(() => vi.unstubAllGlobals());

describe('authorizedFetch', () => {
  it('sends the token in the header and keeps it out of every storage', async () => {
    session.adopt(tokens('first-token') as never);
    const asked = server([json(200, {})]);
    await client.authorizedFetch(get());
    expect(asked[0]?.headers.get('authorization')).toBe('Bearer first-token');
    expect(JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie).not.toContain(
      'first-token',
    );
  });

  it('answers a 401 by one refresh and one retry', async () => {
    session.adopt(tokens('old') as never);
    const asked = server([refused, json(200, tokens('new')), json(200, { items: [] })]);
    const response = await client.authorizedFetch(get());
    expect(response.status).toBe(200);
    expect(asked.map((request) => new URL(request.url).pathname)).toEqual([
      '/api/v1/teams',
      '/api/v1/auth/refresh',
      '/api/v1/teams',
    ]);
    expect(asked[1]?.headers.get('x-tenure-console')).toBe('1');
    expect(await asked[1]?.json()).toEqual({ refresh: 'cookie' });
    expect(asked[2]?.headers.get('authorization')).toBe('Bearer new');
  });

  it('ends the session when the refresh is refused', async () => {
    session.adopt(tokens('old') as never);
    server([refused, refused]);
    const response = await client.authorizedFetch(get());
    expect(response.status).toBe(401);
    expect(session.currentToken()).toBeUndefined();
    expect(await session.start()).toBe('anonymous');
  });

  it('repeats nothing as somebody who logged in meanwhile', async () => {
    session.adopt(tokens('of-ada') as never);
    const asked = server([
      () => {
        session.forget();
        session.adopt(tokens('of-bob') as never);
        return refused();
      },
    ]);
    expect((await client.authorizedFetch(get())).status).toBe(401);
    expect(asked).toHaveLength(1);
    expect(session.currentToken()).toBe('of-bob');
  });

  it('takes no refresh of somebody who has logged out', async () => {
    session.adopt(tokens('of-ada', 5) as never);
    server([
      () => {
        session.forget();
        return json(200, tokens('of-ada-again'))();
      },
      refused,
    ]);
    expect((await client.authorizedFetch(get())).status).toBe(401);
    expect(session.currentToken()).toBeUndefined();
  });

  it('refreshes once for requests that fail together', async () => {
    session.adopt(tokens('old') as never);
    let refreshes = 0;
    vi.stubGlobal('fetch', async (input: RequestInfo | URL) => {
      if (String(input).endsWith('/refresh')) {
        refreshes += 1;
        return json(200, tokens('new'))();
      }
      const token = input instanceof Request ? input.headers.get('authorization') : null;
      return token === 'Bearer new' ? json(200, {})() : refused();
    });
    const answers = await Promise.all([
      client.authorizedFetch(get()),
      client.authorizedFetch(get()),
      client.authorizedFetch(get()),
    ]);
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
    expect(refreshes).toBe(1);
  });

  it('refreshes before sending a token that is about to expire', async () => {
    session.adopt(tokens('old', 5) as never);
    const asked = server([json(200, tokens('new')), json(200, {})]);
    await client.authorizedFetch(get());
    expect(asked[1]?.headers.get('authorization')).toBe('Bearer new');
  });

  it('keeps the session when the server is in trouble', async () => {
    session.adopt(tokens('old', 5) as never);
    server([json(503, { type: '/docs/problems#unavailable', title: 'Busy', status: 503 })]);
    await expect(client.authorizedFetch(get())).rejects.toMatchObject({ status: 503 });
    expect(session.currentToken()).toBe('old');
  });
});

describe('start', () => {
  it('asks a first visitor for no cookie', async () => {
    const asked = server([json(200, { auth: 'on' })]);
    expect(await session.start()).toBe('anonymous');
    expect(asked.map((request) => new URL(request.url).pathname)).toEqual(['/api/v1/instance']);
  });

  it('lets a person in without login where the instance says so', async () => {
    server([json(200, { auth: 'off' })]);
    expect(await session.start()).toBe('active');
  });
});

describe('a refresh that a page before has begun', () => {
  const MARK = 'tenure_turning';
  // biome-ignore lint/suspicious/noDocumentCookie: as the console sets it
  const setMark = (age: number) => (document.cookie = `${MARK}=1; Path=/; Max-Age=${age}`);
  afterEach(() => {
    vi.useRealTimers();
    setMark(0);
  });

  it('is waited for, and then refreshed with what it brought', async () => {
    localStorage.setItem('tenure.session', '1');
    setMark(10);
    const asked = server([json(200, tokens('new'))]);
    const started = session.start();
    await new Promise((over) => setTimeout(over, 150));
    expect(asked).toEqual([]);
    setMark(0); // as the answer does
    expect(await started).toBe('active');
    expect(asked).toHaveLength(1);
  });

  it('is not waited for longer than an answer may take', async () => {
    vi.useFakeTimers();
    localStorage.setItem('tenure.session', '1');
    setMark(3600);
    const asked = server([json(200, tokens('new'))]);
    const started = session.start();
    await vi.advanceTimersByTimeAsync(9_900);
    expect(asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(200);
    expect(await started).toBe('active');
  });

  it('is one that outlives its page, and is marked until its answer is here', async () => {
    session.adopt(tokens('old', 5) as never);
    const seen: [boolean, boolean][] = [];
    const look = (request: Request) => seen.push([request.keepalive, document.cookie.includes(MARK)]);
    server([
      (request) => {
        look(request);
        return json(200, tokens('new', 5))();
      },
      () => {
        throw new TypeError('network');
      },
    ]);
    await session.refresh();
    expect(seen).toEqual([[true, true]]);
    expect(document.cookie).not.toContain(MARK);
    // A page that is left is told so, too.
    await expect(session.refresh()).rejects.toMatchObject({ status: 0 });
    expect(document.cookie).toContain(MARK);
  });
});
