import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { LARGEST_PAGE, useAll, useMay, usePages } from '~/api/query';
import type { Schemas, Team } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['teams'];

const page = (cursor: string | undefined, limit?: number) =>
  unwrap(api.GET('/api/v1/teams', { params: { query: { cursor, limit } } }));

export function useTeams() {
  return usePages([...KEY, 'list'], (cursor) => page(cursor));
}

/** Every team, for a choice; none for who may not see them. */
export function useAllTeams(enabled = true): Team[] {
  const mayRead = useMay('team:read');
  return useAll(KEY, (cursor) => page(cursor, LARGEST_PAGE), enabled && mayRead).data ?? [];
}

/** What a team is called; its identifier while that is not known. */
export function useTeamNames(): (id: string) => string {
  const teams = useAllTeams();
  return (id) => teams.find((team) => team.id === id)?.name ?? id;
}

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

const membersKey = (id: string) => [...KEY, 'members', id];

export function useTeamMembers(id: string) {
  return useAll(membersKey(id), (cursor) =>
    unwrap(
      api.GET('/api/v1/teams/{id}/members', {
        params: { path: { id }, query: { cursor, limit: LARGEST_PAGE } },
      }),
    ),
  );
}

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
    onSuccess: () => client.invalidateQueries({ queryKey: membersKey(id) }),
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
