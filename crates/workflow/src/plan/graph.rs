//! The graph: nodes and edges by index, which edges are back edges, what can be reached.

use std::collections::{HashMap, HashSet};

use super::loops::{self, Loop};
use crate::definition::{Definition, EdgeWhen};
use crate::document::child;
use crate::fault::{Code, Faults};
use crate::nodes::NodeKind;

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl $name {
            pub(crate) fn new(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }

            /// As an index into a list.
            #[must_use]
            pub fn get(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index! {
    /// A node, by its place in the definition.
    NodeIndex
}
index! {
    /// An edge: first those of the definition in its order, then those of each branch's cases and `else`.
    EdgeIndex
}
index! {
    /// A loop.
    LoopIndex
}

/// Where an edge comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The execution's start.
    Start,
    /// A node.
    Node(NodeIndex),
}

/// Where an edge leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// A node.
    Node(NodeIndex),
    /// The execution's end.
    End,
}

/// When an edge is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Whenever its node ends well.
    Always,
    /// If the CEL at the edge's `when` holds.
    When,
    /// If no sibling with `When` was taken.
    Else,
    /// If it is the first of the branch's cases that holds.
    Case(u32),
    /// If none of the branch's cases holds.
    NoCase,
    /// If its node fails after its retries.
    Error,
}

/// An edge.
#[derive(Debug, Clone)]
pub struct GraphEdge {
    /// Where it comes from.
    pub from: Source,
    /// Where it leads.
    pub to: Target,
    /// When it is taken.
    pub condition: Condition,
    /// Whether it leads back to an ancestor: it is not waited for and begins a new round.
    pub back: bool,
    /// The loops that it leaves, innermost first. Until they have ended it is not decided.
    pub leaves: Vec<LoopIndex>,
    /// JSON pointer of the edge or the branch's case.
    pub pointer: String,
}

/// A node's place in the graph.
#[derive(Debug, Clone, Default)]
pub struct GraphNode {
    /// The edges that it waits for.
    pub incoming: Vec<EdgeIndex>,
    /// The edges that its end decides, in the order of the definition.
    pub outgoing: Vec<EdgeIndex>,
    /// The loops that it is in, innermost first.
    pub loops: Vec<LoopIndex>,
    /// The loop whose rounds begin with it.
    pub heads: Option<LoopIndex>,
    /// Whether a path leads here from `start`.
    pub reachable: bool,
    /// Whether it never runs.
    pub inert: bool,
}

/// Nodes and edges with what follows from their shape.
#[derive(Debug, Default)]
pub struct Graph {
    pub(super) nodes: Vec<GraphNode>,
    pub(super) edges: Vec<GraphEdge>,
    pub(super) loops: Vec<Loop>,
    pub(super) start: Vec<EdgeIndex>,
    by_id: HashMap<String, NodeIndex>,
}

impl Graph {
    /// Resolves a definition's edges; what does not resolve is told and left out.
    pub(crate) fn build(definition: &Definition, faults: &mut Faults) -> Self {
        let mut graph = Self {
            nodes: definition
                .nodes
                .iter()
                .map(|node| GraphNode { inert: is_note(&node.kind), ..GraphNode::default() })
                .collect(),
            ..Self::default()
        };
        for (index, node) in definition.nodes.iter().enumerate() {
            graph.by_id.entry(node.id.clone()).or_insert(NodeIndex::new(index));
        }
        graph.add_written_edges(definition, faults);
        graph.add_branches(definition, faults);
        graph.mark_reachable();
        loops::find(&mut graph);
        graph.connect();
        graph
    }

    fn add_written_edges(&mut self, definition: &Definition, faults: &mut Faults) {
        let mut seen = HashSet::new();
        for edge in &definition.edges {
            let from = self.source(&edge.from, &child(&edge.pointer, "from"), definition, faults);
            let to = self.target(&edge.to, &child(&edge.pointer, "to"), definition, faults);
            let (Some(from), Some(to)) = (from, to) else { continue };
            if from == Source::Start && edge.when == EdgeWhen::Error {
                faults.error(Code::InvalidEdge, &edge.pointer, "`start` cannot fail, so no error edge leaves it");
                continue;
            }
            if !seen.insert((from, to, format!("{:?}", edge.when))) {
                let message = format!("the edge from `{}` to `{}` is given twice", edge.from, edge.to);
                faults.error(Code::DuplicateEdge, &edge.pointer, message);
                continue;
            }
            let condition = match edge.when {
                EdgeWhen::Always => Condition::Always,
                EdgeWhen::Cel(_) => Condition::When,
                EdgeWhen::Else => Condition::Else,
                EdgeWhen::Error => Condition::Error,
            };
            self.push(from, to, condition, edge.pointer.clone());
        }
    }

    fn add_branches(&mut self, definition: &Definition, faults: &mut Faults) {
        for (index, node) in definition.nodes.iter().enumerate() {
            let NodeKind::Branch(branch) = &node.kind else { continue };
            let from = Source::Node(NodeIndex::new(index));
            for (number, case) in (0u32..).zip(&branch.cases) {
                let pointer = format!("{}/cases/{number}", node.pointer);
                if !case.to.is_empty()
                    && let Some(to) = self.target(&case.to, &child(&pointer, "to"), definition, faults)
                {
                    self.push(from, to, Condition::Case(number), pointer);
                }
            }
            if let Some(otherwise) = &branch.otherwise {
                let pointer = child(&node.pointer, "else");
                if let Some(to) = self.target(otherwise, &pointer, definition, faults) {
                    self.push(from, to, Condition::NoCase, pointer);
                }
            }
        }
    }

    fn push(&mut self, from: Source, to: Target, condition: Condition, pointer: String) {
        self.edges.push(GraphEdge { from, to, condition, back: false, leaves: Vec::new(), pointer });
    }

    fn source(&self, id: &str, pointer: &str, definition: &Definition, faults: &mut Faults) -> Option<Source> {
        match id {
            "start" => Some(Source::Start),
            "end" => {
                faults.error(Code::InvalidEdge, pointer, "no edge leaves `end`");
                None
            }
            _ => self.resolve(id, pointer, "start", definition, faults).map(Source::Node),
        }
    }

    fn target(&self, id: &str, pointer: &str, definition: &Definition, faults: &mut Faults) -> Option<Target> {
        match id {
            "end" => Some(Target::End),
            "start" => {
                faults.error(Code::InvalidEdge, pointer, "no edge leads to `start`; name the loop's first node");
                None
            }
            _ => self.resolve(id, pointer, "end", definition, faults).map(Target::Node),
        }
    }

    fn resolve(
        &self,
        id: &str,
        pointer: &str,
        reserved: &str,
        definition: &Definition,
        faults: &mut Faults,
    ) -> Option<NodeIndex> {
        let Some(index) = self.find(id) else {
            let known = definition.nodes.iter().map(|node| node.id.as_str()).chain([reserved]);
            faults.error(Code::UnknownNode, pointer, format!("there is no node `{id}`")).suggest_like(id, known);
            return None;
        };
        if self.node(index).inert {
            faults.error(Code::InvalidEdge, pointer, format!("`{id}` is a note; notes have no edges"));
            return None;
        }
        Some(index)
    }

    fn mark_reachable(&mut self) {
        let reached = self.reachable_from_start();
        for (node, reached) in self.nodes.iter_mut().zip(reached) {
            node.reachable = reached;
        }
    }

    fn reachable_from_start(&self) -> Vec<bool> {
        let first = self.edges.iter().filter(|edge| edge.from == Source::Start).filter_map(GraphEdge::target_node);
        self.closure(first.collect(), |edge| Some((edge.source_node()?, edge.target_node()?)))
    }

    /// The nodes that `seeds` lead to over the given direction of the edges, seeds included.
    fn closure(
        &self,
        seeds: Vec<NodeIndex>,
        direction: impl Fn(&GraphEdge) -> Option<(NodeIndex, NodeIndex)>,
    ) -> Vec<bool> {
        let mut next: Vec<Vec<NodeIndex>> = vec![Vec::new(); self.nodes.len()];
        for (from, to) in self.edges.iter().filter_map(direction) {
            if let Some(list) = next.get_mut(from.get()) {
                list.push(to);
            }
        }
        let mut reached = vec![false; self.nodes.len()];
        let mut open = seeds;
        while let Some(node) = open.pop() {
            match reached.get_mut(node.get()) {
                Some(reached) if !*reached => *reached = true,
                _ => continue,
            }
            open.extend(next.get(node.get()).into_iter().flatten());
        }
        reached
    }

    /// The nodes that some path leads from, to `node` (back edges included); `node` itself only if it is in a loop.
    pub(crate) fn ancestors(&self, node: NodeIndex) -> Vec<bool> {
        let parents = self.edges.iter().filter(|edge| edge.to == Target::Node(node)).filter_map(GraphEdge::source_node);
        self.closure(parents.collect(), |edge| Some((edge.target_node()?, edge.source_node()?)))
    }

    /// The nodes from which one of `targets` can be reached, targets included.
    pub(crate) fn leading_to(&self, targets: Vec<NodeIndex>) -> Vec<bool> {
        self.closure(targets, |edge| Some((edge.target_node()?, edge.source_node()?)))
    }

    /// Fills in what each node waits for and decides, and which loops an edge leaves.
    fn connect(&mut self) {
        for (number, body) in self.loops.iter().enumerate() {
            for node in &body.body {
                if let Some(node) = self.nodes.get_mut(node.get()) {
                    node.loops.push(LoopIndex::new(number));
                }
            }
            if let Some(head) = self.nodes.get_mut(body.head.get()) {
                head.heads = Some(LoopIndex::new(number));
            }
        }
        for (number, edge) in self.edges.iter_mut().enumerate() {
            let index = EdgeIndex::new(number);
            let inside = |target: Target, body: LoopIndex| match target {
                Target::Node(node) => self.nodes.get(node.get()).is_some_and(|node| node.loops.contains(&body)),
                Target::End => false,
            };
            match edge.from {
                Source::Start => self.start.push(index),
                Source::Node(from) => {
                    let loops = self.nodes.get(from.get()).map(|node| node.loops.clone()).unwrap_or_default();
                    edge.leaves = loops.into_iter().filter(|body| !inside(edge.to, *body)).collect();
                    if let Some(from) = self.nodes.get_mut(from.get()) {
                        from.outgoing.push(index);
                    }
                }
            }
            if let (Target::Node(to), false) = (edge.to, edge.back)
                && let Some(to) = self.nodes.get_mut(to.get())
            {
                to.incoming.push(index);
            }
        }
    }

    /// The node with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<NodeIndex> {
        self.by_id.get(id).copied()
    }

    /// All nodes, in the order of the definition.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeIndex, &GraphNode)> {
        self.nodes.iter().enumerate().map(|(index, node)| (NodeIndex::new(index), node))
    }

    /// All edges.
    pub fn edges(&self) -> impl Iterator<Item = (EdgeIndex, &GraphEdge)> {
        self.edges.iter().enumerate().map(|(index, edge)| (EdgeIndex::new(index), edge))
    }

    /// All loops; those inside come before those around them.
    pub fn loops(&self) -> impl Iterator<Item = (LoopIndex, &Loop)> {
        self.loops.iter().enumerate().map(|(index, body)| (LoopIndex::new(index), body))
    }

    /// The edges out of `start`.
    #[must_use]
    pub fn start(&self) -> &[EdgeIndex] {
        &self.start
    }

    /// A node.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "indices are made by this graph")]
    pub fn node(&self, index: NodeIndex) -> &GraphNode {
        &self.nodes[index.get()]
    }

    /// An edge.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "indices are made by this graph; journaled ones are checked first")]
    pub fn edge(&self, index: EdgeIndex) -> &GraphEdge {
        &self.edges[index.get()]
    }

    /// A loop.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "indices are made by this graph")]
    pub fn loop_(&self, index: LoopIndex) -> &Loop {
        &self.loops[index.get()]
    }
}

impl GraphEdge {
    pub(crate) fn source_node(&self) -> Option<NodeIndex> {
        match self.from {
            Source::Node(node) => Some(node),
            Source::Start => None,
        }
    }

    pub(crate) fn target_node(&self) -> Option<NodeIndex> {
        match self.to {
            Target::Node(node) => Some(node),
            Target::End => None,
        }
    }
}

fn is_note(kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::Note(_))
}
