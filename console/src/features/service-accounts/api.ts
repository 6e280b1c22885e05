import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { usePages } from '~/api/query';
import type { Schemas, ServiceAccount } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['service-accounts'];

export function useServiceAccounts(enabled = true) {
  return usePages(
    KEY,
    (cursor) => unwrap(api.GET('/api/v1/service-accounts', { params: { query: { cursor } } })),
    { enabled },
  );
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
