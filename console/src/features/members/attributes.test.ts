import { expect, it } from 'vitest';
import { parse, rows } from './attributes';

it('keeps what it shows', () => {
  const attributes = { department: 'Legal', level: 3.5, remote: false, regions: ['eu', 'uk'], none: [] };
  expect(parse(rows(attributes))).toEqual({ attributes });
});

it('says what is wrong with a row', () => {
  const row = { key: 0, name: 'level', kind: 'number' as const, text: 'three' };
  expect(parse([row])).toEqual({ fault: '“level” is not a number.' });
  expect(parse([{ ...row, text: ' ' }])).toEqual({ fault: '“level” is not a number.' });
  const twice = { ...row, text: '3' };
  expect(parse([twice, { ...twice, key: 1 }])).toEqual({ fault: '“level” stands twice.' });
});
