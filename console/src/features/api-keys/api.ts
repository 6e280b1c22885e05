import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { usePages } from '~/api/query';
import type { ApiKey, Schemas } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['api-keys'];

export function useApiKeys() {
  return usePages(KEY, (cursor) => unwrap(api.GET('/api/v1/api-keys', { params: { query: { cursor } } })));
}

/** One's own alone, also for who sees everybody's. */
export function useOwnApiKeys(enabled: boolean) {
  const own = (cursor: string | undefined) =>
    unwrap(api.GET('/api/v1/api-keys', { params: { query: { mine: true, cursor } } }));
  return usePages([...KEY, 'mine'], own, { enabled });
}

/** `onIssued` gets the key, also when whoever asked for it has closed the form meanwhile. */
function useIssue<T>(
  issue: (variables: T) => Promise<Schemas['IssuedKey']>,
  onIssued: (key: string) => void,
) {
  const client = useQueryClient();
  return useMutation<Schemas['IssuedKey'], Problem, T>({
    mutationFn: issue,
    // The answer holds the key: it goes when the dialog does.
    gcTime: 0,
    onSuccess: ({ key }) => {
      onIssued(key);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export function useCreateApiKey(onIssued: (key: string) => void) {
  return useIssue<Schemas['NewApiKey']>((body) => unwrap(api.POST('/api/v1/api-keys', { body })), onIssued);
}

export function useRotateApiKey(id: string, onIssued: (key: string) => void) {
  return useIssue<{ grace_seconds: number }>(
    (body) => unwrap(api.POST('/api/v1/api-keys/{id}/rotate', { params: { path: { id } }, body })),
    onIssued,
  );
}

export function useChangeApiKey(id: string) {
  const client = useQueryClient();
  return useMutation<ApiKey, Problem, Schemas['ApiKeyChange']>({
    mutationFn: (body) => unwrap(api.PATCH('/api/v1/api-keys/{id}', { params: { path: { id } }, body })),
    onSuccess: (key) => {
      toast(`API key “${key.name}” saved`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export function useRevokeApiKey() {
  const client = useQueryClient();
  return useMutation<ApiKey, Problem, ApiKey>({
    mutationFn: ({ id }) => unwrap(api.POST('/api/v1/api-keys/{id}/revoke', { params: { path: { id } } })),
    onSuccess: (key) => {
      toast(`API key “${key.name}” revoked`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}
