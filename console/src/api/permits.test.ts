import { expect, it } from 'vitest';
import { permits } from './query';

it.each([
  [['team:read', 'team:write'], 'team:write', true],
  [['team:read', 'workflow:create'], 'team:write', false],
  [['team:*'], 'team:write', false],
  [[], 'team:write', false],
])('%j permits %s: %s', (held, permission, expected) => {
  expect(permits(held, permission)).toBe(expected);
});
