import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { instanceQuery } from '~/api/query';
import { Button } from '~/ui/button';
import { Form, TextField } from '~/ui/form';
import { Notice } from '~/ui/states';
import { AuthFrame } from './AuthFrame';
import { useRegister } from './api';
import { NewPersonFields, useFields } from './NewPersonFields';

const EMPTY = { organization_name: '', full_name: '', email: '', username: '', password: '' };

export function RegisterPage() {
  const { return: returnTo } = useSearch({ from: '/visitor/register' });
  const instance = useQuery(instanceQuery).data;
  const register = useRegister(returnTo);
  const { values, bind } = useFields(EMPTY, register.error);

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
          <NewPersonFields bind={bind} email={bind('email')} />
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
