import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { usePages } from '~/api/query';
import type { Secret } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['secrets'];

export function useSecrets() {
  return usePages(KEY, (cursor) => unwrap(api.GET('/api/v1/secrets', { params: { query: { cursor } } })));
}

function useChange<T>(change: (variables: T) => Promise<unknown>, done: (variables: T) => string) {
  const client = useQueryClient();
  return useMutation<unknown, Problem, T>({
    mutationFn: change,
    // A mutation's variables hold the value until they are collected: at once, for a secret.
    gcTime: 0,
    onSuccess: (_, variables) => {
      toast(done(variables));
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export function useSetSecret() {
  return useChange<{ name: string; value: string; description: string; team_id: string | null }>(
    ({ name, value, description, team_id }) =>
      unwrap(
        api.PUT('/api/v1/secrets/{name}', {
          params: { path: { name } },
          body: { value, team_id, ...(description ? { description } : {}) },
        }),
      ),
    ({ name }) => `Secret “${name}” saved`,
  );
}

export function useSetSecretTeam() {
  return useChange<{ name: string; team_id: string | null }>(
    ({ name, team_id }) =>
      unwrap(api.PUT('/api/v1/secrets/{name}/team', { params: { path: { name } }, body: { team_id } })),
    ({ name }) => `Team of “${name}” saved`,
  );
}

export function useDeleteSecret() {
  return useChange<Secret>(
    ({ name }) => unwrap(api.DELETE('/api/v1/secrets/{name}', { params: { path: { name } } })),
    ({ name }) => `Secret “${name}” deleted`,
  );
}

export function useSetGrants() {
  return useChange<{ name: string; workflow_ids: string[] }>(
    ({ name, workflow_ids }) =>
      unwrap(
        api.PUT('/api/v1/secrets/{name}/grants', { params: { path: { name } }, body: { workflow_ids } }),
      ),
    ({ name }) => `Grants of “${name}” saved`,
  );
}
