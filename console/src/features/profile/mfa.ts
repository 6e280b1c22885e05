import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { meQuery, usePages } from '~/api/query';
import type { Schemas } from '~/api/types';
import { makePasskey } from '~/lib/passkeys';
import { toast } from '~/ui/toast';

const KEY = ['mfa'];

export const mfaQuery = queryOptions({
  queryKey: [...KEY, 'status'],
  queryFn: () => unwrap(api.GET('/api/v1/auth/mfa')),
});

export function useMfa() {
  return useQuery(mfaQuery);
}

export function usePasskeys() {
  return usePages([...KEY, 'passkeys'], (cursor) =>
    unwrap(api.GET('/api/v1/auth/mfa/passkeys', { params: { query: { cursor } } })),
  );
}

export function useDevices() {
  return usePages([...KEY, 'devices'], (cursor) =>
    unwrap(api.GET('/api/v1/auth/mfa/devices', { params: { query: { cursor } } })),
  );
}

/** A change of one's own factors: what depends on them is asked for again: sessions, and which keys are refused. */
function useChange<Answer, Given = void>(change: (given: Given) => Promise<Answer>, said?: string) {
  const client = useQueryClient();
  return useMutation<Answer, Problem, Given>({
    mutationFn: change,
    onSuccess: async () => {
      if (said) toast(said);
      for (const queryKey of [KEY, ['sessions'], ['api-keys']]) await client.invalidateQueries({ queryKey });
    },
  });
}

/** What the first factor opens: pages that were refused without one. */
export function useRefreshMe() {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: meQuery.queryKey });
}

export const useBeginApp = () =>
  useMutation<Schemas['TotpSetup'], Problem, void>({
    mutationFn: () => unwrap(api.POST('/api/v1/auth/mfa/totp')),
  });

export const useConfirmApp = () =>
  useChange((code: string) => unwrap(api.POST('/api/v1/auth/mfa/totp/confirm', { body: { code } })));

export const useRemoveApp = () =>
  useChange(() => unwrap(api.DELETE('/api/v1/auth/mfa/totp')), 'Authenticator app removed');

export const useNewCodes = () => useChange(() => unwrap(api.POST('/api/v1/auth/mfa/recovery-codes')));

export const useAddPasskey = () =>
  useChange(async (name: string) => {
    const { passkey_token, options } = await unwrap(api.POST('/api/v1/auth/mfa/passkeys/options'));
    const credential = await makePasskey(options);
    return unwrap(api.POST('/api/v1/auth/mfa/passkeys', { body: { passkey_token, name, credential } }));
  });

export const useRemovePasskey = () =>
  useChange(
    (id: string) => unwrap(api.DELETE('/api/v1/auth/mfa/passkeys/{id}', { params: { path: { id } } })),
    'Passkey removed',
  );

export const useForgetDevice = () =>
  useChange(
    (id: string) => unwrap(api.DELETE('/api/v1/auth/mfa/devices/{id}', { params: { path: { id } } })),
    'Device forgotten',
  );
