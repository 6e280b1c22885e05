import { Link } from '@tanstack/react-router';
import { KeySquare } from 'lucide-react';
import { useMay } from '~/api/query';
import { useOwnApiKeys } from '~/features/api-keys/api';
import { KeyState } from '~/features/api-keys/KeyState';
import { Panel } from '~/ui/page';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';

/** The keys that act for this person here, ended ones included; they are changed on the page of all keys. */
export function OwnKeys() {
  const mayRead = useMay('api_key:read');
  const pages = useOwnApiKeys(mayRead);
  if (!mayRead) return null;
  return (
    <Panel title="Your API keys" flush actions={<Link to="/api-keys">Make, change or revoke API keys</Link>}>
      <List
        label="your API keys"
        pages={pages}
        rowKey={({ id }) => id}
        empty={<Empty icon={KeySquare} title="No program acts for you" />}
        columns={[
          { header: 'Key', cell: ({ name }) => <strong>{name}</strong> },
          { header: 'State', cell: (key) => <KeyState apiKey={key} /> },
          {
            header: 'Last used',
            fit: true,
            wideOnly: true,
            cell: ({ last_used_at }) =>
              last_used_at ? <Time iso={last_used_at} relative /> : <span className="muted">never</span>,
          },
        ]}
      />
    </Panel>
  );
}
