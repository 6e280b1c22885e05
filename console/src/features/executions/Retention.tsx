import { useState } from 'react';
import { useMay } from '~/api/query';
import type { Schemas } from '~/api/types';
import { Button } from '~/ui/button';
import { Confirm } from '~/ui/dialog';
import { Form, TextField } from '~/ui/form';
import { Panel } from '~/ui/page';
import { Loaded } from '~/ui/states';
import { useRetention, useSetRetention } from './api';

/** How long the organisation keeps executions that are over. */
export function Retention() {
  return (
    <Panel title="How long executions are kept">
      <Loaded query={useRetention()} label="how long executions are kept">
        {(retention) => <RetentionForm retention={retention} />}
      </Loaded>
    </Panel>
  );
}

const days = (count: number) => (count === 1 ? 'one day' : `${count.toLocaleString()} days`);

function RetentionForm({ retention }: { retention: Schemas['ExecutionRetention'] }) {
  const [text, setText] = useState(retention.keep_days?.toString() ?? '');
  const [asking, setAsking] = useState(false);
  const save = useSetRetention();
  const mayUpdate = useMay('tenant:update');
  const mayDelete = useMay('execution:delete');
  const mayChange = mayUpdate && mayDelete;
  const wanted = text.trim() === '' ? null : Number(text);
  const { installation_days: installation = null, in_force_days: inForce = null } = retention;
  // What is kept longer than before deletes nothing.
  const deletes = wanted !== null && (inForce === null || wanted < inForce);
  const put = () => save.mutate(wanted, { onSettled: () => setAsking(false) });
  return (
    <Form problem={save.error} fields={['keep_days']} onSubmit={() => (deletes ? setAsking(true) : put())}>
      <p>
        {inForce === null
          ? 'Executions that are over are kept until somebody deletes them.'
          : `Executions are deleted ${days(inForce)} after they have ended, with all that they hold.`}
      </p>
      <TextField
        label="Days after their end"
        value={text}
        onChange={setText}
        error={save.error?.field('keep_days')}
        inputMode="numeric"
        pattern="[0-9]*"
        isDisabled={!mayChange}
        hint={
          installation === null
            ? 'Empty keeps them.'
            : `At most ${installation.toLocaleString()}, as this installation says; empty is as it says.`
        }
      />
      <div className="form-actions">
        <Button type="submit" tone="primary" isPending={save.isPending} isDisabled={!mayChange}>
          Save how long
        </Button>
      </div>
      <Confirm
        title={`Keep executions for ${days(wanted ?? 0)}?`}
        action="Delete what is older"
        isOpen={asking}
        change={save}
        onClose={() => setAsking(false)}
        onConfirm={put}
      >
        <p>
          What ended longer ago is deleted within the hour, also what is private to teams, and cannot be
          brought back. The audit log still tells that it ran.
        </p>
      </Confirm>
    </Form>
  );
}
