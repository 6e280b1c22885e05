import type { ExecutionSummary } from '~/api/types';
import { Confirm } from '~/ui/dialog';
import { useDeleteExecution } from './api';

/** Asks, and deletes an execution that is over. */
export function DeleteExecution({
  execution,
  onDone,
  onClose,
}: {
  execution: Pick<ExecutionSummary, 'id' | 'workflow'>;
  onDone: () => void;
  onClose: () => void;
}) {
  const remove = useDeleteExecution();
  return (
    <Confirm
      title={`Delete this run of ${execution.workflow.name}?`}
      action="Delete run"
      isOpen
      change={remove}
      onClose={onClose}
      onConfirm={() => remove.mutate(execution.id, { onSuccess: onDone })}
    >
      <p>
        Its input, its output, what its steps did and its approvals are gone for good, and the storage that
        they hold is free. The audit log still tells that it ran.
      </p>
    </Confirm>
  );
}
