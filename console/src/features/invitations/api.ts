import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { instanceQuery, usePages } from '~/api/query';
import { freshToken, switchTo } from '~/api/session';
import type { Invitation, Schemas } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['invitations'];

export function useInvitations() {
  return usePages(KEY, (cursor) => unwrap(api.GET('/api/v1/invitations', { params: { query: { cursor } } })));
}

/** Whether people can be asked by mail here: that needs a mail server, and registration that is not closed. */
export function useCanInvite(): boolean {
  const instance = useQuery(instanceQuery).data;
  return instance !== undefined && instance.mail !== 'none' && instance.registration !== 'closed';
}

export function useInvite() {
  const client = useQueryClient();
  return useMutation<Invitation, Problem, Schemas['NewInvite']>({
    mutationFn: (body) => unwrap(api.POST('/api/v1/invitations', { body })),
    onSuccess: ({ email }) => {
      toast(`An invitation is on its way to ${email}`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export function useSendAgain() {
  const client = useQueryClient();
  return useMutation<Invitation, Problem, Invitation>({
    mutationFn: ({ id }) => unwrap(api.POST('/api/v1/invitations/{id}/resend', { params: { path: { id } } })),
    onSuccess: ({ email }) => {
      toast(`Another link is on its way to ${email}; the one before opens nothing`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export function useTakeBack() {
  const client = useQueryClient();
  return useMutation<unknown, Problem, Invitation>({
    mutationFn: ({ id }) => unwrap(api.DELETE('/api/v1/invitations/{id}', { params: { path: { id } } })),
    onSuccess: (_, { email }) => {
      toast(`The invitation of ${email} was taken back`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

/** What the invitation is to. A link that is over is said at once, and not asked again. */
export function useOpenInvitation() {
  return useMutation<Schemas['OpenInvitation'], Problem, Schemas['InvitationLink']>({
    mutationFn: (body) => unwrap(api.POST('/api/v1/invitations/open', { body })),
  });
}

export function useAcceptInvitation() {
  return useMutation<Schemas['Joined'], Problem, Schemas['Acceptance']>({
    mutationFn: (body) => unwrap(api.POST('/api/v1/invitations/accept', { body })),
  });
}

/** Joins with the account of this login, and goes to the organisation. */
export function useJoin() {
  return useMutation<void, Problem, Schemas['InvitationLink']>({
    mutationFn: async (body) => {
      const { organization } = await unwrap(api.POST('/api/v1/invitations/join', { body }));
      await freshToken();
      await switchTo(organization, false);
    },
  });
}
