import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { usePages } from '~/api/query';
import type { Schemas, Team } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['teams'];

export function useTeams(enabled = true) {
  return usePages(
    [...KEY, 'list'],
    (cursor) => unwrap(api.GET('/api/v1/teams', { params: { query: { cursor } } })),
    { enabled },
  );
}

/** The first of them, for a choice. */
export const teamsQuery = queryOptions({
  queryKey: [...KEY, 'choice'],
  queryFn: () => unwrap(api.GET('/api/v1/teams', { params: { query: { limit: 200 } } })),
});

/** Creates a team, or changes the one with this id. */
export function useSaveTeam(id: string | undefined) {
  const client = useQueryClient();
  return useMutation<Team, Problem, Schemas['NewTeam']>({
    mutationFn: (body) =>
      id === undefined
        ? unwrap(api.POST('/api/v1/teams', { body }))
        : unwrap(api.PATCH('/api/v1/teams/{id}', { params: { path: { id } }, body })),
    onSuccess: (team) => {
      toast(`Team “${team.name}” saved`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export const teamMembersQuery = (id: string) =>
  queryOptions({
    queryKey: [...KEY, 'members', id],
    queryFn: () => unwrap(api.GET('/api/v1/teams/{id}/members', { params: { path: { id } } })),
  });

/** Puts somebody into a team, or takes them out. */
export function useChangeTeamMember(id: string) {
  const client = useQueryClient();
  return useMutation<unknown, Problem, { user: string; isMember: boolean }>({
    mutationFn: ({ user, isMember }) => {
      const options = { params: { path: { id, user } } };
      return unwrap(
        isMember
          ? api.DELETE('/api/v1/teams/{id}/members/{user}', options)
          : api.PUT('/api/v1/teams/{id}/members/{user}', options),
      );
    },
    onSuccess: () => client.invalidateQueries({ queryKey: teamMembersQuery(id).queryKey }),
  });
}

export function useDeleteTeam() {
  const client = useQueryClient();
  return useMutation<unknown, Problem, Team>({
    mutationFn: ({ id }) => unwrap(api.DELETE('/api/v1/teams/{id}', { params: { path: { id } } })),
    onSuccess: (_, team) => {
      toast(`Team “${team.name}” deleted`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}
