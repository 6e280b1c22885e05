//! Faults of the graph: what cannot be reached, what cannot end, what need not end.

use std::collections::HashMap;

use crate::definition::Definition;
use crate::document::child;
use crate::fault::{Code, Faults};
use crate::nodes::NodeKind;
use crate::plan::{Condition, Graph, GraphEdge, NodeIndex, Source, Target};

pub(super) fn check(definition: &Definition, graph: &Graph, faults: &mut Faults) {
    check_reachable(definition, graph, faults);
    check_ends(definition, graph, faults);
    check_loops(definition, graph, faults);
    check_else(definition, graph, faults);
}

fn check_reachable(definition: &Definition, graph: &Graph, faults: &mut Faults) {
    if graph.start().is_empty() {
        let message = "no edge leaves `start`; add one to the first node";
        faults
            .error(Code::UnreachableNode, "/edges", message)
            .suggest(definition.nodes.first().map(|node| format!("{{ from: start, to: {} }}", node.id)));
        return;
    }
    for ((_, place), node) in graph.nodes().zip(&definition.nodes) {
        if !place.reachable && !place.inert {
            let message = format!("no path leads from `start` to `{}`; add an edge to it or remove it", node.id);
            faults.error(Code::UnreachableNode, &node.pointer, message);
        }
    }
}

fn check_ends(definition: &Definition, graph: &Graph, faults: &mut Faults) {
    if graph.start().is_empty() {
        return;
    }
    let is_reachable = |source: Source| match source {
        Source::Start => true,
        Source::Node(node) => graph.node(node).reachable,
    };
    let to_end: Vec<&GraphEdge> =
        graph.edges().map(|(_, edge)| edge).filter(|edge| edge.to == Target::End && is_reachable(edge.from)).collect();
    if to_end.is_empty() {
        let message = "no path leads from `start` to `end`; add an edge to `end` from the node that gives the output";
        faults.error(Code::NoPathToEnd, "/edges", message);
    }
    let goes_on =
        |node: NodeIndex| graph.node(node).outgoing.iter().any(|edge| graph.edge(*edge).condition != Condition::Error);
    let dead_ends: Vec<NodeIndex> = graph
        .nodes()
        .filter(|(node, place)| place.reachable && !place.inert && !goes_on(*node))
        .map(|(node, _)| node)
        .collect();
    let finals = to_end.iter().filter_map(|edge| edge.source_node()).chain(dead_ends.iter().copied()).collect();
    let leads_out = graph.leading_to(finals);
    for (((index, place), node), leads_out) in graph.nodes().zip(&definition.nodes).zip(leads_out) {
        if place.inert || !place.reachable || matches!(node.kind, NodeKind::Unknown(_)) {
            continue;
        }
        if !leads_out {
            let message = format!("no path leads from `{}` to `end`: its loop has no way out", node.id);
            faults.error(Code::NoPathToEnd, &node.pointer, message);
        } else if dead_ends.contains(&index) && !to_end.is_empty() {
            let message =
                format!("nothing follows `{}`; if the execution's output is its own, add an edge to `end`", node.id);
            faults.warning(Code::NoPathToEnd, &node.pointer, message);
        }
    }
}

fn check_loops(definition: &Definition, graph: &Graph, faults: &mut Faults) {
    let id = |node: NodeIndex| definition.nodes.get(node.get()).map_or("", |node| node.id.as_str());
    for (_, edge) in graph.edges().filter(|(_, edge)| edge.back) {
        let (Some(from), Some(to)) = (edge.source_node(), edge.target_node()) else { continue };
        if edge.condition == Condition::Always {
            let message = format!(
                "the edge from `{}` back to `{}` needs `when`, or it is taken in every round",
                id(from),
                id(to)
            );
            faults.error(Code::UnboundedLoop, &edge.pointer, message);
        }
        if definition.limits.recursion.is_none() {
            let message = format!("the loop from `{}` back to `{}` needs `limits.recursion`", id(from), id(to));
            faults.error(Code::UnboundedLoop, &edge.pointer, message).suggest(Some("limits: { recursion: 25 }"));
        }
    }
    for (number, inner) in graph.loops() {
        for (_, outer) in graph.loops().filter(|(other, _)| *other > number) {
            let shared = inner.body.iter().filter(|node| outer.body.contains(node)).count();
            if shared > 0 && shared < inner.body.len() {
                let message = format!(
                    "the loops that begin with `{}` and `{}` overlap; let one hold the other",
                    id(inner.head),
                    id(outer.head)
                );
                let pointer = inner.back.first().map(|edge| graph.edge(*edge).pointer.clone()).unwrap_or_default();
                faults.error(Code::OverlappingLoops, &pointer, message);
            }
        }
    }
}

fn check_else(definition: &Definition, graph: &Graph, faults: &mut Faults) {
    let mut elses: HashMap<Source, usize> = HashMap::new();
    for (_, edge) in graph.edges().filter(|(_, edge)| edge.condition == Condition::Else) {
        let conditional = graph.edges().any(|(_, other)| other.from == edge.from && other.condition == Condition::When);
        let pointer = child(&edge.pointer, "when");
        if !conditional {
            let is_branch = edge
                .source_node()
                .and_then(|node| definition.nodes.get(node.get()))
                .is_some_and(|node| matches!(node.kind, NodeKind::Branch(_)));
            let message = if is_branch {
                "a branch has its own `else`, beside `cases`"
            } else {
                "`else` means that no sibling's condition held, but no sibling has one; remove `when`"
            };
            faults.error(Code::AmbiguousElse, &pointer, message);
        }
        let count = elses.entry(edge.from).or_default();
        *count += 1;
        if *count == 2 {
            let message = "a node has one `else` edge; let the first lead to a node that fans out";
            faults.error(Code::AmbiguousElse, &pointer, message);
        }
    }
}
