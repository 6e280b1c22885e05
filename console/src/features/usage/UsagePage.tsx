import { useMay } from '~/api/query';
import type { Quota } from '~/api/types';
import { Retention } from '~/features/executions/Retention';
import { OrganizationLimit } from '~/features/limits/OrganizationLimit';
import { Page, Panel } from '~/ui/page';
import { Loaded } from '~/ui/states';
import { Time } from '~/ui/time';
import { useQuotaDays, useQuotas } from './api';
import { MonthCurve } from './MonthCurve';
import { figure } from './month-model';
import { NearlyUsed } from './NearlyUsed';
import { named } from './names';
import './usage.css';

/** What is worth a curve; how many run at this moment is not kept. */
const CURVES = ['executions_per_month', 'provider_calls_per_month', 'storage_bytes'] as const;

export function UsagePage() {
  const quotas = useQuotas();
  const days = useQuotaDays();
  const maySee = useMay('tenant:read');
  return (
    <Page
      title="Usage"
      description={
        quotas.data &&
        `The limits of the ${quotas.data.plan} plan, and what is used of them. Months are calendar months in UTC.`
      }
    >
      <Loaded query={quotas} label="quotas">
        {({ items }) => (
          <>
            <NearlyUsed quotas={items} />
            <ul className="quotas">
              {items.map((quota) => (
                <QuotaCard key={quota.name} quota={quota} />
              ))}
            </ul>
            <Panel title="This month">
              <Loaded query={days} label="the month">
                {(month) => (
                  <div className="curves">
                    {CURVES.map((name) => {
                      const quota = items.find((one) => one.name === name);
                      if (!quota) return null;
                      return (
                        <MonthCurve key={name} label={named(name).label} quota={quota} days={month.items} />
                      );
                    })}
                  </div>
                )}
              </Loaded>
            </Panel>
          </>
        )}
      </Loaded>
      {maySee && <Retention />}
      {maySee && <OrganizationLimit />}
    </Page>
  );
}

function QuotaCard({ quota }: { quota: Quota }) {
  const { label, what } = named(quota.name);
  const limit = quota.limit ?? null;
  const share = limit === null ? 0 : limit === 0 ? 1 : quota.used / limit;
  const tone = share >= 1 ? 'bad' : share >= 0.8 ? 'warn' : 'ok';
  return (
    <li className="quota panel">
      <h2>{label}</h2>
      <p className="quota-figure numeric">
        <strong>{figure(quota.name, quota.used)}</strong>{' '}
        <span className="muted">{limit === null ? 'used, no limit' : `of ${figure(quota.name, limit)}`}</span>
      </p>
      {limit !== null && (
        <svg className="meter" role="img" aria-label={`${Math.round(share * 100)} % used`}>
          <rect className="meter-ground" width="100%" height="6" rx="3" />
          <rect className={`meter-${tone}`} width={`${Math.min(100, share * 100)}%`} height="6" rx="3" />
        </svg>
      )}
      <p className="muted small">
        {share >= 1 ? <strong className="quota-full">Used up. </strong> : what}
        {quota.resets_at && (
          <>
            {share < 1 && '; '}resets <Time iso={quota.resets_at} relative />
          </>
        )}
      </p>
    </li>
  );
}
