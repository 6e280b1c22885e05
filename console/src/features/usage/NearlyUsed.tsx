import type { Quota } from '~/api/types';
import { Notice } from '~/ui/states';
import { Time } from '~/ui/time';
import { figure } from './month-model';
import { named } from './names';

/** Before anything is refused for want of it. */
export function NearlyUsed({ quotas }: { quotas: readonly Quota[] }) {
  const scarce = quotas.filter(({ nearly_used, period, name }) => nearly_used && (period || isKept(name)));
  if (scarce.length === 0) return null;
  return (
    <Notice tone="warn" title="Little is left">
      <ul className="plain">
        {scarce.map(({ name, used, limit, resets_at }) => (
          <li key={name}>
            {named(name).label}: {figure(name, used)} of {figure(name, limit ?? 0)} used
            {resets_at ? (
              <>
                ; resets <Time iso={resets_at} relative />
              </>
            ) : (
              '; remove what is not needed, or ask the platform for more'
            )}
            .
          </li>
        ))}
      </ul>
    </Notice>
  );
}

/** Whether it fills up; what is there at once comes and goes. */
export function isKept(name: Quota['name']): boolean {
  return !['concurrent_executions', 'queued_executions', 'concurrent_connections'].includes(name);
}
