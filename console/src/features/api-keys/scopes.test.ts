import { expect, it } from 'vitest';
import { endAfter, networksOf } from './scopes';

it('reads networks however they are set apart', () => {
  expect(networksOf(' 10.0.0.0/8,\n192.0.2.1  2001:db8::/32\n')).toEqual([
    '10.0.0.0/8',
    '192.0.2.1',
    '2001:db8::/32',
  ]);
  expect(networksOf(' \n')).toEqual([]);
});

it('counts the days to the end of a key', () => {
  const now = Date.parse('2026-02-27T12:00:00Z');
  expect(endAfter('30', now)).toBe('2026-03-29T12:00:00.000Z');
  expect(endAfter('never', now)).toBeUndefined();
});
