import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { CircleStop, RotateCw } from 'lucide-react';
import { useCallback, useMemo, useState } from 'react';
import { useMay } from '~/api/query';
import type { Execution, StepState } from '~/api/types';
import { graphOf } from '~/features/workflows/graph-model';
import { WorkflowGraph } from '~/features/workflows/WorkflowGraph';
import { formatDuration, span } from '~/lib/time';
import { Button, ButtonLink } from '~/ui/button';
import { Confirm } from '~/ui/dialog';
import { Page, Panel } from '~/ui/page';
import { isOver, StateBadge } from '~/ui/state-badge';
import { Failed, Loaded, Loading, Notice } from '~/ui/states';
import { Time, useNow } from '~/ui/time';
import { CopyButton, Json } from '~/ui/value';
import { executionQuery, useCancelExecution } from './api';
import { Failure, StepPanel } from './StepPanel';
import { Timeline } from './Timeline';
import { rowsOf } from './timeline-model';
import { type Live, useLive } from './use-live';

const BACK = <Link to="/executions">Executions</Link>;

export function ExecutionPage() {
  const { executionId } = useParams({ from: '/shell/executions/$executionId' });
  const query = useQuery(executionQuery(executionId));
  const live = useLive(executionId);
  if (query.data) return <Run key={executionId} execution={query.data} live={live} />;
  return (
    <Page title="Execution" back={BACK}>
      <Loaded query={query} label="this execution">
        {() => null}
      </Loaded>
    </Page>
  );
}

function Run({ execution, live }: { execution: Execution; live: Live }) {
  const over = isOver(execution.state);
  const now = useNow(200, !over);
  const [selected, setSelected] = useState<string>();
  const model = useMemo(() => graphOf(execution.definition), [execution.definition]);
  const rows = useMemo(() => rowsOf(live.steps.values()), [live.steps]);
  const states = useMemo(
    () => new Map<string, StepState>(rows.map(({ node, state }) => [node, state])),
    [rows],
  );
  const selectNode = useCallback(
    (node: string) => setSelected(rows.find((row) => row.node === node)?.steps.at(-1)?.name),
    [rows],
  );
  // Until someone chooses: what failed, what waits, or how it ended.
  const telling = rows.find((row) => row.state === 'waiting') ?? (over ? rows.at(-1) : undefined);
  const shown = selected ?? execution.error?.step ?? telling?.steps.at(-1)?.name;
  const params = { workflowId: execution.workflow.id };
  const length = span(execution.started_at, execution.finished_at, now);

  return (
    <Page
      wide
      title={execution.workflow.name}
      back={BACK}
      badge={<StateBadge state={execution.state} />}
      actions={
        <>
          {!over && <CancelButton execution={execution} />}
          <ButtonLink to="/workflows/$workflowId/run" params={params}>
            <RotateCw aria-hidden /> Run again
          </ButtonLink>
        </>
      }
    >
      <div className="run-facts">
        <span className="row">
          <code>{execution.id}</code>
          <CopyButton text={execution.id} label="Copy the execution’s id" />
        </span>
        <span>
          Version{' '}
          <Link to="/workflows/$workflowId" params={params}>
            {execution.version}
          </Link>
        </span>
        <span>
          By <strong>{execution.requested_by.name}</strong>
        </span>
        <span>
          Started <Time iso={execution.created_at} />
        </span>
        {length !== null && (
          <span className="numeric">
            {over ? 'Took' : 'For'} <strong>{formatDuration(length)}</strong>
          </span>
        )}
        <StreamNote live={live} over={over} />
      </div>
      {execution.state === 'waiting' && (
        <Notice tone="info" title="Waiting">
          <p>
            A step waits for time, an event or a person. <Link to="/approvals">See the approvals</Link>
          </p>
        </Notice>
      )}
      {execution.error && <Failure error={execution.error} />}
      <Panel title="Graph" flush>
        <div className="execution-graph">
          <WorkflowGraph
            model={model}
            direction="LR"
            label="Graph of the execution"
            states={states}
            onSelect={selectNode}
          />
        </div>
      </Panel>
      <div className="run-page">
        <div className="stack">
          <Panel title="Timeline" flush>
            <Steps live={live} now={now} selected={shown} onSelect={setSelected} />
          </Panel>
          {over && execution.output != null && (
            <Panel title="Output">
              <Json value={execution.output} label="Output of the execution" />
            </Panel>
          )}
          {execution.input != null && (
            <Panel title="Input">
              <Json value={execution.input} label="Input of the execution" />
            </Panel>
          )}
        </div>
        <StepPanel
          executionId={execution.id}
          step={shown === undefined ? undefined : live.steps.get(shown)}
          liveLogs={shown === undefined ? undefined : live.logs.get(shown)}
          now={now}
        />
      </div>
    </Page>
  );
}

function Steps({
  live,
  now,
  selected,
  onSelect,
}: {
  live: Live;
  now: number;
  selected: string | undefined;
  onSelect: (step: string) => void;
}) {
  if (live.steps.size > 0)
    return <Timeline steps={live.steps} now={now} selected={selected} onSelect={onSelect} />;
  if (live.status === 'ended' && live.problem) return <Failed problem={live.problem} label="the steps" />;
  if (live.status === 'live') return <p className="graph-note muted">Queued: no step has begun.</p>;
  return <Loading label="steps" lines={4} />;
}

function StreamNote({ live, over }: { live: Live; over: boolean }) {
  if (over) return null;
  if (live.status === 'interrupted') return <span role="status">Connection lost; reconnecting…</span>;
  return live.status === 'live' ? <span role="status">Live</span> : null;
}

function CancelButton({ execution }: { execution: Execution }) {
  const may = useMay('execution:cancel');
  const cancel = useCancelExecution(execution.id);
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Button tone="plain" isDisabled={!may} onPress={() => setAsking(true)}>
        <CircleStop aria-hidden /> Cancel run
      </Button>
      <Confirm
        title="Cancel this run?"
        action="Cancel run"
        dismiss="Let it run"
        isOpen={asking}
        isPending={cancel.isPending}
        problem={cancel.error}
        onClose={() => setAsking(false)}
        onConfirm={() => cancel.mutate(undefined, { onSuccess: () => setAsking(false) })}
      >
        <p>The step under way stops within a second. What finished is kept.</p>
      </Confirm>
    </>
  );
}
