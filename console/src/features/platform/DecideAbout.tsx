import { useState } from 'react';
import { type PlatformPerson, useDecideAbout } from './people';
import { ReasonDialog } from './ReasonDialog';

/** Asks for the reason before a person is suspended, or goes on. */
export function DecideAbout({
  person: { id, username, status },
  onClose,
}: {
  person: PlatformPerson;
  onClose: () => void;
}) {
  // Decided when the dialog opened, as of an organisation.
  const [suspends] = useState(status === 'active');
  return (
    <ReasonDialog
      title={suspends ? `Suspend ${username}?` : `Let ${username} go on?`}
      action={suspends ? 'Suspend person' : 'Resume person'}
      danger={suspends}
      decision={useDecideAbout(id, suspends)}
      hint="It stands in the platform’s part of the audit log. Their organisations read of the decision, and not why."
      onClose={onClose}
    >
      {suspends
        ? 'Their logins end, and within a second neither a new one nor any key, token or execution of theirs works, in any organisation.'
        : 'They log in again, and their API keys work at once.'}
    </ReasonDialog>
  );
}
