import { type ReactNode, useState } from 'react';
import type { Problem } from '~/api/problem';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Form, TextField } from '~/ui/form';

interface Decision {
  mutate: (reason: string, options: { onSuccess: () => void }) => void;
  error: Problem | null;
  isPending: boolean;
}

/** Asks why, before the platform suspends somebody or something, or lets it go on. */
export function ReasonDialog({
  title,
  action,
  danger,
  decision,
  hint,
  onClose,
  children,
}: {
  title: string;
  action: string;
  danger: boolean;
  decision: Decision;
  /** Who reads the reason. */
  hint: string;
  onClose: () => void;
  children: ReactNode;
}) {
  const [reason, setReason] = useState('');
  return (
    <Dialog title={title} isOpen onClose={onClose} alert>
      <Form
        problem={decision.error}
        fields={['reason']}
        onSubmit={() => decision.mutate(reason, { onSuccess: onClose })}
      >
        <p>{children}</p>
        <TextField
          label="Reason"
          value={reason}
          onChange={setReason}
          error={decision.error?.field('reason')}
          hint={hint}
          maxLength={500}
          isRequired
          autoFocus
        />
        <div className="form-actions">
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" tone={danger ? 'danger' : 'primary'} isPending={decision.isPending}>
            {action}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}
