import { MonitorSmartphone } from 'lucide-react';
import { useState } from 'react';
import type { Session } from '~/api/types';
import { Button } from '~/ui/button';
import { Confirm } from '~/ui/dialog';
import { Panel } from '~/ui/page';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { useEndOtherSessions, useEndSession, useSessions } from './api';
import { device } from './device';

const CLIENTS = { console: 'Console', cli: 'Command line', api: 'API' } as const;

/** Where the person is logged in, and the end of it. */
export function Sessions() {
  const pages = useSessions();
  const [ending, setEnding] = useState<Session | 'others'>();
  const close = () => setEnding(undefined);
  const hasOthers = pages.items?.some(({ current }) => !current) ?? false;
  return (
    <Panel
      title="Sessions"
      flush
      actions={
        <Button small tone="danger" isDisabled={!hasOthers} onPress={() => setEnding('others')}>
          End all others
        </Button>
      }
    >
      <List
        label="sessions"
        pages={pages}
        rowKey={({ id }) => id}
        empty={<Empty icon={MonitorSmartphone} title="No sessions" />}
        columns={[
          {
            header: 'Device',
            cell: (session) => (
              <>
                <strong>{device(session.user_agent)}</strong>{' '}
                {session.current && <span className="badge tone-ok">this device</span>}
                <div className="cell-note">
                  {CLIENTS[session.client]} · {session.organization.name}
                </div>
              </>
            ),
          },
          {
            header: 'Address',
            fit: true,
            wideOnly: true,
            cell: ({ address }) => <span className="mono">{address ?? '—'}</span>,
          },
          {
            header: 'Began',
            fit: true,
            wideOnly: true,
            cell: ({ created_at }) => <Time iso={created_at} relative />,
          },
          {
            header: 'Last seen',
            fit: true,
            cell: ({ last_seen_at }) => <Time iso={last_seen_at} relative />,
          },
        ]}
        actions={(session) => (
          <Button
            small
            aria-label={session.current ? 'Log out here' : `End the session of ${device(session.user_agent)}`}
            onPress={() => setEnding(session)}
          >
            {session.current ? 'Log out' : 'End'}
          </Button>
        )}
      />
      {ending === 'others' && <EndOthers onDone={close} />}
      {ending && ending !== 'others' && <EndOne session={ending} onDone={close} />}
    </Panel>
  );
}

function EndOne({ session, onDone }: { session: Session; onDone: () => void }) {
  const end = useEndSession();
  const name = device(session.user_agent);
  return (
    <Confirm
      title={session.current ? 'Log out here?' : `End the session of ${name}?`}
      action={session.current ? 'Log out' : 'End session'}
      change={end}
      onConfirm={() => end.mutate(session, { onSuccess: onDone })}
      onClose={onDone}
    >
      <p>
        {session.current
          ? 'This browser is logged out, with all its tabs.'
          : 'It is logged out within a second. If you do not know it, change your password as well.'}
      </p>
    </Confirm>
  );
}

function EndOthers({ onDone }: { onDone: () => void }) {
  const end = useEndOtherSessions();
  return (
    <Confirm
      title="End all other sessions?"
      action="End all others"
      change={end}
      onConfirm={() => end.mutate(undefined, { onSuccess: onDone })}
      onClose={onDone}
    >
      <p>
        Every other browser and program that is logged in as you has to log in again, in each organisation.
      </p>
    </Confirm>
  );
}
