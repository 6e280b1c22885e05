import type { Schemas } from '~/api/types';

export type PermissionInfo = Schemas['PermissionInfo'];

/** Permissions of one resource, in the order that they came in. */
export interface Resource<P> {
  name: string;
  permissions: P[];
}

export function byResource<P extends { name: string }>(permissions: readonly P[]): Resource<P>[] {
  const resources = new Map<string, P[]>();
  for (const permission of permissions) {
    const name = permission.name.split(':', 1)[0] ?? '';
    resources.set(name, [...(resources.get(name) ?? []), permission]);
  }
  return [...resources].map(([name, of]) => ({ name, permissions: of }));
}

/** Whether the patterns hold the permission, and by a wildcard (which the single checkbox cannot take away) or by itself. */
export function holds(patterns: readonly string[], permission: string): 'wildcard' | 'single' | undefined {
  const resource = permission.split(':', 1)[0];
  if (patterns.includes('*') || patterns.includes(`${resource}:*`)) return 'wildcard';
  return patterns.includes(permission) ? 'single' : undefined;
}

/** With the pattern, or without it. A wildcard makes what it covers superfluous. */
export function toggled(patterns: readonly string[], pattern: string, isOn: boolean): string[] {
  const rest = patterns.filter((one) => one !== pattern);
  if (!isOn) return rest;
  const covers = (one: string) =>
    pattern === '*' || (pattern.endsWith(':*') && one.startsWith(pattern.slice(0, -1)));
  return [...rest.filter((one) => !covers(one)), pattern].sort();
}
