import { useNavigate, useSearch } from '@tanstack/react-router';
import { Page } from '~/ui/page';
import { useAuditEvents } from './api';
import { EventLog } from './EventLog';
import { Verify } from './Verify';

export function AuditPage() {
  const filter = useSearch({ from: '/shell/audit' });
  const navigate = useNavigate({ from: '/audit' });
  return (
    <Page
      title="Audit log"
      description="Every change and every refusal, sealed into a log that shows whether anyone, the operator included, touched it."
    >
      <Verify />
      <EventLog
        filter={filter}
        pages={useAuditEvents(filter)}
        example="team.created, or secret."
        onFilter={(change) =>
          void navigate({ search: (old) => (change ? { ...old, ...change } : {}), replace: true })
        }
      />
    </Page>
  );
}
