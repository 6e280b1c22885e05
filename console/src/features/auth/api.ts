import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { api, unwrap } from '~/api/client';
import { Problem } from '~/api/problem';
import { meQuery } from '~/api/query';
import { adopt, CONSOLE_HEADERS, freshToken, switchTo } from '~/api/session';
import type { Schemas } from '~/api/types';
import { askPasskey } from '~/lib/passkeys';
import type { Typed } from './SecondFactor';

type LoggedIn = Schemas['LoggedIn'];
export type MfaRequired = Schemas['MfaRequired'];

/** Posts to the auth path without a token; the refresh token comes back as a cookie. */
async function post<T>(path: string, body: object): Promise<T> {
  const response = await fetch(`/api/v1/auth/${path}`, {
    method: 'POST',
    headers: CONSOLE_HEADERS,
    body: JSON.stringify(body),
  }).catch(() => {
    throw Problem.unreachable();
  });
  const answer: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw Problem.from(response, answer);
  return answer as T;
}

/** Opens a session, then goes where the person was going; unless a second factor is asked for first. */
function useOpening<Given>(
  open: (given: Given) => Promise<LoggedIn | MfaRequired>,
  returnTo: string | undefined,
  onAsked: (question: MfaRequired) => void = () => {},
) {
  const router = useRouter();
  const client = useQueryClient();
  return useMutation<LoggedIn | MfaRequired, Problem, Given>({
    mutationFn: open,
    onSuccess: async (answer) => {
      if ('mfa_required' in answer) return onAsked(answer);
      adopt(answer);
      client.clear(); // nothing of the person before
      await router.navigate({ href: returnTo ?? '/' });
    },
  });
}

export function useRegister(returnTo: string | undefined) {
  return useOpening(
    (body: Schemas['Register']) => post<LoggedIn>('register', { ...body, refresh: 'cookie' }),
    returnTo,
  );
}

export function useLogin(returnTo: string | undefined, onAsked?: (question: MfaRequired) => void) {
  return useOpening(
    (body: Schemas['Login']) => post<LoggedIn | MfaRequired>('login', { ...body, refresh: 'cookie' }),
    returnTo,
    onAsked,
  );
}

/** The other half of a login; its cookie goes where the first half said. */
export function useFinishLogin(question: MfaRequired, returnTo: string | undefined) {
  return useOpening(
    async ({ typed, trust }: { typed: Typed | 'passkey'; trust: boolean }) =>
      post<LoggedIn>('mfa', {
        ...(typed === 'passkey' ? { passkey: await askPasskey(question.passkey) } : typed),
        mfa_token: question.mfa_token,
        trust_device: trust,
      }),
    returnTo,
  );
}

/** A login by a passkey alone: whichever the person picks. */
export function usePasskeyLogin(returnTo: string | undefined) {
  return useOpening(async () => {
    const { passkey_token, options } = await post<Schemas['PasskeyQuestion']>('passkey/options', {});
    const credential = await askPasskey(options);
    return post<LoggedIn>('passkey', { passkey_token, credential, refresh: 'cookie' });
  }, returnTo);
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
