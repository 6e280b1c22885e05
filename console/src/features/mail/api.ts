import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { meQuery, usePages } from '~/api/query';
import type { Schemas } from '~/api/types';
import { toast } from '~/ui/toast';

/** What is asked for by mail, by who cannot log in. */
export type Asked = 'reset' | 'unlock';

export function useAskForLink(asked: Asked) {
  return useMutation<unknown, Problem, Schemas['LinkRequest']>({
    mutationFn: (body) =>
      asked === 'reset'
        ? unwrap(api.POST('/api/v1/auth/password/reset', { body }))
        : unwrap(api.POST('/api/v1/auth/unlock', { body })),
  });
}

export function useResetPassword() {
  return useMutation<unknown, Problem, Schemas['PasswordReset']>({
    mutationFn: (body) => unwrap(api.POST('/api/v1/auth/password/reset/confirm', { body })),
  });
}

/** What a link does by being opened. */
export type Confirmed = 'verify-email' | 'change-email' | 'unlock';

export function useConfirmLink(confirmed: Confirmed) {
  const client = useQueryClient();
  return useMutation<unknown, Problem, Schemas['LinkUse']>({
    mutationFn: (body) => {
      if (confirmed === 'unlock') return unwrap(api.POST('/api/v1/auth/unlock/confirm', { body }));
      return confirmed === 'verify-email'
        ? unwrap(api.POST('/api/v1/auth/verify-email/confirm', { body }))
        : unwrap(api.POST('/api/v1/auth/email/confirm', { body }));
    },
    onSuccess: () => client.invalidateQueries({ queryKey: meQuery.queryKey }),
  });
}

export function useAskToVerify() {
  return useMutation<unknown, Problem, void>({
    mutationFn: () => unwrap(api.POST('/api/v1/auth/verify-email')),
  });
}

export function useChangeEmail() {
  return useMutation<unknown, Problem, Schemas['EmailChange']>({
    mutationFn: (body) => unwrap(api.POST('/api/v1/auth/email', { body })),
    onSuccess: (_, { email }) => toast(`A link is on its way to ${email}`),
  });
}

/** What would have been sent, on a development instance without a mail server. */
export const outboxQuery = queryOptions({
  queryKey: ['outbox'],
  queryFn: () => unwrap(api.GET('/api/v1/dev/outbox', { params: { query: { limit: 50 } } })),
  refetchInterval: 3000,
  retry: false,
});

export function useMailFailures(enabled: boolean) {
  return usePages(
    ['mail-failures'],
    (cursor) => unwrap(api.GET('/api/v1/mail/failures', { params: { query: { cursor } } })),
    { enabled },
  );
}
