import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { instanceQuery } from '~/api/query';
import { useChangeEmail } from '~/features/mail/api';
import { OutboxHint } from '~/features/mail/OutboxHint';
import { Button } from '~/ui/button';
import { Form, TextField } from '~/ui/form';
import { Panel } from '~/ui/page';
import { Notice } from '~/ui/states';

const EMPTY = { email: '', current_password: '' };

/** The address changes when the link that goes to the new one is opened. */
export function ChangeEmail() {
  const instance = useQuery(instanceQuery).data;
  const change = useChangeEmail();
  const [values, setValues] = useState(EMPTY);
  const bind = (name: keyof typeof EMPTY) => ({
    value: values[name],
    onChange: (value: string) => setValues((all) => ({ ...all, [name]: value })),
    error: change.error?.field(name),
    isRequired: true,
  });
  if (!instance || instance.mail === 'none') return null;
  return (
    <Panel title="E-mail address">
      <Form
        problem={change.error}
        fields={Object.keys(EMPTY)}
        onSubmit={() => change.mutate(values, { onSuccess: () => setValues(EMPTY) })}
      >
        {change.isSuccess && (
          <Notice tone="ok" title="A link is on its way to the new address">
            <p>Open it within a day; until then nothing changes.</p>
            {instance.mail === 'outbox' && <OutboxHint />}
          </Notice>
        )}
        <TextField label="New e-mail address" type="email" {...bind('email')} autoComplete="email" />
        <TextField
          label="Your password"
          type="password"
          {...bind('current_password')}
          autoComplete="current-password"
        />
        <div className="form-actions">
          <Button type="submit" tone="primary" isPending={change.isPending}>
            Change address
          </Button>
        </div>
      </Form>
    </Panel>
  );
}
