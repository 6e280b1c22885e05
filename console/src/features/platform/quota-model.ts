import { figure } from '~/features/usage/month-model';
import { isKept } from '~/features/usage/NearlyUsed';
import { named } from '~/features/usage/names';
import type { PlatformQuota } from './api';

/** How full it is, from 0 to 1 and beyond; nothing where there is no limit. */
export function share({ limit, used }: Pick<PlatformQuota, 'limit' | 'used'>): number | undefined {
  if (limit == null) return undefined;
  return limit === 0 ? (used > 0 ? 1 : 0) : used / limit;
}

/** Of what it has least left, if it has limits at all. What is there at once comes and goes, and says nothing. */
export function fullest(quotas: readonly PlatformQuota[]): PlatformQuota | undefined {
  const lasting = quotas.filter((quota) => isKept(quota.name) && quota.limit != null);
  return lasting.reduce<PlatformQuota | undefined>(
    (most, quota) => (most === undefined || (share(quota) ?? 0) > (share(most) ?? 0) ? quota : most),
    undefined,
  );
}

/** Its use in a few words. */
export function atAGlance(quota: PlatformQuota): string {
  const { name, used, limit } = quota;
  const of = limit == null ? ', no limit' : ` of ${figure(name, limit)}`;
  return `${named(name).label}: ${figure(name, used)}${of}`;
}

export function limitWords(name: PlatformQuota['name'], limit: number | null | undefined): string {
  return limit == null ? 'No limit' : figure(name, limit);
}
