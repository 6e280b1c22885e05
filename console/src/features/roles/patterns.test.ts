import { expect, test } from 'vitest';
import { byResource, holds, toggled } from './patterns';

const info = (name: string) => ({ name, description: '', writes: false });

test('permissions stand with those of the same resource, in the order of the catalogue', () => {
  const resources = byResource(['team:read', 'secret:read', 'team:write'].map(info));
  expect(resources.map(({ name, permissions }) => [name, permissions.map((one) => one.name)])).toEqual([
    ['team', ['team:read', 'team:write']],
    ['secret', ['secret:read']],
  ]);
});

test('a wildcard holds its resource and no other', () => {
  expect(holds(['team:*'], 'team:read')).toBe('wildcard');
  expect(holds(['*'], 'secret:read')).toBe('wildcard');
  expect(holds(['team:read'], 'team:read')).toBe('single');
  expect(holds(['team:*'], 'teamwork:read')).toBeUndefined();
  expect(holds(['te*'], 'team:read')).toBeUndefined();
});

test('a wildcard replaces what it covers, and leaves it out when it goes', () => {
  expect(toggled(['team:read', 'secret:read'], 'team:*', true)).toEqual(['secret:read', 'team:*']);
  expect(toggled(['secret:read', 'team:*'], 'team:*', false)).toEqual(['secret:read']);
  expect(toggled(['secret:read', 'team:*'], '*', true)).toEqual(['*']);
  expect(toggled(['team:read'], 'team:read', true)).toEqual(['team:read']);
});
