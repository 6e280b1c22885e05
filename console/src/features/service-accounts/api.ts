import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { LARGEST_PAGE, useAll, usePages } from '~/api/query';
import type { Schemas, ServiceAccount } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['service-accounts'];

const page = (cursor: string | undefined, limit?: number) =>
  unwrap(api.GET('/api/v1/service-accounts', { params: { query: { cursor, limit } } }));

export function useServiceAccounts() {
  return usePages([...KEY, 'list'], (cursor) => page(cursor));
}

/** Those whose keys work, for a choice. */
export function useActiveServiceAccounts(enabled: boolean): ServiceAccount[] {
  const all = useAll(KEY, (cursor) => page(cursor, LARGEST_PAGE), enabled).data ?? [];
  return all.filter(({ status }) => status === 'active');
}

export function useCreateServiceAccount() {
  const client = useQueryClient();
  return useMutation<ServiceAccount, Problem, Schemas['NewServiceAccount']>({
    mutationFn: (body) => unwrap(api.POST('/api/v1/service-accounts', { body })),
    onSuccess: (account) => {
      toast(`Service account “${account.name}” created`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export function useUpdateServiceAccount(id: string) {
  const client = useQueryClient();
  return useMutation<ServiceAccount, Problem, Schemas['ServiceAccountChange']>({
    mutationFn: (body) =>
      unwrap(api.PATCH('/api/v1/service-accounts/{id}', { params: { path: { id } }, body })),
    onSuccess: (account) => {
      toast(`Service account “${account.name}” saved`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export function useDeleteServiceAccount() {
  const client = useQueryClient();
  return useMutation<unknown, Problem, ServiceAccount>({
    mutationFn: ({ id }) => unwrap(api.DELETE('/api/v1/service-accounts/{id}', { params: { path: { id } } })),
    onSuccess: (_, account) => {
      toast(`Service account “${account.name}” deleted`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}
