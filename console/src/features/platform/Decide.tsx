import { useState } from 'react';
import { type PlatformOrganization, useDecide } from './api';
import { ReasonDialog } from './ReasonDialog';

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
  return (
    <ReasonDialog
      title={suspends ? `Suspend ${name}?` : `Let ${name} go on?`}
      action={suspends ? 'Suspend organisation' : 'Resume organisation'}
      danger={suspends}
      decision={useDecide(id, suspends)}
      hint="The organisation reads it in its audit log."
      onClose={onClose}
    >
      {suspends
        ? 'Within a second all its members and keys are refused, and its executions take no further step that acts. Nothing of it is lost.'
        : 'Its members and keys are let in again, and its executions go on.'}
    </ReasonDialog>
  );
}
