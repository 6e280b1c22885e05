import { useQuery } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';

export function useQuotas() {
  return useQuery({ queryKey: ['quotas'], queryFn: () => unwrap(api.GET('/api/v1/quotas')) });
}

/** The days of the present month. */
export function useQuotaDays() {
  return useQuery({
    queryKey: ['quotas', 'days'],
    queryFn: () => unwrap(api.GET('/api/v1/quotas/days', { params: { query: {} } })),
  });
}
