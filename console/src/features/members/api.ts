import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { meQuery, usePages } from '~/api/query';
import type { Member, Schemas } from '~/api/types';
import { toast } from '~/ui/toast';
import { type MemberFilter, query } from './filter';

const KEY = ['users'];

export function useMembers(filter: MemberFilter, enabled = true) {
  return usePages(
    [...KEY, 'list', filter],
    (cursor) =>
      unwrap(api.GET('/api/v1/users', { params: { query: { cursor, ...query(filter, Date.now()) } } })),
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

/** One change of several members; the answer says of each what came of it. */
export function useChangeMany() {
  const client = useQueryClient();
  return useMutation<Schemas['BulkResult'], Problem, Schemas['BulkChange']>({
    mutationFn: (body) => unwrap(api.POST('/api/v1/users/bulk', { body })),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: KEY });
      await client.invalidateQueries({ queryKey: meQuery.queryKey });
    },
  });
}

export const assetsQuery = (id: string) =>
  queryOptions({
    queryKey: [...KEY, 'assets', id],
    queryFn: () => unwrap(api.GET('/api/v1/users/{id}/assets', { params: { path: { id } } })),
  });

export function useOffboard(id: string) {
  const client = useQueryClient();
  return useMutation<Schemas['Offboarded'], Problem, Schemas['Offboarding']>({
    mutationFn: (body) => unwrap(api.POST('/api/v1/users/{id}/offboard', { params: { path: { id } }, body })),
    onSuccess: ({ member, approvals_left: left = 0 }) => {
      const still =
        left === 1 ? '1 open approval names them still' : `${left} open approvals name them still`;
      toast(left > 0 ? `${member.full_name} has left; ${still}` : `${member.full_name} has left`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

/** What a member did, for those who may read both members and the audit log. */
export function useActivity(id: string) {
  return usePages([...KEY, 'activity', id], (cursor) =>
    unwrap(api.GET('/api/v1/users/{id}/activity', { params: { path: { id }, query: { cursor } } })),
  );
}

/** Members changed behind the list's back. */
export function useForgetMembers() {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: KEY });
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
