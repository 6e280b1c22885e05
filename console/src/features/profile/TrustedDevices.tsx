import { MonitorCheck } from 'lucide-react';
import { Button } from '~/ui/button';
import { Panel } from '~/ui/page';
import { Empty, ProblemNotice } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { device } from './device';
import { useDevices, useForgetDevice } from './mfa';

/** Devices whose logins ask for no second factor. */
export function TrustedDevices() {
  const pages = useDevices();
  const forget = useForgetDevice();
  if (pages.items?.length === 0) return null;
  return (
    <Panel title="Trusted devices" flush>
      {forget.error && <ProblemNotice problem={forget.error} />}
      <List
        label="trusted devices"
        pages={pages}
        rowKey={({ id }) => id}
        empty={<Empty icon={MonitorCheck} title="No trusted devices" />}
        columns={[
          { header: 'Device', cell: ({ user_agent }) => <strong>{device(user_agent ?? null)}</strong> },
          {
            header: 'Address',
            fit: true,
            wideOnly: true,
            cell: ({ address }) => <span className="mono">{address ?? '—'}</span>,
          },
          {
            header: 'Until',
            fit: true,
            cell: ({ expires_at }) => <Time iso={expires_at} relative />,
          },
        ]}
        actions={({ id, user_agent }) => (
          <Button small aria-label={`Forget ${device(user_agent ?? null)}`} onPress={() => forget.mutate(id)}>
            Forget
          </Button>
        )}
      />
    </Panel>
  );
}
