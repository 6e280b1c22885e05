import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { usePages } from '~/api/query';
import type { Approval, Schemas } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['approvals'];

export function useApprovals(state: Schemas['ApprovalState'] | undefined, enabled = true) {
  return usePages(
    [...KEY, state],
    (cursor) => unwrap(api.GET('/api/v1/approvals', { params: { query: { cursor, state } } })),
    // Requests come, and are decided, by others.
    { enabled, moving: () => state === 'pending' },
  );
}

/** What one execution waits for people's approval of. */
export function useApprovalsOf(execution: string, enabled: boolean) {
  return useQuery({
    queryKey: [...KEY, 'of', execution],
    queryFn: () =>
      unwrap(
        api.GET('/api/v1/approvals', { params: { query: { execution_id: execution, state: 'pending' } } }),
      ),
    enabled,
    refetchInterval: enabled ? 3000 : false,
  });
}

/** Decides on exactly what was shown: the digest goes along, and the server refuses another one. */
export function useDecide(approval: Approval) {
  const client = useQueryClient();
  return useMutation<Approval, Problem, { decision: 'approve' | 'reject'; comment: string }>({
    mutationFn: ({ decision, comment }) =>
      unwrap(
        api.POST('/api/v1/approvals/{id}/decision', {
          params: { path: { id: approval.id } },
          body: { decision, shown_digest: approval.shown_digest, ...(comment ? { comment } : {}) },
        }),
      ),
    onSuccess: (_, { decision }) => {
      toast(decision === 'approve' ? 'Approved; the run goes on' : 'Rejected');
    },
    // A conflict means that someone else was first: show what they decided.
    onSettled: () => client.invalidateQueries({ queryKey: KEY }),
  });
}
