import { QueryClient, type QueryKey, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { api, unwrap } from './client';
import { Problem } from './problem';
import type { Me, Page } from './types';

/** Refusals are final; only what may pass by itself is asked again. */
function worthRetrying(failures: number, error: unknown): boolean {
  const { status } = Problem.of(error);
  return failures < 2 && (status === 0 || status === 502 || status === 503 || status === 504);
}

export const queryClient = new QueryClient({
  defaultOptions: { queries: { retry: worthRetrying, staleTime: 10_000 }, mutations: { retry: false } },
});

/** A cursor list, page after page. `items` is undefined until the first page has come. */
export function usePages<T>(key: QueryKey, fetchPage: (cursor: string | undefined) => Promise<Page<T>>) {
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => fetchPage(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  return { query, items: query.data?.pages.flatMap((page) => page.items) };
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
