import { useQuery } from '@tanstack/react-query';
import { MousePointerClick } from 'lucide-react';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import type { ExecutionError, LogLine, Step, StepSummary } from '~/api/types';
import { formatDuration, span } from '~/lib/time';
import { Panel } from '~/ui/page';
import { StateBadge } from '~/ui/state-badge';
import { Loaded, Notice } from '~/ui/states';
import { Time } from '~/ui/time';
import { Json } from '~/ui/value';
import { stepQuery } from './api';
import { failureTitle } from './failure';
import { DownloadButton, isCut, MOST_SHOWN, TooLarge } from './TooLarge';

interface StepPanelProps {
  executionId: string;
  step: StepSummary | undefined;
  liveLogs: LogLine[] | undefined;
  now: number;
}

/** Everything about the chosen step. */
export function StepPanel({ executionId, step, liveLogs, now }: StepPanelProps) {
  if (!step) {
    return (
      <div className="state boxed">
        <MousePointerClick aria-hidden />
        <h2>No step chosen</h2>
        <p>Choose a step in the timeline or the graph to see its input, output and logs.</p>
      </div>
    );
  }
  return (
    <div className="step-panel">
      <Panel title={step.name} actions={<StateBadge state={step.state} />}>
        <div className="stack">
          {step.error && <Failure error={step.error} />}
          <Detail key={step.name} executionId={executionId} step={step} liveLogs={liveLogs} now={now} />
        </div>
      </Panel>
    </div>
  );
}

/** An error as the engine classed it. */
export function Failure({
  error,
}: {
  error: Pick<ExecutionError, 'class' | 'message' | 'step' | 'attempts'>;
}) {
  return (
    <Notice tone="bad" title={failureTitle(error)}>
      <p>{error.message}</p>
      <p className="small muted">
        Class <code>{error.class}</code>
        {error.attempts != null && error.attempts > 1 && `, after ${error.attempts} attempts`}
      </p>
    </Notice>
  );
}

function Detail({ executionId, step, liveLogs, now }: StepPanelProps & { step: StepSummary }) {
  const query = useQuery(stepQuery(executionId, step));
  const length = span(step.started_at, step.finished_at, now);
  return (
    <Tabs defaultSelectedKey={step.state === 'failed' ? 'logs' : 'output'}>
      <TabList className="tabs-list" aria-label={`Parts of ${step.name}`}>
        {['output', 'input', 'logs', 'timing'].map((name) => (
          <Tab key={name} id={name} className="tab">
            {name[0]?.toUpperCase() + name.slice(1)}
          </Tab>
        ))}
      </TabList>
      <Loaded query={query} label={`step ${step.name}`} lines={4}>
        {(full) => (
          <>
            <TabPanel id="output" className="tab-panel">
              {full.output == null ? (
                <Missing of={executionId} step={full} what="output" />
              ) : (
                <Json value={full.output} label="Output" />
              )}
            </TabPanel>
            <TabPanel id="input" className="tab-panel">
              {full.input == null ? (
                <Missing of={executionId} step={full} what="input" />
              ) : (
                <div className="stack-tight">
                  <Json value={full.input} label="Input" />
                  {isCut(full.input) && (
                    <DownloadButton of={{ execution: executionId, step: step.name, what: 'input' }} />
                  )}
                </div>
              )}
            </TabPanel>
            <TabPanel id="logs" className="tab-panel">
              <Logs
                lines={liveLogs && liveLogs.length > full.logs.length ? liveLogs : full.logs}
                truncated={full.logs_truncated ?? false}
              />
            </TabPanel>
          </>
        )}
      </Loaded>
      <TabPanel id="timing" className="tab-panel">
        <dl className="facts">
          <dt>Node type</dt>
          <dd>{step.type}</dd>
          <dt>Attempt</dt>
          <dd>{step.attempt}</dd>
          <dt>Queued</dt>
          <dd>
            <Time iso={step.queued_at} />
          </dd>
          <dt>Started</dt>
          <dd>{step.started_at ? <Time iso={step.started_at} /> : 'Not yet'}</dd>
          <dt>Ended</dt>
          <dd>{step.finished_at ? <Time iso={step.finished_at} /> : 'Not yet'}</dd>
          {length !== null && (
            <>
              <dt>Took</dt>
              <dd>{formatDuration(length)}</dd>
            </>
          )}
        </dl>
      </TabPanel>
    </Tabs>
  );
}

function Missing({ of, step, what }: { of: string; step: Step; what: 'input' | 'output' }) {
  const size = what === 'output' ? (step.output_size ?? 0) : 0;
  if (size > MOST_SHOWN) return <TooLarge size={size} of={{ execution: of, step: step.name, what }} />;
  if (what === 'output' && step.finished_at == null) return <p className="muted">No output yet.</p>;
  return (
    <p className="muted">{what === 'output' ? 'It gave nothing.' : 'No input is kept for this step.'}</p>
  );
}

function Logs({ lines, truncated }: { lines: readonly LogLine[]; truncated: boolean }) {
  if (lines.length === 0) return <p className="muted">This step logged nothing.</p>;
  return (
    <div className="stack-tight">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard */}
      <ol className="logs" tabIndex={0} aria-label="Log lines">
        {lines.map(({ at, level, message }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines are only appended
          <li key={index} className={`log-${level}`}>
            <time dateTime={at} title={at}>
              {at.slice(11, 23)}
            </time>
            <span>{level}</span>
            <span>{message}</span>
          </li>
        ))}
      </ol>
      {truncated && <p className="muted small">The step logged more than is kept.</p>}
    </div>
  );
}
