import type { Quota } from '~/api/types';

const NAMES: Record<Quota['name'], { label: string; what: string }> = {
  workflows: { label: 'Workflows', what: 'in this organisation' },
  teams: { label: 'Teams', what: 'in this organisation' },
  executions_per_hour: { label: 'Executions this hour', what: 'started since the full hour' },
  executions_per_month: { label: 'Executions', what: 'started this month' },
  concurrent_executions: { label: 'Running at once', what: 'right now; more wait their turn' },
  queued_executions: { label: 'Open executions', what: 'executions that run, wait or are queued' },
  concurrent_connections: { label: 'Open connections', what: 'streams and waiting calls right now' },
  storage_bytes: { label: 'Storage', what: 'plugins, secrets and large values' },
  provider_calls_per_month: { label: 'Calls to other hosts', what: 'made by workflows this month' },
};

interface Named {
  label: string;
  what: string;
}

/** What a quota is called: its own name where a server newer than this console counts what it does not know. */
export function named(quota: string): Named {
  const known: Record<string, Named> = NAMES;
  return Object.hasOwn(known, quota) && known[quota]
    ? known[quota]
    : { label: quota, what: 'counted by the server' };
}
