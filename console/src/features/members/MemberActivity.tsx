import { History } from 'lucide-react';
import type { Member } from '~/api/types';
import { OutcomeBadge } from '~/features/audit/EventDetail';
import { Button } from '~/ui/button';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { useActivity } from './api';

/** What a member did, as the audit log tells it. */
export function MemberActivity({ member, onClose }: { member: Member; onClose: () => void }) {
  return (
    <>
      <List
        label={`activity of ${member.full_name}`}
        pages={useActivity(member.id)}
        rowKey={({ id }) => id}
        empty={<Empty icon={History} title="Nothing yet" />}
        columns={[
          { header: 'When', cell: ({ time }) => <Time iso={time} /> },
          { header: 'What', cell: ({ action }) => <code>{action}</code> },
          { header: 'On', cell: ({ resource }) => resource?.name ?? '—', wideOnly: true },
          { header: 'Outcome', fit: true, cell: ({ outcome }) => <OutcomeBadge outcome={outcome} /> },
        ]}
      />
      <div className="form-actions">
        <Button onPress={onClose}>Close</Button>
      </div>
    </>
  );
}
