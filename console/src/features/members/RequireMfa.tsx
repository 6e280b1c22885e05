import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { meQuery, useMay } from '~/api/query';
import type { Schemas } from '~/api/types';
import { Button } from '~/ui/button';
import { Confirm } from '~/ui/dialog';
import { toast } from '~/ui/toast';

const KEY = ['organization-security'];

function useRequire() {
  const client = useQueryClient();
  return useMutation<Schemas['SecuritySettings'], Problem, boolean>({
    mutationFn: (require_mfa) => unwrap(api.PUT('/api/v1/organization/security', { body: { require_mfa } })),
    onSuccess: async ({ require_mfa }) => {
      toast(require_mfa ? 'Every member needs a second factor now' : 'A second factor is up to each member');
      await client.invalidateQueries({ queryKey: KEY });
      await client.invalidateQueries({ queryKey: meQuery.queryKey });
    },
  });
}

/** Whether the organisation asks each member for a second factor; who may, changes it. */
export function RequireMfa() {
  const mayRead = useMay('tenant:read');
  const mayChange = useMay('tenant:update');
  const settings = useQuery({
    queryKey: KEY,
    queryFn: () => unwrap(api.GET('/api/v1/organization/security')),
    enabled: mayRead,
  }).data;
  const change = useRequire();
  const [asking, setAsking] = useState(false);
  if (!settings) return null;
  const required = settings.require_mfa;
  const close = () => {
    change.reset();
    setAsking(false);
  };
  return (
    <p className="row">
      <span className="muted">
        {required ? 'Every member needs a second factor.' : 'A second factor is up to each member.'}
      </span>
      {mayChange && (
        <Button small onPress={() => setAsking(true)}>
          {required ? 'Leave it to each member' : 'Ask everybody for one'}
        </Button>
      )}
      {asking && (
        <Confirm
          title={
            required ? 'Leave the second factor to each member?' : 'Ask every member for a second factor?'
          }
          action={required ? 'Leave it to them' : 'Ask everybody'}
          isOpen
          isPending={change.isPending}
          problem={change.error}
          onConfirm={() => change.mutate(!required, { onSuccess: close })}
          onClose={close}
        >
          <p>
            {required
              ? 'Who has one is still asked for it at each login.'
              : 'Within a second, who has none reaches nothing but setting one up, and their API keys stop until they have.'}
          </p>
        </Confirm>
      )}
    </p>
  );
}
