import { expect, it } from 'vitest';
import { limitFields, limitOf, textsOf } from './limit-model';

it('reads an empty field as no limit, and shows none as an empty field', () => {
  const texts = { per_minute: '0', per_hour: ' ', per_day: '250' };
  const limit = { per_minute: 0, per_hour: null, per_day: 250 };
  expect(limitOf(texts)).toEqual(limit);
  expect(textsOf(limit)).toEqual({ ...texts, per_hour: '' });
  expect(textsOf({})).toEqual({ per_minute: '', per_hour: '', per_day: '' });
  expect(limitFields('rate_limit/')).toContain('rate_limit/per_day');
});
