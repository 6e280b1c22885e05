import { expect, it } from 'vitest';
import { parse, rows } from './attributes';

it('keeps what it shows', () => {
  const attributes = { department: 'Legal', level: 3.5, remote: false, regions: ['eu', 'uk'], none: [] };
  expect(parse(rows(attributes))).toEqual({ attributes });
});

it('changes no other row than the one that was changed', () => {
  const attributes = { notes: ['a; b', '', ' c '], constructor: 'Gaudí', level: 1 };
  const changed = rows(attributes).map((row) => (row.name === 'level' ? { ...row, text: '2' } : row));
  expect(parse(changed)).toEqual({ attributes: { ...attributes, level: 2 } });
});

it('reads a list one text a line', () => {
  const row = { key: 0, name: 'regions', kind: 'list' as const, text: 'eu; uk\n\nus\n', was: ['eu'] };
  expect(parse([row])).toEqual({ attributes: { regions: ['eu; uk', 'us'] } });
  expect(parse([{ ...row, text: '' }])).toEqual({ attributes: { regions: [] } });
});

it('says what is wrong with a row', () => {
  const row = { key: 0, name: 'level', kind: 'number' as const, text: 'three' };
  expect(parse([row])).toEqual({ fault: '“level” is not a number.' });
  expect(parse([{ ...row, text: ' ' }])).toEqual({ fault: '“level” is not a number.' });
  const twice = { ...row, text: '3' };
  expect(parse([twice, { ...twice, key: 1 }])).toEqual({ fault: '“level” stands twice.' });
});
