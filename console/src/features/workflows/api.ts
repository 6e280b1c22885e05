import { keepPreviousData, queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { usePages } from '~/api/query';
import type { ExecutionSummary, Schemas, Workflow } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['workflows'];
/** A definition goes as the text that the person wrote, comments and all. */
const AS_YAML = {
  headers: { 'content-type': 'application/yaml' },
  bodySerializer: (body: unknown) => String(body),
};

export function useWorkflows(search: string, enabled = true) {
  return usePages(
    [...KEY, 'list', search],
    (cursor) =>
      unwrap(api.GET('/api/v1/workflows', { params: { query: { cursor, search: search || undefined } } })),
    { enabled },
  );
}

/** The names of workflows by id, as far as one page of the list has them. */
export function useWorkflowNames(): (id: string) => string {
  const { data } = useQuery({
    queryKey: [...KEY, 'list', 'names'],
    queryFn: () => unwrap(api.GET('/api/v1/workflows', { params: { query: { limit: 200 } } })),
  });
  return (id) => data?.items.find((workflow) => workflow.id === id)?.name ?? id;
}

export const workflowQuery = (id: string) =>
  queryOptions({
    queryKey: [...KEY, 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/workflows/{id}', { params: { path: { id } } })),
  });

export function useVersions(id: string) {
  return usePages([...KEY, 'versions', id], (cursor) =>
    unwrap(
      api.GET('/api/v1/workflows/{id}/versions', {
        params: { path: { id }, query: { cursor } },
      }),
    ),
  );
}

/** One version's text, to look at or to restore. */
export function fetchVersion(id: string, version: number): Promise<Schemas['WorkflowVersionDetail']> {
  return unwrap(
    api.GET('/api/v1/workflows/{id}/versions/{version}', {
      params: { path: { id, version } },
    }),
  );
}

/** What a definition is meant for: a workflow that there is, or a new one that is private to this team. */
export interface Meant {
  workflow?: string | undefined;
  team?: string | undefined;
}

/**
 * The server's faults of a definition; the last answer stays while the next is on its way. What `workflow` was granted
 * counts as granted, and what is private to its team can be used.
 */
export function useValidation(source: string, { workflow, team }: Meant) {
  return useQuery({
    queryKey: [...KEY, 'validation', workflow, team, source],
    queryFn: ({ signal }) =>
      unwrap(
        api.POST('/api/v1/workflows/validate', {
          ...AS_YAML,
          params: { query: { workflow, team } },
          body: source as never,
          signal,
        }),
      ),
    enabled: source.trim() !== '',
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    gcTime: 60_000,
  });
}

/** Creates a workflow, private to a team if one is given, or a new version of `workflow`, refused when someone else saved one since. */
export function useSaveDefinition(workflow: { id: string; version: number } | undefined) {
  const client = useQueryClient();
  return useMutation<Workflow, Problem, { source: string; message?: string | undefined; team?: string }>({
    mutationFn: ({ source, message, team }) =>
      workflow === undefined
        ? unwrap(
            api.POST('/api/v1/workflows', {
              ...AS_YAML,
              params: { query: { team } },
              body: source as never,
            }),
          )
        : unwrap(
            api.POST('/api/v1/workflows/{id}/versions', {
              ...AS_YAML,
              params: {
                path: { id: workflow.id },
                query: { message, version: workflow.version },
              },
              body: source as never,
            }),
          ),
    onSuccess: async (saved) => {
      toast(`“${saved.name}” saved as version ${saved.version}`);
      client.setQueryData(workflowQuery(saved.id).queryKey, saved);
      await client.invalidateQueries({ queryKey: [...KEY, 'list'] });
      await client.invalidateQueries({ queryKey: [...KEY, 'versions', saved.id] });
    },
    // A conflict means that someone else was first: show what they saved.
    onError: ({ status }) =>
      workflow !== undefined && status === 409
        ? client.invalidateQueries({ queryKey: workflowQuery(workflow.id).queryKey })
        : undefined,
  });
}

/** Makes it private to a team, or everybody's. */
export function useMoveWorkflow(id: string) {
  const client = useQueryClient();
  return useMutation<unknown, Problem, string | null>({
    mutationFn: (team_id) =>
      unwrap(api.PUT('/api/v1/workflows/{id}/team', { params: { path: { id } }, body: { team_id } })),
    onSuccess: () => {
      toast('Workflow moved');
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export function useDeleteWorkflow() {
  const client = useQueryClient();
  return useMutation<unknown, Problem, { id: string; name: string }>({
    mutationFn: ({ id }) => unwrap(api.DELETE('/api/v1/workflows/{id}', { params: { path: { id } } })),
    onSuccess: (_, { name }) => {
      toast(`Workflow “${name}” deleted`);
      return client.invalidateQueries({ queryKey: [...KEY, 'list'] });
    },
  });
}

export function useStartExecution(id: string) {
  const client = useQueryClient();
  return useMutation<ExecutionSummary, Problem, unknown>({
    mutationFn: (input) =>
      unwrap(
        api.POST('/api/v1/workflows/{id}/executions', {
          params: { path: { id } },
          body: { input },
        }),
      ),
    onSuccess: () => client.invalidateQueries({ queryKey: ['executions'] }),
  });
}
