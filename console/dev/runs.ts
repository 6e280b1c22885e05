/** Pretended executions: steps advance on a timer and are streamed as the real server would. */
import type { Schemas } from '../src/api/types.ts';
import { ago, newId, ref } from './data.ts';

type Run = Schemas['Execution'] & { steps: Map<string, Schemas['StepSummary']> };
export const executions = new Map<string, Run>();
const watchers = new Map<string, Set<(type: string, data: unknown) => void>>();

const PLAN: [name: string, type: string, start: number, end: number][] = [
  ['parse', 'plugin', 0, 1400],
  ...Array.from({ length: 8 }, (_, i): [string, string, number, number] => [
    `grade[${i}]`,
    'plugin',
    1500 + Math.floor(i / 4) * 1300 + (i % 4) * 90,
    2700 + Math.floor(i / 4) * 1300 + (i % 4) * 130,
  ]),
  ['totals', 'transform', 4500, 4620],
  ['review', 'approval', 4700, 9000],
  ['publish', 'http', 9100, 9600],
];

export function startRun(
  workflow: Schemas['Workflow'],
  input: unknown,
  how: { state: Schemas['ExecutionState']; startedAgo: number },
): Run {
  const begun = Date.now() - how.startedAgo;
  const at = (offset: number) => new Date(begun + offset).toISOString();
  const over = how.state !== 'running' && how.state !== 'waiting';
  const run: Run = {
    id: newId('exe'),
    workflow: { id: workflow.id, name: workflow.name },
    version: workflow.version,
    state: how.state,
    requested_by: ref,
    created_at: at(-40),
    started_at: at(-20),
    finished_at: over ? at(9600) : null,
    error:
      how.state === 'failed'
        ? {
            class: 'http-status',
            message: 'POST hooks.acme.example answered 502',
            step: 'publish',
            attempts: 3,
          }
        : null,
    steps_total: PLAN.length,
    steps_finished: 0,
    input,
    output: how.state === 'succeeded' ? { posted: true, operators: 41, total_cost: 48_211_904 } : null,
    definition: workflow.definition,
    steps: new Map(),
  };
  executions.set(run.id, run);
  for (const [name, type, start, end] of PLAN) {
    const begin = () =>
      set(run, {
        name,
        node: name.replace(/\[.*/, ''),
        type,
        state: type === 'approval' ? 'waiting' : 'running',
        attempt: 1,
        queued_at: at(start - 30),
        started_at: at(start),
        finished_at: null,
        error: null,
      });
    const finish = () => set(run, { ...step(run, name), state: 'succeeded', finished_at: at(end) });
    if (how.startedAgo > 0) {
      if (how.state === 'waiting' && name === 'publish') continue;
      begin();
      if (how.state === 'waiting' && name === 'review') continue;
      finish();
      if (name === 'publish' && how.state === 'failed')
        set(run, { ...step(run, name), state: 'failed', attempt: 3, error: run.error });
      if (name === 'publish' && how.state === 'cancelled')
        set(run, { ...step(run, name), state: 'cancelled' });
    } else {
      setTimeout(() => run.state !== 'cancelled' && begin(), start + 200);
      setTimeout(() => run.state !== 'cancelled' && finish(), end + 200);
    }
  }
  if (how.startedAgo === 0) {
    setTimeout(() => {
      if (run.state === 'cancelled') return;
      Object.assign(run, {
        state: 'succeeded',
        finished_at: ago(0),
        output: { posted: true, operators: 41, total_cost: 48_211_904 },
      });
      emit(run.id, 'execution', run);
      emit(run.id, 'end', {});
    }, 10_000);
  }
  return run;
}

const step = (run: Run, name: string) => run.steps.get(name) as Schemas['StepSummary'];
function set(run: Run, value: Schemas['StepSummary']): void {
  run.steps.set(value.name, value);
  run.steps_finished = [...run.steps.values()].filter((one) => one.finished_at).length;
  emit(run.id, 'step', value);
  emit(run.id, 'execution', run);
}
function emit(id: string, type: string, data: unknown): void {
  for (const watcher of watchers.get(id) ?? []) watcher(type, data);
}

export function followRun(id: string, request: Request): Response | undefined {
  const run = executions.get(id);
  if (!run) return undefined;
  let serial = 0;
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (type: string, data: unknown) => {
        const { steps: _, input: __, output: ___, definition: ____, ...flat } = data as Run;
        controller.enqueue(
          encoder.encode(`id: ${++serial}\nevent: ${type}\ndata: ${JSON.stringify(flat)}\n\n`),
        );
        if (type === 'end') close();
      };
      const set = watchers.get(id) ?? new Set();
      watchers.set(id, set.add(send));
      const close = () => {
        set.delete(send);
        controller.close();
      };
      request.signal.addEventListener('abort', () => set.delete(send));
      send('execution', run);
      for (const value of run.steps.values()) send('step', value);
      if (run.finished_at) send('end', {});
    },
  });
  return new Response(stream, {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
  });
}
