import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { Pause, Pencil, Play } from 'lucide-react';
import { useState } from 'react';
import { LimitForm } from '~/features/limits/LimitForm';
import { figure } from '~/features/usage/month-model';
import { named } from '~/features/usage/names';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Page, Panel } from '~/ui/page';
import { Loaded } from '~/ui/states';
import { Table } from '~/ui/table';
import { Time } from '~/ui/time';
import { organizationQuery, type PlatformOrganization, type PlatformQuota, useSetRateBound } from './api';
import { Decide } from './Decide';
import { StatusBadge } from './OrganizationsPage';
import { PlanForm } from './PlanForm';
import { QuotaForm } from './QuotaForm';
import { limitWords } from './quota-model';

const BACK = <Link to="/platform/organizations">Organisations</Link>;

/** What the platform decides about one organisation. */
export function OrganizationPage() {
  const { organizationId } = useParams({ from: '/shell/platform/organizations/$organizationId' });
  const query = useQuery(organizationQuery(organizationId));
  if (query.data) return <Shown organization={query.data} />;
  return (
    <Page title="Organisation" back={BACK}>
      <Loaded query={query} label="the organisation">
        {() => null}
      </Loaded>
    </Page>
  );
}

function Shown({ organization }: { organization: PlatformOrganization }) {
  const { id, name, slug, status, plan, created_at } = organization;
  const [open, setOpen] = useState<'plan' | 'status'>();
  const close = () => setOpen(undefined);
  const isActive = status === 'active';
  return (
    <Page
      title={name}
      back={BACK}
      badge={<StatusBadge status={status} />}
      description={
        <>
          {slug}, on the {plan} plan, since <Time iso={created_at} />
        </>
      }
      actions={
        <>
          <Button onPress={() => setOpen('plan')}>
            <Pencil aria-hidden /> Change plan
          </Button>
          <Button tone={isActive ? 'danger' : 'primary'} onPress={() => setOpen('status')}>
            {isActive ? <Pause aria-hidden /> : <Play aria-hidden />} {isActive ? 'Suspend' : 'Resume'}
          </Button>
        </>
      }
    >
      <Quotas organization={organization} />
      <RateBound key={JSON.stringify(organization.rate_limits.bounds)} organization={organization} />
      {open === 'plan' && (
        <Dialog title={`Plan of ${name}`} isOpen onClose={close}>
          <PlanForm id={id} plan={plan} onDone={close} />
        </Dialog>
      )}
      {open === 'status' && <Decide organization={organization} onClose={close} />}
    </Page>
  );
}

function Quotas({ organization }: { organization: PlatformOrganization }) {
  const [changing, setChanging] = useState<PlatformQuota>();
  const close = () => setChanging(undefined);
  return (
    <Panel title="Quotas" flush>
      <Table
        label="quotas"
        rows={organization.quotas}
        rowKey={({ name }) => name}
        columns={[
          {
            header: 'Quota',
            cell: ({ name }) => (
              <>
                <strong>{named(name).label}</strong>
                <div className="cell-note">{named(name).what}</div>
              </>
            ),
          },
          { header: 'Used', end: true, fit: true, cell: ({ name, used }) => figure(name, used) },
          {
            header: 'Limit',
            end: true,
            fit: true,
            cell: ({ name, limit, overridden }) => (
              <>
                {limitWords(name, limit)}
                {overridden && <div className="cell-note">set by the platform</div>}
              </>
            ),
          },
          {
            header: 'Plan’s limit',
            end: true,
            fit: true,
            wideOnly: true,
            cell: ({ name, plan_limit }) => limitWords(name, plan_limit),
          },
        ]}
        actions={(quota) => (
          <Button
            small
            aria-label={`Change the limit of ${named(quota.name).label}`}
            onPress={() => setChanging(quota)}
          >
            Change
          </Button>
        )}
      />
      {changing && (
        <Dialog title={`Limit of ${named(changing.name).label}`} isOpen onClose={close}>
          <QuotaForm id={organization.id} quota={changing} onDone={close} />
        </Dialog>
      )}
    </Panel>
  );
}

/** The most requests that the organisation may have; what it sets for itself stays within. */
function RateBound({ organization }: { organization: PlatformOrganization }) {
  const { bounds, most, own } = organization.rate_limits;
  const save = useSetRateBound(organization.id);
  return (
    <Panel title="Rate limit">
      <div className="stack">
        <p>
          At most {most.per_minute.toLocaleString()} requests a minute by what is set here.{' '}
          {own.per_minute != null &&
            `The organisation has set ${own.per_minute.toLocaleString()} for itself. `}
          Its administrators set less, and no more.
        </p>
        <LimitForm
          limit={bounds}
          problem={save.error}
          isPending={save.isPending}
          onSave={(limit) => save.mutate(limit)}
          isUnbounded
        />
      </div>
    </Panel>
  );
}
