import { useState } from 'react';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Form, TextField } from '~/ui/form';
import { type PlatformOrganization, useDecide } from './api';

/** Asks for the reason before an organisation is suspended, or goes on. */
export function Decide({
  organization: { id, name, status },
  onClose,
}: {
  organization: PlatformOrganization;
  onClose: () => void;
}) {
  // Decided when the dialog opened: it must not turn into its opposite once that is done.
  const [suspends] = useState(status === 'active');
  const decide = useDecide(id, suspends);
  const [reason, setReason] = useState('');
  return (
    <Dialog title={suspends ? `Suspend ${name}?` : `Let ${name} go on?`} isOpen onClose={onClose} alert>
      <Form
        problem={decide.error}
        fields={['reason']}
        onSubmit={() => decide.mutate(reason, { onSuccess: onClose })}
      >
        <p>
          {suspends
            ? 'Within a second all its members and keys are refused, and its executions take no further step that acts. Nothing of it is lost.'
            : 'Its members and keys are let in again, and its executions go on.'}
        </p>
        <TextField
          label="Reason"
          value={reason}
          onChange={setReason}
          error={decide.error?.field('reason')}
          hint="The organisation reads it in its audit log."
          maxLength={500}
          isRequired
          autoFocus
        />
        <div className="form-actions">
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" tone={suspends ? 'danger' : 'primary'} isPending={decide.isPending}>
            {suspends ? 'Suspend organisation' : 'Resume organisation'}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}
