import { expect, it } from 'vitest';
import { graphOf, NODE_WIDTH, place } from './graph-model';

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
  expect(new Set(placed.nodes.map(({ x, y }) => `${x},${y}`)).size).toBe(4);
  expect(placed.edges.map(({ from, to }) => `${from} ${to}`)).toEqual(['start a', 'a b', 'b a', 'b end']);
});

it('leads an edge past the node between its ends, and its label with it', () => {
  const { nodes, edges } = place(
    graphOf({
      nodes: {
        a: { type: 'branch', cases: [{ when: 'x', to: 'b' }], else: 'c' },
        b: { type: 'wait' },
        c: { type: 'wait' },
      },
      edges: [{ from: 'b', to: 'c' }],
    }),
    'TB',
  );
  const b = nodes.find((node) => node.id === 'b');
  const past = edges.find((edge) => edge.label === 'else');
  const at = past?.labelAt?.x ?? Number.NaN;
  expect(at < (b?.x ?? 0) || at > (b?.x ?? 0) + NODE_WIDTH).toBe(true);
  expect(past?.path).toMatch(/^M[-\d.,]+( C[-\d., ]+)+$/);
});
