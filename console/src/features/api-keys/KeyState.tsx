import type { ApiKey, Schemas } from '~/api/types';

const STATES = {
  active: { label: 'Active', tone: 'ok' },
  retiring: { label: 'Replaced', tone: 'wait' },
  expired: { label: 'Expired', tone: 'idle' },
  revoked: { label: 'Revoked', tone: 'idle' },
} as const;

/** What is to be done about a key that is refused although it has not ended. */
const BLOCKS: Record<Schemas['KeyBlock'], string> = {
  made_without_second_factor:
    'Made without the second factor that its owner has now: rotate it, or make another.',
  owner_without_second_factor: 'Its owner lacks the second factor that the organisation asks for.',
};

/** Whether a key works, and why not. */
export function KeyState({ apiKey: { state, blocked } }: { apiKey: Pick<ApiKey, 'state' | 'blocked'> }) {
  if (blocked && (state === 'active' || state === 'retiring'))
    return (
      <>
        <span className="badge tone-bad">Blocked</span>
        <div className="cell-note">{BLOCKS[blocked]}</div>
      </>
    );
  return <span className={`badge tone-${STATES[state].tone}`}>{STATES[state].label}</span>;
}
