import { Graph as DagreGraph, layout as dagreLayout } from '@dagrejs/dagre';

export interface GraphNode {
  id: string;
  type: string;
}
export interface GraphEdge {
  from: string;
  to: string;
  /** A condition, `else`, or `on error`. */
  label?: string;
  kind: 'plain' | 'conditional' | 'error';
}
export interface GraphModel {
  nodes: GraphNode[];
  edges: GraphEdge[];
}
export interface Placed extends GraphNode {
  x: number;
  y: number;
}

export const NODE_WIDTH = 172;
export const NODE_HEIGHT = 52;
/** Beyond this a drawing helps nobody and costs the browser. */
export const MOST_NODES = 400;

/**
 * The graph of a definition (spec 20) that may still be half written: whatever is not yet a node or an edge is
 * left out, ends of edges that name no node are left to the validator.
 */
export function graphOf(definition: unknown): GraphModel {
  const { nodes: rawNodes, edges: rawEdges } = record(definition);
  const edges: GraphEdge[] = [];
  const nodes: GraphNode[] = [];
  for (const [id, raw] of Object.entries(record(rawNodes))) {
    const node = record(raw);
    const type = typeof node.type === 'string' ? node.type : 'unknown';
    nodes.push({ id, type });
    // `branch` is a shorthand for conditional edges.
    if (type !== 'branch') continue;
    for (const one of array(node.cases).map(record)) {
      if (typeof one.to === 'string')
        edges.push({ from: id, to: one.to, label: text(one.when), kind: 'conditional' });
    }
    if (typeof node.else === 'string')
      edges.push({ from: id, to: node.else, label: 'else', kind: 'conditional' });
  }
  for (const edge of array(rawEdges).map(record)) {
    if (typeof edge.from !== 'string' || typeof edge.to !== 'string') continue;
    if (edge.on === 'error') edges.push({ from: edge.from, to: edge.to, label: 'on error', kind: 'error' });
    else if (edge.when !== undefined)
      edges.push({ from: edge.from, to: edge.to, label: text(edge.when), kind: 'conditional' });
    else edges.push({ from: edge.from, to: edge.to, kind: 'plain' });
  }
  const known = new Set(nodes.map((node) => node.id));
  for (const id of ['start', 'end']) {
    if (edges.some((edge) => edge.from === id || edge.to === id) && !known.has(id))
      nodes.push({ id, type: id });
    known.add(id);
  }
  return { nodes, edges: edges.filter((edge) => known.has(edge.from) && known.has(edge.to)) };
}

/** Places the nodes in ranks, from the left (`LR`) or from the top (`TB`); x and y are top left corners. */
export function place({ nodes, edges }: GraphModel, direction: 'LR' | 'TB'): Placed[] {
  const graph = new DagreGraph({ multigraph: true });
  graph.setGraph({ rankdir: direction, nodesep: 28, ranksep: direction === 'LR' ? 48 : 44 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, { width: NODE_WIDTH, height: NODE_HEIGHT });
  for (const [index, edge] of edges.entries()) graph.setEdge(edge.from, edge.to, {}, String(index));
  dagreLayout(graph);
  return nodes.map((node) => {
    const { x, y } = graph.node(node.id) as { x: number; y: number };
    return { ...node, x: x - NODE_WIDTH / 2, y: y - NODE_HEIGHT / 2 };
  });
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}
function array(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
function text(value: unknown): string {
  return typeof value === 'string' ? value : String(value ?? '');
}
