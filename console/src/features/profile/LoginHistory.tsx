import { History } from 'lucide-react';
import type { usePages } from '~/api/query';
import type { LoginRecord, Page } from '~/api/types';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { device } from './device';

type Pages = ReturnType<typeof usePages<Page<LoginRecord>['items'][number]>>;

const REASONS: Record<string, string> = {
  'invalid-credentials': 'wrong password, or not allowed in',
  'invalid-second-factor': 'wrong second factor',
  'rate-limited': 'too many failures before it',
};

/** Logins and the tries that failed, as the audit log tells them. */
export function LoginHistory({ pages }: { pages: Pages }) {
  return (
    <List
      label="login history"
      pages={pages}
      rowKey={({ id }) => id}
      empty={<Empty icon={History} title="No logins yet" />}
      columns={[
        { header: 'When', fit: true, cell: ({ time }) => <Time iso={time} /> },
        {
          header: 'Outcome',
          cell: ({ outcome, reason, count }) => (
            <>
              <span className={`badge tone-${outcome === 'success' ? 'ok' : 'bad'}`}>
                {outcome === 'success' ? 'Logged in' : 'Refused'}
              </span>
              {reason && (
                <div className="cell-note">
                  {REASONS[reason] ?? reason}
                  {count ? `, ${count} more times` : ''}
                </div>
              )}
            </>
          ),
        },
        { header: 'Device', wideOnly: true, cell: ({ user_agent }) => device(user_agent) },
        {
          header: 'Address',
          fit: true,
          wideOnly: true,
          cell: ({ address }) => <span className="mono">{address ?? '—'}</span>,
        },
      ]}
    />
  );
}
