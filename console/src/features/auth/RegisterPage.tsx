import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { instanceQuery } from '~/api/query';
import { Button } from '~/ui/button';
import { Form, TextField } from '~/ui/form';
import { Notice } from '~/ui/states';
import { AuthFrame } from './AuthFrame';
import { useRegister } from './api';

const EMPTY = { organization_name: '', full_name: '', email: '', username: '', password: '' };

export function RegisterPage() {
  const { return: returnTo } = useSearch({ from: '/visitor/register' });
  const instance = useQuery(instanceQuery).data;
  const register = useRegister(returnTo);
  const [values, setValues] = useState(EMPTY);
  const bind = (name: keyof typeof EMPTY) => ({
    value: values[name],
    onChange: (value: string) => setValues((all) => ({ ...all, [name]: value })),
    error: register.error?.field(name),
    isRequired: true,
  });
  const shortest = instance?.password_min_length ?? 12;

  return (
    <AuthFrame
      title="Register an organisation"
      lead="You become its administrator; others join by your invitation."
      footer={
        <>
          Already registered? <Link to="/login">Log in</Link>
        </>
      }
    >
      {instance && instance.registration !== 'open' ? (
        <Notice tone="warn" title="Registration is not open here">
          <p>Ask the people who run this installation for an account.</p>
        </Notice>
      ) : (
        <Form onSubmit={() => register.mutate(values)} problem={register.error} fields={Object.keys(EMPTY)}>
          <TextField
            label="Organisation"
            {...bind('organization_name')}
            autoComplete="organization"
            autoFocus
          />
          <TextField label="Your full name" {...bind('full_name')} autoComplete="name" />
          <TextField label="E-mail" type="email" {...bind('email')} autoComplete="email" />
          <TextField label="User name" {...bind('username')} autoComplete="username" autoCapitalize="none" />
          <TextField
            label="Password"
            type="password"
            {...bind('password')}
            minLength={shortest}
            autoComplete="new-password"
            hint={`At least ${shortest} characters. Any characters: a sentence is good.`}
          />
          <div className="form-actions">
            <Button type="submit" tone="primary" isPending={register.isPending}>
              Register
            </Button>
          </div>
        </Form>
      )}
    </AuthFrame>
  );
}
