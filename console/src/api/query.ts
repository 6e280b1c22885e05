import { QueryClient, type QueryKey, queryOptions, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { api, unwrap } from './client';
import { Problem } from './problem';
import { onSessionOver } from './session';
import type { Me, Page, Schemas } from './types';

/** Refusals are final; only what may pass by itself is asked again. */
function worthRetrying(failures: number, error: unknown): boolean {
  const { status } = Problem.of(error);
  return failures < 2 && (status === 0 || status === 502 || status === 503 || status === 504);
}

export const queryClient = new QueryClient({
  defaultOptions: { queries: { retry: worthRetrying }, mutations: { retry: false } },
});

/**
 * Whatever was fetched in a session goes with it, on whichever page it ends: the next person sees none of it, and no page
 * takes who was there for who is. Gives what undoes it.
 */
export function clearWhenOver(client: QueryClient): () => void {
  return onSessionOver((next) => {
    if (next === 'anonymous') client.clear();
  });
}
clearWhenOver(queryClient);

const AGAIN_MS = 3000;

interface PagesOptions<T> {
  /** Whether they change by themselves: then they are fetched again every few seconds. */
  moving?: (items: T[]) => boolean;
  /** Whether to ask at all: what the person may not see is not asked for, since each refusal is an event. */
  enabled?: boolean;
}

/** A cursor list, page after page. `items` is undefined until the first page has come. */
export function usePages<T>(
  key: QueryKey,
  fetchPage: (cursor: string | undefined) => Promise<Page<T>>,
  { moving, enabled = true }: PagesOptions<T> = {},
) {
  const query = useInfiniteQuery({
    enabled,
    queryKey: key,
    queryFn: ({ pageParam }) => fetchPage(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: ({ state: { data } }) =>
      data && moving?.(data.pages.flatMap((page) => page.items)) ? AGAIN_MS : false,
  });
  return { query, items: query.data?.pages.flatMap((page) => page.items) };
}

/** As many a page as the server gives at once. */
export const LARGEST_PAGE = 200;

/** A cursor list to its end, for what offers or names any of it: its first page alone would leave the rest out unseen. */
export function useAll<T>(
  key: QueryKey,
  fetchPage: (cursor: string | undefined) => Promise<Page<T>>,
  enabled = true,
) {
  return useQuery({
    enabled,
    queryKey: [...key, 'all'],
    queryFn: async () => {
      const all: T[] = [];
      let cursor: string | undefined;
      do {
        const page = await fetchPage(cursor);
        all.push(...page.items);
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
      return all;
    },
  });
}

/** What a visitor may know of this installation. */
export const instanceQuery = queryOptions({
  queryKey: ['instance'],
  queryFn: async (): Promise<Schemas['Instance']> => {
    const response = await fetch('/api/v1/instance').catch(() => {
      throw Problem.unreachable();
    });
    const body: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw Problem.from(response, body);
    return body as Schemas['Instance'];
  },
  staleTime: Number.POSITIVE_INFINITY,
});

/** Whether there are logins at all; in development mode there can be none, and then nobody can log out. */
export function useHasLogins(): boolean {
  return useQuery(instanceQuery).data?.auth !== 'off';
}

export const meQuery = {
  queryKey: ['me'] as const,
  queryFn: (): Promise<Me> => unwrap(api.GET('/api/v1/auth/me')),
  staleTime: 60_000,
};

export function useMe(): Me | undefined {
  return useQuery(meQuery).data;
}

/** Whether the effective permissions `held`, which the server has spelled out, include `permission`. */
export function permits(held: readonly string[], permission: string): boolean {
  return held.includes(permission);
}

/** Whether the caller may; true while unknown, because the server decides and the page would flicker. */
export function useMay(permission: string): boolean {
  const me = useMe();
  return me === undefined || permits(me.permissions, permission);
}
