import { expect, it } from 'vitest';
import { graphOf, place } from './graph-model';

it('draws conditions, error edges and the shorthand of branch', () => {
  const { nodes, edges } = graphOf({
    nodes: { a: { type: 'branch', cases: [{ when: 'x > 1', to: 'b' }], else: 'end' }, b: { type: 'http' } },
    edges: [
      { from: 'start', to: 'a' },
      { from: 'b', to: 'end', when: 'else' },
      { from: 'b', to: 'a', on: 'error' },
    ],
  });
  expect(nodes.map((node) => node.id)).toEqual(['a', 'b', 'start', 'end']);
  expect(edges).toEqual([
    { from: 'a', to: 'b', label: 'x > 1', kind: 'conditional' },
    { from: 'a', to: 'end', label: 'else', kind: 'conditional' },
    { from: 'start', to: 'a', kind: 'plain' },
    { from: 'b', to: 'end', label: 'else', kind: 'conditional' },
    { from: 'b', to: 'a', label: 'on error', kind: 'error' },
  ]);
});

it.each([
  null,
  'text',
  7,
  [],
  { nodes: [] },
  { nodes: 3, edges: {} },
  { nodes: { a: null }, edges: [null, 1, { from: 'a' }, { from: 'a', to: 'gone' }] },
])('takes the half-written %j', (definition) => {
  expect(() => place(graphOf(definition), 'TB')).not.toThrow();
});

it('lays a loop out without losing or stacking a node', () => {
  const model = graphOf({
    nodes: { a: { type: 'transform' }, b: { type: 'transform' } },
    edges: [
      { from: 'start', to: 'a' },
      { from: 'a', to: 'b' },
      { from: 'b', to: 'a', when: 'again' },
      { from: 'b', to: 'end' },
    ],
  });
  const placed = place(model, 'LR');
  expect(new Set(placed.map(({ x, y }) => `${x},${y}`)).size).toBe(4);
});
