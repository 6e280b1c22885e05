import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import type { Schemas } from '~/api/types';
import { AuthFrame } from '~/features/auth/AuthFrame';
import { useLogin } from '~/features/auth/api';
import { NewPersonFields, useFields } from '~/features/auth/NewPersonFields';
import { forgetLinkToken, useLinkToken } from '~/lib/link-token';
import { Button } from '~/ui/button';
import { Form, TextField } from '~/ui/form';
import { Notice } from '~/ui/states';

const PAGE = 'setup';
const EMPTY = { organization_name: '', full_name: '', email: '', username: '', password: '' };

function useSetUp() {
  return useMutation<unknown, Problem, Schemas['Setup']>({
    mutationFn: (body) => unwrap(api.POST('/api/v1/setup', { body })),
  });
}

/** Opened by the link that a production server prints while nobody administers it. */
export function SetupPage() {
  const token = useLinkToken(PAGE);
  const setUp = useSetUp();
  const login = useLogin('/platform/organizations');
  const { values, bind } = useFields(EMPTY, setUp.error);
  const submit = () =>
    setUp.mutate(
      { token, ...values },
      {
        onSuccess: () => {
          forgetLinkToken(PAGE);
          const { username, password } = values;
          login.mutate({ username, password });
        },
      },
    );
  return (
    <AuthFrame
      title="Set up this installation"
      lead="You become the first to administer the platform, and an organisation of your own, which you log in to."
      footer={
        <>
          Already set up? <Link to="/login">Log in</Link>
        </>
      }
    >
      {setUp.isSuccess && login.error ? (
        <Notice tone="ok" title="You administer this platform">
          <p>
            <Link to="/login">Log in</Link> with your new password.
          </p>
        </Notice>
      ) : token === '' ? (
        <Notice tone="warn" title="A link opens this page">
          <p>The server prints it when it starts and nobody administers the platform yet.</p>
        </Notice>
      ) : (
        <Form problem={setUp.error} fields={Object.keys(EMPTY)} onSubmit={submit}>
          {setUp.error?.code === 'link-over' && (
            <p>Start the server again, and open the link that it prints then.</p>
          )}
          <TextField
            label="Organisation"
            {...bind('organization_name')}
            autoComplete="organization"
            hint="Yours, who run this installation."
            autoFocus
          />
          <NewPersonFields bind={bind} email={bind('email')} />
          <div className="form-actions">
            <Button type="submit" tone="primary" isPending={setUp.isPending || login.isPending}>
              Set up
            </Button>
          </div>
        </Form>
      )}
    </AuthFrame>
  );
}
