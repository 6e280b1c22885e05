import { useMutation, useQuery } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import type { Schemas } from '~/api/types';

/** The letters of a code, as the server wants to have them shown: `BCDF-GHJK`. */
export function spelled(typed: string): string {
  const letters = typed
    .toUpperCase()
    .replace(/[^A-Z]/g, '')
    .slice(0, 8);
  return letters.length > 4 ? `${letters.slice(0, 4)}-${letters.slice(4)}` : letters;
}

/** The program that waits with this code. A wrong code counts, so it is asked for once and not again by itself. */
export function useDeviceLogin(code: string | undefined) {
  return useQuery<Schemas['DeviceLogin'], Problem>({
    queryKey: ['device', code],
    queryFn: () => unwrap(api.GET('/api/v1/auth/device', { params: { query: { user_code: code ?? '' } } })),
    enabled: code !== undefined,
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
}

export function useDecideDevice() {
  return useMutation<unknown, Problem, { code: string; decision: 'approve' | 'deny' }>({
    mutationFn: ({ code, decision }) =>
      unwrap(api.POST(`/api/v1/auth/device/${decision}`, { body: { user_code: code } })),
  });
}
