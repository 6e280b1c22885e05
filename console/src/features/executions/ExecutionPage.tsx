import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { CirclePause, CirclePlay, CircleStop, RotateCcw, RotateCw, Trash2 } from 'lucide-react';
import { useCallback, useMemo, useState } from 'react';
import { useMay } from '~/api/query';
import type { Execution, ExecutionState, StepState } from '~/api/types';
import { useApprovalsOf } from '~/features/approvals/api';
import { graphOf } from '~/features/workflows/graph-model';
import { WorkflowGraph } from '~/features/workflows/WorkflowGraph';
import { useMedia } from '~/lib/media';
import { formatDuration, span } from '~/lib/time';
import { Button, ButtonLink } from '~/ui/button';
import { Confirm } from '~/ui/dialog';
import { Page, Panel } from '~/ui/page';
import { Report } from '~/ui/report';
import { isOver, StateBadge } from '~/ui/state-badge';
import { Failed, Loaded, Loading, Notice } from '~/ui/states';
import { Time, useNow } from '~/ui/time';
import { toastProblem } from '~/ui/toast';
import { CopyButton, Json } from '~/ui/value';
import { executionQuery, useControlExecution } from './api';
import { DeleteExecution } from './DeleteExecution';
import { Failure, StepPanel } from './StepPanel';
import { Timeline } from './Timeline';
import { MOST_SHOWN, TooLarge } from './TooLarge';
import { rowsOf } from './timeline-model';
import { type Live, useLive } from './use-live';

const BACK = <Link to="/executions">Executions</Link>;

export function ExecutionPage() {
  const { executionId } = useParams({ from: '/shell/executions/$executionId' });
  const query = useQuery(executionQuery(executionId));
  const live = useLive(executionId, useRound(query.data), query.data !== undefined);
  if (query.data) return <Run key={executionId} execution={query.data} live={live} />;
  return (
    <Page title="Execution" back={BACK}>
      <Loaded query={query} label="this execution">
        {() => null}
      </Loaded>
    </Page>
  );
}

/**
 * Counts how often an execution that was over has been taken up again. Of a quick retry nothing may be seen but that it
 * is over at another moment.
 */
function useRound(execution: Execution | undefined): number {
  const overSince = execution && isOver(execution.state) ? (execution.finished_at ?? null) : null;
  const [known, setKnown] = useState({ overSince, round: 0 });
  if (overSince !== known.overSince)
    setKnown({ overSince, round: known.overSince === null ? known.round : known.round + 1 });
  return known.round;
}

function Run({ execution, live }: { execution: Execution; live: Live }) {
  const over = isOver(execution.state);
  const now = useNow(200, !over);
  const narrow = useMedia('(max-width: 44rem)');
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
          <Controls execution={execution} />
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
      {execution.state === 'waiting' && <Waiting execution={execution} />}
      {execution.error && <Failure error={execution.error} />}
      <Panel title="Graph" flush>
        <div className="execution-graph">
          <WorkflowGraph
            model={model}
            direction={narrow ? 'TB' : 'LR'}
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
          {over && (execution.output != null || (execution.output_size ?? 0) > MOST_SHOWN) && (
            <Panel title="Output">
              {execution.output == null ? (
                <TooLarge
                  size={execution.output_size ?? 0}
                  of={{ execution: execution.id, what: 'output' }}
                />
              ) : (
                <Report value={execution.output} label="Output of the execution" />
              )}
            </Panel>
          )}
          {(execution.input != null || execution.input_size > MOST_SHOWN) && (
            <Panel title="Input">
              {execution.input == null ? (
                <TooLarge size={execution.input_size} of={{ execution: execution.id, what: 'input' }} />
              ) : (
                <Json value={execution.input} label="Input of the execution" />
              )}
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

/** What it waits for: people by name of the step, else a moment. */
function Waiting({ execution }: { execution: Execution }) {
  const mayRead = useMay('approval:read');
  const approvals = useApprovalsOf(execution.id, mayRead).data?.items ?? [];
  if (approvals.length === 0) {
    return (
      <Notice tone="info" title="Waiting">
        <p>A step waits for its moment. Nothing runs until then, and no slot is taken.</p>
      </Notice>
    );
  }
  const decidable = approvals.some((approval) => approval.can_decide);
  return (
    <Notice
      tone="info"
      title={decidable ? 'This run waits for your decision' : 'This run waits for a decision'}
    >
      <p>
        At {approvals.map(({ step }) => step).join(', ')}.{' '}
        <Link to="/approvals">{decidable ? 'Look and decide' : 'See the approvals'}</Link>
      </p>
    </Notice>
  );
}

function StreamNote({ live, over }: { live: Live; over: boolean }) {
  if (over) return null;
  if (live.status === 'interrupted') return <span role="status">Connection lost; reconnecting…</span>;
  return live.status === 'live' ? <span role="status">Live</span> : null;
}

const CONTROLS = {
  pause: { label: 'Pause', icon: CirclePause, permission: 'execution:cancel' },
  resume: { label: 'Resume', icon: CirclePlay, permission: 'execution:retry' },
  retry: { label: 'Retry', icon: RotateCcw, permission: 'execution:retry' },
} as const;

/** What can be done to an execution in this state. A success is final. */
function controlsOf(state: ExecutionState): (keyof typeof CONTROLS)[] {
  if (state === 'paused') return ['resume'];
  if (!isOver(state)) return ['pause'];
  return state === 'succeeded' ? [] : ['retry'];
}

function Controls({ execution }: { execution: Execution }) {
  return (
    <>
      {controlsOf(execution.state).map((verb) => (
        <Control key={verb} id={execution.id} verb={verb} />
      ))}
      {isOver(execution.state) ? (
        <DeleteButton execution={execution} />
      ) : (
        <CancelButton execution={execution} />
      )}
    </>
  );
}

function Control({ id, verb }: { id: string; verb: keyof typeof CONTROLS }) {
  const { label, icon: Glyph, permission } = CONTROLS[verb];
  const may = useMay(permission);
  const control = useControlExecution(id, verb);
  if (!may) return null;
  return (
    <Button
      isPending={control.isPending}
      onPress={() => control.mutate(undefined, { onError: toastProblem })}
    >
      <Glyph aria-hidden /> {label}
    </Button>
  );
}

function CancelButton({ execution }: { execution: Execution }) {
  const may = useMay('execution:cancel');
  const cancel = useControlExecution(execution.id, 'cancel');
  const [asking, setAsking] = useState(false);
  if (!may) return null;
  return (
    <>
      <Button onPress={() => setAsking(true)}>
        <CircleStop aria-hidden /> Cancel run
      </Button>
      <Confirm
        title="Cancel this run?"
        action="Cancel run"
        dismiss="Let it run"
        isOpen={asking}
        change={cancel}
        onClose={() => setAsking(false)}
        onConfirm={() => cancel.mutate(undefined, { onSuccess: () => setAsking(false) })}
      >
        <p>The step under way stops within a second. What finished is kept.</p>
      </Confirm>
    </>
  );
}

function DeleteButton({ execution }: { execution: Execution }) {
  const may = useMay('execution:delete');
  const navigate = useNavigate();
  const [asking, setAsking] = useState(false);
  if (!may) return null;
  return (
    <>
      <Button onPress={() => setAsking(true)}>
        <Trash2 aria-hidden /> Delete
      </Button>
      {asking && (
        <DeleteExecution
          execution={execution}
          onDone={() => void navigate({ to: '/executions' })}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  );
}
