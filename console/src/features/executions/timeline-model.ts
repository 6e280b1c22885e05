import type { StepState, StepSummary } from '~/api/types';

/** A row of the timeline: one step, or the many steps of one `map` or loop. */
export interface Row {
  node: string;
  type: string;
  steps: StepSummary[];
  state: StepState;
}

/** From what needs a look to what is done with: a node is in the first of these that one of its steps is in. */
const ATTENTION: StepState[] = ['failed', 'running', 'waiting', 'cancelled', 'succeeded', 'skipped'];

/** Whether a step is one item of a `map`: `node[17]`. */
export function isItem({ name }: StepSummary): boolean {
  return name.endsWith(']');
}

/** A node stands as its latest round does; a `map` that has begun with its items but not been seen itself, as they do. */
export function overall(steps: readonly StepSummary[]): StepState {
  const own = steps.findLast((step) => !isItem(step));
  if (own) return own.state;
  return ATTENTION.find((state) => steps.some((step) => step.state === state)) ?? 'running';
}

/** Groups steps by node, in order of appearance. */
export function rowsOf(steps: Iterable<StepSummary>): Row[] {
  const byNode = new Map<string, StepSummary[]>();
  for (const step of steps) {
    const known = byNode.get(step.node);
    if (known) known.push(step);
    else byNode.set(step.node, [step]);
  }
  return [...byNode].map(([node, steps]) => ({
    node,
    type: steps[0]?.type ?? '',
    steps,
    state: overall(steps),
  }));
}

export interface Scale {
  from: number;
  to: number;
  /** Offsets from the start, in ms. */
  ticks: number[];
}

const STEPS_MS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
  600_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000,
];

/** The span of time to draw, from the first start to the last end (or now), with four to eight ticks. */
export function scaleOf(steps: Iterable<StepSummary>, now: number): Scale {
  let from = Number.POSITIVE_INFINITY;
  let to = 0;
  for (const step of steps) {
    if (step.started_at) from = Math.min(from, Date.parse(step.started_at));
    const end = step.finished_at ? Date.parse(step.finished_at) : step.started_at ? now : 0;
    to = Math.max(to, end);
  }
  if (!Number.isFinite(from)) from = now;
  const length = Math.max(to - from, 10);
  const every =
    STEPS_MS.find((step) => length / step <= 6) ?? Math.ceil(length / 6 / 86_400_000) * 86_400_000;
  const ticks = Array.from({ length: Math.floor(length / every) + 1 }, (_, index) => index * every);
  return { from, to: from + length, ticks };
}

/** Where a step lies on the scale, in percent; null before it started. */
export function extent(
  step: StepSummary,
  { from, to }: Scale,
  now: number,
): { x: number; width: number } | null {
  if (!step.started_at) return null;
  const start = Date.parse(step.started_at);
  const end = step.finished_at ? Date.parse(step.finished_at) : now;
  const percent = (ms: number) => ((ms - from) / (to - from)) * 100;
  const x = Math.max(0, percent(start));
  return { x, width: Math.max(0, Math.min(100, percent(end)) - x) };
}

export interface Bar {
  key: string;
  state: StepState;
  x: number;
  width: number;
}

/** Above this many, bars would lie over each other, and the browser would draw thousands of them. */
const MOST_BARS = 200;

/** The bars of a row: one a step, or, of very many steps, one for each stretch in which some were at work. */
export function barsOf(steps: readonly StepSummary[], scale: Scale, now: number): Bar[] {
  const bars = steps.flatMap((step): Bar[] => {
    const place = extent(step, scale, now);
    return place ? [{ key: step.name, state: step.state, ...place }] : [];
  });
  if (bars.length <= MOST_BARS) return bars;
  // Stretches of one state are at least a gap apart, so there are never more than MOST_BARS of each.
  const gap = 100 / MOST_BARS;
  const stretches: Bar[] = [];
  const latest = new Map<StepState, Bar>();
  for (const bar of bars.sort((a, b) => a.x - b.x)) {
    const last = latest.get(bar.state);
    if (last && bar.x <= last.x + last.width + gap) {
      last.width = Math.max(last.width, bar.x + bar.width - last.x);
    } else {
      const stretch = { ...bar };
      stretches.push(stretch);
      latest.set(bar.state, stretch);
    }
  }
  // What needs a look is drawn over the rest.
  return stretches.sort((a, b) => ATTENTION.indexOf(b.state) - ATTENTION.indexOf(a.state));
}
