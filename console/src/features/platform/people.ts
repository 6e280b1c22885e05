import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { usePages } from '~/api/query';
import type { Schemas } from '~/api/types';
import { toast } from '~/ui/toast';

export type PlatformPerson = Schemas['PlatformPerson'];

export interface PeopleFilter {
  search?: string | undefined;
  suspended?: true | undefined;
}

/** What the server asks for before it looks for anybody. */
export const MIN_SEARCH = 3;

const KEY = ['platform', 'people'];

/** Whether the server would look for them. */
export function canLook({ search = '', suspended }: PeopleFilter): boolean {
  const { length } = [...search.trim()];
  return length === 0 ? suspended === true : length >= MIN_SEARCH;
}

export function usePeople({ search, suspended }: PeopleFilter) {
  const status = suspended && ('suspended' as const);
  return usePages([...KEY, search, status], (cursor) =>
    unwrap(api.GET('/api/v1/platform/people', { params: { query: { search, status, cursor } } })),
  );
}

/** Suspends the person, or lets them go on, for a reason. */
export function useDecideAbout(id: string, suspends: boolean) {
  const client = useQueryClient();
  const params = { path: { id } };
  return useMutation<PlatformPerson, Problem, string>({
    mutationFn: (reason) =>
      suspends
        ? unwrap(api.POST('/api/v1/platform/people/{id}/suspend', { params, body: { reason } }))
        : unwrap(api.POST('/api/v1/platform/people/{id}/resume', { params, body: { reason } })),
    onSuccess: ({ username }) => {
      toast(suspends ? `${username} is suspended` : `${username} goes on`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}
