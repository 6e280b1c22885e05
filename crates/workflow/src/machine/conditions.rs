//! Which of a node's edges are taken.

use super::Machine;
use crate::document::child;
use crate::plan::{Condition, EdgeIndex, Graph, GraphEdge, NodeIndex, Plan};

/// The conditions that decide the edges of a node that ended, or of `start`.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// With a pointer if there is an expression to be evaluated.
    edges: Vec<(EdgeIndex, Condition, Option<String>)>,
}

impl Conditions {
    pub(super) fn of(graph: &Graph, edges: &[EdgeIndex]) -> Self {
        let edges = edges.iter().map(|index| {
            let edge = graph.edge(*index);
            (*index, edge.condition.clone(), expression(edge))
        });
        Self { edges: edges.collect() }
    }

    /// The names of the expressions (CEL) to be evaluated, in the order that [`Conditions::decide`] wants their results.
    pub fn expressions(&self) -> impl Iterator<Item = &str> {
        self.edges.iter().filter_map(|(_, _, pointer)| pointer.as_deref())
    }

    /// Whether there is nothing to be evaluated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expressions().next().is_none()
    }

    /// The edges that are taken, given what each expression gave. A result that is missing counts as false.
    ///
    /// # Errors
    /// That of an expression whose result is needed; cases after the first that holds are not.
    pub fn decide<E>(&self, results: Vec<Result<bool, E>>) -> Result<Vec<EdgeIndex>, E> {
        let mut results = results.into_iter();
        let mut taken = Vec::new();
        let (mut condition_held, mut case_held) = (false, false);
        for (edge, condition, pointer) in &self.edges {
            let result = pointer.as_ref().and_then(|_| results.next()).unwrap_or(Ok(false));
            let holds = match condition {
                Condition::Always => true,
                Condition::When => {
                    let holds = result?;
                    condition_held |= holds;
                    holds
                }
                Condition::Case(_) if case_held => false,
                Condition::Case(_) => {
                    case_held = result?;
                    case_held
                }
                Condition::Else | Condition::NoCase | Condition::Error => false,
            };
            if holds {
                taken.push(*edge);
            }
        }
        taken.extend(self.edges.iter().filter_map(|(edge, condition, _)| match condition {
            Condition::Else if !condition_held => Some(*edge),
            Condition::NoCase if !case_held => Some(*edge),
            _ => None,
        }));
        taken.sort_unstable();
        Ok(taken)
    }
}

fn expression(edge: &GraphEdge) -> Option<String> {
    matches!(edge.condition, Condition::When | Condition::Case(_)).then(|| child(&edge.pointer, "when"))
}

/// Whose edges are decided.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// The execution's start.
    Start,
    /// A step that is over.
    Step(&'a super::StepKey),
}

impl Machine {
    /// What decides the edges of a step that is over; empty for an item's step and for a node that is not known.
    #[must_use]
    pub fn conditions(&self, subject: Subject<'_>) -> Conditions {
        let graph = self.plan.graph();
        let edges = match subject {
            Subject::Start => graph.start(),
            Subject::Step(step) if step.item.is_none() => {
                self.plan.find(&step.node).map_or(&[][..], |node| &graph.node(node).outgoing)
            }
            Subject::Step(_) => &[],
        };
        Conditions::of(graph, edges)
    }
}

impl Plan {
    /// The output of a `branch`: `{ "case": number or null, "to": id or null }`.
    #[must_use]
    pub fn branch_output(&self, node: NodeIndex, taken: &[EdgeIndex]) -> serde_json::Value {
        let graph = self.graph();
        let decided = graph.node(node).outgoing.iter().filter(|edge| taken.contains(edge)).find_map(|edge| {
            let edge = graph.edge(*edge);
            let to = edge.target_node().map_or("end", |node| self.id(node));
            match edge.condition {
                Condition::Case(number) => Some((Some(number), to)),
                Condition::NoCase => Some((None, to)),
                _ => None,
            }
        });
        let (case, to) = decided.map_or((None, None), |(case, to)| (case, Some(to)));
        serde_json::json!({ "case": case, "to": to })
    }
}
