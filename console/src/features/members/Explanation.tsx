import { useQuery } from '@tanstack/react-query';
import type { Member } from '~/api/types';
import { explanationQuery } from '~/features/roles/api';
import { Button } from '~/ui/button';
import { Loaded } from '~/ui/states';
import { Table } from '~/ui/table';

/** What a member may do and why, permission by permission. */
export function Explanation({ member, onClose }: { member: Member; onClose: () => void }) {
  return (
    <>
      <Loaded query={useQuery(explanationQuery(member.id))} label="permissions">
        {({ permissions }) => (
          <Table
            label={`What ${member.full_name} may do`}
            rows={permissions}
            rowKey={(item) => item.permission}
            columns={[
              {
                header: 'Permission',
                cell: (item) => (
                  <>
                    <code>{item.permission}</code>
                    <div className="cell-note">{item.description}</div>
                  </>
                ),
              },
              {
                header: 'May they?',
                fit: true,
                cell: (item) => (
                  <span className={`badge tone-${item.allowed ? 'ok' : 'idle'}`}>
                    {item.allowed ? 'yes' : 'no'}
                  </span>
                ),
              },
              { header: 'Why', cell: (item) => item.why },
            ]}
          />
        )}
      </Loaded>
      <div className="form-actions">
        <Button onPress={onClose}>Close</Button>
      </div>
    </>
  );
}
