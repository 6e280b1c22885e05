//! The machine: what runs when, what it sees and what comes out (spec 20, *Semantics*, to the letter).
//!
//! A machine is a function of plan, input and the entries of its journal in their order: rebuilding it never evaluates
//! anything again. What runs at the moment ([`Machine::start`], [`Machine::park`]) is not journaled; after a rebuild
//! such steps are ready again. What a step sees follows from its *past* alone (what had to be over before it could
//! start), never from timing.
//!
//! - `mod.rs`: the interface and what an entry does. `flow.rs`: edges, joins, skips, loops. `items.rs`: maps.
//! - `document.rs`, `past.rs`, `reduce.rs`: what a step sees. `conditions.rs`: which edges are taken.
//! - `step.rs`, `value.rs`, `journal.rs`: names, values and entries. `retry.rs`: going on after the end.
//!
//! Loops: a loop is all back edges to one node, with the nodes between. Its round is over when all its back edges are
//! decided; if one is taken, the nodes between begin anew with what was decided in the round forgotten, otherwise the
//! loop has ended. Edges that leave a loop are decided by its last round, once it has ended.

mod conditions;
mod document;
mod flow;
mod items;
mod journal;
mod past;
mod reduce;
mod retry;
mod state;
mod step;
mod value;
mod view;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::graph as test_graph;

pub use conditions::{Conditions, Subject};
pub use document::{Document, Item, StateValue};
pub use items::{Part, join};
pub use journal::{Entry, Outcome, StepError, Write};
pub use retry::failures;
pub use state::State;
pub use step::{StepKey, StepKeyError};
pub use value::{Fetch, ObjectRef, Sensitive, StoredValue};
pub use view::Output;

use std::sync::Arc;

use serde_json::Value;

use crate::nodes::{NodeKind, OnItemError};
use crate::plan::{Condition, EdgeIndex, NodeIndex, Plan};
use items::{ItemPhase, Items};
use state::{Finished, Phase};

/// An execution's state.
#[derive(Debug, Clone)]
pub struct Machine {
    plan: Arc<Plan>,
    input: StoredValue,
    execution: Arc<Value>,
    state: State,
}

/// How an execution stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Something runs, waits or is ready; or it has not begun.
    Running,
    /// Nothing is left to do: [`Machine::output`] tells what its output is made of.
    Ended,
    /// A step failed and nothing provides for it. What finished is kept.
    Failed {
        /// The step.
        step: StepKey,
        /// Why.
        error: StepError,
    },
}

/// A step that may start.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Its name.
    pub step: StepKey,
    /// Its node; of an item's step the map.
    pub node: NodeIndex,
    /// What is to be done.
    pub task: Task,
}

/// What is to be done in a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Run the node; in an item's step what the map does for each.
    Run,
    /// Evaluate a map's `over` and journal [`Entry::Expanded`].
    Expand,
    /// A map's items are over: [`join`] their parts and journal [`Entry::Finished`]; or journal the failure.
    Close(Result<Vec<Part>, StepError>),
}

/// What an entry brought about, beyond the end of its own step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Steps that will not run, because all edges to them are dead.
    pub skipped: Vec<StepKey>,
    /// Steps that failed without having run (`recursion-limit`).
    pub failed: Vec<(StepKey, StepError)>,
    /// Steps in flight that are to be stopped.
    pub cancel: Vec<StepKey>,
    /// Whether the execution is over: see [`Machine::status`].
    pub ended: bool,
}

/// Why a machine refuses an entry. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// The execution is over.
    #[error("the execution is over; `{0}` cannot change it")]
    Ended(String),
    /// The step is not ready and not in flight: finished before, skipped, or of another round.
    #[error("step `{0}` is not active")]
    NotActive(StepKey),
    /// The entry does not fit the plan: another version's journal, or a damaged one.
    #[error("the journal does not fit the plan at `{0}`")]
    Mismatch(String),
}

impl Machine {
    /// An execution that has not begun. `execution` is what expressions see under that name: `{id, environment, attempt}`.
    #[must_use]
    pub fn new(plan: Arc<Plan>, input: StoredValue, execution: Arc<Value>) -> Self {
        let state = State::new(&plan);
        Self { plan, input, execution, state }
    }

    /// Rebuilds an execution from its journal.
    ///
    /// # Errors
    /// [`MachineError`] at the first entry that does not fit.
    pub fn replay(
        plan: Arc<Plan>,
        input: StoredValue,
        execution: Arc<Value>,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Result<Self, MachineError> {
        let mut machine = Self::new(plan, input, execution);
        for entry in retry::counting(entries) {
            machine.apply(entry)?;
        }
        Ok(machine)
    }

    /// Continues from a snapshot of the same plan's machine.
    #[must_use]
    pub fn restore(plan: Arc<Plan>, input: StoredValue, execution: Arc<Value>, state: State) -> Self {
        Self { plan, input, execution, state }
    }

    /// The state, to be kept and restored. The journal alone is enough, too.
    #[must_use]
    pub fn snapshot(&self) -> &State {
        &self.state
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// How the execution stands.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.state.status
    }

    /// What may start now, in the order of the definition, so that no more than `limits.parallelism` steps run, and of
    /// each map no more than its `concurrency`. Steps that are parked take no slot.
    #[must_use]
    pub fn ready(&self) -> Vec<Work> {
        let mut free = self.plan.definition().limits.parallelism.saturating_sub(self.state.running) as usize;
        let mut work = Vec::new();
        if self.state.status != Status::Running {
            return work;
        }
        for (index, node) in self.state.nodes.iter().enumerate() {
            if free == 0 {
                break;
            }
            let index = NodeIndex::new(index);
            let step = StepKey::new(self.plan.id(index), node.round);
            match &node.phase {
                Phase::Ready => {
                    free -= 1;
                    work.push(Work { task: self.task(index), node: index, step });
                }
                Phase::Items(items) => {
                    let concurrency = self.map(index).and_then(|map| map.concurrency).unwrap_or(u32::MAX);
                    for item in items.ready(concurrency).take(free) {
                        free -= 1;
                        work.push(Work { step: step.with_item(item), node: index, task: Task::Run });
                    }
                }
                _ => {}
            }
        }
        work
    }

    fn task(&self, node: NodeIndex) -> Task {
        match (self.state.closing(node), self.map(node)) {
            (Some(items), _) => Task::Close(items.failed.clone().map_or_else(|| Ok(items.parts()), Err)),
            (None, Some(_)) => Task::Expand,
            (None, None) => Task::Run,
        }
    }

    fn map(&self, node: NodeIndex) -> Option<&crate::nodes::Map> {
        match &self.plan.node(node).kind {
            NodeKind::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The steps that were started or parked and are not over, in the order of the definition.
    #[must_use]
    pub fn in_flight(&self) -> Vec<StepKey> {
        let mut steps = Vec::new();
        for (index, node) in self.state.nodes.iter().enumerate() {
            let step = StepKey::new(self.plan.id(NodeIndex::new(index)), node.round);
            match &node.phase {
                Phase::Running | Phase::Parked => steps.push(step),
                Phase::Items(items) => steps.extend(items.active().map(|(item, _)| step.with_item(item))),
                _ => {}
            }
        }
        steps
    }

    /// Whether it has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.state.begun
    }

    /// Whether the end of this step would still be taken in.
    #[must_use]
    pub fn takes_in(&self, step: &StepKey) -> bool {
        self.active(step).is_ok()
    }

    /// The step runs: it takes one of the execution's slots.
    ///
    /// # Errors
    /// [`MachineError`] if it is not active.
    pub fn start(&mut self, step: &StepKey) -> Result<(), MachineError> {
        self.mark(step, Phase::Running, ItemPhase::Running)
    }

    /// The step waits for people or time: it gives its slot back, but it is not ready either.
    ///
    /// # Errors
    /// [`MachineError`] if it is not active.
    pub fn park(&mut self, step: &StepKey) -> Result<(), MachineError> {
        self.mark(step, Phase::Parked, ItemPhase::Parked)
    }

    /// The step is ready again.
    ///
    /// # Errors
    /// [`MachineError`] if it is not active.
    pub fn release(&mut self, step: &StepKey) -> Result<(), MachineError> {
        self.mark(step, Phase::Ready, ItemPhase::Ready)
    }

    fn mark(&mut self, step: &StepKey, phase: Phase, item_phase: ItemPhase) -> Result<(), MachineError> {
        let index = self.active(step)?;
        match step.item {
            None if self.state.has_items(index) => return Err(MachineError::NotActive(step.clone())),
            None => self.state.set_phase(index, phase),
            Some(item) => self.state.set_item(index, item, item_phase),
        }
        Ok(())
    }

    /// The node of a step that is ready or in flight.
    fn active(&self, step: &StepKey) -> Result<NodeIndex, MachineError> {
        if self.state.status != Status::Running {
            return Err(MachineError::Ended(step.to_string()));
        }
        let index = self.plan.find(&step.node).ok_or_else(|| MachineError::Mismatch(step.to_string()))?;
        let active = self.state.is_active(index, step);
        active.then_some(index).ok_or_else(|| MachineError::NotActive(step.clone()))
    }

    /// Takes an entry of the journal.
    ///
    /// # Errors
    /// [`MachineError`] if the entry does not fit; then nothing has changed.
    pub fn apply(&mut self, entry: Entry) -> Result<Change, MachineError> {
        let mut change = Change::default();
        match entry {
            Entry::Begun { taken } => self.begin(&taken, &mut change)?,
            Entry::Expanded { step, items, count } => self.expand(&step, items, count)?,
            Entry::Finished { step, outcome } => {
                let index = self.active(&step)?;
                match step.item {
                    Some(item) => self.finish_item(index, &step, item, outcome, &mut change),
                    None => self.finish(index, &step, outcome, &mut change)?,
                }
            }
            // Only the journal's past can be changed by it: see `replay`.
            Entry::Retried { .. } => return Err(MachineError::Mismatch("a retry".to_owned())),
            Entry::Told { .. } => return Ok(change),
        }
        if self.state.status == Status::Running && self.state.is_idle() {
            self.state.status = Status::Ended;
        }
        change.ended = self.state.status != Status::Running;
        Ok(change)
    }

    fn begin(&mut self, taken: &[EdgeIndex], change: &mut Change) -> Result<(), MachineError> {
        let plan = Arc::clone(&self.plan);
        let start = plan.graph().start();
        if self.state.begun || !taken.iter().all(|edge| start.contains(edge)) {
            return Err(MachineError::Mismatch("start".to_owned()));
        }
        self.state.begun = true;
        self.decide(start, taken);
        self.settle(change);
        Ok(())
    }

    fn expand(&mut self, step: &StepKey, items: StoredValue, count: u32) -> Result<(), MachineError> {
        let index = self.active(step)?;
        let fits = step.item.is_none() && self.state.is_unexpanded(index);
        let Some(map) = self.map(index).filter(|_| fits) else {
            return Err(MachineError::NotActive(step.clone()));
        };
        let items = Items::new(items, count, map.batch);
        self.state.open_map(index, items);
        Ok(())
    }

    fn finish(
        &mut self,
        index: NodeIndex,
        step: &StepKey,
        outcome: Outcome,
        change: &mut Change,
    ) -> Result<(), MachineError> {
        let outgoing = self.plan.graph().node(index).outgoing.clone();
        let (Outcome::Succeeded { taken, .. } | Outcome::Failed { taken, .. }) = &outcome;
        if !taken.iter().all(|edge| outgoing.contains(edge)) {
            return Err(MachineError::Mismatch(step.to_string()));
        }
        let unfinished_map = self.map(index).is_some() && self.state.closing(index).is_none();
        match outcome {
            Outcome::Succeeded { .. } if unfinished_map => return Err(MachineError::NotActive(step.clone())),
            Outcome::Succeeded { output, writes, taken } => {
                let writes = self.writes(step, writes)?;
                change.cancel.extend(self.state.active_items(index, step));
                self.finished(index, output, writes);
                self.decide(&outgoing, &taken);
                self.settle(change);
            }
            Outcome::Failed { error, taken } => {
                change.cancel.extend(self.state.active_items(index, step));
                self.fail(index, step, error, &taken, change);
            }
        }
        Ok(())
    }

    /// A step failed for good: its error edge, `continue_on_error`, or the execution's failure.
    fn fail(&mut self, index: NodeIndex, step: &StepKey, error: StepError, taken: &[EdgeIndex], change: &mut Change) {
        let outgoing = self.plan.graph().node(index).outgoing.clone();
        let on_error = self.error_edges(index);
        let output = StoredValue::from(error.to_output());
        self.finished(index, output, Vec::new());
        if !on_error.is_empty() {
            self.decide(&outgoing, &on_error);
        } else if self.plan.node(index).continue_on_error && error.class != crate::ErrorClass::RecursionLimit {
            self.decide(&outgoing, taken);
        } else {
            self.fail_execution(step.clone(), error, change);
            return;
        }
        self.settle(change);
    }

    fn error_edges(&self, index: NodeIndex) -> Vec<EdgeIndex> {
        let graph = self.plan.graph();
        let outgoing = graph.node(index).outgoing.iter().copied();
        outgoing.filter(|edge| graph.edge(*edge).condition == Condition::Error).collect()
    }

    fn fail_execution(&mut self, step: StepKey, error: StepError, change: &mut Change) {
        change.cancel.extend(self.in_flight());
        self.state.status = Status::Failed { step, error };
        self.state.running = 0;
    }

    fn finished(&mut self, index: NodeIndex, output: StoredValue, writes: Vec<(u32, StoredValue)>) {
        self.state.finish(index, |round, past| Finished { node: index, round, output, writes, past });
    }

    fn writes(&self, step: &StepKey, writes: Vec<Write>) -> Result<Vec<(u32, StoredValue)>, MachineError> {
        let keys = self.plan.state();
        writes
            .into_iter()
            .map(|write| {
                let key = (0u32..).zip(keys).find(|(_, key)| key.name == write.key).map(|(index, _)| index);
                Ok((key.ok_or_else(|| MachineError::Mismatch(step.to_string()))?, write.value))
            })
            .collect()
    }

    fn finish_item(&mut self, index: NodeIndex, step: &StepKey, item: u32, outcome: Outcome, change: &mut Change) {
        let rule = self.map(index).map(|map| map.on_item_error).unwrap_or_default();
        let (part, failed) = match (outcome, rule) {
            (Outcome::Succeeded { output, .. }, _) => (Part::Output(output), None),
            (Outcome::Failed { .. }, OnItemError::Skip) => (Part::Skipped, None),
            (Outcome::Failed { error, .. }, OnItemError::Collect) => (Part::Output(error.to_output().into()), None),
            (Outcome::Failed { error, .. }, OnItemError::Fail) => {
                let message = format!("item {item}: {}", error.message);
                (Part::Skipped, Some(StepError { message, ..error }))
            }
        };
        self.state.set_item(index, item, ItemPhase::Over(part));
        if let Some(error) = failed {
            let map = StepKey { item: None, ..step.clone() };
            change.cancel.extend(self.state.active_items(index, &map));
            self.state.fail_items(index, error);
        }
        self.state.close_map_if_over(index);
    }

    /// Forgets what runs at the moment, as a rebuild from the journal would: such steps are ready again.
    pub fn forget_in_flight(&mut self) {
        for step in self.in_flight() {
            // A step in flight is active while the execution runs.
            let _ = self.release(&step);
        }
    }
}
