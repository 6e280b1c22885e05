//! The machine's data and its invariants: phases of nodes and edges, slots taken, steps that are over.

use serde::{Deserialize, Serialize};

use super::Status;
use super::items::{ItemPhase, Items};
use super::journal::StepError;
use super::past::Past;
use super::step::StepKey;
use super::value::StoredValue;
use crate::plan::{EdgeIndex, LoopIndex, NodeIndex, Plan};

/// An execution's state, without plan and input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub(super) status: Status,
    pub(super) begun: bool,
    pub(super) nodes: Vec<NodeState>,
    pub(super) edges: Vec<EdgePhase>,
    pub(super) loops: Vec<LoopState>,
    /// All steps that are over, in the order of the journal; items aside.
    pub(super) finished: Vec<Finished>,
    /// Slots that are taken.
    pub(super) running: u32,
    /// Nodes that are ready, in flight or have items.
    active: u32,
}

/// A node in its present round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct NodeState {
    pub(super) round: u32,
    pub(super) phase: Phase,
    /// What was over before it could start, or was skipped.
    pub(super) past: Past,
    /// A map whose items are over.
    closing: Option<Box<Items>>,
}

/// Where a node stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    /// Edges to it are not decided.
    Waiting,
    Ready,
    Running,
    Parked,
    /// A map's items are ready or in flight.
    Items(Box<Items>),
    /// Over, as this number of `finished`.
    Over(u32),
    Skipped,
}

/// Where an edge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EdgePhase {
    Open,
    /// Decided by its node, but it leaves a loop that may begin anew.
    Proposed(bool),
    Taken,
    Dead,
}

impl EdgePhase {
    pub(super) fn is_decided(self) -> bool {
        matches!(self, Self::Taken | Self::Dead)
    }
}

/// Where a loop stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LoopState {
    /// Rounds begun since the loop was entered, the first aside.
    pub(super) repeats: u32,
    /// Whether it has ended.
    pub(super) ended: bool,
    /// Whether it has reached its bound: it does so once.
    pub(super) exceeded: bool,
}

/// A step that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Finished {
    pub(super) node: NodeIndex,
    pub(super) round: u32,
    pub(super) output: StoredValue,
    /// Number of the state key, and what is written.
    pub(super) writes: Vec<(u32, StoredValue)>,
    pub(super) past: Past,
}

impl State {
    pub(super) fn new(plan: &Plan) -> Self {
        let graph = plan.graph();
        let node = NodeState { round: 1, phase: Phase::Waiting, past: Past::default(), closing: None };
        Self {
            status: Status::Running,
            begun: false,
            nodes: vec![node; graph.nodes().count()],
            edges: vec![EdgePhase::Open; graph.edges().count()],
            loops: vec![LoopState::default(); graph.loops().count()],
            finished: Vec::new(),
            running: 0,
            active: 0,
        }
    }

    #[expect(clippy::indexing_slicing, reason = "the state has an entry for each node of the plan")]
    pub(super) fn node(&self, index: NodeIndex) -> &NodeState {
        &self.nodes[index.get()]
    }

    #[expect(clippy::indexing_slicing, reason = "the state has an entry for each node of the plan")]
    fn node_mut(&mut self, index: NodeIndex) -> &mut NodeState {
        &mut self.nodes[index.get()]
    }

    #[expect(clippy::indexing_slicing, reason = "the state has an entry for each edge of the plan")]
    pub(super) fn edge(&self, index: EdgeIndex) -> EdgePhase {
        self.edges[index.get()]
    }

    #[expect(clippy::indexing_slicing, reason = "the state has an entry for each edge of the plan")]
    pub(super) fn set_edge(&mut self, index: EdgeIndex, phase: EdgePhase) {
        self.edges[index.get()] = phase;
    }

    #[expect(clippy::indexing_slicing, reason = "the state has an entry for each loop of the plan")]
    pub(super) fn loop_mut(&mut self, index: LoopIndex) -> &mut LoopState {
        &mut self.loops[index.get()]
    }

    #[expect(clippy::indexing_slicing, reason = "the state has an entry for each loop of the plan")]
    pub(super) fn loop_(&self, index: LoopIndex) -> &LoopState {
        &self.loops[index.get()]
    }

    #[expect(clippy::indexing_slicing, reason = "numbers of finished steps are made by `finish`")]
    pub(super) fn finished(&self, number: u32) -> &Finished {
        &self.finished[number as usize]
    }

    /// Changes a node's phase and keeps the counts right.
    pub(super) fn set_phase(&mut self, index: NodeIndex, phase: Phase) {
        let before = std::mem::replace(&mut self.node_mut(index).phase, phase);
        let (slots_before, active_before) = weight(&before);
        let (slots, active) = weight(&self.node(index).phase);
        self.running = self.running + slots - slots_before;
        self.active = self.active + u32::from(active) - u32::from(active_before);
    }

    pub(super) fn set_item(&mut self, index: NodeIndex, item: u32, phase: ItemPhase) {
        let runs = u32::from(phase == ItemPhase::Running);
        let Phase::Items(items) = &mut self.node_mut(index).phase else { return };
        let ran = u32::from(items.set(item, phase) == Some(ItemPhase::Running));
        self.running = self.running + runs - ran;
    }

    /// Whether the step is ready or in flight.
    pub(super) fn is_active(&self, index: NodeIndex, step: &StepKey) -> bool {
        let node = self.node(index);
        if node.round != step.round || !self.begun {
            return false;
        }
        match (&node.phase, step.item) {
            (Phase::Ready | Phase::Running | Phase::Parked, None) => true,
            // A map itself can end before its items: its time is up.
            (Phase::Items(_), None) => true,
            (Phase::Items(items), Some(item)) => {
                !items.is_over()
                    && items.steps.get(item as usize).is_some_and(|phase| !matches!(phase, ItemPhase::Over(_)))
            }
            _ => false,
        }
    }

    /// Whether nothing is ready or in flight, and it has begun.
    pub(super) fn is_idle(&self) -> bool {
        self.begun && self.active == 0
    }

    /// A map whose items are over, to be closed.
    pub(super) fn closing(&self, index: NodeIndex) -> Option<&Items> {
        self.node(index).closing.as_deref()
    }

    /// Whether the node is a map whose items are ready or in flight.
    pub(super) fn has_items(&self, index: NodeIndex) -> bool {
        matches!(self.node(index).phase, Phase::Items(_))
    }

    /// Whether the node, a map, has no list yet.
    pub(super) fn is_unexpanded(&self, index: NodeIndex) -> bool {
        let node = self.node(index);
        node.closing.is_none() && !matches!(node.phase, Phase::Items(_))
    }

    pub(super) fn open_map(&mut self, index: NodeIndex, items: Items) {
        self.set_phase(index, Phase::Items(Box::new(items)));
        self.close_map_if_over(index);
    }

    pub(super) fn fail_items(&mut self, index: NodeIndex, error: StepError) {
        if let Phase::Items(items) = &mut self.node_mut(index).phase {
            items.failed.get_or_insert(error);
        }
    }

    /// A map whose items are over, or one of which failed it, is ready to be closed.
    pub(super) fn close_map_if_over(&mut self, index: NodeIndex) {
        let node = self.node_mut(index);
        if let Phase::Items(items) = &node.phase
            && items.is_over()
        {
            node.closing = Some(items.clone());
            self.set_phase(index, Phase::Ready);
        }
    }

    /// The items of a map that are in flight.
    pub(super) fn active_items(&self, index: NodeIndex, map: &StepKey) -> Vec<StepKey> {
        match &self.node(index).phase {
            Phase::Items(items) => items.active().map(|(item, _)| map.with_item(item)).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn finish(&mut self, index: NodeIndex, make: impl FnOnce(u32, Past) -> Finished) {
        let number = u32::try_from(self.finished.len()).unwrap_or(u32::MAX);
        let node = self.node_mut(index);
        node.closing = None;
        let finished = make(node.round, node.past.clone());
        self.finished.push(finished);
        self.set_phase(index, Phase::Over(number));
    }

    pub(super) fn set_past(&mut self, index: NodeIndex, past: Past) {
        self.node_mut(index).past = past;
    }

    /// Begins the node's next round.
    pub(super) fn renew(&mut self, index: NodeIndex) {
        self.set_phase(index, Phase::Waiting);
        let node = self.node_mut(index);
        node.round += 1;
        node.past = Past::default();
        node.closing = None;
    }
}

/// Slots that a phase takes, and whether the node is ready or in flight.
fn weight(phase: &Phase) -> (u32, bool) {
    match phase {
        Phase::Running => (1, true),
        Phase::Items(items) => {
            let running = items.active().filter(|(_, phase)| **phase == ItemPhase::Running).count();
            (u32::try_from(running).unwrap_or(u32::MAX), true)
        }
        Phase::Ready | Phase::Parked => (0, true),
        Phase::Waiting | Phase::Over(_) | Phase::Skipped => (0, false),
    }
}
