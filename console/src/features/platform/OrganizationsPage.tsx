import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { Building2 } from 'lucide-react';
import { useDeferredValue } from 'react';
import { Select, TextField } from '~/ui/form';
import { Page } from '~/ui/page';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { type OrganizationFilter, useOrganizations } from './api';
import { atAGlance, fullest, share } from './quota-model';

const STATUSES = [
  { value: 'any', label: 'Any status' },
  { value: 'active', label: 'Active' },
  { value: 'suspended', label: 'Suspended' },
] as const;

/** Every organisation of the installation, for who administers the platform: nothing of what is in them. */
export function OrganizationsPage() {
  const filter = useSearch({ from: '/shell/platform/organizations' });
  const navigate = useNavigate({ from: '/platform/organizations' });
  const set = (change: OrganizationFilter) =>
    void navigate({ search: (old) => ({ ...old, ...change }), replace: true });
  const pages = useOrganizations(useDeferredValue(filter));
  return (
    <Page
      title="Organisations"
      description="Everybody whom this installation serves: plan, status and use, and nothing of what is in them."
    >
      <div className="filters">
        <TextField
          label="Search by name"
          type="search"
          value={filter.search ?? ''}
          onChange={(search) => set({ search: search || undefined })}
          maxLength={100}
        />
        <Select
          label="Status"
          value={filter.status ?? 'any'}
          options={STATUSES}
          onChange={(status) => set({ status: status === 'any' ? undefined : (status as 'active') })}
        />
      </div>
      <List
        label="organisations"
        pages={pages}
        rowKey={({ id }) => id}
        empty={
          <Empty icon={Building2} title="No organisation matches">
            Look for another name, or in any status.
          </Empty>
        }
        columns={[
          {
            header: 'Organisation',
            cell: ({ id, name, slug }) => (
              <>
                <Link to="/platform/organizations/$organizationId" params={{ organizationId: id }}>
                  <strong>{name}</strong>
                </Link>
                <div className="cell-note">{slug}</div>
              </>
            ),
          },
          { header: 'Plan', fit: true, cell: ({ plan }) => plan },
          { header: 'Status', fit: true, cell: ({ status }) => <StatusBadge status={status} /> },
          {
            header: 'Least left of',
            wideOnly: true,
            cell: ({ quotas }) => {
              const scarce = fullest(quotas);
              if (!scarce) return <span className="muted">no limits</span>;
              const full = share(scarce) ?? 0;
              return full < 0.8 ? (
                atAGlance(scarce)
              ) : (
                <span className={`badge tone-${full < 1 ? 'warn' : 'bad'}`}>{atAGlance(scarce)}</span>
              );
            },
          },
          {
            header: 'Created',
            fit: true,
            wideOnly: true,
            cell: ({ created_at }) => <Time iso={created_at} relative />,
          },
        ]}
      />
    </Page>
  );
}

export function StatusBadge({ status }: { status: string }) {
  return <span className={`badge tone-${status === 'active' ? 'ok' : 'bad'}`}>{status}</span>;
}
