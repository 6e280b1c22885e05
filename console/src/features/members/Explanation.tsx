import { useQuery } from '@tanstack/react-query';
import type { Member, Schemas } from '~/api/types';
import { explanationQuery } from '~/features/roles/api';
import { Button } from '~/ui/button';
import { Loaded, Notice } from '~/ui/states';
import { Table } from '~/ui/table';

const OWES: Record<Schemas['Owes'], string> = {
  new_password: 'Each login of theirs reaches nothing but choosing a password of their own.',
  second_factor:
    'Each login of theirs reaches nothing but setting up the second factor that the organisation asks for.',
};

/** What a member may do and why, permission by permission. */
export function Explanation({ member, onClose }: { member: Member; onClose: () => void }) {
  return (
    <>
      <Loaded query={useQuery(explanationQuery(member.id))} label="permissions">
        {({ permissions, owes, suspended }) => (
          <div className="stack">
            {suspended && (
              <Notice tone="warn" title="Nothing">
                <p>The platform has suspended them: nothing of theirs works, in any organisation.</p>
              </Notice>
            )}
            {owes && !suspended && (
              <Notice tone="warn" title="Nothing, until they have done something else">
                <p>{OWES[owes]}</p>
              </Notice>
            )}
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
          </div>
        )}
      </Loaded>
      <div className="form-actions">
        <Button onPress={onClose}>Close</Button>
      </div>
    </>
  );
}
