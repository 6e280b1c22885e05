//! Edges, joins, skips and loops: what follows when a step is over.

use super::past::Past;
use super::state::{EdgePhase, Phase};
use super::step::StepKey;
use super::{Change, Machine, Status, StepError};
use crate::error_class::ErrorClass;
use crate::plan::{EdgeIndex, LoopIndex, NodeIndex, Source};

impl Machine {
    /// The node of these edges is over: each is taken or dead, unless it leaves a loop that may begin anew.
    pub(super) fn decide(&mut self, edges: &[EdgeIndex], taken: &[EdgeIndex]) {
        for edge in edges {
            self.state.set_edge(*edge, EdgePhase::Proposed(taken.contains(edge)));
        }
    }

    /// Follows up until nothing changes: edges become decided, loops end or begin anew, nodes become ready or skipped.
    pub(super) fn settle(&mut self, change: &mut Change) {
        while self.state.status == Status::Running
            && (self.settle_edges() | self.settle_loops(change) | self.settle_nodes(change))
        {}
    }

    fn settle_edges(&mut self) -> bool {
        let plan = std::sync::Arc::clone(&self.plan);
        let mut changed = false;
        for (index, edge) in plan.graph().edges() {
            if let EdgePhase::Proposed(taken) = self.state.edge(index)
                && edge.leaves.iter().all(|body| self.state.loop_(*body).ended)
            {
                self.state.set_edge(index, if taken { EdgePhase::Taken } else { EdgePhase::Dead });
                changed = true;
            }
        }
        changed
    }

    /// A loop's round is over when all its back edges are decided.
    fn settle_loops(&mut self, change: &mut Change) -> bool {
        let plan = std::sync::Arc::clone(&self.plan);
        let mut changed = false;
        for (index, body) in plan.graph().loops() {
            let back = || body.back.iter().map(|edge| self.state.edge(*edge));
            if self.state.loop_(index).ended || !back().all(EdgePhase::is_decided) {
                continue;
            }
            changed = true;
            if back().any(|phase| phase == EdgePhase::Taken) {
                self.begin_round(index, change);
            } else {
                self.state.loop_mut(index).ended = true;
            }
            if self.state.status != Status::Running {
                break;
            }
        }
        changed
    }

    /// The nodes between begin anew, from the head on.
    fn begin_round(&mut self, index: LoopIndex, change: &mut Change) {
        let plan = std::sync::Arc::clone(&self.plan);
        let graph = plan.graph();
        let body = graph.loop_(index);
        let past = self.past_of(&body.body);
        for node in &body.body {
            self.state.renew(*node);
            for edge in &graph.node(*node).outgoing {
                self.state.set_edge(*edge, EdgePhase::Open);
            }
        }
        for (inner, _) in graph.loops().filter(|(inner, other)| *inner != index && body.body.contains(&other.head)) {
            *self.state.loop_mut(inner) = super::state::LoopState::default();
        }
        self.state.set_past(body.head, past);
        self.state.set_phase(body.head, Phase::Ready);

        let limit = plan.definition().limits.recursion.unwrap_or(1);
        let state = self.state.loop_mut(index);
        state.repeats += 1;
        if state.repeats < limit {
            return;
        }
        let again = std::mem::replace(&mut state.exceeded, true);
        let step = StepKey::new(plan.id(body.head), self.state.node(body.head).round);
        let error = StepError {
            class: ErrorClass::RecursionLimit,
            message: format!("the loop that begins with `{}` has had its {limit} rounds (limits.recursion)", step.node),
            attempts: 0,
        };
        change.failed.push((step.clone(), error.clone()));
        if again {
            // Its error edge led back into the loop: without this the loop would have no bound.
            self.finished(body.head, error.to_output().into(), Vec::new());
            self.fail_execution(step, error, change);
        } else {
            self.fail_without_settling(body.head, &step, error, change);
        }
    }

    fn fail_without_settling(&mut self, head: NodeIndex, step: &StepKey, error: StepError, change: &mut Change) {
        let on_error = self.error_edges(head);
        self.finished(head, error.to_output().into(), Vec::new());
        if on_error.is_empty() {
            self.fail_execution(step.clone(), error, change);
        } else {
            let outgoing = self.plan.graph().node(head).outgoing.clone();
            self.decide(&outgoing, &on_error);
        }
    }

    /// A node starts once every edge that it waits for is decided and one is taken; if all are dead it is skipped.
    fn settle_nodes(&mut self, change: &mut Change) -> bool {
        let plan = std::sync::Arc::clone(&self.plan);
        let mut changed = false;
        for (index, node) in plan.graph().nodes() {
            if self.state.node(index).phase != Phase::Waiting || node.incoming.is_empty() {
                continue;
            }
            if !node.incoming.iter().all(|edge| self.state.edge(*edge).is_decided()) {
                continue;
            }
            changed = true;
            let past = self.past_over(&node.incoming);
            self.state.set_past(index, past);
            if node.incoming.iter().any(|edge| self.state.edge(*edge) == EdgePhase::Taken) {
                self.state.set_phase(index, Phase::Ready);
            } else {
                self.state.set_phase(index, Phase::Skipped);
                change.skipped.push(StepKey::new(plan.id(index), self.state.node(index).round));
                self.decide(&node.outgoing, &[]);
            }
        }
        changed
    }

    /// All that was over before these edges were decided. An edge that leaves a loop waited for all of it.
    fn past_over(&self, edges: &[EdgeIndex]) -> Past {
        let graph = self.plan.graph();
        let mut past = Past::default();
        for edge in edges.iter().map(|edge| graph.edge(*edge)) {
            match (edge.leaves.last(), edge.from) {
                (Some(outermost), _) => past.extend(&self.past_of(&graph.loop_(*outermost).body)),
                (None, Source::Node(node)) => past.extend(&self.past_of(&[node])),
                (None, Source::Start) => {}
            }
        }
        past
    }

    /// What was over before these nodes, and they themselves.
    fn past_of(&self, nodes: &[NodeIndex]) -> Past {
        let mut past = Past::default();
        for node in nodes.iter().map(|node| self.state.node(*node)) {
            past.extend(&node.past);
            if let Phase::Over(number) = node.phase {
                past.insert(number);
            }
        }
        past
    }
}
