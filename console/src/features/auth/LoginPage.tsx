import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { Fingerprint } from 'lucide-react';
import { useState } from 'react';
import { instanceQuery } from '~/api/query';
import { canUsePasskeys } from '~/lib/passkeys';
import { Button } from '~/ui/button';
import { Checkbox, Form, TextField } from '~/ui/form';
import { Notice } from '~/ui/states';
import { AuthFrame } from './AuthFrame';
import { type MfaRequired, useFinishLogin, useLogin, usePasskeyLogin } from './api';
import { SecondFactor } from './SecondFactor';

export function LoginPage() {
  const { return: returnTo } = useSearch({ from: '/visitor/login' });
  const instance = useQuery(instanceQuery).data;
  const [question, setQuestion] = useState<MfaRequired>();
  const login = useLogin(returnTo, setQuestion);
  const byPasskey = usePasskeyLogin(returnTo);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const submit = () =>
    login.mutate(name.includes('@') ? { email: name, password } : { username: name, password });

  if (question) {
    return <SecondHalf question={question} returnTo={returnTo} onAgain={() => setQuestion(undefined)} />;
  }
  return (
    <AuthFrame
      title="Log in"
      lead="Workflows that every tenant may run, and can prove."
      footer={
        instance?.registration === 'open' ? (
          <>
            No account yet?{' '}
            <Link to="/register" search={returnTo ? { return: returnTo } : {}}>
              Register an organisation
            </Link>
          </>
        ) : (
          instance &&
          (instance.registration === 'invite'
            ? 'People come by invitation here: open the link that you were sent.'
            : 'Accounts here are made by an administrator.')
        )
      }
    >
      {returnTo && !login.error && <Notice tone="info" title="Log in to go on where you were." />}
      <Form onSubmit={submit} problem={login.error ?? byPasskey.error}>
        <TextField
          label="User name or e-mail"
          value={name}
          onChange={setName}
          autoComplete="username"
          autoCapitalize="none"
          isRequired
          autoFocus
        />
        <TextField
          label="Password"
          type="password"
          value={password}
          onChange={setPassword}
          autoComplete="current-password"
          isRequired
        />
        {instance && instance.mail !== 'none' && (
          <p className="small">
            <Link to="/forgot-password">Forgot your password?</Link>
            {login.error?.code === 'rate-limited' && (
              <>
                {' '}
                · <Link to="/locked-out">Log in without waiting</Link>
              </>
            )}
          </p>
        )}
        <div className="form-actions">
          <Button type="submit" tone="primary" isPending={login.isPending}>
            Log in
          </Button>
          {canUsePasskeys() && (
            <Button onPress={() => byPasskey.mutate()} isPending={byPasskey.isPending}>
              <Fingerprint aria-hidden /> Log in with a passkey
            </Button>
          )}
        </div>
      </Form>
    </AuthFrame>
  );
}

/** The password was right; now what only this person has. */
function SecondHalf({
  question,
  returnTo,
  onAgain,
}: {
  question: MfaRequired;
  returnTo: string | undefined;
  onAgain: () => void;
}) {
  const finish = useFinishLogin(question, returnTo);
  const [trust, setTrust] = useState(false);
  return (
    <AuthFrame
      title="Second factor"
      lead="Your password was right. Show that it is you."
      footer={
        <Button tone="quiet" small onPress={onAgain}>
          Back to the password
        </Button>
      }
    >
      <SecondFactor
        factors={question.factors}
        action="Log in"
        isPending={finish.isPending}
        problem={finish.error}
        onTyped={(typed) => finish.mutate({ typed, trust })}
        onPasskey={() => finish.mutate({ typed: 'passkey', trust })}
      >
        <Checkbox isSelected={trust} onChange={setTrust}>
          Trust this device for 30 days
        </Checkbox>
      </SecondFactor>
    </AuthFrame>
  );
}
