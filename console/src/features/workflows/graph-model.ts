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
interface Point {
  x: number;
  y: number;
}
/** Where everything is drawn; of nodes the top left corner. */
export interface Layout {
  nodes: (GraphNode & Point)[];
  edges: (Omit<GraphEdge, 'label'> & {
    label: string | undefined;
    labelAt: Point | undefined;
    /** As SVG draws it. */
    path: string;
  })[];
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

/** Longer conditions are cut; the definition beside the graph has them whole. */
const LABEL_LENGTH = 26;
const LETTER_WIDTH = 7;
const LABEL_HEIGHT = 18;

function shortened(label: string): string {
  return label.length > LABEL_LENGTH ? `${label.slice(0, LABEL_LENGTH - 1)}…` : label;
}

/**
 * Places the nodes in ranks, from the left (`LR`) or from the top (`TB`), and leads the edges around them. Labels are
 * given room from the top only: from the left there is none between nodes.
 */
export function place({ nodes, edges }: GraphModel, direction: 'LR' | 'TB'): Layout {
  const graph = new DagreGraph({ multigraph: true });
  graph.setGraph({ rankdir: direction, nodesep: 28, edgesep: 20, ranksep: direction === 'LR' ? 48 : 40 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, { width: NODE_WIDTH, height: NODE_HEIGHT });
  const labelled = edges.map((edge) => ({
    ...edge,
    label: direction === 'TB' && edge.label ? shortened(edge.label) : undefined,
  }));
  for (const [index, { from, to, label }] of labelled.entries()) {
    const room = label && { width: label.length * LETTER_WIDTH, height: LABEL_HEIGHT, labelpos: 'c' };
    graph.setEdge(from, to, room ? room : {}, String(index));
  }
  dagreLayout(graph);
  return {
    nodes: nodes.map((node) => {
      const { x, y } = graph.node(node.id) as Point;
      return { ...node, x: x - NODE_WIDTH / 2, y: y - NODE_HEIGHT / 2 };
    }),
    edges: labelled.map((edge, index) => {
      const { points, x, y } = graph.edge(edge.from, edge.to, String(index)) as Point & { points: Point[] };
      return { ...edge, path: curve(points, direction), labelAt: edge.label ? { x, y } : undefined };
    }),
  };
}

/** A line through the points that leaves and enters each in the direction of the ranks. */
function curve([first, ...rest]: Point[], direction: 'LR' | 'TB'): string {
  if (!first) return '';
  let from = first;
  const parts = rest.map((to) => {
    const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
    const [out, into] =
      direction === 'TB'
        ? [
            { x: from.x, y: middle.y },
            { x: to.x, y: middle.y },
          ]
        : [
            { x: middle.x, y: from.y },
            { x: middle.x, y: to.y },
          ];
    from = to;
    return `C${out.x},${out.y} ${into.x},${into.y} ${to.x},${to.y}`;
  });
  return `M${first.x},${first.y} ${parts.join(' ')}`;
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
