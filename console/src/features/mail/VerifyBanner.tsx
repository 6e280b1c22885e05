import { useQuery } from '@tanstack/react-query';
import { instanceQuery, useMe } from '~/api/query';
import { Button } from '~/ui/button';
import { Notice, ProblemNotice } from '~/ui/states';
import { useAskToVerify } from './api';
import { OutboxHint } from './OutboxHint';
import './mail.css';

/** Until it is known that mail reaches the person: without it a forgotten password is gone for good. */
export function VerifyBanner() {
  const me = useMe();
  const instance = useQuery(instanceQuery).data;
  const ask = useAskToVerify();
  const isOf = instance && instance.auth === 'on' && instance.mail !== 'none';
  if (!isOf || me?.email_verified !== false) return null;
  return (
    <aside aria-label="Your e-mail address">
      {ask.error && <ProblemNotice problem={ask.error} />}
      {ask.isSuccess ? (
        <Notice tone="info" title={`A link is on its way to ${me.user.email}`}>
          {instance.mail === 'outbox' && <OutboxHint />}
        </Notice>
      ) : (
        <Notice tone="info" title={`Your address ${me.user.email} is not confirmed yet`}>
          <p>
            Open the link that was sent to it, so that a forgotten password can be set anew, and you can join
            other organisations that ask you.{' '}
            <Button small tone="plain" isPending={ask.isPending} onPress={() => ask.mutate()}>
              Send it again
            </Button>
          </p>
        </Notice>
      )}
    </aside>
  );
}
