import { expect, it } from 'vitest';
import { safeReturn } from './router';

it.each(['/', '/workflows/wf_1?x=1', '/audit?action=secret.'])('goes back to %s', (path) => {
  expect(safeReturn(path)).toBe(path);
});

it.each([
  'https://evil.example',
  '//evil.example',
  '/\\evil.example',
  'javascript:alert(1)',
  '',
  undefined,
  7,
])('refuses %s', (path) => {
  expect(safeReturn(path)).toBeUndefined();
});
