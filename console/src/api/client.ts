import createClient from 'openapi-fetch';
import { Problem } from './problem';
import type { paths } from './schema';
import { currentSession, currentToken, forget, freshToken, refresh } from './session';
import { askedFor, prove } from './step-up';

/**
 * `fetch` with the access token. A 401 is answered by one refresh and one retry; when that fails too the
 * session is over and the router shows the login page. Nothing is repeated in another session than its own.
 */
async function withToken(request: Request): Promise<Response> {
  const retry = request.clone();
  const session = currentSession();
  const sent = await freshToken();
  const response = await send(request, sent);
  if (response.status !== 401 || sent === undefined) return response;
  const refreshed = currentToken() !== sent || (await refresh());
  if (!refreshed || currentSession() !== session) return response;
  const second = await send(retry, currentToken());
  if (second.status === 401) forget();
  return second;
}

/** The same; what needs a fresh proof of the person asks them for it, and is repeated. */
export async function authorizedFetch(request: Request): Promise<Response> {
  const again = request.clone();
  const session = currentSession();
  const response = await withToken(request);
  const factors = response.status === 403 ? await askedFor(response) : undefined;
  if (!factors || currentSession() !== session) return response;
  const proven = await prove(factors);
  return proven && currentSession() === session ? withToken(again) : response;
}

async function send(request: Request, token: string | undefined): Promise<Response> {
  if (token) request.headers.set('authorization', `Bearer ${token}`);
  try {
    return await fetch(request);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw Problem.unreachable();
  }
}

/** The typed client; paths, parameters and answers come from openapi.json. */
export const api = createClient<paths>({
  baseUrl: globalThis.location?.origin ?? '',
  fetch: authorizedFetch,
});

/** The data of an answer, or its problem thrown. */
export async function unwrap<T>(
  answer: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<NonNullable<T>> {
  const { data, error, response } = await answer;
  if (!response.ok) throw Problem.from(response, error);
  return data as NonNullable<T>;
}
