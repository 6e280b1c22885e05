import { Link } from '@tanstack/react-router';

/** A development instance sends nothing. */
export function OutboxHint() {
  return (
    <p>
      This is a development instance: messages are in the <Link to="/outbox">outbox</Link>.
    </p>
  );
}
