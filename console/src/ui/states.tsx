import type { UseQueryResult } from '@tanstack/react-query';
import { CircleAlert, CircleCheck, Info, Lock, RotateCw, TriangleAlert, Unplug } from 'lucide-react';
import type { ComponentType, ReactNode, SVGProps } from 'react';
import { Problem } from '~/api/problem';
import { Button } from './button';

type Icon = ComponentType<SVGProps<SVGSVGElement>>;

/** A list or page that has nothing in it, and what to do about that. */
export function Empty({
  icon: Glyph,
  title,
  children,
  action,
}: {
  icon: Icon;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className="state boxed">
      <Glyph aria-hidden />
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action && <div className="state-actions">{action}</div>}
    </div>
  );
}

/** Grey lines while something loads; announced to screen readers. */
export function Loading({ label, lines = 6 }: { label: string; lines?: number }) {
  return (
    <div className="skeleton boxed" role="status">
      <p className="visually-hidden">Loading {label}…</p>
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike and never move
        <span key={line} />
      ))}
    </div>
  );
}

/** A whole page or panel that could not be had: refused, missing, unreachable or failed. */
export function Failed({
  problem,
  label,
  onRetry,
}: {
  problem: Problem;
  label: string;
  onRetry?: () => void;
}) {
  if (problem.status === 403 && problem.code === 'permission-denied') {
    const missing = problem.body.permission?.split(/[\s,]+/).filter(Boolean) ?? [];
    return (
      <div className="state boxed" role="alert">
        <Lock aria-hidden />
        <h2>You may not see {label}</h2>
        <p>
          {missing.length > 0 ? (
            <>
              This needs the permission{missing.length > 1 ? 's' : ''} {missing.map(permission)}. An
              administrator of your organisation can grant a role that has{' '}
              {missing.length > 1 ? 'them' : 'it'}.
            </>
          ) : (
            problem.message
          )}
        </p>
      </div>
    );
  }
  if (problem.status === 404) {
    return (
      <div className="state boxed" role="alert">
        <CircleAlert aria-hidden />
        <h2>Not found</h2>
        <p>
          Nothing is here that you may see as {label}: it was deleted, or a team that you are not in owns it.
        </p>
      </div>
    );
  }
  const Glyph = problem.status === 0 ? Unplug : TriangleAlert;
  return (
    <div className="state boxed" role="alert">
      <Glyph aria-hidden />
      <h2>{problem.body.title}</h2>
      <p>{problem.message}</p>
      {onRetry && (
        <div className="state-actions">
          <Button onPress={onRetry}>
            <RotateCw aria-hidden /> Try again
          </Button>
        </div>
      )}
    </div>
  );
}

function permission(name: string, index: number): ReactNode {
  return (
    <span key={name}>
      {index > 0 && ' and '}
      <code>{name}</code>
    </span>
  );
}

/** Loading, failed, or the data of a query. Data once shown stays while a refetch fails. */
export function Loaded<T>({
  query,
  label,
  lines,
  children,
}: {
  query: UseQueryResult<T>;
  label: string;
  lines?: number;
  children: (data: T) => ReactNode;
}) {
  if (query.data !== undefined) return children(query.data);
  if (query.isError)
    return <Failed problem={Problem.of(query.error)} label={label} onRetry={() => query.refetch()} />;
  return <Loading label={label} lines={lines} />;
}

const TONES = { ok: CircleCheck, info: Info, warn: TriangleAlert, bad: CircleAlert } as const;

export function Notice({
  tone,
  title,
  children,
}: {
  tone: keyof typeof TONES;
  title: ReactNode;
  children?: ReactNode;
}) {
  const Glyph = TONES[tone];
  return (
    <div
      className={`notice tone-${tone === 'info' ? 'run' : tone}`}
      role={tone === 'bad' ? 'alert' : 'status'}
    >
      <Glyph aria-hidden />
      <div>
        <strong>{title}</strong>
        {children}
      </div>
    </div>
  );
}

/** By name, as far as the reader may see them. */
function users(visible: readonly { name: string }[], hidden: number): string {
  const others = hidden === 1 ? '1 that you may not see' : `${hidden} that you may not see`;
  return [...visible.map(({ name }) => name), ...(hidden > 0 ? [others] : [])].join(', ');
}

/** Why an action was refused, beside the action. */
export function ProblemNotice({ problem, except = [] }: { problem: Problem; except?: readonly string[] }) {
  const { title, detail, used_by, used_by_hidden, quota, limit, used } = problem.body;
  const errors = problem.body.errors?.filter(({ pointer }) => !except.includes(pointer.slice(1)));
  return (
    <Notice tone="bad" title={title}>
      {detail && <p>{detail}</p>}
      {quota && (
        <p className="numeric">
          {quota}: {used} of {limit} used.
        </p>
      )}
      {used_by && <p>Used by {users(used_by, used_by_hidden ?? 0)}.</p>}
      {errors && errors.length > 0 && (
        <ul>
          {errors.map((error) => (
            <li key={`${error.pointer} ${error.code} ${error.detail}`}>
              {error.pointer && <code>{error.pointer}</code>} {error.detail}
            </li>
          ))}
        </ul>
      )}
    </Notice>
  );
}
