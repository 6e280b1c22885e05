/** The classes of failure in words; a class that is new to the console is shown as it is. */
const WORDS: Record<string, string> = {
  timeout: 'took too long',
  cancelled: 'was cancelled',
  'http-status': 'got an answer that it does not accept',
  network: 'could not reach the service',
  'refused-address': 'may not call that address',
  plugin: 'failed in its code',
  limit: 'went over a limit',
  expression: 'has an expression that failed',
  rejected: 'was rejected',
  expired: 'ran out before anybody decided',
  'permission-withdrawn': 'stopped: who runs it may no longer do this',
  quota: 'went over a quota',
  denied: 'was denied by the policy',
  'recursion-limit': 'went round its loop too often',
  internal: 'failed inside Tenure',
};

/** "parse went over a limit": what failed, and how. */
export function failureTitle({ class: kind, step }: { class: string; step?: string | null }): string {
  return `${step ?? 'It'} ${WORDS[kind] ?? `failed: ${kind}`}`;
}
