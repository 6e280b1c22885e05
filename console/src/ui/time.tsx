import { useEffect, useState } from 'react';
import { formatAgo, formatTime } from '~/lib/time';

/** The clock, ticking every `ms` while `running`. */
export function useNow(ms: number, running = true): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setNow(Date.now()), ms);
    return () => clearInterval(timer);
  }, [ms, running]);
  return now;
}

/** An instant in the reader's zone, with the exact ISO time as title. */
export function Time({ iso, relative }: { iso: string; relative?: boolean }) {
  const now = useNow(30_000, relative);
  return (
    <time dateTime={iso} title={iso} className="numeric">
      {relative ? formatAgo(iso, now) : formatTime(iso)}
    </time>
  );
}
