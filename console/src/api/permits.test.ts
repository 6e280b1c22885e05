import { expect, it } from 'vitest';
import { permits } from './query';

it.each([
  [['*'], 'team:create', true],
  [['team:*'], 'team:create', true],
  [['team:create'], 'team:create', true],
  [['team:read', 'workflow:*'], 'team:create', false],
  [['teams:*'], 'team:create', false],
  [[], 'team:create', false],
])('%j permits %s: %s', (held, permission, expected) => {
  expect(permits(held, permission)).toBe(expected);
});
