import { KeySquare } from 'lucide-react';
import { Button } from '~/ui/button';
import { Panel } from '~/ui/page';
import { Empty, ProblemNotice } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { useHandedOn, useRevokeToken } from './api';

/** Delegated tokens of this person that are good: each can be ended by itself. */
export function HandedOn() {
  const pages = useHandedOn();
  const revoke = useRevokeToken();
  if (pages.items?.length === 0) return null;
  return (
    <Panel title="Handed on" flush>
      {revoke.error && <ProblemNotice problem={revoke.error} />}
      <List
        label="delegated tokens"
        pages={pages}
        rowKey={({ id }) => id}
        empty={<Empty icon={KeySquare} title="Nothing is handed on" />}
        columns={[
          { header: 'May', cell: ({ scope }) => <span className="mono small">{scope}</span> },
          {
            header: 'Who acts',
            fit: true,
            wideOnly: true,
            cell: ({ acting }) =>
              acting ? <span className="mono small">{acting}</span> : <span className="muted">you</span>,
          },
          { header: 'Until', fit: true, cell: ({ expires_at }) => <Time iso={expires_at} relative /> },
        ]}
        actions={({ id }) => (
          <Button small aria-label={`Revoke the token ${id}`} onPress={() => revoke.mutate(id)}>
            Revoke
          </Button>
        )}
      />
    </Panel>
  );
}
