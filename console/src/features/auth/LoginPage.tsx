import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { instanceQuery } from '~/api/query';
import { Button } from '~/ui/button';
import { Form, TextField } from '~/ui/form';
import { Notice } from '~/ui/states';
import { AuthFrame } from './AuthFrame';
import { useOpenSession } from './api';

export function LoginPage() {
  const { return: returnTo } = useSearch({ from: '/visitor/login' });
  const instance = useQuery(instanceQuery).data;
  const login = useOpenSession('login', returnTo);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const submit = () =>
    login.mutate(name.includes('@') ? { email: name, password } : { username: name, password });

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
      <Form onSubmit={submit} problem={login.error}>
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
        </div>
      </Form>
    </AuthFrame>
  );
}
