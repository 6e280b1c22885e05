//! The plan: a definition compiled for running. Names are resolved to indices, edges are told apart into those that are
//! waited for and back edges, loops know their bodies. Immutable; shared by all executions of a version.

mod canvas;
mod graph;
mod loops;

pub use canvas::{Canvas, CanvasEdge, CanvasNode};
pub use graph::{Condition, EdgeIndex, Graph, GraphEdge, GraphNode, LoopIndex, NodeIndex, Source, Target};
pub use loops::Loop;

use std::sync::Arc;

use crate::definition::{Definition, StateKey};
use crate::expression::Expression;
use crate::nodes::{Node, NodeKind};

/// A definition without errors, compiled.
#[derive(Debug)]
pub struct Plan {
    definition: Arc<Definition>,
    graph: Graph,
    ids: Vec<Arc<str>>,
    expressions: Vec<Expression>,
    digest: [u8; 32],
}

impl Plan {
    pub(crate) fn new(
        definition: Arc<Definition>,
        graph: Graph,
        expressions: Vec<Expression>,
        digest: [u8; 32],
    ) -> Self {
        let ids = definition.nodes.iter().map(|node| Arc::from(node.id.as_str())).collect();
        Self { definition, graph, ids, expressions, digest }
    }

    /// The definition it was compiled from.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// SHA-256 of the definition's canonical JSON.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Its graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// All its expressions, to be compiled together; [`Expression::pointer`] is their name.
    #[must_use]
    pub fn expressions(&self) -> &[Expression] {
        &self.expressions
    }

    /// A node's configuration.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "indices are made by this plan's own graph")]
    pub fn node(&self, index: NodeIndex) -> &Node {
        &self.definition.nodes[index.get()]
    }

    /// A node's id, shared.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "indices are made by this plan's own graph")]
    pub fn id(&self, index: NodeIndex) -> &Arc<str> {
        &self.ids[index.get()]
    }

    /// The node with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<NodeIndex> {
        self.graph.find(id)
    }

    /// The declared state keys.
    #[must_use]
    pub fn state(&self) -> &[StateKey] {
        &self.definition.state
    }

    /// Whether an execution of it may ask people.
    #[must_use]
    pub fn asks_people(&self) -> bool {
        self.definition.nodes.iter().any(|node| match &node.kind {
            NodeKind::Map(map) => matches!(map.body.kind, NodeKind::Approval(_)),
            kind => matches!(kind, NodeKind::Approval(_)),
        })
    }

    /// The graph for a canvas: nodes with their places, edges with their labels.
    #[must_use]
    pub fn canvas(&self) -> Canvas {
        Canvas::of(&self.definition, &self.graph)
    }
}
