import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('every package of the lock is fixed by its digest', () => {
  const lock: { packages: Record<string, { integrity?: string }> } = JSON.parse(
    readFileSync('package-lock.json', 'utf8'),
  );
  const loose = Object.entries(lock.packages).filter(([path, { integrity }]) => path !== '' && !integrity);
  expect(loose.map(([path]) => path)).toEqual([]);
});
