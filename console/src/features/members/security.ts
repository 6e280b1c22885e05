import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { meQuery, useMay } from '~/api/query';
import type { Schemas } from '~/api/types';
import { toast } from '~/ui/toast';

const KEY = ['organization-security'];

/** What the organisation asks of its members' logins; nothing for who may not see it. */
export function useSecurity(): Schemas['SecuritySettings'] | undefined {
  const mayRead = useMay('tenant:read');
  return useQuery({
    queryKey: KEY,
    queryFn: () => unwrap(api.GET('/api/v1/organization/security')),
    enabled: mayRead,
  }).data;
}

/** Changes what is named, and leaves the rest. */
export function useChangeSecurity(said: (settings: Schemas['SecuritySettings']) => string) {
  const client = useQueryClient();
  return useMutation<Schemas['SecuritySettings'], Problem, Schemas['SecurityChange']>({
    mutationFn: (body) => unwrap(api.PUT('/api/v1/organization/security', { body })),
    onSuccess: async (settings) => {
      toast(said(settings));
      await client.invalidateQueries({ queryKey: KEY });
      await client.invalidateQueries({ queryKey: meQuery.queryKey });
    },
  });
}
