import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Problem } from '~/api/problem';
import { instanceQuery } from '~/api/query';
import { TextField } from '~/ui/form';

/** The values of a form's fields, and what binds one of them to its field: all are asked for. */
export function useFields<Values extends Record<string, string>>(empty: Values, problem: Problem | null) {
  const [values, setValues] = useState(empty);
  const bind = (name: keyof Values & string) => ({
    value: values[name] ?? '',
    onChange: (value: string) => setValues((all) => ({ ...all, [name]: value })),
    error: problem?.field(name),
    isRequired: true,
  });
  return { values, bind };
}

type Bound = ReturnType<ReturnType<typeof useFields>['bind']>;

interface NewPersonFieldsProps {
  bind: (name: 'full_name' | 'username' | 'password') => Bound;
  /** Absent for who was invited: theirs is the address that the invitation went to. */
  email?: Bound;
  /** Characters that a password needs, where it is not the installation that says. */
  shortest?: number;
}

/** Who somebody new is, and their password. */
export function NewPersonFields({ bind, email, shortest }: NewPersonFieldsProps) {
  const instance = useQuery(instanceQuery).data;
  const least = shortest ?? instance?.password_min_length ?? 12;
  return (
    <>
      <TextField label="Your full name" {...bind('full_name')} autoComplete="name" autoFocus={!email} />
      {email && <TextField label="E-mail" type="email" {...email} autoComplete="email" />}
      <TextField label="User name" {...bind('username')} autoComplete="username" autoCapitalize="none" />
      <TextField
        label="Password"
        type="password"
        {...bind('password')}
        minLength={least}
        autoComplete="new-password"
        hint={`At least ${least} characters. Any characters: a sentence is good.`}
      />
    </>
  );
}
