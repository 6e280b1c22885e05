import {
  Background,
  BaseEdge,
  Controls,
  type Edge,
  type EdgeProps,
  Handle,
  MarkerType,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
} from '@xyflow/react';
import {
  Bot,
  Braces,
  CircleDot,
  CircleHelp,
  CirclePlay,
  Clock,
  GitBranch,
  Globe,
  Layers,
  Puzzle,
  Stamp,
  StickyNote,
} from 'lucide-react';
import { useEffect, useMemo } from 'react';
import type { StepState } from '~/api/types';
import { STATES } from '~/ui/state-badge';
import { Notice } from '~/ui/states';
import { type GraphModel, MOST_NODES, NODE_HEIGHT, NODE_WIDTH, place } from './graph-model';
import '@xyflow/react/dist/base.css';
import './graph.css';

const ICONS: Record<string, typeof Globe> = {
  start: CirclePlay,
  end: CircleDot,
  transform: Braces,
  branch: GitBranch,
  map: Layers,
  http: Globe,
  plugin: Puzzle,
  approval: Stamp,
  wait: Clock,
  note: StickyNote,
  agent: Bot,
};

interface StepNodeData extends Record<string, unknown> {
  label: string;
  type: string;
  direction: 'LR' | 'TB';
  state?: StepState | undefined;
  faulty: boolean;
}

function StepNode({ data }: NodeProps<Node<StepNodeData>>) {
  const Glyph = ICONS[data.type] ?? CircleHelp;
  const terminal = data.type === 'start' || data.type === 'end';
  const state = data.state ? STATES[data.state] : undefined;
  const StateGlyph = state?.icon;
  return (
    <div
      className={`step-node${terminal ? ' step-node-terminal' : ''}${data.faulty ? ' step-node-faulty' : ''}${state ? ` step-node-${state.tone}` : ''}`}
    >
      <Handle
        type="target"
        position={data.direction === 'LR' ? Position.Left : Position.Top}
        isConnectable={false}
      />
      <span className="step-node-icon">
        <Glyph aria-hidden />
      </span>
      <span className="step-node-text">
        <span className="step-node-name truncate">{data.label}</span>
        {!terminal && (
          <span className="step-node-type truncate">
            {state ? `${data.type} · ${state.label}` : data.type}
          </span>
        )}
      </span>
      {StateGlyph && <StateGlyph className={data.state === 'running' ? 'icon spin' : 'icon'} aria-hidden />}
      <Handle
        type="source"
        position={data.direction === 'LR' ? Position.Right : Position.Bottom}
        isConnectable={false}
      />
    </div>
  );
}

interface PathData extends Record<string, unknown> {
  path: string;
  labelAt: { x: number; y: number } | undefined;
}

/** Drawn where the layout leads it; React Flow's own edges run straight through what lies between. */
function LedEdge({ data, label, markerEnd }: EdgeProps<Edge<PathData>>) {
  if (!data) return null;
  return (
    <BaseEdge
      path={data.path}
      markerEnd={markerEnd}
      label={label}
      labelX={data.labelAt?.x}
      labelY={data.labelAt?.y}
      labelShowBg={label !== undefined}
      interactionWidth={0}
    />
  );
}

const NODE_TYPES = { step: StepNode };
const EDGE_TYPES = { led: LedEdge };
const HANDLES = {
  LR: [
    { type: 'target' as const, position: Position.Left, x: 0, y: NODE_HEIGHT / 2, width: 1, height: 1 },
    {
      type: 'source' as const,
      position: Position.Right,
      x: NODE_WIDTH,
      y: NODE_HEIGHT / 2,
      width: 1,
      height: 1,
    },
  ],
  TB: [
    { type: 'target' as const, position: Position.Top, x: NODE_WIDTH / 2, y: 0, width: 1, height: 1 },
    {
      type: 'source' as const,
      position: Position.Bottom,
      x: NODE_WIDTH / 2,
      y: NODE_HEIGHT,
      width: 1,
      height: 1,
    },
  ],
};
interface WorkflowGraphProps {
  model: GraphModel;
  direction: 'LR' | 'TB';
  label: string;
  /** State per node id, where it runs. */
  states?: ReadonlyMap<string, StepState>;
  /** Nodes that the validator found fault with. */
  faulty?: ReadonlySet<string>;
  onSelect?: (node: string) => void;
}

export function WorkflowGraph(props: WorkflowGraphProps) {
  if (props.model.nodes.length === 0) {
    return <p className="graph-note muted">The graph appears here once the definition has nodes.</p>;
  }
  if (props.model.nodes.length > MOST_NODES) {
    return (
      <div className="graph-note">
        <Notice tone="info" title="Too large to draw">
          <p>
            The definition has {props.model.nodes.length.toLocaleString()} nodes; up to {MOST_NODES} are
            drawn.
          </p>
        </Notice>
      </div>
    );
  }
  return (
    <ReactFlowProvider>
      <Drawing {...props} />
    </ReactFlowProvider>
  );
}

function Drawing({ model, direction, label, states, faulty, onSelect }: WorkflowGraphProps) {
  const placed = useMemo(() => place(model, direction), [model, direction]);
  const nodes = useMemo(
    () =>
      placed.nodes.map(
        ({ id, type, x, y }): Node<StepNodeData> => ({
          id,
          type: 'step',
          position: { x, y },
          // Sizes and handles are known beforehand, so that edges stay while a run replaces its nodes.
          width: NODE_WIDTH,
          height: NODE_HEIGHT,
          measured: { width: NODE_WIDTH, height: NODE_HEIGHT },
          handles: HANDLES[direction],
          ariaLabel: `${id}, ${type}${states?.get(id) ? `, ${states.get(id)}` : ''}`,
          focusable: onSelect !== undefined,
          selectable: onSelect !== undefined,
          data: { label: id, type, direction, state: states?.get(id), faulty: faulty?.has(id) ?? false },
        }),
      ),
    [placed, direction, states, faulty, onSelect],
  );
  const edges = useMemo(
    () =>
      placed.edges.map(
        ({ from, to, label, labelAt, kind, path }, index): Edge<PathData> => ({
          id: `${index}`,
          source: from,
          target: to,
          label,
          type: 'led',
          data: { path, labelAt },
          className: `flow-edge flow-edge-${kind}`,
          focusable: false,
          markerEnd: { type: MarkerType.ArrowClosed, width: 16, height: 16, color: 'var(--line-strong)' },
        }),
      ),
    [placed],
  );
  // Refit when the shape changes, not on every state.
  const { fitView } = useReactFlow();
  // biome-ignore lint/correctness/useExhaustiveDependencies: placed is the trigger
  useEffect(() => {
    const frame = requestAnimationFrame(() => void fitView({ padding: 0.12, maxZoom: 1 }));
    return () => cancelAnimationFrame(frame);
  }, [placed, fitView]);

  return (
    <ReactFlow
      className="flow"
      aria-label={label}
      nodes={nodes}
      edges={edges}
      nodeTypes={NODE_TYPES}
      edgeTypes={EDGE_TYPES}
      fitView
      fitViewOptions={{ padding: 0.12, maxZoom: 1 }}
      minZoom={0.1}
      maxZoom={1.75}
      nodesDraggable={false}
      nodesConnectable={false}
      edgesFocusable={false}
      deleteKeyCode={null}
      onNodeClick={(_, node) => onSelect?.(node.id)}
      onSelectionChange={({ nodes: [node] }) => node && onSelect?.(node.id)}
      proOptions={{ hideAttribution: true }}
    >
      <Background gap={20} size={1} color="var(--line)" />
      <Controls showInteractive={false} />
    </ReactFlow>
  );
}
