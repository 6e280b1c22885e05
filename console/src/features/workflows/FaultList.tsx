import { CircleAlert, CircleCheck, LoaderCircle, TriangleAlert } from 'lucide-react';
import { Problem } from '~/api/problem';
import type { Fault } from '~/api/types';
import { ProblemNotice } from '~/ui/states';

interface FaultListProps {
  faults: Fault[] | undefined;
  checking: boolean;
  error: unknown;
  onGoTo: (line: number, column: number) => void;
}

/** All faults at once, each leading to its place. */
export function FaultList({ faults, checking, error, onGoTo }: FaultListProps) {
  if (error) return <ProblemNotice problem={Problem.of(error)} />;
  return (
    <section className="faults" aria-label="Problems">
      <p className="faults-summary" role="status">
        {checking ? (
          <LoaderCircle className="icon spin" aria-hidden />
        ) : (
          faults && <SummaryIcon faults={faults} />
        )}
        {checking && !faults ? 'Checking…' : summary(faults)}
      </p>
      {faults && faults.length > 0 && (
        <ul>
          {faults.map((fault) => (
            <li key={`${fault.code} ${fault.pointer} ${fault.line} ${fault.column} ${fault.message}`}>
              <button type="button" className="fault" onClick={() => onGoTo(fault.line, fault.column)}>
                {fault.severity === 'error' ? (
                  <CircleAlert className="icon fault-error" aria-label="Error" />
                ) : (
                  <TriangleAlert className="icon fault-warning" aria-label="Warning" />
                )}
                <span className="fault-text">
                  <span>{fault.message}</span>
                  {fault.suggestion && (
                    <span className="muted">
                      Try <code>{fault.suggestion}</code>
                    </span>
                  )}
                </span>
                <span className="muted numeric fault-place">
                  {`${fault.line}:${fault.column}`} <code>{fault.code}</code>
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function SummaryIcon({ faults }: { faults: Fault[] }) {
  if (faults.some((fault) => fault.severity === 'error'))
    return <CircleAlert className="icon fault-error" aria-hidden />;
  if (faults.length > 0) return <TriangleAlert className="icon fault-warning" aria-hidden />;
  return <CircleCheck className="icon fault-none" aria-hidden />;
}

function summary(faults: Fault[] | undefined): string {
  if (!faults) return '';
  if (faults.length === 0) return 'No problems';
  const errors = faults.filter((fault) => fault.severity === 'error').length;
  const warnings = faults.length - errors;
  return [count(errors, 'error'), count(warnings, 'warning')].filter(Boolean).join(', ');
}

function count(number: number, noun: string): string {
  return number === 0 ? '' : `${number} ${noun}${number === 1 ? '' : 's'}`;
}
