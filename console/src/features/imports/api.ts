import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import { Problem } from '~/api/problem';
import { usePages } from '~/api/query';
import type { Schemas, UserImport } from '~/api/types';
import { saveFile } from '~/lib/save';

export type Kind = Schemas['ImportKind'];
type State = Schemas['LineState'];
interface File {
  csv: string;
  dry_run: boolean;
}

const IMPORTS = ['imports'];
/** A long import is looked at ever more seldom: each look counts against the person’s limit of requests. */
const lookAgainMs = (looks: number) => Math.min(400 * 1.4 ** looks, 3000);

/** The requests of each kind: each has paths of its own, as it asks for permissions of its own. */
const calls = {
  users: {
    start: (body: File) => api.POST('/api/v1/users/import', { body }),
    list: (cursor?: string) => api.GET('/api/v1/users/imports', { params: { query: { cursor } } }),
    get: (id: string) => api.GET('/api/v1/users/imports/{id}', { params: { path: { id } } }),
    lines: (id: string, state?: State, cursor?: string) =>
      api.GET('/api/v1/users/imports/{id}/lines', { params: { path: { id }, query: { cursor, state } } }),
    report: (id: string) =>
      api.GET('/api/v1/users/imports/{id}/report', { params: { path: { id } }, parseAs: 'blob' }),
    cancel: (id: string) => api.POST('/api/v1/users/imports/{id}/cancel', { params: { path: { id } } }),
    undo: (id: string) => api.POST('/api/v1/users/imports/{id}/undo', { params: { path: { id } } }),
  },
  roles: {
    start: (body: File) => api.POST('/api/v1/role-imports', { body }),
    list: (cursor?: string) => api.GET('/api/v1/role-imports', { params: { query: { cursor } } }),
    get: (id: string) => api.GET('/api/v1/role-imports/{id}', { params: { path: { id } } }),
    lines: (id: string, state?: State, cursor?: string) =>
      api.GET('/api/v1/role-imports/{id}/lines', { params: { path: { id }, query: { cursor, state } } }),
    report: (id: string) =>
      api.GET('/api/v1/role-imports/{id}/report', { params: { path: { id } }, parseAs: 'blob' }),
    cancel: (id: string) => api.POST('/api/v1/role-imports/{id}/cancel', { params: { path: { id } } }),
    undo: (id: string) => api.POST('/api/v1/role-imports/{id}/undo', { params: { path: { id } } }),
  },
  api_keys: {
    start: (body: File) => api.POST('/api/v1/api-key-imports', { body }),
    list: (cursor?: string) => api.GET('/api/v1/api-key-imports', { params: { query: { cursor } } }),
    get: (id: string) => api.GET('/api/v1/api-key-imports/{id}', { params: { path: { id } } }),
    lines: (id: string, state?: State, cursor?: string) =>
      api.GET('/api/v1/api-key-imports/{id}/lines', { params: { path: { id }, query: { cursor, state } } }),
    report: (id: string) =>
      api.GET('/api/v1/api-key-imports/{id}/report', { params: { path: { id } }, parseAs: 'blob' }),
    cancel: (id: string) => api.POST('/api/v1/api-key-imports/{id}/cancel', { params: { path: { id } } }),
    undo: (id: string) => api.POST('/api/v1/api-key-imports/{id}/undo', { params: { path: { id } } }),
  },
};

/** What lists show that an import of the kind changes. */
const CHANGES: Record<Kind, string> = { users: 'users', roles: 'roles', api_keys: 'api-keys' };

export const isMoving = ({ state }: UserImport) => ['waiting', 'running', 'undoing'].includes(state);

/** An import, looked at again and again while it moves. */
export function useImport(kind: Kind, id: string) {
  const client = useQueryClient();
  return useQuery({
    queryKey: [...IMPORTS, kind, id],
    queryFn: async () => {
      const found = await unwrap(calls[kind].get(id));
      // The page behind the dialog shows what has come or gone.
      if (!isMoving(found)) void client.invalidateQueries({ queryKey: [CHANGES[kind]] });
      return found;
    },
    refetchInterval: ({ state: { data, dataUpdateCount } }) =>
      data === undefined || isMoving(data) ? lookAgainMs(dataUpdateCount) : false,
  });
}

/** The lines of an import that is over, of one outcome. */
export function useImportLines(kind: Kind, id: string, state: State | undefined, enabled: boolean) {
  return usePages(
    [...IMPORTS, kind, id, 'lines', state],
    (cursor) => unwrap(calls[kind].lines(id, state, cursor)),
    { enabled },
  );
}

export function useImports(kind: Kind) {
  return usePages([...IMPORTS, kind, 'list'], (cursor) => unwrap(calls[kind].list(cursor)), {
    moving: (items) => items.some(isMoving),
  });
}

export function useStartImport(kind: Kind) {
  const client = useQueryClient();
  return useMutation<UserImport, Problem, File>({
    mutationFn: (body) => unwrap(calls[kind].start(body)),
    // The file may hold passwords and keys: it goes when the dialog does.
    gcTime: 0,
    onSuccess: () => client.invalidateQueries({ queryKey: [...IMPORTS, kind, 'list'] }),
  });
}

/** Cancels an import, or takes back what it added. */
export function useChangeImport(kind: Kind, id: string) {
  const client = useQueryClient();
  return useMutation<UserImport, Problem, 'cancel' | 'undo'>({
    mutationFn: (what) => unwrap(calls[kind][what](id)),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: [...IMPORTS, kind] });
      await client.invalidateQueries({ queryKey: [CHANGES[kind]] });
    },
  });
}

/** What came of each line, as a file. A plain link would carry no token. */
export async function saveReport(kind: Kind, id: string): Promise<void> {
  const { data, response, error } = await calls[kind].report(id);
  if (!data) throw Problem.from(response, error);
  saveFile(data, response, 'import-report.csv');
}
