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
          <div className="verify-ask">
            <p>
              Open the link that was sent there: you need it to set a forgotten password anew, and to join
              other organisations.
            </p>
            <Button small tone="plain" isPending={ask.isPending} onPress={() => ask.mutate()}>
              Send it again
            </Button>
          </div>
        </Notice>
      )}
    </aside>
  );
}
