import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { meQuery, usePages } from '~/api/query';
import type { Member, Schemas } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['users'];

export function useMembers(search: string, enabled = true) {
  return usePages(
    [...KEY, search],
    (cursor) =>
      unwrap(api.GET('/api/v1/users', { params: { query: { cursor, search: search || undefined } } })),
    { enabled },
  );
}

export function useAddMember() {
  const client = useQueryClient();
  return useMutation<Member, Problem, Schemas['NewMember']>({
    mutationFn: (body) => unwrap(api.POST('/api/v1/users', { body })),
    onSuccess: (member) => {
      toast(`${member.full_name} added`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export function useUpdateMember(id: string) {
  const client = useQueryClient();
  return useMutation<Member, Problem, Schemas['MemberChange']>({
    mutationFn: (body) => unwrap(api.PATCH('/api/v1/users/{id}', { params: { path: { id } }, body })),
    onSuccess: async (member) => {
      toast(`${member.full_name} saved`);
      await client.invalidateQueries({ queryKey: KEY });
      await client.invalidateQueries({ queryKey: meQuery.queryKey });
    },
  });
}

/** Ends the wait that failed logins have brought on a member. */
export function useUnlock({ id, full_name }: Member) {
  return useMutation<unknown, Problem, void>({
    mutationFn: () => unwrap(api.POST('/api/v1/users/{id}/unlock', { params: { path: { id } } })),
    onSuccess: () => toast(`${full_name} may log in again`),
  });
}

/** Removes the second factors of who has lost them. */
export function useResetMfa({ id, full_name }: Member) {
  const client = useQueryClient();
  return useMutation<unknown, Problem, void>({
    mutationFn: () => unwrap(api.DELETE('/api/v1/users/{id}/mfa', { params: { path: { id } } })),
    onSuccess: () => {
      toast(`${full_name} logs in with the password alone now`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}
