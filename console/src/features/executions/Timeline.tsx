import { ChevronDown, ChevronRight } from 'lucide-react';
import { useState } from 'react';
import type { StepSummary } from '~/api/types';
import { formatDuration, span } from '~/lib/time';
import { STATES } from '~/ui/state-badge';
import { barsOf, isItem, type Row, rowsOf, type Scale, scaleOf } from './timeline-model';
import './timeline.css';

const MOST_ITEMS = 200;

interface TimelineProps {
  steps: ReadonlyMap<string, StepSummary>;
  now: number;
  selected: string | undefined;
  onSelect: (step: string) => void;
}

/** The steps as a Gantt chart: a row per node, the steps of a `map` or loop folded into one. */
export function Timeline({ steps, now, selected, onSelect }: TimelineProps) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const rows = rowsOf(steps.values());
  const scale = scaleOf(steps.values(), now);
  const toggle = (node: string) => {
    const next = new Set(open);
    if (!next.delete(node)) next.add(node);
    setOpen(next);
  };
  return (
    <div className="timeline">
      <Axis scale={scale} />
      <ol className="timeline-rows">
        {rows.map((row) => {
          const single = row.steps.length === 1 ? row.steps[0] : undefined;
          if (single) return <StepRow key={row.node} step={single} {...{ scale, now, selected, onSelect }} />;
          const expanded = open.has(row.node);
          return (
            <li key={row.node}>
              <GroupRow
                row={row}
                scale={scale}
                now={now}
                expanded={expanded}
                onToggle={() => toggle(row.node)}
              />
              {expanded && (
                <ol>
                  {row.steps.slice(0, MOST_ITEMS).map((step) => (
                    <StepRow key={step.name} step={step} nested {...{ scale, now, selected, onSelect }} />
                  ))}
                  {row.steps.length > MOST_ITEMS && (
                    <li className="timeline-more muted small">
                      The first {MOST_ITEMS} of {row.steps.length.toLocaleString()} are listed; the bar above
                      shows all.
                    </li>
                  )}
                </ol>
              )}
            </li>
          );
        })}
      </ol>
    </div>
  );
}

function Axis({ scale }: { scale: Scale }) {
  const length = scale.to - scale.from;
  return (
    <div className="timeline-row timeline-axis" aria-hidden>
      <span />
      <svg className="timeline-track" aria-hidden="true">
        {scale.ticks.map((tick) => (
          <text
            key={tick}
            x={`${(tick / length) * 100}%`}
            y="13"
            className={tick / length > 0.9 ? 'tick-last' : undefined}
          >
            {tick === 0 ? '0' : formatDuration(tick)}
          </text>
        ))}
      </svg>
      <span />
    </div>
  );
}

function Track({ steps, scale, now }: { steps: readonly StepSummary[]; scale: Scale; now: number }) {
  const length = scale.to - scale.from;
  return (
    <svg className="timeline-track" aria-hidden="true">
      {scale.ticks.map((tick) => (
        <line
          key={tick}
          className="timeline-grid"
          x1={`${(tick / length) * 100}%`}
          x2={`${(tick / length) * 100}%`}
          y1="0"
          y2="100%"
        />
      ))}
      {barsOf(steps, scale, now).map(({ key, state, x, width }) => (
        <g key={key} className={`bar bar-${STATES[state].tone}${steps.length > 1 ? ' bar-shared' : ''}`}>
          <rect x={`${x}%`} y="7" width={`${width}%`} height="14" rx="3" />
          <rect x={`${x}%`} y="7" width="3" height="14" rx="1.5" />
        </g>
      ))}
    </svg>
  );
}

interface StepRowProps {
  step: StepSummary;
  scale: Scale;
  now: number;
  selected: string | undefined;
  onSelect: (step: string) => void;
  nested?: boolean;
}

function StepRow({ step, scale, now, selected, onSelect, nested }: StepRowProps) {
  const { icon: Glyph, label, tone } = STATES[step.state];
  const length = span(step.started_at, step.finished_at, now);
  return (
    <li>
      <button
        type="button"
        className={nested ? 'timeline-row timeline-nested' : 'timeline-row'}
        aria-pressed={selected === step.name}
        aria-label={`${step.name}, ${step.type}: ${label}${length === null ? '' : `, ${formatDuration(length)}`}`}
        onClick={() => onSelect(step.name)}
      >
        <span className="timeline-name">
          <Glyph className={`icon ink-${tone}${step.state === 'running' ? ' spin' : ''}`} aria-hidden />
          <span className="truncate">{step.name}</span>
          {step.attempt > 1 && <span className="badge tone-warn">attempt {step.attempt}</span>}
        </span>
        <Track steps={[step]} scale={scale} now={now} />
        <span className="timeline-length numeric">{length === null ? '' : formatDuration(length)}</span>
      </button>
    </li>
  );
}

interface GroupRowProps {
  row: Row;
  scale: Scale;
  now: number;
  expanded: boolean;
  onToggle: () => void;
}

function GroupRow({ row, scale, now, expanded, onToggle }: GroupRowProps) {
  const { icon: Glyph, label, tone } = STATES[row.state];
  const items = row.steps.filter(isItem);
  const counted = items.length > 0 ? items : row.steps;
  const done = counted.filter((step) => step.finished_at).length;
  const Chevron = expanded ? ChevronDown : ChevronRight;
  return (
    <button
      type="button"
      className="timeline-row"
      aria-expanded={expanded}
      aria-label={`${row.node}, ${counted.length} steps, ${done} finished: ${label}`}
      onClick={onToggle}
    >
      <span className="timeline-name">
        <Glyph className={`icon ink-${tone}${row.state === 'running' ? ' spin' : ''}`} aria-hidden />
        <span className="truncate">{row.node}</span>
        <span className="badge">
          {done === counted.length ? `× ${counted.length}` : `${done} of ${counted.length}`}
          <Chevron aria-hidden />
        </span>
      </span>
      <Track steps={row.steps} scale={scale} now={now} />
      <span />
    </button>
  );
}
