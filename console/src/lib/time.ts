const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'long' });
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
];

/** Date and time in the reader's zone. */
export function formatTime(iso: string): string {
  return full.format(new Date(iso));
}

/** "3 minutes ago" within a week, the date before that. */
export function formatAgo(iso: string, now: number): string {
  const past = new Date(iso).getTime() - now;
  if (Math.abs(past) > 7 * 86_400_000) {
    return new Date(iso).toLocaleDateString(undefined, { dateStyle: 'medium' });
  }
  const [unit, size] = UNITS.find(([, ms]) => Math.abs(past) >= ms) ?? ['second', 1000];
  if (unit === 'second' && Math.abs(past) < 10_000) return 'just now';
  return relative.format(Math.round(past / size), unit);
}

/** A duration for people: 340 ms, 4.2 s, 3 min 20 s, 2 h 5 min. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return joined(minutes, 'min', Math.floor((ms % 60_000) / 1000), 's');
  return joined(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
}

function joined(large: number, unit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`;
}

/** Milliseconds between two instants; the end may still be open. */
export function span(
  start: string | null | undefined,
  end: string | null | undefined,
  now: number,
): number | null {
  if (!start) return null;
  return Math.max(0, (end ? new Date(end).getTime() : now) - new Date(start).getTime());
}
