import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { usePages } from '~/api/query';
import type { Schemas } from '~/api/types';
import { type AuditFilter, queryOf } from '~/features/audit/api';
import { toast } from '~/ui/toast';

export type PlatformOrganization = Schemas['PlatformOrganization'];
export type PlatformQuota = Schemas['PlatformQuota'];
export type Plan = Schemas['Plan'];
export type Standing = 'active' | 'suspended';

const KEY = ['platform', 'organizations'];

export interface OrganizationFilter {
  search?: string | undefined;
  status?: Standing | undefined;
}

export function useOrganizations({ search, status }: OrganizationFilter) {
  return usePages([...KEY, 'list', search, status], (cursor) =>
    unwrap(api.GET('/api/v1/platform/organizations', { params: { query: { search, status, cursor } } })),
  );
}

export const organizationQuery = (id: string) =>
  queryOptions({
    queryKey: [...KEY, 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/platform/organizations/{id}', { params: { path: { id } } })),
  });

/** Events of the platform's own part of the audit log. */
export function usePlatformEvents(filter: AuditFilter) {
  const query = queryOf(filter);
  return usePages(['platform', 'events', query], (cursor) =>
    unwrap(api.GET('/api/v1/platform/events', { params: { query: { ...query, cursor } } })),
  );
}

/** A change of an organisation; each of them answers with the organisation as it is then. */
function useChange<Given>(id: string, change: (given: Given) => Promise<PlatformOrganization>, told: string) {
  const client = useQueryClient();
  return useMutation<PlatformOrganization, Problem, Given>({
    mutationFn: change,
    onSuccess: (organization) => {
      toast(told);
      client.setQueryData(organizationQuery(id).queryKey, organization);
      return client.invalidateQueries({ queryKey: [...KEY, 'list'] });
    },
  });
}

/** Suspends it, or lets it go on, for a reason. */
export function useDecide(id: string, suspends: boolean) {
  const params = { path: { id } };
  return useChange<string>(
    id,
    (reason) =>
      suspends
        ? unwrap(api.POST('/api/v1/platform/organizations/{id}/suspend', { params, body: { reason } }))
        : unwrap(api.POST('/api/v1/platform/organizations/{id}/resume', { params, body: { reason } })),
    suspends ? 'Organisation suspended' : 'Organisation resumed',
  );
}

export function useSetPlan(id: string) {
  return useChange<Plan>(
    id,
    (plan) =>
      unwrap(api.PATCH('/api/v1/platform/organizations/{id}', { params: { path: { id } }, body: { plan } })),
    'Plan changed',
  );
}

export function useSetQuota(id: string) {
  return useChange<Schemas['QuotaChange']>(
    id,
    (body) =>
      unwrap(api.PUT('/api/v1/platform/organizations/{id}/quota', { params: { path: { id } }, body })),
    'Quota saved',
  );
}

export function useSetRateBound(id: string) {
  return useChange<Schemas['RateLimit']>(
    id,
    (body) =>
      unwrap(api.PUT('/api/v1/platform/organizations/{id}/rate-limit', { params: { path: { id } }, body })),
    'Rate limit saved',
  );
}
