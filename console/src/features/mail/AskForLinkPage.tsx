import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { instanceQuery } from '~/api/query';
import { AuthFrame } from '~/features/auth/AuthFrame';
import { Button } from '~/ui/button';
import { Form, TextField } from '~/ui/form';
import { Notice } from '~/ui/states';
import { type Asked, useAskForLink } from './api';
import { OutboxHint } from './OutboxHint';

const WORDS = {
  reset: {
    title: 'Forgot your password?',
    lead: 'A link to choose a new one goes to your e-mail address.',
    after: 'Open it within an hour to choose a new password.',
  },
  unlock: {
    title: 'Log in without waiting',
    lead: 'After failed logins everybody waits. A link that ends the wait goes to your e-mail address.',
    after: 'Open it within an hour, then log in.',
  },
} as const;

export const ForgotPasswordPage = () => <AskForLinkPage asked="reset" />;
export const LockedOutPage = () => <AskForLinkPage asked="unlock" />;

/** What is said afterwards is the same for an address that nobody has: it tells nothing. */
function AskForLinkPage({ asked }: { asked: Asked }) {
  const instance = useQuery(instanceQuery).data;
  const ask = useAskForLink(asked);
  const [email, setEmail] = useState('');
  const { title, lead, after } = WORDS[asked];
  return (
    <AuthFrame title={title} lead={lead} footer={<Link to="/login">Back to the login</Link>}>
      {instance?.mail === 'none' ? (
        <Notice tone="warn" title="This server sends no mail">
          <p>Ask an administrator of your organisation.</p>
        </Notice>
      ) : ask.isSuccess ? (
        <Notice tone="ok" title="Look into your mailbox">
          <p>
            If {email} belongs to an account, a link is on its way. {after}
          </p>
          {instance?.mail === 'outbox' && <OutboxHint />}
        </Notice>
      ) : (
        <Form problem={ask.error} fields={['email']} onSubmit={() => ask.mutate({ email })}>
          <TextField
            label="E-mail"
            type="email"
            value={email}
            onChange={setEmail}
            error={ask.error?.field('email')}
            autoComplete="email"
            isRequired
            autoFocus
          />
          <div className="form-actions">
            <Button type="submit" tone="primary" isPending={ask.isPending}>
              Send the link
            </Button>
          </div>
        </Form>
      )}
    </AuthFrame>
  );
}
