import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import { Problem } from '~/api/problem';
import { meQuery, usePages } from '~/api/query';
import { forget, logout } from '~/api/session';
import type { Schemas, Session } from '~/api/types';
import { saveFile } from '~/lib/save';
import { toast } from '~/ui/toast';

const KEY = ['sessions'];

export function useSessions() {
  return usePages(KEY, (cursor) =>
    unwrap(api.GET('/api/v1/auth/sessions', { params: { query: { cursor } } })),
  );
}

export function useOwnLogins() {
  return usePages(['logins'], (cursor) =>
    unwrap(api.GET('/api/v1/auth/logins', { params: { query: { cursor } } })),
  );
}

/** A member's, for those who may read both members and the audit log. */
export function useLoginsOf(id: string) {
  return usePages(['logins', id], (cursor) =>
    unwrap(api.GET('/api/v1/users/{id}/logins', { params: { path: { id }, query: { cursor } } })),
  );
}

/** Ends one login. Ending the one of this browser is logging out, so that its other tabs hear of it. */
export function useEndSession() {
  const client = useQueryClient();
  return useMutation<unknown, Problem, Session>({
    mutationFn: ({ id, current }) =>
      current ? logout() : unwrap(api.DELETE('/api/v1/auth/sessions/{id}', { params: { path: { id } } })),
    onSuccess: async (_, { current }) => {
      if (current) return;
      toast('Session ended');
      await client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export function useEndOtherSessions() {
  const client = useQueryClient();
  return useMutation<Schemas['SessionsEnded'], Problem, void>({
    mutationFn: () => unwrap(api.DELETE('/api/v1/auth/sessions')),
    onSuccess: ({ ended }) => {
      toast(ended === 1 ? '1 other session ended' : `${ended} other sessions ended`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export function useChangePassword() {
  const client = useQueryClient();
  return useMutation<unknown, Problem, Schemas['PasswordChange']>({
    mutationFn: (body) => unwrap(api.POST('/api/v1/auth/password', { body })),
    onSuccess: async () => {
      toast('Password changed; your other sessions have ended');
      // It may have opened what was closed until then.
      for (const queryKey of [KEY, meQuery.queryKey]) await client.invalidateQueries({ queryKey });
    },
  });
}

/** Everything that names the person, as a file. A plain link would carry no token. */
export function useSaveOwnData() {
  return useMutation<void, Problem, void>({
    mutationFn: async () => {
      const { data, response, error } = await api.GET('/api/v1/auth/me/export', { parseAs: 'blob' });
      if (!data) throw Problem.from(response, error);
      saveFile(data, response, 'my-data.json');
    },
  });
}

/** Ends the account; nothing of the session is left that could be logged out. */
export function useDeleteAccount() {
  return useMutation<unknown, Problem, Schemas['AccountDeletion']>({
    mutationFn: (body) => unwrap(api.POST('/api/v1/auth/me/delete', { body })),
    onSuccess: forget,
  });
}
