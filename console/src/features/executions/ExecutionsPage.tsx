import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { Activity, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { useMay } from '~/api/query';
import type { ExecutionState, ExecutionSummary } from '~/api/types';
import { formatDuration, span } from '~/lib/time';
import { Button, ButtonLink } from '~/ui/button';
import { Select } from '~/ui/form';
import { MenuItem, RowMenu } from '~/ui/menu';
import { Page } from '~/ui/page';
import { isOver, StateBadge } from '~/ui/state-badge';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time, useNow } from '~/ui/time';
import { useExecutions } from './api';
import { DeleteExecution } from './DeleteExecution';

/** Filters as a person thinks of them; the address carries them, so that a view can be shared. */
export const EXECUTION_FILTERS = {
  all: { label: 'All', states: undefined },
  active: { label: 'Under way', states: ['queued', 'running', 'waiting', 'paused'] },
  succeeded: { label: 'Succeeded', states: ['succeeded'] },
  failed: { label: 'Failed', states: ['failed', 'timed_out'] },
  cancelled: { label: 'Cancelled', states: ['cancelled'] },
} as const satisfies Record<string, { label: string; states: ExecutionState[] | undefined }>;
export type ExecutionFilterName = keyof typeof EXECUTION_FILTERS;

export function ExecutionsPage() {
  const { workflow, show = 'all' } = useSearch({ from: '/shell/executions' });
  const navigate = useNavigate({ from: '/executions' });
  const pages = useExecutions({ workflow, states: EXECUTION_FILTERS[show].states });
  const now = useNow(5000);
  const mayDelete = useMay('execution:delete');
  const [deleting, setDeleting] = useState<ExecutionSummary>();
  const close = () => setDeleting(undefined);
  const filtered = workflow !== undefined || show !== 'all';
  return (
    <Page title="Executions" description="What ran, runs and waits, newest first.">
      <div className="filters">
        <Select
          label="State"
          value={show}
          options={(Object.keys(EXECUTION_FILTERS) as ExecutionFilterName[]).map((value) => ({
            value,
            label: EXECUTION_FILTERS[value].label,
          }))}
          onChange={(next) =>
            void navigate({
              search: (old) => ({ ...old, show: next === 'all' ? undefined : next }),
              replace: true,
            })
          }
        />
        {workflow && (
          <Button
            tone="quiet"
            onPress={() => void navigate({ search: (old) => ({ ...old, workflow: undefined }) })}
          >
            Show all workflows
          </Button>
        )}
      </div>
      <List
        label="executions"
        pages={pages}
        rowKey={(execution) => execution.id}
        empty={
          filtered ? (
            <Empty icon={Activity} title="No execution matches">
              Choose another state or workflow.
            </Empty>
          ) : (
            <Empty
              icon={Activity}
              title="Nothing has run yet"
              action={<ButtonLink to="/workflows">Choose a workflow</ButtonLink>}
            >
              Run a workflow, and each of its steps can be followed here.
            </Empty>
          )
        }
        columns={[
          {
            header: 'Workflow',
            cell: (execution) => (
              <>
                <Link
                  to="/executions/$executionId"
                  params={{ executionId: execution.id }}
                  className="row-link"
                >
                  {execution.workflow.name}
                </Link>
                <div className="cell-note mono truncate">{execution.id}</div>
              </>
            ),
          },
          { header: 'State', fit: true, cell: (execution) => <StateBadge state={execution.state} /> },
          {
            header: 'Steps',
            end: true,
            fit: true,
            wideOnly: true,
            cell: (one) => `${one.steps_finished} of ${one.steps_total}`,
          },
          {
            header: 'Took',
            end: true,
            fit: true,
            wideOnly: true,
            cell: (one) => {
              const length = span(one.started_at, one.finished_at, now);
              return length === null ? '' : formatDuration(length);
            },
          },
          { header: 'By', fit: true, wideOnly: true, cell: (execution) => execution.requested_by.name },
          {
            header: 'Started',
            fit: true,
            wideOnly: true,
            cell: (execution) => <Time iso={execution.created_at} relative />,
          },
          {
            header: 'Actions',
            hideHeader: true,
            end: true,
            fit: true,
            cell: (execution) =>
              mayDelete && isOver(execution.state) ? (
                <RowMenu label={`Actions for ${execution.id}`}>
                  <MenuItem label="Delete" danger onAction={() => setDeleting(execution)}>
                    <Trash2 aria-hidden /> Delete…
                  </MenuItem>
                </RowMenu>
              ) : null,
          },
        ]}
      />
      {deleting && <DeleteExecution execution={deleting} onDone={close} onClose={close} />}
    </Page>
  );
}
