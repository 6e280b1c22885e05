import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { api, unwrap } from '~/api/client';
import { Problem } from '~/api/problem';
import { meQuery } from '~/api/query';
import { adopt, CONSOLE_HEADERS, freshToken, switchTo } from '~/api/session';
import type { Schemas } from '~/api/types';

/** Posts to the auth path without a token; the refresh token comes back as a cookie. */
async function open(
  path: 'login' | 'register',
  body: Schemas['Login'] | Schemas['Register'],
): Promise<Schemas['LoggedIn']> {
  const response = await fetch(`/api/v1/auth/${path}`, {
    method: 'POST',
    headers: CONSOLE_HEADERS,
    body: JSON.stringify({ ...body, refresh: 'cookie' }),
  }).catch(() => {
    throw Problem.unreachable();
  });
  const answer: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw Problem.from(response, answer);
  return answer as Schemas['LoggedIn'];
}

/** Opens a session, then goes where the person was going. */
export function useOpenSession(path: 'login' | 'register', returnTo: string | undefined) {
  const router = useRouter();
  const client = useQueryClient();
  return useMutation<void, Problem, Schemas['Login'] | Schemas['Register']>({
    mutationFn: async (body) => adopt(await open(path, body)),
    onSuccess: async () => {
      client.clear(); // nothing of the person before
      await router.navigate({ href: returnTo ?? '/' });
    },
  });
}

/** Goes to another organisation of the same person, or to one that asks them to be a member; the present login ends. */
export function useSwitchOrganization() {
  return useMutation<void, Problem, { organization: string; accept: boolean }>({
    mutationFn: async ({ organization, accept }) => {
      await freshToken();
      await switchTo(organization, accept);
    },
  });
}

/** Says no to an organisation that asks the person to be a member. */
export function useDeclineInvitation() {
  const client = useQueryClient();
  return useMutation<unknown, Problem, string>({
    mutationFn: (id) => unwrap(api.DELETE('/api/v1/auth/invitations/{id}', { params: { path: { id } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: meQuery.queryKey }),
  });
}
