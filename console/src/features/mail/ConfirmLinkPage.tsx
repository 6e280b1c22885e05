import { Link } from '@tanstack/react-router';
import { AuthFrame } from '~/features/auth/AuthFrame';
import { forgetLinkToken, useLinkToken } from '~/lib/link-token';
import { Button } from '~/ui/button';
import { Notice, ProblemNotice } from '~/ui/states';
import { type Confirmed, useConfirmLink } from './api';

const WORDS = {
  'verify-email': {
    title: 'Confirm your e-mail address',
    lead: 'You show that mail to this address reaches you.',
    action: 'Confirm my address',
    done: 'Your address is confirmed',
  },
  'change-email': {
    title: 'Use this address from now on',
    lead: 'It takes the place of the one that your account has.',
    action: 'Use this address',
    done: 'Your address was changed',
  },
  unlock: {
    title: 'Log in without waiting',
    lead: 'Ends the wait after failed logins.',
    action: 'End the wait',
    done: 'You can log in now',
  },
} as const;

export const VerifyEmailPage = () => <ConfirmLinkPage confirmed="verify-email" />;
export const ChangeEmailPage = () => <ConfirmLinkPage confirmed="change-email" />;
export const UnlockPage = () => <ConfirmLinkPage confirmed="unlock" />;

/** Opened by a link. It asks first: programs that look at mail open links, too, and a link works once. */
function ConfirmLinkPage({ confirmed }: { confirmed: Confirmed }) {
  const token = useLinkToken(confirmed);
  const confirm = useConfirmLink(confirmed);
  const { title, lead, action, done } = WORDS[confirmed];
  return (
    <AuthFrame title={title} lead={lead}>
      {confirm.isSuccess ? (
        <Notice tone="ok" title={done}>
          <p>
            <Link to="/">Go on</Link>
          </p>
        </Notice>
      ) : (
        <>
          {confirm.error && <ProblemNotice problem={confirm.error} />}
          <div className="form-actions">
            <Button
              tone="primary"
              isPending={confirm.isPending}
              onPress={() => confirm.mutate({ token }, { onSuccess: () => forgetLinkToken(confirmed) })}
            >
              {action}
            </Button>
          </div>
        </>
      )}
    </AuthFrame>
  );
}
