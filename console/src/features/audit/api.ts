import { useMutation } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { usePages } from '~/api/query';
import type { Verification } from '~/api/types';
import type { Outcome } from './EventDetail';

/** The filters of the audit log, as they stand in the page's address. */
export interface AuditFilter {
  action?: string | undefined;
  outcome?: Outcome | undefined;
  actor?: string | undefined;
  resource?: string | undefined;
  /** Days as the reader picks them, `YYYY-MM-DD` in the reader's zone; both inclusive. */
  from?: string | undefined;
  to?: string | undefined;
}

function startOf(day: string | undefined, plusDays = 0): string | undefined {
  if (!day) return undefined;
  const date = new Date(`${day}T00:00:00`);
  if (Number.isNaN(date.getTime())) return undefined;
  date.setDate(date.getDate() + plusDays);
  return date.toISOString();
}

/** The filter as the API takes it. */
export function queryOf({ action, outcome, actor, resource, from, to }: AuditFilter) {
  return {
    action,
    outcome,
    actor_id: actor,
    resource_id: resource,
    from: startOf(from),
    to: startOf(to, 1),
  };
}

export function useAuditEvents(filter: AuditFilter) {
  const query = queryOf(filter);
  return usePages(['audit', 'events', query], (cursor) =>
    unwrap(api.GET('/api/v1/audit/events', { params: { query: { ...query, cursor } } })),
  );
}

export function useVerify() {
  return useMutation<Verification, Problem, void>({
    mutationFn: () => unwrap(api.POST('/api/v1/audit/verify')),
  });
}
