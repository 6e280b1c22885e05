import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import { Problem } from '~/api/problem';
import { usePages } from '~/api/query';
import type { Execution, ExecutionState, ExecutionSummary, Schemas, StepSummary } from '~/api/types';
import { saveFile } from '~/lib/save';
import { isOver } from '~/ui/state-badge';
import { toast } from '~/ui/toast';

const KEY = ['executions'];

export interface ExecutionFilter {
  workflow?: string | undefined;
  states?: ExecutionState[] | undefined;
}

export function useExecutions({ workflow, states }: ExecutionFilter, enabled = true) {
  return usePages(
    [...KEY, 'list', workflow, states],
    (cursor) =>
      unwrap(
        api.GET('/api/v1/executions', {
          params: { query: { cursor, workflow_id: workflow, state: states } },
        }),
      ),
    { enabled, moving: (executions) => executions.some((execution) => !isOver(execution.state)) },
  );
}

export const executionQuery = (id: string) =>
  queryOptions({
    queryKey: [...KEY, 'one', id],
    queryFn: (): Promise<Execution> =>
      unwrap(api.GET('/api/v1/executions/{id}', { params: { path: { id } } })),
  });

/** One step in full. Its state and attempt are part of the key, so that it is fetched again when they change. */
export const stepQuery = (id: string, { name, state, attempt }: StepSummary) =>
  queryOptions({
    queryKey: [...KEY, 'step', id, name, state, attempt],
    queryFn: () =>
      unwrap(
        api.GET('/api/v1/executions/{id}/steps/{step}', {
          params: { path: { id, step: name } },
        }),
      ),
  });

/** A value of an execution, or of one of its steps. */
export interface ValueOf {
  execution: string;
  step?: string;
  what: 'input' | 'output';
}

/** Fetches the whole value, however large, and has the browser save it. A plain link would carry no token. */
export async function saveValue({ execution: id, step, what }: ValueOf): Promise<void> {
  const path = `/api/v1/executions/{id}/${what}` as const;
  const stepPath = `/api/v1/executions/{id}/steps/{step}/${what}` as const;
  const { data, response, error } = await (step === undefined
    ? api.GET(path, { params: { path: { id } }, parseAs: 'blob' })
    : api.GET(stepPath, { params: { path: { id, step } }, parseAs: 'blob' }));
  if (!data) throw Problem.from(response, error);
  saveFile(data, response, `${[id, step, what].filter(Boolean).join('-')}.json`);
}

export function useControlExecution(id: string, verb: 'cancel' | 'pause' | 'resume' | 'retry') {
  const client = useQueryClient();
  const path = `/api/v1/executions/{id}/${verb}` as const;
  return useMutation<ExecutionSummary, Problem, void>({
    mutationFn: () => unwrap(api.POST(path, { params: { path: { id } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: [...KEY, 'one', id] }),
  });
}

/** Deletes one that is over. What it held is free at once, so the figures of the usage are asked for again. */
export function useDeleteExecution() {
  const client = useQueryClient();
  return useMutation<unknown, Problem, string>({
    mutationFn: (id) => unwrap(api.DELETE('/api/v1/executions/{id}', { params: { path: { id } } })),
    onSuccess: async () => {
      toast('Execution deleted');
      await Promise.all([
        client.invalidateQueries({ queryKey: [...KEY, 'list'] }),
        client.invalidateQueries({ queryKey: ['quotas'] }),
      ]);
    },
  });
}

const RETENTION = [...KEY, 'retention'];

export function useRetention() {
  return useQuery({
    queryKey: RETENTION,
    queryFn: () => unwrap(api.GET('/api/v1/executions/retention')),
  });
}

export function useSetRetention() {
  const client = useQueryClient();
  return useMutation<Schemas['ExecutionRetention'], Problem, number | null>({
    mutationFn: (keep_days) => unwrap(api.PUT('/api/v1/executions/retention', { body: { keep_days } })),
    onSuccess: (retention) => {
      toast('Saved how long executions are kept');
      client.setQueryData(RETENTION, retention);
    },
  });
}
