/**
 * The session of this tab.
 *
 * The access token lives in this module's memory and nowhere else; the refresh token is an HttpOnly cookie
 * that scripts never see. Refreshing rotates the cookie, so tabs take turns (Web Locks): two at once would
 * look like a stolen token being replayed. So would the next page after one that was left or closed while it
 * refreshed, and had not got its answer: the request goes on without its page, and the next page waits for it.
 */
import { useSyncExternalStore } from 'react';
import { Problem } from './problem';
import type { Schemas } from './types';

export type SessionState = 'unknown' | 'anonymous' | 'active';
type Tokens = Schemas['LoggedIn'];

const HINT = 'tenure.session'; // says only that a cookie may exist, so that a first visit asks for nothing
const EARLY_MS = 15_000; // refresh this long before the token expires
/**
 * A cookie of its own, readable here: an answer that changes the refresh token is under way. The server takes it back with that very
 * answer, so whoever comes after a page that is gone sees when the browser holds the new token.
 */
const UNDER_WAY = 'tenure_turning';
const ANSWER_WITHIN_S = 10; // whatever is later than this is taken to have been lost on the way
const LOOK_AGAIN_MS = 50;
export const CONSOLE_HEADERS = { 'content-type': 'application/json', 'x-tenure-console': '1' };

let state: SessionState = 'unknown';
let token: string | undefined;
let expiresAt = 0;
/** Which session this is: the count of those that this tab has begun and ended. */
let serial = 0;
let starting: Promise<SessionState> | undefined;
let refreshing: Promise<boolean> | undefined;
const listeners = new Set<() => void>();
const endings = new Set<(next: SessionState) => void>();
const tabs = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel('tenure-session');

function become(next: SessionState): void {
  if (next === state) return;
  state = next;
  for (const listener of listeners) listener();
}

/** Calls back when a session ends, before anything is drawn: with `anonymous`, or `active` where another takes its place. */
export function onSessionOver(listener: (next: SessionState) => void): () => void {
  endings.add(listener);
  return () => endings.delete(listener);
}

function endPresent(next: SessionState): void {
  serial += 1;
  for (const listener of endings) listener(next);
}

/** Which session this is, to see whether an answer still belongs to it. */
export function currentSession(): number {
  return serial;
}

/**
 * Takes the tokens of a login, registration or switch: whatever was of the session before is over, in the other tabs, too, since
 * they share the cookie.
 */
export function adopt(tokens: Tokens): void {
  endPresent('active');
  keep(tokens);
  tabs?.postMessage('replaced');
}

function keep(tokens: Tokens): void {
  token = tokens.access_token;
  expiresAt = Date.now() + tokens.expires_in * 1000;
  localStorage.setItem(HINT, '1');
  become('active');
}

/** Forgets the session here; the caller has told the server, or the server refused it. */
export function forget(): void {
  token = undefined;
  expiresAt = 0;
  localStorage.removeItem(HINT);
  endPresent('anonymous');
  become('anonymous');
}

/** Logs out on the server, here and in the other tabs. */
export async function logout(): Promise<void> {
  const headers = new Headers(CONSOLE_HEADERS);
  if (token) headers.set('authorization', `Bearer ${token}`);
  const response = await fetch('/api/v1/auth/logout', { method: 'POST', headers, body: '{}' }).catch(() => {
    throw Problem.unreachable();
  });
  if (!response.ok && response.status !== 401) {
    throw Problem.from(response, await response.json().catch(() => undefined));
  }
  tabs?.postMessage('logout');
  forget();
}

/**
 * Goes to another organisation: the server ends the present login, and the cookie is the new one's. Other tabs begin anew
 * with it; none refreshes meanwhile, since the cookie that it would send is about to end.
 */
export async function switchTo(organization: string, accept: boolean): Promise<void> {
  await exclusively(async () => {
    const response = await turn('/api/v1/auth/switch', {
      headers: { ...CONSOLE_HEADERS, authorization: `Bearer ${token}` },
      body: JSON.stringify({ organization, accept, refresh: 'cookie' }),
    });
    const answer: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw Problem.from(response, answer);
    adopt(answer as Tokens);
    return true;
  });
}

tabs?.addEventListener('message', (event) => {
  if (event.data === 'logout') forget();
  // What this tab shows is another person's or organisation's; one where nobody is logged in shows nothing.
  if (event.data === 'replaced' && state === 'active') location.assign('/');
});

// What the browser kept of this page while another was shown may be of a login that has ended since: no message reached it.
addEventListener('pageshow', (event) => {
  if (event.persisted && state === 'active') location.reload();
});

/** Finds out once whether this visitor has a session; later calls return the present state. */
export function start(): Promise<SessionState> {
  if (state !== 'unknown') return Promise.resolve(state);
  starting ??= discover().finally(() => {
    starting = undefined;
  });
  return starting;
}

async function discover(): Promise<SessionState> {
  if (localStorage.getItem(HINT) && (await refresh())) return 'active';
  const instance = await fetch('/api/v1/instance').catch(() => {
    throw Problem.unreachable();
  });
  const body: unknown = await instance.json().catch(() => undefined);
  if (!instance.ok) throw Problem.from(instance, body);
  // In development mode without login every request already acts as the development admin.
  become((body as Schemas['Instance']).auth === 'off' ? 'active' : 'anonymous');
  return state;
}

/** A token that is good for a while, refreshed when needed; undefined where there is none to send. */
export async function freshToken(): Promise<string | undefined> {
  if (token && Date.now() > expiresAt - EARLY_MS) await refresh();
  return token;
}

/** The token that would be sent now, to see whether another request has refreshed it since. */
export function currentToken(): string | undefined {
  return token;
}

/** Trades the cookie for a new access token; false when the session is over. */
export function refresh(): Promise<boolean> {
  refreshing ??= exclusively(exchange).finally(() => {
    refreshing = undefined;
  });
  return refreshing;
}

/** One tab at a time; browsers offer locks on https and loopback, which is where the console may run. */
async function exclusively(work: () => Promise<boolean>): Promise<boolean> {
  const inTurn = async () => {
    await othersAnswer();
    return work();
  };
  return navigator.locks ? navigator.locks.request('tenure-refresh', inTurn) : inTurn();
}

/**
 * Waits for the answer to a page that is gone. Its lock went with it, and its request did not: to send the cookie now would be to
 * send one that the server has replaced, which looks like theft and ends the login.
 */
async function othersAnswer(): Promise<void> {
  const until = performance.now() + ANSWER_WITHIN_S * 1000;
  const isUnderWay = () => document.cookie.split('; ').includes(`${UNDER_WAY}=1`);
  while (isUnderWay() && performance.now() < until) {
    await new Promise((over) => setTimeout(over, LOOK_AGAIN_MS));
  }
}

function markUnderWay(seconds: number): void {
  const secure = location.protocol === 'https:' ? '; Secure' : '';
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser that the console is for
  document.cookie = `${UNDER_WAY}=1; Path=/; SameSite=Strict; Max-Age=${seconds}${secure}`;
}

/**
 * A request whose answer changes the refresh token: it outlives this page, so that the browser has that answer in any case. Only an
 * answer takes the mark back: a page that is left, or stopped, is told that the request failed while it still goes on.
 */
async function turn(path: string, init: RequestInit): Promise<Response> {
  markUnderWay(ANSWER_WITHIN_S);
  const response = await fetch(path, { ...init, method: 'POST', keepalive: true }).catch(() => {
    throw Problem.unreachable();
  });
  markUnderWay(0);
  return response;
}

async function exchange(): Promise<boolean> {
  const mine = serial;
  const response = await turn('/api/v1/auth/refresh', {
    headers: CONSOLE_HEADERS,
    body: JSON.stringify({ refresh: 'cookie' }),
  });
  // Somebody logged out or in meanwhile: what comes now is of nobody who is here.
  if (serial !== mine) return false;
  if (response.ok) {
    keep((await response.json()) as Tokens);
    return true;
  }
  // Only a refusal ends the session; a server in trouble does not.
  if (response.status !== 401 && response.status !== 403) {
    throw Problem.from(response, await response.json().catch(() => undefined));
  }
  forget();
  return false;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useSessionState(): SessionState {
  return useSyncExternalStore(subscribe, () => state);
}
