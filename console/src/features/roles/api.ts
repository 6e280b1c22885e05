import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { meQuery } from '~/api/query';
import type { Role, Schemas } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['roles'];

/** Every role, the system's first. */
export const rolesQuery = queryOptions({
  queryKey: KEY,
  queryFn: async () => (await unwrap(api.GET('/api/v1/roles'))).items,
});

/** Every permission there is. It changes with the server's version alone. */
export const permissionsQuery = queryOptions({
  queryKey: ['permissions'],
  queryFn: async () => (await unwrap(api.GET('/api/v1/permissions'))).items,
  staleTime: Number.POSITIVE_INFINITY,
});

/** What a member may do, and why; asked anew each time it is looked at. */
export const explanationQuery = (user: string) =>
  queryOptions({
    queryKey: ['permissions', 'explain', user],
    queryFn: () => unwrap(api.GET('/api/v1/permissions/explain', { params: { query: { user } } })),
    staleTime: 0,
  });

/** Makes a role, or changes the one of this name. */
export function useSaveRole(name: string | undefined) {
  const client = useQueryClient();
  return useMutation<Role, Problem, Schemas['NewRole']>({
    mutationFn: ({ name: wanted, description, permissions }) =>
      name === undefined
        ? unwrap(api.POST('/api/v1/roles', { body: { name: wanted, description, permissions } }))
        : unwrap(
            api.PATCH('/api/v1/roles/{name}', {
              params: { path: { name } },
              body: { description, permissions },
            }),
          ),
    onSuccess: async (role) => {
      toast(`Role “${role.name}” saved`);
      await client.invalidateQueries({ queryKey: KEY });
      await client.invalidateQueries({ queryKey: meQuery.queryKey });
    },
  });
}

export function useDeleteRole() {
  const client = useQueryClient();
  return useMutation<unknown, Problem, Role>({
    mutationFn: ({ name }) => unwrap(api.DELETE('/api/v1/roles/{name}', { params: { path: { name } } })),
    onSuccess: (_, role) => {
      toast(`Role “${role.name}” deleted`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}
