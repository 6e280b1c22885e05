import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { usePages } from '~/api/query';
import type { Plugin, PluginTestResult, Schemas } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['plugins'];

export function usePlugins() {
  return usePages([...KEY, 'list'], (cursor) =>
    unwrap(api.GET('/api/v1/plugins', { params: { query: { cursor } } })),
  );
}

export const pluginQuery = (id: string) =>
  queryOptions({
    queryKey: [...KEY, 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/plugins/{id}', { params: { path: { id } } })),
  });

export const pluginVersionQuery = (id: string, version: string) =>
  queryOptions({
    queryKey: [...KEY, 'version', id, version],
    queryFn: () =>
      unwrap(api.GET('/api/v1/plugins/{id}/versions/{version}', { params: { path: { id, version } } })),
  });

export function usePluginVersions(id: string) {
  return usePages([...KEY, 'versions', id], (cursor) =>
    unwrap(
      api.GET('/api/v1/plugins/{id}/versions', {
        params: { path: { id }, query: { cursor } },
      }),
    ),
  );
}

export function usePluginCode(id: string, version: string) {
  return useQuery({
    queryKey: [...KEY, 'code', id, version],
    queryFn: () =>
      unwrap(
        api.GET('/api/v1/plugins/{id}/versions/{version}/code', {
          params: { path: { id, version } },
        }),
      ),
  });
}

export function useUploadPlugin() {
  const client = useQueryClient();
  return useMutation<
    Schemas['PluginUpload'],
    Problem,
    { manifest: File; source: File; team_id: string | null }
  >({
    mutationFn: async ({ manifest, source, team_id }) => {
      const body = { manifest: await manifest.text(), source: await source.text(), team_id };
      return unwrap(api.POST('/api/v1/plugins', { body }));
    },
    onSuccess: () => client.invalidateQueries({ queryKey: KEY }),
  });
}

export function useTestPlugin(id: string, version: string) {
  return useMutation<PluginTestResult, Problem, Schemas['PluginTest']>({
    mutationFn: (body) =>
      unwrap(
        api.POST('/api/v1/plugins/{id}/versions/{version}/test', {
          params: { path: { id, version } },
          body,
        }),
      ),
  });
}

export function useSetPluginStatus(id: string, version: string) {
  const client = useQueryClient();
  return useMutation<Schemas['PluginVersion'], Problem, Schemas['PluginStatus']>({
    mutationFn: (status) =>
      unwrap(
        api.PUT('/api/v1/plugins/{id}/versions/{version}/status', {
          params: { path: { id, version } },
          body: { status },
        }),
      ),
    onSuccess: (plugin) => {
      toast(`${plugin.name} is ${plugin.status}`);
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export function useSetPluginTeam(id: string) {
  const client = useQueryClient();
  return useMutation<unknown, Problem, string | null>({
    mutationFn: (team_id) =>
      unwrap(api.PUT('/api/v1/plugins/{id}/team', { params: { path: { id } }, body: { team_id } })),
    onSuccess: () => {
      toast('Team saved');
      return client.invalidateQueries({ queryKey: KEY });
    },
  });
}

export function useDeletePlugin() {
  const client = useQueryClient();
  return useMutation<unknown, Problem, Plugin>({
    mutationFn: ({ id }) => unwrap(api.DELETE('/api/v1/plugins/{id}', { params: { path: { id } } })),
    onSuccess: (_, { name }) => {
      toast(`${name} deleted`);
      return client.invalidateQueries({ queryKey: [...KEY, 'list'] });
    },
  });
}
