import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect } from 'react';
import { meQuery } from '~/api/query';
import { logout, useSessionState } from '~/api/session';
import type { Schemas } from '~/api/types';
import { AuthFrame } from '~/features/auth/AuthFrame';
import { useLogin } from '~/features/auth/api';
import { NewPersonFields, useFields } from '~/features/auth/NewPersonFields';
import { forgetLinkToken, useLinkToken } from '~/lib/link-token';
import { Button, ButtonLink } from '~/ui/button';
import { Form } from '~/ui/form';
import { Loading, Notice, ProblemNotice } from '~/ui/states';
import { toastProblem } from '~/ui/toast';
import { useAcceptInvitation, useJoin, useOpenInvitation } from './api';

const PAGE = 'accept-invitation';

/** Opened by the link of an invitation: somebody new says who they are, somebody who is known logs in and joins. */
export function AcceptInvitationPage() {
  const token = useLinkToken(PAGE);
  const { mutate, data, error } = useOpenInvitation();
  useEffect(() => mutate({ token }), [mutate, token]);
  const title = data ? `Join ${data.organization_name}` : 'Invitation';
  const lead = data ? `You are invited as ${data.email}.` : 'Looking at your invitation.';
  return (
    <AuthFrame
      title={title}
      lead={error ? 'It cannot be opened.' : lead}
      footer={error && <Link to="/login">Go to the login</Link>}
    >
      {error ? (
        <ProblemNotice problem={error} />
      ) : !data ? (
        <Loading label="the invitation" lines={3} />
      ) : (
        <Reader token={token} invitation={data} />
      )}
    </AuthFrame>
  );
}

interface InvitedProps {
  token: string;
  invitation: Schemas['OpenInvitation'];
}

/** Who reads it decides what is to be done. */
function Reader({ token, invitation }: InvitedProps) {
  const isIn = useSessionState() === 'active';
  const me = useQuery({ ...meQuery, enabled: isIn }).data;
  if (isIn && !me) return <Loading label="your login" lines={2} />;
  if (me && me.user.email.toLowerCase() !== invitation.email.toLowerCase()) {
    return (
      <>
        <Notice tone="warn" title={`You are logged in as ${me.user.email}`}>
          <p>The invitation is for {invitation.email}. Log out to go on.</p>
        </Notice>
        <div className="form-actions">
          <Button tone="primary" onPress={() => void logout().catch(toastProblem)}>
            Log out
          </Button>
        </div>
      </>
    );
  }
  if (me) return <JoinAsMe token={token} invitation={invitation} />;
  if (invitation.has_account) {
    return (
      <>
        <p>This address has an account here. Log in with it, and you can join.</p>
        <div className="form-actions">
          <ButtonLink to="/login" search={{ return: `/${PAGE}` }} tone="primary">
            Log in to join
          </ButtonLink>
        </div>
      </>
    );
  }
  return <JoinAsNew token={token} invitation={invitation} />;
}

function JoinAsMe({ token, invitation }: InvitedProps) {
  const join = useJoin();
  const done = () => {
    forgetLinkToken(PAGE);
    // Begins anew: nothing of the organisation before may stay in memory.
    location.assign('/');
  };
  return (
    <>
      {join.error && <ProblemNotice problem={join.error} />}
      <p>Its administrators see your name and address and say what you may do there.</p>
      <div className="form-actions">
        <Button
          tone="primary"
          isPending={join.isPending}
          onPress={() => join.mutate({ token }, { onSuccess: done })}
        >
          Join {invitation.organization_name}
        </Button>
      </div>
    </>
  );
}

const EMPTY = { full_name: '', username: '', password: '' };

function JoinAsNew({ token, invitation }: InvitedProps) {
  const accept = useAcceptInvitation();
  const login = useLogin(undefined);
  const { values, bind } = useFields(EMPTY, accept.error);
  const submit = () =>
    accept.mutate(
      { token, ...values },
      {
        onSuccess: ({ organization }) => {
          forgetLinkToken(PAGE);
          const { username, password } = values;
          login.mutate({ username, password, organization });
        },
      },
    );
  if (accept.isSuccess && login.error) {
    return (
      <Notice tone="ok" title={`You are a member of ${invitation.organization_name}`}>
        <p>
          <Link to="/login">Log in</Link> with your new password.
        </p>
      </Notice>
    );
  }
  return (
    <Form problem={accept.error} fields={Object.keys(EMPTY)} onSubmit={submit}>
      <NewPersonFields bind={bind} shortest={invitation.password_min_length} />
      <div className="form-actions">
        <Button type="submit" tone="primary" isPending={accept.isPending || login.isPending}>
          Join {invitation.organization_name}
        </Button>
      </div>
    </Form>
  );
}
