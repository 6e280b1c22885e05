import { Download } from 'lucide-react';
import { useState } from 'react';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Form, TextField } from '~/ui/form';
import { Panel } from '~/ui/page';
import { ProblemNotice } from '~/ui/states';
import { useDeleteAccount, useSaveOwnData } from './api';

/** What one may have of what is known of oneself, and its end. */
export function OwnData() {
  const save = useSaveOwnData();
  const [deleting, setDeleting] = useState(false);
  return (
    <Panel title="Your data">
      <div className="stack">
        <p>
          Everything that names you, as one JSON file: your profile, memberships, sessions and logins, and
          what you made and did in this organisation.
        </p>
        {save.error && <ProblemNotice problem={save.error} />}
        <div className="row">
          <Button isPending={save.isPending} onPress={() => save.mutate()}>
            <Download aria-hidden /> Save my data
          </Button>
          <Button tone="danger" onPress={() => setDeleting(true)}>
            Delete my account…
          </Button>
        </div>
      </div>
      {deleting && (
        <Dialog title="Delete your account?" isOpen alert onClose={() => setDeleting(false)}>
          <DeleteAccount onClose={() => setDeleting(false)} />
        </Dialog>
      )}
    </Panel>
  );
}

function DeleteAccount({ onClose }: { onClose: () => void }) {
  const remove = useDeleteAccount();
  const [password, setPassword] = useState('');
  return (
    <Form
      problem={remove.error}
      fields={['current_password']}
      onSubmit={() => remove.mutate({ current_password: password })}
    >
      <p>
        Your name, address and password are erased, and you are a member of no organisation any more. Sessions
        and API keys end at once. What you made stays with your organisations; their audit logs keep what you
        did, under an identifier. This cannot be undone.
      </p>
      <TextField
        label="Your password"
        type="password"
        value={password}
        onChange={setPassword}
        error={remove.error?.field('current_password')}
        autoComplete="current-password"
        isRequired
      />
      <div className="form-actions">
        <Button onPress={onClose} autoFocus>
          Cancel
        </Button>
        <Button type="submit" tone="danger" isPending={remove.isPending}>
          Delete my account
        </Button>
      </div>
    </Form>
  );
}
