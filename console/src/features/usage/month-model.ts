import type { Quota, QuotaDay } from '~/api/types';

const DAY_MS = 24 * 60 * 60 * 1000;

export interface Point {
  /** The day's first moment (UTC), as ISO text. */
  day: string;
  used: number;
}

/**
 * What was used by the end of each day of the month of `now`, up to today. A day on which nothing changed has no figure: it
 * ended as the one before it. A month begins at nothing; of what does not reset, the days before its first figure are not
 * known, unless there is none: then it has been as it is.
 */
export function monthOf(quota: Quota, days: readonly QuotaDay[], now: number): Point[] {
  const known = new Map(
    days.filter((day) => day.quota === quota.name).map((day) => [Date.parse(day.day), day.used]),
  );
  const today = Math.floor(now / DAY_MS) * DAY_MS;
  const date = new Date(today);
  const first = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
  let used: number | undefined = quota.period ? 0 : known.size === 0 ? quota.used : undefined;
  const points: Point[] = [];
  for (let day = first; day <= today; day += DAY_MS) {
    used = known.get(day) ?? used;
    if (used !== undefined) points.push({ day: new Date(day).toISOString(), used });
  }
  return points;
}

/** The points of a line in a box of this size; the first day is at its left, the last of the month at its right. */
export function lineOf(points: readonly Point[], top: number, width: number, height: number): string {
  const x = (day: string) => {
    const date = new Date(day);
    const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
    return ((date.getUTCDate() - 1) / Math.max(1, last - 1)) * width;
  };
  const y = (used: number) => height - (top > 0 ? Math.min(1, used / top) : 0) * height;
  return points.map(({ day, used }) => `${x(day).toFixed(2)},${y(used).toFixed(2)}`).join(' ');
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** A figure of this quota for a person: bytes in the largest unit that leaves at least one. */
export function figure(name: Quota['name'], value: number): string {
  if (name !== 'storage_bytes') return value.toLocaleString();
  const power = value < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(value) / 10));
  const scaled = value / 1024 ** power;
  const digits = power > 0 && scaled < 10 ? 1 : 0;
  return `${scaled.toLocaleString(undefined, { maximumFractionDigits: digits })} ${UNITS[power]}`;
}
