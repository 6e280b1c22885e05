import type { Quota } from '~/api/types';
import { Page } from '~/ui/page';
import { Loaded } from '~/ui/states';
import { Time } from '~/ui/time';
import { useQuotas } from './api';
import './usage.css';

const NAMES: Record<Quota['name'], { label: string; what: string }> = {
  workflows: { label: 'Workflows', what: 'in this organisation' },
  executions_per_month: { label: 'Executions', what: 'started this month' },
  concurrent_executions: { label: 'Running at once', what: 'right now; more wait their turn' },
};

export function UsagePage() {
  const quotas = useQuotas();
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
          <ul className="quotas">
            {items.map((quota) => (
              <QuotaCard key={quota.name} quota={quota} />
            ))}
          </ul>
        )}
      </Loaded>
    </Page>
  );
}

function QuotaCard({ quota }: { quota: Quota }) {
  const { label, what } = NAMES[quota.name];
  const limit = quota.limit ?? null;
  const share = limit === null ? 0 : limit === 0 ? 1 : quota.used / limit;
  const tone = share >= 1 ? 'bad' : share >= 0.8 ? 'warn' : 'ok';
  return (
    <li className="quota panel">
      <h2>{label}</h2>
      <p className="quota-figure numeric">
        <strong>{quota.used.toLocaleString()}</strong>{' '}
        <span className="muted">{limit === null ? 'used, no limit' : `of ${limit.toLocaleString()}`}</span>
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
