import { useQuery } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';

export function useQuotas() {
  return useQuery({ queryKey: ['quotas'], queryFn: () => unwrap(api.GET('/api/v1/quotas')) });
}

export function useExecutionUsage(days: number) {
  return useQuery({
    queryKey: ['quotas', 'executions', days],
    queryFn: () => unwrap(api.GET('/api/v1/quotas/executions', { params: { query: { days } } })),
  });
}
