import { ShieldAlert, ShieldCheck, ShieldQuestion } from 'lucide-react';
import { useMay } from '~/api/query';
import type { Verification } from '~/api/types';
import { Button } from '~/ui/button';
import { ProblemNotice } from '~/ui/states';
import { Time } from '~/ui/time';
import { CopyButton } from '~/ui/value';
import { useVerify } from './api';
import './audit.css';

/** Recomputes the log on the server, and says what that proves and what it cannot. */
export function Verify() {
  const verify = useVerify();
  const may = useMay('audit:read');
  const result = verify.data;
  const Glyph = result === undefined ? ShieldQuestion : result.ok ? ShieldCheck : ShieldAlert;
  return (
    <section
      className={`verify panel${result ? (result.ok ? ' verify-ok' : ' verify-bad') : ''}`}
      aria-label="Verification"
    >
      <Glyph className="verify-icon" aria-hidden />
      <div className="stack-tight" aria-live="polite">
        {result ? (
          <Outcome result={result} />
        ) : (
          <>
            <h2>Is the log intact?</h2>
            <p className="muted small">
              Recomputes every leaf and compares the root with the signed checkpoints. To rule out the server
              too, keep a checkpoint elsewhere and run <code>tenure audit verify --checkpoint</code>.
            </p>
          </>
        )}
        {verify.error && <ProblemNotice problem={verify.error} />}
      </div>
      <Button isPending={verify.isPending} isDisabled={!may} onPress={() => verify.mutate()}>
        {result ? 'Verify again' : 'Verify now'}
      </Button>
    </section>
  );
}

function Outcome({ result }: { result: Verification }) {
  const { ok, events_checked, unsealed, checkpoint, duration_ms, verified_at, first_fault } = result;
  return (
    <>
      <h2>{ok ? 'The log is intact' : 'The log was changed'}</h2>
      {first_fault && (
        <p>
          First fault: <strong>{first_fault.kind}</strong>
          {first_fault.index != null && <> at leaf {first_fault.index.toLocaleString()}</>}
          {first_fault.event_id && (
            <>
              {' '}
              (<code>{first_fault.event_id}</code>)
            </>
          )}
          : {first_fault.message}
        </p>
      )}
      <p className="muted small numeric">
        {events_checked.toLocaleString()} events checked in {duration_ms} ms
        {unsealed > 0 && `, ${unsealed} younger than a second not sealed yet`}. <Time iso={verified_at} />
      </p>
      {checkpoint && (
        <p className="small row">
          <span className="muted">Root at {checkpoint.size.toLocaleString()}:</span>
          <code className="digest">{checkpoint.root_hash}</code>
          <CopyButton text={checkpoint.note} label="Copy the signed checkpoint" />
        </p>
      )}
    </>
  );
}
