import {
  Ban,
  CircleCheck,
  CircleDashed,
  CirclePause,
  CircleX,
  ClockAlert,
  Hourglass,
  LoaderCircle,
  SkipForward,
} from 'lucide-react';
import type { ExecutionState, StepState } from '~/api/types';

type AnyState = ExecutionState | StepState;

/** How each state is said, coloured and drawn; colour never speaks alone. */
export const STATES = {
  queued: { label: 'Queued', tone: 'idle', icon: CircleDashed },
  running: { label: 'Running', tone: 'run', icon: LoaderCircle },
  waiting: { label: 'Waiting', tone: 'wait', icon: Hourglass },
  paused: { label: 'Paused', tone: 'wait', icon: CirclePause },
  succeeded: { label: 'Succeeded', tone: 'ok', icon: CircleCheck },
  failed: { label: 'Failed', tone: 'bad', icon: CircleX },
  cancelled: { label: 'Cancelled', tone: 'idle', icon: Ban },
  timed_out: { label: 'Timed out', tone: 'bad', icon: ClockAlert },
  skipped: { label: 'Skipped', tone: 'idle', icon: SkipForward },
} as const satisfies Record<AnyState, unknown>;

export function StateBadge({ state }: { state: AnyState }) {
  const { label, tone, icon: Glyph } = STATES[state];
  return (
    <span className={`badge tone-${tone}`}>
      <Glyph aria-hidden className={state === 'running' ? 'spin' : undefined} />
      {label}
    </span>
  );
}

/** Whether nothing more will happen to an execution in this state. */
export function isOver(state: ExecutionState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled' || state === 'timed_out';
}
