import { expect, it } from 'vitest';
import type { StepSummary } from '~/api/types';
import { barsOf, extent, overall, rowsOf, scaleOf } from './timeline-model';

const at = (ms: number) => new Date(1_000_000 + ms).toISOString();
const step = (
  name: string,
  state: StepSummary['state'],
  start: number | null,
  end: number | null,
): StepSummary => ({
  name,
  node: name.replace(/[[#].*/, ''),
  type: 'plugin',
  state,
  attempt: 1,
  queued_at: at(0),
  started_at: start === null ? null : at(start),
  finished_at: end === null ? null : at(end),
  error: null,
});

it('folds the steps of a map into one row that shows what needs a look', () => {
  const rows = rowsOf([
    step('a', 'succeeded', 0, 10),
    step('m[0]', 'succeeded', 10, 20),
    step('m[1]', 'failed', 10, 30),
    step('m[2]', 'running', 10, null),
  ]);
  expect(rows.map(({ node, steps, state }) => [node, steps.length, state])).toEqual([
    ['a', 1, 'succeeded'],
    ['m', 3, 'failed'],
  ]);
  expect(overall([])).toBe('running');
});

it('says of a map and of a loop what they came to, not what an item or a round did', () => {
  const map = [
    step('m', 'succeeded', 0, 40),
    step('m[0]', 'failed', 10, 20),
    step('m[1]', 'succeeded', 10, 30),
  ];
  expect(overall(map)).toBe('succeeded');
  expect(overall([step('a', 'failed', 0, 1), step('a#2', 'succeeded', 2, 3)])).toBe('succeeded');
});

it('draws a running step up to now, and nothing for one that has not begun', () => {
  const now = 1_000_000 + 100;
  const steps = [
    step('a', 'succeeded', 0, 50),
    step('b', 'running', 50, null),
    step('c', 'skipped', null, null),
  ];
  const scale = scaleOf(steps, now);
  expect(steps.map((one) => extent(one, scale, now))).toEqual([
    { x: 0, width: 50 },
    { x: 50, width: 50 },
    null,
  ]);
});

it.each([1, 37, 1000, 65_000, 3_600_000, 9e8])('gives %d ms a readable number of ticks', (length) => {
  const { ticks } = scaleOf([step('a', 'succeeded', 0, length)], 0);
  expect(ticks.length).toBeGreaterThanOrEqual(1);
  expect(ticks.length).toBeLessThanOrEqual(8);
});

it('draws stretches instead of thousands of bars, and what failed among them', () => {
  const steps = Array.from({ length: 5000 }, (_, index) =>
    step(`m[${index}]`, index === 2500 ? 'failed' : 'succeeded', index, index + 5),
  );
  const bars = barsOf(steps, scaleOf(steps, 0), 0);
  expect(bars.map(({ state }) => state)).toEqual(['succeeded', 'failed']);
  expect(bars[0]).toMatchObject({ x: 0, width: 100 });
  expect(bars[1]?.x).toBeCloseTo(50, 0);
});
