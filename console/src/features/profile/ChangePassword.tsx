import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { instanceQuery } from '~/api/query';
import { Button } from '~/ui/button';
import { Form, TextField } from '~/ui/form';
import { Panel } from '~/ui/page';
import { useChangePassword } from './api';
import { useMfa } from './mfa';

const EMPTY = { current_password: '', new_password: '', again: '' };

/** The new password is asked for twice: nobody sees what they type, and a slip would lock them out. */
export function ChangePassword({ username }: { username: string }) {
  const everybody = useQuery(instanceQuery).data?.password_min_length ?? 12;
  const shortest = useMfa().data?.password_min_length ?? everybody;
  const change = useChangePassword();
  const [values, setValues] = useState(EMPTY);
  const [differ, setDiffer] = useState(false);
  const set = (name: keyof typeof EMPTY) => (value: string) => {
    setDiffer(false);
    setValues((all) => ({ ...all, [name]: value }));
  };
  const submit = () => {
    const { again, ...body } = values;
    if (again !== body.new_password) return setDiffer(true);
    change.mutate(body, { onSuccess: () => setValues(EMPTY) });
  };
  return (
    <Panel title="Password">
      <Form problem={change.error} fields={['current_password', 'new_password']} onSubmit={submit}>
        {/* For password managers, which would otherwise guess whose password it is. */}
        <input type="hidden" name="username" autoComplete="username" value={username} />
        <TextField
          label="Current password"
          type="password"
          value={values.current_password}
          onChange={set('current_password')}
          error={change.error?.field('current_password')}
          autoComplete="current-password"
          isRequired
        />
        <TextField
          label="New password"
          type="password"
          value={values.new_password}
          onChange={set('new_password')}
          error={change.error?.field('new_password')}
          autoComplete="new-password"
          minLength={shortest}
          hint={`At least ${shortest} characters, and none that many people have: a few words of your own are good.`}
          isRequired
        />
        <TextField
          label="New password again"
          type="password"
          value={values.again}
          onChange={set('again')}
          error={differ ? 'This is not the same.' : undefined}
          autoComplete="new-password"
          isRequired
        />
        <div className="form-actions">
          <span className="muted small">All your other sessions end.</span>
          <Button type="submit" tone="primary" isPending={change.isPending}>
            Change password
          </Button>
        </div>
      </Form>
    </Panel>
  );
}
