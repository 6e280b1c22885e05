import { ScrollText } from 'lucide-react';
import { useState } from 'react';
import type { usePages } from '~/api/query';
import type { AuditEvent } from '~/api/types';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Select, TextField } from '~/ui/form';
import { SearchField } from '~/ui/search-field';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import type { AuditFilter } from './api';
import { EventDetail, OutcomeBadge } from './EventDetail';

const OUTCOMES = [
  { value: 'any', label: 'Any outcome' },
  { value: 'success', label: 'Success' },
  { value: 'failure', label: 'Failure' },
  { value: 'denied', label: 'Denied' },
] as const;

interface EventLogProps {
  filter: AuditFilter;
  pages: ReturnType<typeof usePages<AuditEvent>>;
  /** An action that this log has, as an example of what to look for. */
  example: string;
  /** Takes what changes of the filter; nothing clears all of it. */
  onFilter: (change: AuditFilter | undefined) => void;
}

/** The events of a log, an organisation's or the platform's, with what narrows them down. */
export function EventLog({ filter, pages, example, onFilter: set }: EventLogProps) {
  const [open, setOpen] = useState<AuditEvent>();
  const filtered = Object.values(filter).some(Boolean);
  return (
    <>
      <div className="filters">
        <SearchField
          label="Action"
          value={filter.action ?? ''}
          onChange={(action) => set({ action: action || undefined })}
          placeholder={example}
          autoCapitalize="none"
        />
        <Select
          label="Outcome"
          value={filter.outcome ?? 'any'}
          options={OUTCOMES}
          onChange={(outcome) => set({ outcome: outcome === 'any' ? undefined : outcome })}
        />
        <TextField
          label="From"
          type="date"
          value={filter.from ?? ''}
          onChange={(from) => set({ from: from || undefined })}
        />
        <TextField
          label="To"
          type="date"
          value={filter.to ?? ''}
          onChange={(to) => set({ to: to || undefined })}
        />
        {filtered && (
          <Button tone="quiet" onPress={() => set(undefined)}>
            Clear filters
          </Button>
        )}
      </div>
      {(filter.actor || filter.resource) && (
        <p className="small muted">
          Only events{' '}
          {filter.actor && (
            <>
              by <code>{filter.actor}</code>
            </>
          )}{' '}
          {filter.resource && (
            <>
              on <code>{filter.resource}</code>
            </>
          )}
          .
        </p>
      )}
      <List
        label="events"
        pages={pages}
        rowKey={(event) => event.id}
        empty={
          <Empty icon={ScrollText} title={filtered ? 'No event matches' : 'No events yet'}>
            {filtered ? 'Widen or clear the filters.' : 'The first change will be here within a second.'}
          </Empty>
        }
        columns={[
          { header: 'Time', fit: true, wideOnly: true, cell: (event) => <Time iso={event.time} /> },
          {
            header: 'Action',
            cell: (event) => (
              <>
                <button type="button" className="row-link link-button" onClick={() => setOpen(event)}>
                  <code>{event.action}</code>
                </button>
                {event.reason && <div className="cell-note">{event.reason}</div>}
              </>
            ),
          },
          { header: 'Who', cell: (event) => event.actor.name },
          { header: 'On', wideOnly: true, cell: (event) => event.resource?.name ?? '' },
          { header: 'Outcome', fit: true, cell: (event) => <OutcomeBadge outcome={event.outcome} /> },
          {
            header: 'Leaf',
            end: true,
            fit: true,
            wideOnly: true,
            cell: (event) => event.index?.toLocaleString() ?? <span className="muted">sealing</span>,
          },
        ]}
      />
      <Dialog title={open?.action ?? ''} isOpen={open !== undefined} onClose={() => setOpen(undefined)} wide>
        {open && (
          <EventDetail
            event={open}
            onFilter={(change) => {
              setOpen(undefined);
              set(change);
            }}
            onClose={() => setOpen(undefined)}
          />
        )}
      </Dialog>
    </>
  );
}
