import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { Problem } from '~/api/problem';
import { follow, type StreamStatus } from '~/api/stream';
import type { Execution, ExecutionSummary, LogLine, StepLog, StepSummary } from '~/api/types';
import { executionQuery } from './api';

const MOST_LIVE_LOGS = 500;

export interface Live {
  /** By name, in the order in which they appeared. */
  steps: ReadonlyMap<string, StepSummary>;
  /** Log lines that came while watching, by step name. */
  logs: ReadonlyMap<string, LogLine[]>;
  status: StreamStatus;
  problem: Problem | undefined;
}

const NOTHING: Live = { steps: new Map(), logs: new Map(), status: 'connecting', problem: undefined };

/**
 * Follows an execution, from its beginning again in each `round`: a stream that has ended says nothing of a retry. It
 * begins once the execution is known (`ready`), because what it tells is put on top of that. Events are gathered for a frame before React hears of them: a wide `map` sends
 * hundreds at once.
 */
export function useLive(id: string, round: number, ready: boolean): Live {
  const client = useQueryClient();
  const [live, setLive] = useState(NOTHING);
  // biome-ignore lint/correctness/useExhaustiveDependencies: round is the trigger
  useEffect(() => {
    if (!ready) return;
    const abort = new AbortController();
    const steps = new Map<string, StepSummary>();
    const logs = new Map<string, LogLine[]>();
    let status: StreamStatus = 'connecting';
    let problem: Problem | undefined;
    let frame = 0;
    const publish = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        setLive({ steps: new Map(steps), logs: new Map(logs), status, problem });
      });
    };
    const onEvent = (type: string, data: unknown) => {
      if (type === 'execution') {
        client.setQueryData<Execution>(
          executionQuery(id).queryKey,
          (known) => known && { ...known, ...(data as ExecutionSummary) },
        );
      } else if (type === 'step') {
        const step = data as StepSummary;
        steps.set(step.name, step);
      } else if (type === 'log') {
        const { step, ...line } = data as StepLog;
        logs.set(step, [...(logs.get(step) ?? []), line].slice(-MOST_LIVE_LOGS));
      }
      publish();
    };
    const onStatus = (next: StreamStatus, why?: Problem) => {
      status = next;
      problem = why;
      // The output comes with the whole execution, not over the stream.
      if (next === 'ended') void client.invalidateQueries({ queryKey: executionQuery(id).queryKey });
      publish();
    };
    setLive(NOTHING);
    void follow(`/api/v1/executions/${encodeURIComponent(id)}/events`, { onEvent, onStatus }, abort.signal);
    return () => {
      abort.abort();
      cancelAnimationFrame(frame);
    };
  }, [id, round, ready, client]);
  return live;
}
