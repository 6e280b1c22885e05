import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { instanceQuery } from '~/api/query';
import { Form, TextField } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { useAddMember } from './api';
import { RoleChoice } from './RoleChoice';
import { useSecurity } from './security';

const EMPTY = { full_name: '', email: '', username: '', password: '' };

export function AddMember({ onDone }: { onDone: () => void }) {
  const add = useAddMember();
  const everybody = useQuery(instanceQuery).data?.password_min_length ?? 12;
  const shortest = useSecurity()?.password_min_length ?? everybody;
  const [values, setValues] = useState(EMPTY);
  const [roles, setRoles] = useState(['viewer']);
  const bind = (name: keyof typeof EMPTY) => ({
    value: values[name],
    onChange: (value: string) => setValues((all) => ({ ...all, [name]: value })),
    error: add.error?.field(name),
    isRequired: true,
  });
  return (
    <Form
      problem={add.error}
      fields={Object.keys(EMPTY)}
      onSubmit={() => add.mutate({ ...values, roles }, { onSuccess: onDone })}
    >
      <TextField label="Full name" {...bind('full_name')} autoComplete="off" autoFocus />
      <TextField
        label="E-mail"
        type="email"
        {...bind('email')}
        autoComplete="off"
        hint="Someone who has a login already keeps it and joins when they accept."
      />
      <TextField label="User name" {...bind('username')} autoComplete="off" autoCapitalize="none" />
      <TextField
        label="First password"
        type="password"
        {...bind('password')}
        minLength={shortest}
        autoComplete="new-password"
        hint={`At least ${shortest} characters; hand it over in person. They choose another when they log in.`}
      />
      <RoleChoice value={roles} onChange={setRoles} />
      <FormActions isPending={add.isPending} isDisabled={roles.length === 0} onCancel={onDone}>
        Add member
      </FormActions>
    </Form>
  );
}
