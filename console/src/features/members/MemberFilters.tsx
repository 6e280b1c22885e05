import { useQuery } from '@tanstack/react-query';
import { useMay } from '~/api/query';
import { rolesQuery } from '~/features/roles/api';
import { useAllTeams } from '~/features/teams/api';
import { Select } from '~/ui/form';
import { SearchField } from '~/ui/search-field';
import { ACTIVITY, type ActivityName, type MemberFilter, SORTS, STATUSES } from './filter';

interface MemberFiltersProps {
  filter: MemberFilter;
  onChange: (change: MemberFilter) => void;
}

const options = <T extends string>(names: Record<T, string>) =>
  (Object.entries(names) as [T, string][]).map(([value, label]) => ({ value, label }));
const ACTIVITIES = (Object.keys(ACTIVITY) as (ActivityName | 'any')[]).map((value) => ({
  value,
  label: ACTIVITY[value].label,
}));

/** Role and team are offered to those who may see roles and teams. */
export function MemberFilters({ filter, onChange }: MemberFiltersProps) {
  const mayRoles = useMay('role:read');
  const mayTeams = useMay('team:read');
  const roles = useQuery({ ...rolesQuery, enabled: mayRoles }).data ?? [];
  const teams = useAllTeams();
  return (
    <div className="filters">
      <SearchField
        label="Search by name or e-mail"
        value={filter.search ?? ''}
        onChange={(search) => onChange({ search: search || undefined })}
      />
      <Select
        label="Status"
        value={filter.status ?? 'any'}
        options={options(STATUSES)}
        onChange={(status) => onChange({ status: status === 'any' ? undefined : status })}
      />
      {mayRoles && (
        <Select
          label="Role"
          value={filter.role ?? ''}
          options={[
            { value: '', label: 'Any role' },
            ...roles.map(({ name }) => ({ value: name, label: name })),
          ]}
          onChange={(role) => onChange({ role: role || undefined })}
        />
      )}
      {mayTeams && (
        <Select
          label="Team"
          value={filter.team ?? ''}
          options={[
            { value: '', label: 'Any team' },
            ...teams.map(({ id, name }) => ({ value: id, label: name })),
          ]}
          onChange={(team) => onChange({ team: team || undefined })}
        />
      )}
      <Select
        label="Activity"
        value={filter.activity ?? 'any'}
        options={ACTIVITIES}
        onChange={(activity) => onChange({ activity: activity === 'any' ? undefined : activity })}
      />
      <Select
        label="Order"
        value={filter.sort ?? 'username'}
        options={options(SORTS)}
        onChange={(sort) => onChange({ sort: sort === 'username' ? undefined : sort })}
      />
    </div>
  );
}
