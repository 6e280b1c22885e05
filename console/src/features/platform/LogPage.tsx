import { useNavigate, useSearch } from '@tanstack/react-router';
import { EventLog } from '~/features/audit/EventLog';
import { Page } from '~/ui/page';
import { usePlatformEvents } from './api';

/** The platform's own part of the audit log: what belongs to no single organisation. */
export function LogPage() {
  const filter = useSearch({ from: '/shell/platform/log' });
  const navigate = useNavigate({ from: '/platform/log' });
  return (
    <Page
      title="Platform log"
      description="Who administers the platform, whom it suspended and why, what was refused to who was not logged in. What organisations do stands in their own logs, and not here."
    >
      <EventLog
        filter={filter}
        pages={usePlatformEvents(filter)}
        example="user.suspended, or request."
        onFilter={(change) =>
          void navigate({ search: (old) => (change ? { ...old, ...change } : {}), replace: true })
        }
      />
    </Page>
  );
}
