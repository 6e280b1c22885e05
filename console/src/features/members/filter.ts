/** Filters as a person thinks of them; the address carries them, so that a view can be shared. */
export interface MemberFilter {
  search?: string | undefined;
  status?: MemberStatusName | undefined;
  role?: string | undefined;
  team?: string | undefined;
  activity?: ActivityName | undefined;
  sort?: MemberSortName | undefined;
}

export const STATUSES = {
  any: 'Any status',
  active: 'Active',
  invited: 'Invited',
  locked: 'Locked',
  deactivated: 'Deactivated',
} as const;
export type MemberStatusName = Exclude<keyof typeof STATUSES, 'any'>;

/** What they did lately, in days. */
export const ACTIVITY = {
  any: { label: 'Any activity' },
  week: { label: 'Active this week', after: 7 },
  month: { label: 'Active these 30 days', after: 30 },
  idle: { label: 'Not active for 30 days', before: 30 },
  gone: { label: 'Not active for 90 days', before: 90 },
  never: { label: 'Never logged in', never: true },
} as const satisfies Record<string, { label: string; after?: number; before?: number; never?: true }>;
export type ActivityName = Exclude<keyof typeof ACTIVITY, 'any'>;

export const SORTS = {
  username: 'By user name',
  '-created_at': 'Newest first',
  created_at: 'Longest here first',
  '-last_login_at': 'Latest login first',
  last_login_at: 'Longest away first',
} as const;
export type MemberSortName = keyof typeof SORTS;

const DAY_MS = 86_400_000;
/** Midnight, so that a page asked for later in the day is a page of the same list. */
const daysAgo = (days: number, now: number) =>
  new Date(Math.floor(now / DAY_MS) * DAY_MS - days * DAY_MS).toISOString();

/** What the server is asked. */
export function query({ search, status, role, team, activity, sort }: MemberFilter, now: number) {
  const lately: { after?: number; before?: number; never?: true } = activity ? ACTIVITY[activity] : {};
  return {
    search: search || undefined,
    status,
    role,
    team,
    sort,
    active_after: lately.after === undefined ? undefined : daysAgo(lately.after, now),
    active_before: lately.before === undefined ? undefined : daysAgo(lately.before, now),
    never_logged_in: lately.never,
  };
}

const known = <T extends object>(names: T, value: unknown): keyof T | undefined =>
  typeof value === 'string' && Object.hasOwn(names, value) && value !== 'any'
    ? (value as keyof T)
    : undefined;
const word = (value: unknown) => (typeof value === 'string' && value ? value : undefined);

/** What of an address is a filter; the rest is left out. */
export function parseFilter(search: Record<string, unknown>): MemberFilter {
  const found = {
    search: word(search.search),
    status: known(STATUSES, search.status) as MemberStatusName | undefined,
    role: word(search.role),
    team: word(search.team),
    activity: known(ACTIVITY, search.activity) as ActivityName | undefined,
    sort: known(SORTS, search.sort),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}
