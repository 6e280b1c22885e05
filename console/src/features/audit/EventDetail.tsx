import { Ban, CircleCheck, CircleHelp, CircleX } from 'lucide-react';
import type { AuditEvent, Schemas } from '~/api/types';
import { Button } from '~/ui/button';
import { Time } from '~/ui/time';
import { Id } from '~/ui/value';
import type { AuditFilter } from './api';
import './audit.css';

const OUTCOME = {
  success: { tone: 'ok', icon: CircleCheck },
  failure: { tone: 'bad', icon: CircleX },
  denied: { tone: 'warn', icon: Ban },
} as const;

export type Outcome = keyof typeof OUTCOME;

export function OutcomeBadge({ outcome }: { outcome: string }) {
  const { tone, icon: Glyph } = OUTCOME[outcome as Outcome] ?? { tone: 'idle', icon: CircleHelp };
  return (
    <span className={`badge tone-${tone}`}>
      <Glyph aria-hidden /> {outcome}
    </span>
  );
}

interface EventDetailProps {
  event: AuditEvent;
  onFilter: (change: AuditFilter) => void;
  onClose: () => void;
}

export function EventDetail({ event, onFilter, onClose }: EventDetailProps) {
  const { actor, resource, diff } = event;
  return (
    <>
      <dl className="facts">
        <dt>Event</dt>
        <dd>
          <Id id={event.id} />
        </dd>
        <dt>Time</dt>
        <dd>
          <Time iso={event.time} />
        </dd>
        <dt>Outcome</dt>
        <dd>
          <OutcomeBadge outcome={event.outcome} /> {event.reason}
        </dd>
        <dt>Who</dt>
        <dd className="row">
          {actor.name} <span className="muted">{actor.type}</span>
          {event.on_behalf_of_name && <span>for {event.on_behalf_of_name}</span>}
          {actor.id && (
            <Button tone="quiet" small onPress={() => onFilter({ actor: actor.id })}>
              Only theirs
            </Button>
          )}
        </dd>
        {resource && (
          <>
            <dt>On</dt>
            <dd className="row">
              {resource.name} <code>{resource.id}</code>
              <Button tone="quiet" small onPress={() => onFilter({ resource: resource.id })}>
                Its history
              </Button>
            </dd>
          </>
        )}
        <dt>Leaf</dt>
        <dd className="numeric">{event.index == null ? 'Not sealed yet' : event.index.toLocaleString()}</dd>
        {event.count != null && event.count > 1 && (
          <>
            <dt>Repeats</dt>
            <dd className="numeric">
              {event.count.toLocaleString()} alike within a minute, folded into this one
            </dd>
          </>
        )}
        {event.address && (
          <>
            <dt>Address</dt>
            <dd className="mono">{event.address}</dd>
          </>
        )}
        {event.user_agent && (
          <>
            <dt>Client</dt>
            <dd>{event.user_agent}</dd>
          </>
        )}
        {event.request_id && (
          <>
            <dt>Request</dt>
            <dd className="mono">{event.request_id}</dd>
          </>
        )}
      </dl>
      {diff && diff.length > 0 && <Diff operations={diff} />}
      <div className="form-actions">
        <Button onPress={onClose}>Close</Button>
      </div>
    </>
  );
}

/** Why a change is told without its values. */
function untold({ op, redacted, erased }: Schemas['EventChange']): string {
  if (erased) return 'erased with its owner; only the digest is left';
  return redacted ? 'changed; the value is secret' : op;
}

function Diff({ operations }: { operations: Schemas['EventChange'][] }) {
  return (
    <section aria-label="What changed" className="stack-tight">
      <h3>What changed</h3>
      <ul className="diff">
        {operations.map((operation) => (
          <li key={`${operation.op} ${operation.path}`}>
            <code className="diff-path">{operation.path}</code>
            {operation.before !== undefined && (
              <del>
                <span aria-hidden>− </span>
                {JSON.stringify(operation.before)}
              </del>
            )}
            {operation.value !== undefined && (
              <ins>
                <span aria-hidden>+ </span>
                {JSON.stringify(operation.value)}
              </ins>
            )}
            {operation.before === undefined && operation.value === undefined && (
              <span className="muted">{untold(operation)}</span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
