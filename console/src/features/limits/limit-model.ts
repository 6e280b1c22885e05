import type { RateLimit } from '~/api/types';

/** The spans that a rate limit counts, as the API names them. */
export const SPANS = [
  { member: 'per_minute', label: 'Requests a minute' },
  { member: 'per_hour', label: 'Requests an hour' },
  { member: 'per_day', label: 'Requests a day' },
] as const;

/** A rate limit as it is typed: a text for each span, empty where none is set. */
export type LimitTexts = Record<(typeof SPANS)[number]['member'], string>;

/** What stands in a field: nothing where no limit is set. */
export function shown(amount: number | null | undefined): string {
  return amount == null ? '' : String(amount);
}

/** What a field says; the field takes nothing but digits. */
export function amount(text: string): number | null {
  return text.trim() === '' ? null : Number(text);
}

export function textsOf({ per_minute, per_hour, per_day }: RateLimit): LimitTexts {
  return { per_minute: shown(per_minute), per_hour: shown(per_hour), per_day: shown(per_day) };
}

export function limitOf({ per_minute, per_hour, per_day }: LimitTexts): RateLimit {
  return { per_minute: amount(per_minute), per_hour: amount(per_hour), per_day: amount(per_day) };
}

/** Where the server points to in a body that has the limit `at` a place, such as `rate_limit/`. */
export const limitFields = (at = '') => SPANS.map(({ member }) => at + member);
