import { expect, it } from 'vitest';
import { amount, shown } from './limit-model';

it('reads an empty field as no limit, and shows none as an empty field', () => {
  expect([amount(''), amount(' '), amount('0'), amount('250')]).toEqual([null, null, 0, 250]);
  expect([shown(null), shown(undefined), shown(250)]).toEqual(['', '', '250']);
});
