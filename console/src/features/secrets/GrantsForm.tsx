import { useState } from 'react';
import { Problem } from '~/api/problem';
import type { Secret } from '~/api/types';
import { useWorkflows } from '~/features/workflows/api';
import { Button } from '~/ui/button';
import { Checkbox, CheckboxGroup, Form } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { Failed, Loading } from '~/ui/states';
import { useSetGrants } from './api';

/** Which workflows may use a secret. Grants to workflows that are not listed (yet) stay as they are. */
export function GrantsForm({ secret, onDone }: { secret: Secret; onDone: () => void }) {
  const { query, items } = useWorkflows('');
  const save = useSetGrants();
  const [chosen, setChosen] = useState(() => secret.grants.map((grant) => grant.id));
  if (items === undefined) {
    if (query.isError)
      return <Failed problem={Problem.of(query.error)} label="workflows" onRetry={() => query.refetch()} />;
    return <Loading label="workflows" lines={3} />;
  }
  return (
    <Form
      problem={save.error}
      onSubmit={() => save.mutate({ name: secret.name, workflow_ids: chosen }, { onSuccess: onDone })}
    >
      {items.length === 0 ? (
        <p className="muted">There is no workflow to grant it to yet.</p>
      ) : (
        <CheckboxGroup label="Workflows" value={chosen} onChange={setChosen}>
          {items.map((workflow) => (
            <Checkbox key={workflow.id} value={workflow.id}>
              {workflow.name}
            </Checkbox>
          ))}
        </CheckboxGroup>
      )}
      {query.hasNextPage && (
        <Button small isPending={query.isFetchingNextPage} onPress={() => query.fetchNextPage()}>
          Show more workflows
        </Button>
      )}
      <FormActions isPending={save.isPending} onCancel={onDone}>
        Save grants
      </FormActions>
    </Form>
  );
}
