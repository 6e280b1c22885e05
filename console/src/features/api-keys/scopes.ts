/** The networks of a text field, one a line or between commas. */
export function networksOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((network) => network !== '');
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** When a key made at `now` ends, if it ends by itself. */
export function endAfter(days: string, now: number): string | undefined {
  return days === 'never' ? undefined : new Date(now + Number(days) * DAY_MS).toISOString();
}
