import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { instanceQuery } from '~/api/query';
import { AuthFrame } from '~/features/auth/AuthFrame';
import { forgetLinkToken, useLinkToken } from '~/lib/link-token';
import { Button } from '~/ui/button';
import { Form, TextField } from '~/ui/form';
import { Notice } from '~/ui/states';
import { useResetPassword } from './api';

const EMPTY = { new_password: '', again: '' };

/** Opened by a link. Asked for twice: nobody sees what they type, and a slip would lock them out again. */
export function ResetPasswordPage() {
  const token = useLinkToken('reset-password');
  const shortest = useQuery(instanceQuery).data?.password_min_length ?? 12;
  const reset = useResetPassword();
  const [{ new_password, again }, setValues] = useState(EMPTY);
  const [differ, setDiffer] = useState(false);
  const set = (name: keyof typeof EMPTY) => (value: string) => {
    setDiffer(false);
    setValues((all) => ({ ...all, [name]: value }));
  };
  const submit = () => {
    if (again !== new_password) return setDiffer(true);
    reset.mutate({ token, new_password }, { onSuccess: () => forgetLinkToken('reset-password') });
  };
  return (
    <AuthFrame
      title="Choose a new password"
      lead="All your sessions end, and you log in with it."
      footer={<Link to="/forgot-password">Ask for another link</Link>}
    >
      {reset.isSuccess ? (
        <Notice tone="ok" title="Your password was changed">
          <p>
            <Link to="/login">Log in</Link> with the new one.
          </p>
        </Notice>
      ) : (
        <Form problem={reset.error} fields={['new_password']} onSubmit={submit}>
          <TextField
            label="New password"
            type="password"
            value={new_password}
            onChange={set('new_password')}
            error={reset.error?.field('new_password')}
            autoComplete="new-password"
            hint={`At least ${shortest} characters, or 8 beside a second factor, and none that many people have: a few words of your own are good.`}
            isRequired
            autoFocus
          />
          <TextField
            label="New password again"
            type="password"
            value={again}
            onChange={set('again')}
            error={differ ? 'This is not the same.' : undefined}
            autoComplete="new-password"
            isRequired
          />
          <div className="form-actions">
            <Button type="submit" tone="primary" isPending={reset.isPending}>
              Change password
            </Button>
          </div>
        </Form>
      )}
    </AuthFrame>
  );
}
