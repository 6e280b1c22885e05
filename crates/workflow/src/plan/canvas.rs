//! The graph as a canvas draws it.

use serde::Serialize;

use super::graph::{Condition, Graph, GraphEdge, Source, Target};
use crate::definition::{Definition, EdgeWhen};
use crate::nodes::{CanvasPosition, NodeKind};

/// Nodes and edges to draw; `start` and `end` are drawn too.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Canvas {
    /// The nodes, in the order of the definition.
    pub nodes: Vec<CanvasNode>,
    /// The edges, those of branches included.
    pub edges: Vec<CanvasEdge>,
}

/// A node to draw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CanvasNode {
    /// Its id.
    pub id: String,
    /// Its type's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// What to call it: its name, or its id.
    pub name: String,
    /// For people; a note's text.
    pub description: Option<String>,
    /// Where the author put it.
    pub position: Option<CanvasPosition>,
    /// Type of what a map does for each item.
    pub each: Option<String>,
    /// JSON pointer of the node in the definition.
    pub pointer: String,
}

/// An edge to draw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CanvasEdge {
    /// A node's id, or `start`.
    pub from: String,
    /// A node's id, or `end`.
    pub to: String,
    /// Its condition, `else`, or `error`.
    pub label: Option<String>,
    /// Whether it begins a new round of a loop.
    pub back: bool,
    /// JSON pointer of the edge or case in the definition.
    pub pointer: String,
}

impl Canvas {
    pub(crate) fn of(definition: &Definition, graph: &Graph) -> Self {
        let id =
            |index: super::NodeIndex| definition.nodes.get(index.get()).map(|node| node.id.clone()).unwrap_or_default();
        let nodes = definition
            .nodes
            .iter()
            .map(|node| CanvasNode {
                id: node.id.clone(),
                kind: node.kind.name().to_owned(),
                name: node.name.clone().unwrap_or_else(|| node.id.clone()),
                description: match &node.kind {
                    NodeKind::Note(note) if !note.text.is_empty() => Some(note.text.clone()),
                    _ => node.description.clone(),
                },
                position: node.position,
                each: match &node.kind {
                    NodeKind::Map(map) => Some(map.body.kind.name().to_owned()),
                    _ => None,
                },
                pointer: node.pointer.clone(),
            })
            .collect();
        let edges = graph
            .edges()
            .map(|(_, edge)| CanvasEdge {
                from: match edge.from {
                    Source::Start => "start".to_owned(),
                    Source::Node(node) => id(node),
                },
                to: match edge.to {
                    Target::End => "end".to_owned(),
                    Target::Node(node) => id(node),
                },
                label: label(definition, edge),
                back: edge.back,
                pointer: edge.pointer.clone(),
            })
            .collect();
        Self { nodes, edges }
    }
}

fn label(definition: &Definition, edge: &GraphEdge) -> Option<String> {
    match edge.condition {
        Condition::Always => None,
        Condition::Else | Condition::NoCase => Some("else".to_owned()),
        Condition::Error => Some("error".to_owned()),
        Condition::When => {
            definition.edges.iter().find(|written| written.pointer == edge.pointer).and_then(|written| {
                match &written.when {
                    EdgeWhen::Cel(source) => Some(source.clone()),
                    _ => None,
                }
            })
        }
        Condition::Case(number) => {
            let node = definition.nodes.get(edge.source_node()?.get())?;
            let NodeKind::Branch(branch) = &node.kind else { return None };
            branch.cases.get(number as usize).map(|case| case.when.clone())
        }
    }
}
