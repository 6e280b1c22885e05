import { expect, it } from 'vitest';
import { isShown } from './navigation';

const NEEDS = 'platform:organization:read';

it('shows the platform to nobody but those who administer it', () => {
  const olga = { permissions: ['team:read'], platform_permissions: [NEEDS] };
  expect(isShown(NEEDS, olga)).toBe(true);
  expect(isShown(NEEDS, { ...olga, platform_permissions: [] })).toBe(false);
  expect(isShown('team:read', olga)).toBe(true);
  expect(isShown('user:read', olga)).toBe(false);
  expect(isShown(undefined, olga)).toBe(true);
});

it('shows what most may see while nothing is known, and the platform not', () => {
  expect(isShown('team:read', undefined)).toBe(true);
  expect(isShown(NEEDS, undefined)).toBe(false);
});
