import { useState } from 'react';
import type { ApiKey } from '~/api/types';
import { PermissionChoice } from '~/features/roles/PermissionChoice';
import { Form, TextField } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { useChangeApiKey } from './api';
import { networksOf } from './scopes';

/** What may change of a key: its name, from where it is used, and less than it may do now. */
export function EditKey({ apiKey, onDone }: { apiKey: ApiKey; onDone: () => void }) {
  const save = useChangeApiKey(apiKey.id);
  const [name, setName] = useState(apiKey.name);
  const [networks, setNetworks] = useState(apiKey.allowed_cidrs.join('\n'));
  const [scopes, setScopes] = useState<string[]>(apiKey.scopes);
  const problem = save.error;
  return (
    <Form
      problem={problem}
      fields={['name', 'allowed_cidrs', 'scopes']}
      onSubmit={() =>
        save.mutate({ name, allowed_cidrs: networksOf(networks), scopes }, { onSuccess: onDone })
      }
    >
      <TextField
        label="Name"
        value={name}
        onChange={setName}
        error={problem?.field('name')}
        maxLength={100}
        isRequired
        autoFocus
      />
      <TextField
        label="Networks"
        value={networks}
        onChange={setNetworks}
        rows={2}
        error={problem?.field('allowed_cidrs')}
        hint="Where it may be used from, like 192.0.2.0/24; one a line. From anywhere without."
      />
      <p className="muted small">
        What is unticked here it may do no more, within a second. For more permissions make another key.
      </p>
      <PermissionChoice
        value={scopes}
        onChange={setScopes}
        offered={apiKey.scopes}
        wildcardMeans="that the key has"
        error={problem?.field('scopes')}
      />
      <FormActions isPending={save.isPending} isDisabled={scopes.length === 0} onCancel={onDone}>
        Save API key
      </FormActions>
    </Form>
  );
}
