import { useMay } from '~/api/query';
import { Panel } from '~/ui/page';
import { Loaded } from '~/ui/states';
import { useRateLimits, useSetRateLimits } from './api';
import { LimitForm } from './LimitForm';

/** How many requests all members and keys of the organisation may make together. */
export function OrganizationLimit() {
  const limits = useRateLimits();
  const save = useSetRateLimits();
  const mayChange = useMay('tenant:update');
  return (
    <Panel title="Rate limit of the organisation">
      <Loaded query={limits} label="rate limits">
        {({ limit, defaults: { tenant } }) => (
          <div className="stack">
            <p>
              Of all members and API keys together. Where nothing is set, {tenant.requests.toLocaleString()}{' '}
              requests in {tenant.seconds.toLocaleString()} seconds.
            </p>
            <LimitForm
              limit={limit}
              problem={save.error}
              isPending={save.isPending}
              isDisabled={!mayChange}
              onSave={(next) => save.mutate(next)}
            />
          </div>
        )}
      </Loaded>
    </Panel>
  );
}
