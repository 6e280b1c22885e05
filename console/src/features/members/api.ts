import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import { Problem } from '~/api/problem';
import { meQuery, usePages } from '~/api/query';
import type { Member, Schemas, UserImport } from '~/api/types';
import { saveFile } from '~/lib/save';
import { toast } from '~/ui/toast';
import { type MemberFilter, query } from './filter';

const KEY = ['users'];
const IMPORTS = ['user-imports'];
const LOOK_AGAIN_MS = 700;

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
    onSuccess: ({ member }) => {
      toast(`${member.full_name} has left`);
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

export const isMoving = ({ state }: UserImport) => ['waiting', 'running', 'undoing'].includes(state);

/** An import, looked at again and again while it moves. */
export function useImport(id: string) {
  return useQuery({
    queryKey: [...IMPORTS, id],
    queryFn: () => unwrap(api.GET('/api/v1/users/imports/{id}', { params: { path: { id } } })),
    refetchInterval: ({ state: { data } }) => (data === undefined || isMoving(data) ? LOOK_AGAIN_MS : false),
  });
}

/** The lines of an import that is over, of one outcome. */
export function useImportLines(id: string, state: Schemas['LineState'] | undefined, enabled: boolean) {
  return usePages(
    [...IMPORTS, id, 'lines', state],
    (cursor) =>
      unwrap(
        api.GET('/api/v1/users/imports/{id}/lines', { params: { path: { id }, query: { cursor, state } } }),
      ),
    { enabled },
  );
}

export function useImports() {
  return usePages(
    [...IMPORTS, 'list'],
    (cursor) => unwrap(api.GET('/api/v1/users/imports', { params: { query: { cursor } } })),
    { moving: (items) => items.some(isMoving) },
  );
}

export function useStartImport() {
  const client = useQueryClient();
  return useMutation<UserImport, Problem, Schemas['NewUserImport']>({
    mutationFn: (body) => unwrap(api.POST('/api/v1/users/import', { body })),
    onSuccess: () => client.invalidateQueries({ queryKey: [...IMPORTS, 'list'] }),
  });
}

/** Cancels an import, or takes back what it added. */
export function useChangeImport(id: string) {
  const client = useQueryClient();
  return useMutation<UserImport, Problem, 'cancel' | 'undo'>({
    mutationFn: (what) => {
      const params = { params: { path: { id } } };
      return unwrap(
        what === 'undo'
          ? api.POST('/api/v1/users/imports/{id}/undo', params)
          : api.POST('/api/v1/users/imports/{id}/cancel', params),
      );
    },
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: IMPORTS });
      await client.invalidateQueries({ queryKey: KEY });
    },
  });
}

/** Members changed behind the list's back. */
export function useForgetMembers() {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: KEY });
}

/** What came of each line, as a file. A plain link would carry no token. */
export async function saveReport(id: string): Promise<void> {
  const { data, response, error } = await api.GET('/api/v1/users/imports/{id}/report', {
    params: { path: { id } },
    parseAs: 'blob',
  });
  if (!data) throw Problem.from(response, error);
  saveFile(data, response, 'import-report.csv');
}
