//! Back edges and the loops that they make.
//!
//! "An edge to an ancestor is a back edge" (spec 20). In a cycle every node is an ancestor of every other, so the word
//! is made exact: an edge leads back if its target *dominates* its source, that is, if every path from `start` to the
//! source passes the target. What cycles then remain have several entries; of their edges those without condition are
//! taken to lead forward first, and then each in turn that closes no cycle.

use super::graph::{Condition, Graph, GraphEdge, LoopIndex, NodeIndex, Source};

/// All back edges to one node, and the nodes between: one loop, whose round ends when all of them are decided.
#[derive(Debug, Clone)]
pub struct Loop {
    /// Where each round begins.
    pub head: NodeIndex,
    /// The back edges to the head, as indices.
    pub back: Vec<super::EdgeIndex>,
    /// The nodes of a round, head included, in the order of the definition.
    pub body: Vec<NodeIndex>,
    /// The smallest loop around it.
    pub parent: Option<LoopIndex>,
}

/// Marks the graph's back edges and finds its loops, the inner before the outer.
pub(super) fn find(graph: &mut Graph) {
    let order = reverse_postorder(graph);
    let dominators = dominators(graph, &order);
    let reachable: Vec<bool> = graph.nodes.iter().map(|node| node.reachable).collect();
    let is_reachable = |node: NodeIndex| reachable.get(node.get()).copied().unwrap_or_default();
    for edge in &mut graph.edges {
        if let (Some(from), Some(to)) = (edge.source_node(), edge.target_node()) {
            edge.back = is_reachable(from) && dominates(&dominators, to, from);
        }
    }
    break_remaining_cycles(graph);
    collect(graph);
}

fn successors(graph: &Graph, keep: impl Fn(&GraphEdge) -> bool) -> Vec<Vec<NodeIndex>> {
    let mut next = vec![Vec::new(); graph.nodes.len()];
    for edge in graph.edges.iter().filter(|edge| keep(edge)) {
        if let (Some(from), Some(to)) = (edge.source_node(), edge.target_node())
            && let Some(list) = next.get_mut(from.get())
        {
            let list: &mut Vec<NodeIndex> = list;
            list.push(to);
        }
    }
    next
}

fn entries(graph: &Graph) -> Vec<NodeIndex> {
    graph.edges.iter().filter(|edge| edge.from == Source::Start).filter_map(GraphEdge::target_node).collect()
}

/// The reachable nodes, each before those that only it leads to.
fn reverse_postorder(graph: &Graph) -> Vec<NodeIndex> {
    let next = successors(graph, |_| true);
    let mut seen = vec![false; graph.nodes.len()];
    let mut order = Vec::new();
    for entry in entries(graph) {
        let mut open = vec![(entry, 0)];
        if seen.get(entry.get()).copied().unwrap_or(true) {
            continue;
        }
        mark(&mut seen, entry);
        while let Some((node, position)) = open.pop() {
            match next.get(node.get()).and_then(|list| list.get(position)) {
                Some(child) => {
                    open.push((node, position + 1));
                    if !seen.get(child.get()).copied().unwrap_or(true) {
                        mark(&mut seen, *child);
                        open.push((*child, 0));
                    }
                }
                None => order.push(node),
            }
        }
    }
    order.reverse();
    order
}

fn mark(seen: &mut [bool], node: NodeIndex) {
    if let Some(seen) = seen.get_mut(node.get()) {
        *seen = true;
    }
}

/// Immediate dominators (Cooper, Harvey, Kennedy: *A Simple, Fast Dominance Algorithm*), numbered by reverse postorder;
/// number 0 is `start`.
struct Dominators {
    /// Number of each node; none if it cannot be reached.
    number: Vec<Option<usize>>,
    /// Immediate dominator of each number.
    immediate: Vec<usize>,
}

fn dominators(graph: &Graph, order: &[NodeIndex]) -> Dominators {
    let mut number = vec![None; graph.nodes.len()];
    for (position, node) in order.iter().enumerate() {
        if let Some(slot) = number.get_mut(node.get()) {
            *slot = Some(position + 1);
        }
    }
    let number_of = |node: NodeIndex| number.get(node.get()).copied().flatten();
    let mut parents: Vec<Vec<usize>> = vec![Vec::new(); order.len() + 1];
    for edge in &graph.edges {
        let from = edge.source_node().map_or(Some(0), number_of);
        if let (Some(from), Some(parents)) =
            (from, edge.target_node().and_then(number_of).and_then(|to| parents.get_mut(to)))
        {
            parents.push(from);
        }
    }
    let mut immediate: Vec<Option<usize>> = vec![None; order.len() + 1];
    if let Some(start) = immediate.first_mut() {
        *start = Some(0);
    }
    let mut changed = true;
    while changed {
        changed = false;
        for (node, parents) in parents.iter().enumerate().skip(1) {
            let known = parents.iter().copied().filter(|parent| immediate.get(*parent).copied().flatten().is_some());
            let new = known.reduce(|a, b| intersect(&immediate, a, b));
            if let Some(slot) = immediate.get_mut(node) {
                changed |= *slot != new;
                *slot = new;
            }
        }
    }
    Dominators { immediate: immediate.into_iter().map(Option::unwrap_or_default).collect(), number }
}

fn intersect(immediate: &[Option<usize>], mut a: usize, mut b: usize) -> usize {
    let up = |node: usize| immediate.get(node).copied().flatten().unwrap_or_default();
    while a != b {
        if a > b {
            a = up(a);
        } else {
            b = up(b);
        }
    }
    a
}

fn dominates(dominators: &Dominators, ancestor: NodeIndex, node: NodeIndex) -> bool {
    let number_of = |node: NodeIndex| dominators.number.get(node.get()).copied().flatten();
    let (Some(ancestor), Some(mut node)) = (number_of(ancestor), number_of(node)) else { return false };
    while node > ancestor {
        node = dominators.immediate.get(node).copied().unwrap_or_default();
    }
    node == ancestor
}

/// Cycles with several entries: edges without condition lead forward first, then each other in order unless it closes
/// a cycle.
fn break_remaining_cycles(graph: &mut Graph) {
    let cyclic = on_cycles(graph);
    let is_cyclic = |node: NodeIndex| cyclic.get(node.get()).copied().unwrap_or_default();
    let mut doubtful: Vec<usize> = (0..graph.edges.len())
        .filter(|index| {
            graph.edges.get(*index).is_some_and(|edge| {
                !edge.back && edge.source_node().is_some_and(is_cyclic) && edge.target_node().is_some_and(is_cyclic)
            })
        })
        .collect();
    doubtful.sort_by_key(|index| graph.edges.get(*index).is_none_or(|edge| edge.condition != Condition::Always));
    let mut forward: Vec<Vec<NodeIndex>> = vec![Vec::new(); graph.nodes.len()];
    for index in doubtful {
        let Some(edge) = graph.edges.get_mut(index) else { continue };
        let (Some(from), Some(to)) = (edge.source_node(), edge.target_node()) else { continue };
        if leads_to(&forward, to, from) {
            edge.back = true;
        } else if let Some(list) = forward.get_mut(from.get()) {
            list.push(to);
        }
    }
}

/// Nodes left over when all that have no predecessor, or no successor, are taken away again and again.
fn on_cycles(graph: &Graph) -> Vec<bool> {
    let mut left = vec![true; graph.nodes.len()];
    loop {
        let mut has_parent = vec![false; graph.nodes.len()];
        let mut has_child = vec![false; graph.nodes.len()];
        for edge in graph.edges.iter().filter(|edge| !edge.back) {
            if let (Some(from), Some(to)) = (edge.source_node(), edge.target_node()) {
                let both = [from, to].iter().all(|node| left.get(node.get()).copied().unwrap_or_default());
                if both {
                    mark(&mut has_child, from);
                    mark(&mut has_parent, to);
                }
            }
        }
        let mut changed = false;
        for ((left, parent), child) in left.iter_mut().zip(has_parent).zip(has_child) {
            if *left && !(parent && child) {
                *left = false;
                changed = true;
            }
        }
        if !changed {
            return left;
        }
    }
}

fn leads_to(next: &[Vec<NodeIndex>], from: NodeIndex, to: NodeIndex) -> bool {
    let mut seen = vec![false; next.len()];
    let mut open = vec![from];
    while let Some(node) = open.pop() {
        if node == to {
            return true;
        }
        if seen.get(node.get()).copied().unwrap_or(true) {
            continue;
        }
        mark(&mut seen, node);
        open.extend(next.get(node.get()).into_iter().flatten());
    }
    false
}

fn collect(graph: &mut Graph) {
    let mut loops: Vec<Loop> = Vec::new();
    for (index, edge) in graph.edges().filter(|(_, edge)| edge.back) {
        let Some(head) = edge.target_node() else { continue };
        match loops.iter_mut().find(|body| body.head == head) {
            Some(body) => body.back.push(index),
            None => loops.push(Loop { head, back: vec![index], body: Vec::new(), parent: None }),
        }
    }
    for body in &mut loops {
        body.body = between(graph, body);
    }
    loops.sort_by_key(|body| (body.body.len(), body.head));
    let parents: Vec<Option<LoopIndex>> = loops
        .iter()
        .enumerate()
        .map(|(index, inner)| {
            let around = loops.iter().enumerate().skip(index + 1).find(|(_, outer)| outer.body.contains(&inner.head));
            around.map(|(outer, _)| LoopIndex::new(outer))
        })
        .collect();
    for (body, parent) in loops.iter_mut().zip(parents) {
        body.parent = parent;
    }
    graph.loops = loops;
}

/// The natural loop: what leads to a back edge without passing the head, and is led to by the head.
fn between(graph: &Graph, body: &Loop) -> Vec<NodeIndex> {
    let next = successors(graph, |_| true);
    let mut previous: Vec<Vec<NodeIndex>> = vec![Vec::new(); graph.nodes.len()];
    for (from, list) in next.iter().enumerate() {
        for to in list {
            if let Some(list) = previous.get_mut(to.get()) {
                list.push(NodeIndex::new(from));
            }
        }
    }
    let mut inside = vec![false; graph.nodes.len()];
    mark(&mut inside, body.head);
    let mut open: Vec<NodeIndex> = body.back.iter().filter_map(|edge| graph.edge(*edge).source_node()).collect();
    while let Some(node) = open.pop() {
        if inside.get(node.get()).copied().unwrap_or(true) {
            continue;
        }
        mark(&mut inside, node);
        open.extend(previous.get(node.get()).into_iter().flatten());
    }
    let mut below = vec![false; graph.nodes.len()];
    let mut open = vec![body.head];
    while let Some(node) = open.pop() {
        if below.get(node.get()).copied().unwrap_or(true) {
            continue;
        }
        mark(&mut below, node);
        open.extend(next.get(node.get()).into_iter().flatten());
    }
    let both = inside.into_iter().zip(below).enumerate();
    both.filter(|(_, (inside, below))| *inside && *below).map(|(index, _)| NodeIndex::new(index)).collect()
}
