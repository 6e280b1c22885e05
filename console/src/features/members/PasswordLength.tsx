import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { instanceQuery, useMay } from '~/api/query';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Form, TextField } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { useChangeSecurity, useSecurity } from './security';

/** How long the passwords are that members choose; who may, asks for more. */
export function PasswordLength() {
  const mayChange = useMay('tenant:update');
  const least = useQuery(instanceQuery).data?.password_min_length ?? 12;
  const settings = useSecurity();
  const [asking, setAsking] = useState(false);
  if (!settings) return null;
  const own = settings.password_min_length ?? null;
  return (
    <p className="row">
      <span className="muted">
        {own === null
          ? `New passwords have at least ${least} characters, and less beside a second factor.`
          : `New passwords have at least ${own} characters.`}
      </span>
      {mayChange && (
        <Button small onPress={() => setAsking(true)}>
          Change the length
        </Button>
      )}
      {asking && <Length own={own} least={least} onClose={() => setAsking(false)} />}
    </p>
  );
}

function Length({ own, least, onClose }: { own: number | null; least: number; onClose: () => void }) {
  const change = useChangeSecurity(({ password_min_length }) =>
    password_min_length == null
      ? 'New passwords are as long as the installation asks'
      : `New passwords have at least ${password_min_length} characters`,
  );
  const [text, setText] = useState(own === null ? '' : String(own));
  const submit = () =>
    change.mutate({ password_min_length: text.trim() === '' ? null : Number(text) }, { onSuccess: onClose });
  return (
    <Dialog title="How long are new passwords?" isOpen onClose={onClose}>
      <Form problem={change.error} fields={['password_min_length']} onSubmit={submit}>
        <TextField
          label="Characters"
          value={text}
          onChange={setText}
          error={change.error?.field('password_min_length')}
          inputMode="numeric"
          pattern="\s*(1[2-9]|[2-5][0-9]|6[0-4])?\s*"
          hint={`12 to 64; empty for what the installation asks: ${least}, and 8 beside a second factor. Passwords that are there already stay.`}
          autoFocus
        />
        <FormActions isPending={change.isPending} onCancel={onClose}>
          Save
        </FormActions>
      </Form>
    </Dialog>
  );
}
