import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Member, Schemas } from '~/api/types';
import { Form, Select } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { SearchField } from '~/ui/search-field';
import { Loaded } from '~/ui/states';
import { assetsQuery, useMembers, useOffboard } from './api';

type Assets = Schemas['Assets'];

const LISTS = [
  ['workflows', 'Workflows', 'go to who takes over'],
  ['plugins', 'Plugins', 'go to who takes over'],
  ['api_keys', 'API keys', 'are revoked'],
  ['service_account_keys', 'Keys of service accounts they answer for', 'go to who takes over: rotate them'],
  ['teams', 'Teams', 'are left'],
] as const satisfies [keyof Assets, string, string][];
const COUNTS = [
  ['sessions', 'Sessions', 'end'],
  ['approvals', 'Open approvals that name them', 'name who takes over instead, where they may decide'],
  ['executions', 'Executions they asked for', 'end at their next step that acts'],
  ['invitations', 'Open invitations they sent', 'are taken back'],
] as const satisfies [keyof Assets, string, string][];

/** What somebody owns, and to whom it goes when they leave. */
export function Offboard({ member, onDone }: { member: Member; onDone: () => void }) {
  const offboard = useOffboard(member.id);
  const [search, setSearch] = useState('');
  const [to, setTo] = useState('');
  const found = useMembers({ search: search.trim(), status: 'active' }).items ?? [];
  const others = found.filter(({ id }) => id !== member.id);
  const chosen = others.some(({ id }) => id === to) ? to : '';
  return (
    <Form
      problem={offboard.error}
      fields={['to']}
      onSubmit={() => offboard.mutate({ to: chosen }, { onSuccess: onDone })}
    >
      <Loaded query={useQuery(assetsQuery(member.id))} label="what they own" lines={4}>
        {(assets) => (
          <dl className="facts">
            {LISTS.map(([key, label, then]) => (
              <Fact key={key} label={label} then={then} total={assets[key].total} names={assets[key].items} />
            ))}
            {COUNTS.map(([key, label, then]) => (
              <Fact key={key} label={label} then={then} total={assets[key]} names={[]} />
            ))}
          </dl>
        )}
      </Loaded>
      <SearchField label="Find who takes over" value={search} onChange={setSearch} />
      <Select
        label="Who takes over"
        value={chosen}
        options={[
          { value: '', label: 'Choose a member' },
          ...others.map(({ id, full_name, email }) => ({ value: id, label: `${full_name}, ${email}` })),
        ]}
        onChange={setTo}
        error={offboard.error?.field('to')}
        hint="Owning something gives no permission."
      />
      <p className="muted small">
        Their membership is deactivated and their sessions end within a second. What they did stays on the
        audit log.
      </p>
      <FormActions isPending={offboard.isPending} isDisabled={chosen === ''} danger onCancel={onDone}>
        Offboard
      </FormActions>
    </Form>
  );
}

function Fact({
  label,
  then,
  total,
  names,
}: {
  label: string;
  then: string;
  total: number;
  names: Schemas['Asset'][];
}) {
  const hidden = total - names.length;
  return (
    <>
      <dt>{label}</dt>
      <dd>
        {total === 0 ? <span className="muted">none</span> : `${total} ${then}`}
        {names.length > 0 && (
          <div className="cell-note">
            {names.map(({ name }) => name).join(', ')}
            {hidden > 0 && ` and ${hidden} more`}
          </div>
        )}
      </dd>
    </>
  );
}
