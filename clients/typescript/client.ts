import createClient from 'openapi-fetch';
import type { components, paths } from './schema';

/** What the server answers instead when it refuses: what happened, where, and what to do (RFC 9457). */
export type Problem = components['schemas']['Problem'];

/** Calls the API with an API key or an access token; paths, bodies and answers are typed by the server's own description. */
export function tenure(server: string, credential: string) {
  return createClient<paths>({ baseUrl: server, headers: { authorization: `Bearer ${credential}` } });
}

/** The data of an answer; throws what the problem document says. */
export async function good<T>(answer: Promise<{ data?: T; error?: Problem }>): Promise<T> {
  const { data, error } = await answer;
  if (error) {
    const places = (error.errors ?? []).map(({ pointer, detail }) => `${pointer} ${detail}`);
    throw new Error([`${error.title}: ${error.detail}`, ...places].join('\n'));
  }
  return data as T;
}
