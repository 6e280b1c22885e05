import { expect, it } from 'vitest';
import { parseFilter, query } from './filter';

const NOW = Date.parse('2026-03-31T15:30:00Z');

it('asks for whole days, so that pages belong together', () => {
  expect(query({ activity: 'idle' }, NOW).active_before).toBe('2026-03-01T00:00:00.000Z');
  expect(query({ activity: 'week' }, NOW)).toEqual(query({ activity: 'week' }, NOW + 3_600_000));
  expect(query({ activity: 'never' }, NOW)).toMatchObject({
    never_logged_in: true,
    active_before: undefined,
  });
});

it('takes from an address what is a filter and nothing else', () => {
  const found = parseFilter({
    status: 'locked',
    sort: 'password',
    activity: 'any',
    role: 7,
    team: 'team_1',
    x: 1,
  });
  expect(found).toEqual({ status: 'locked', team: 'team_1' });
  expect(parseFilter({ status: 'toString' })).toEqual({});
});
