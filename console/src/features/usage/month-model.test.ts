import { expect, it } from 'vitest';
import type { Quota } from '~/api/types';
import { figure, lineOf, monthOf } from './month-model';

const NOW = Date.parse('2026-11-04T09:00:00Z');
const quota = (name: Quota['name'], used: number, resets: boolean) =>
  ({ name, used, period: resets ? { from: '', to: '' } : null }) as Quota;
const day = (date: number, used: number, name: Quota['name'] = 'executions_per_month') => ({
  quota: name,
  day: `2026-11-0${date}T00:00:00Z`,
  used,
});

it('carries a day on that has no figure, and begins a month at nothing', () => {
  const days = [day(2, 5), day(4, 9), day(3, 77, 'workflows')];
  const points = monthOf(quota('executions_per_month', 9, true), days, NOW);
  expect(points.map(({ used }) => used)).toEqual([0, 5, 5, 9]);
  expect(points[0]?.day).toBe('2026-11-01T00:00:00.000Z');
});

it('does not make up what was held before the first figure', () => {
  const days = [day(3, 7, 'workflows')];
  expect(monthOf(quota('workflows', 7, false), days, NOW).map(({ used }) => used)).toEqual([7, 7]);
  expect(monthOf(quota('workflows', 4, false), [], NOW).map(({ used }) => used)).toEqual([4, 4, 4, 4]);
});

it('draws the month from edge to edge, the limit at the top', () => {
  const points = [
    { day: '2026-11-01T00:00:00Z', used: 0 },
    { day: '2026-11-30T00:00:00Z', used: 50 },
  ];
  expect(lineOf(points, 100, 290, 40)).toBe('0.00,40.00 290.00,20.00');
  expect(lineOf(points, 0, 290, 40)).toBe('0.00,40.00 290.00,40.00');
});

it('says bytes in the largest unit that fits', () => {
  expect(figure('storage_bytes', 512)).toBe('512 bytes');
  expect(figure('storage_bytes', 1536)).toBe('1.5 KiB');
  expect(figure('storage_bytes', 100 * 1024 * 1024)).toBe('100 MiB');
  expect(figure('workflows', 1536)).toBe((1536).toLocaleString());
});
