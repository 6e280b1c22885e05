/** Permissions by what they are about: `workflow:read`, `workflow:execute` as "workflow" with "read" and "execute". */
export function byResource(scopes: readonly string[]): { resource: string; actions: string[] }[] {
  const groups = new Map<string, string[]>();
  for (const scope of scopes) {
    const [resource = scope, action = ''] = scope.split(':');
    groups.set(resource, [...(groups.get(resource) ?? []), action]);
  }
  return [...groups].map(([resource, actions]) => ({ resource: resource.replaceAll('_', ' '), actions }));
}

/** The networks of a text field, one a line or between commas. */
export function networksOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((network) => network !== '');
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** When a key made at `now` ends, if it ends by itself. */
export function endAfter(days: string, now: number): string | undefined {
  return days === 'never' ? undefined : new Date(now + Number(days) * DAY_MS).toISOString();
}
