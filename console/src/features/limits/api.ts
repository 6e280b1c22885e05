import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { useMay } from '~/api/query';
import type { RateLimit, Schemas } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['rate-limits'];

/** The organisation's limit, the most that can be set, and what holds where nothing is; for who may read these. */
export function useRateLimits(wanted = true) {
  const enabled = useMay('tenant:read') && wanted;
  return useQuery({ queryKey: KEY, queryFn: () => unwrap(api.GET('/api/v1/rate-limits')), enabled });
}

export function useSetRateLimits() {
  const client = useQueryClient();
  return useMutation<Schemas['RateLimits'], Problem, RateLimit>({
    mutationFn: (body) => unwrap(api.PUT('/api/v1/rate-limits', { body })),
    onSuccess: (limits) => {
      toast('Rate limit saved');
      client.setQueryData(KEY, limits);
    },
  });
}

export function useMemberLimit(id: string) {
  return useQuery({
    queryKey: [...KEY, 'member', id],
    queryFn: () => unwrap(api.GET('/api/v1/users/{id}/rate-limit', { params: { path: { id } } })),
  });
}

export function useSetMemberLimit(id: string) {
  const client = useQueryClient();
  return useMutation<Schemas['MemberLimit'], Problem, RateLimit>({
    mutationFn: (body) =>
      unwrap(api.PUT('/api/v1/users/{id}/rate-limit', { params: { path: { id } }, body })),
    onSuccess: (limit) => {
      toast('Rate limit saved');
      client.setQueryData([...KEY, 'member', id], limit);
    },
  });
}
