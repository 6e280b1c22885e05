import { expect, it } from 'vitest';
import { partsOf } from './report-model';

it('makes facts, bars and tables of a summary', () => {
  const parts = partsOf({
    strikes: 3,
    years: [1990, 1991],
    by: { state: { TX: 5, CA: 12 }, phase: { Climb: 1, Approach: 2 } },
    expensive: [
      { date: '1990-01-08', cost: 133_000 },
      { date: '1990-02-11', cost: 210_500 },
    ],
  });
  expect(parts).toEqual([
    {
      kind: 'facts',
      facts: [
        { name: 'strikes', value: '3', number: true },
        { name: 'years', value: '1,990, 1,991', number: false },
      ],
    },
    {
      kind: 'group',
      name: 'by',
      parts: [
        {
          kind: 'bars',
          name: 'state',
          bars: [
            { name: 'CA', value: 12 },
            { name: 'TX', value: 5 },
          ],
          more: 0,
        },
        {
          kind: 'bars',
          name: 'phase',
          bars: [
            { name: 'Approach', value: 2 },
            { name: 'Climb', value: 1 },
          ],
          more: 0,
        },
      ],
    },
    {
      kind: 'table',
      name: 'expensive',
      columns: [
        { name: 'date', numbers: false },
        { name: 'cost', numbers: true },
      ],
      rows: [
        { date: '1990-01-08', cost: 133_000 },
        { date: '1990-02-11', cost: 210_500 },
      ],
      more: 0,
    },
  ]);
});

it.each([null, 'text', 7, true, [], [1, 2], [{ a: {} }], {}])('leaves %j to JSON', (value) => {
  expect(partsOf(value)).toEqual([]);
});

it('cuts what is long, and says by how much', () => {
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`k${index}`, index]));
  expect(partsOf({ many })).toMatchObject([{ kind: 'bars', more: 18, bars: { length: 12 } }]);
  expect(partsOf(Array.from({ length: 130 }, () => ({ a: 1 })))).toMatchObject([
    { rows: { length: 100 }, more: 30 },
  ]);
});

it('draws no bars for what is less than nothing', () => {
  expect(partsOf({ change: { a: -1, b: 2 } })).toMatchObject([{ kind: 'group', name: 'change' }]);
});
