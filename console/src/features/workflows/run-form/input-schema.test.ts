import { expect, it } from 'vitest';
import { inputSchema } from './input-schema';

const canonical = { properties: { a: {}, b: {} }, type: 'object' } as never;

it('keeps the order in which the author wrote the fields', () => {
  const source = 'input: { type: object, properties: { b: {}, a: {} } }';
  expect(Object.keys(inputSchema({ source, input_schema: canonical })?.properties ?? {})).toEqual(['b', 'a']);
});

it.each(['input: [', 'input: 3', '', '- input'])('falls back on the server’s form for %j', (source) => {
  expect(inputSchema({ source, input_schema: canonical })).toBe(canonical);
});

it('has no schema where the workflow has none', () => {
  expect(inputSchema({ source: 'name: x', input_schema: null })).toBeNull();
});
