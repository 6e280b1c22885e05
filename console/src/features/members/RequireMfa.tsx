import { useState } from 'react';
import { useMay } from '~/api/query';
import { Button } from '~/ui/button';
import { Confirm } from '~/ui/dialog';
import { useChangeSecurity, useSecurity } from './security';

/** Whether the organisation asks each member for a second factor; who may, changes it. */
export function RequireMfa() {
  const mayChange = useMay('tenant:update');
  const settings = useSecurity();
  const change = useChangeSecurity(({ require_mfa }) =>
    require_mfa ? 'Every member needs a second factor now' : 'A second factor is up to each member',
  );
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
          change={change}
          onConfirm={() => change.mutate({ require_mfa: !required }, { onSuccess: close })}
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
