import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { Problem } from '~/api/problem';
import { adopt, CONSOLE_HEADERS, replaceBy } from '~/api/session';
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

/** Logs in to another organisation of the same person, and out of the present one. */
export function useSwitchOrganization() {
  return useMutation<void, Problem, Schemas['Login']>({
    mutationFn: async (body) => replaceBy(await open('login', body)),
  });
}
