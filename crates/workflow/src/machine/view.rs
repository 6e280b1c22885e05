//! What steps see of the state, and what the execution's output is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::document::{Document, Item, StateValue};
use super::past::Past;
use super::state::{EdgePhase, Finished, Phase};
use super::step::StepKey;
use super::value::StoredValue;
use super::{Machine, MachineError, Write};
use crate::plan::{NodeIndex, Source, Target};

/// What an execution's output is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// `output:`: names and the jq expressions (by their names) over [`Machine::final_document`].
    Mapping(Vec<(String, String)>),
    /// The output of the node whose edge to `end` was taken.
    Value(StoredValue),
    /// Several such: an object by id, in the order of the definition.
    ByNode(Vec<(Arc<str>, StoredValue)>),
    /// No edge from a node to `end` was taken: `null`.
    Nothing,
}

/// A step that wrote to a state key.
struct Writer<'m> {
    /// Node, round and number among the finished steps. The step that has just ended has no number yet.
    node: NodeIndex,
    round: u32,
    number: Option<u32>,
    past: &'m Past,
    values: Vec<&'m StoredValue>,
}

impl Machine {
    /// What a step was given, be it ready, in flight or over; nothing for one that has no part in the execution. `list` is
    /// the list of the step's map, which a machine forgets once the map is over.
    #[must_use]
    pub fn seen(&self, step: &StepKey, list: Option<&StoredValue>) -> Option<Document> {
        let index = self.plan.find(&step.node)?;
        let node = self.state.node(index);
        let over = self.state.finished.iter().find(|over| over.node == index && over.round == step.round);
        let past = match over {
            Some(over) => &over.past,
            None if node.round == step.round && !matches!(node.phase, Phase::Waiting | Phase::Skipped) => &node.past,
            None => return None,
        };
        let mut document = self.document_of(past, None);
        if let Some(item) = step.item {
            let batch = self.map(index)?.batch;
            document.item = Some(Item { list: list?.clone(), index: item, batch });
        }
        Some(document)
    }

    /// What the step's expressions see.
    ///
    /// # Errors
    /// [`MachineError`] if the step is not active.
    pub fn document(&self, step: &StepKey) -> Result<Document, MachineError> {
        let index = self.active(step)?;
        let node = self.state.node(index);
        let mut document = self.document_of(&node.past, None);
        if let (Some(item), Phase::Items(items)) = (step.item, &node.phase) {
            let batch = self.map(index).and_then(|map| map.batch);
            document.item = Some(Item { list: items.list.clone(), index: item, batch });
        }
        Ok(document)
    }

    /// What the conditions of the step's edges see: the same, and its own output and writes.
    ///
    /// # Errors
    /// [`MachineError`] if the step is not active, or writes to a key that is not declared.
    pub fn document_after(
        &self,
        step: &StepKey,
        output: &StoredValue,
        writes: &[Write],
    ) -> Result<Document, MachineError> {
        let index = self.active(step)?;
        let node = self.state.node(index);
        let own = Finished {
            node: index,
            round: node.round,
            output: output.clone(),
            writes: self.writes(step, writes.to_vec())?,
            past: node.past.clone(),
        };
        Ok(self.document_of(&node.past, Some(&own)))
    }

    /// What conditions on edges out of `start` see.
    #[must_use]
    pub fn document_at_start(&self) -> Document {
        self.document_of(&Past::default(), None)
    }

    /// What `output:` sees: all that is over.
    #[must_use]
    pub fn final_document(&self) -> Document {
        let mut all = Past::default();
        (0..).zip(&self.state.finished).for_each(|(number, _)| all.insert(number));
        self.document_of(&all, None)
    }

    /// What the execution's output is made of, once it has ended.
    #[must_use]
    pub fn output(&self) -> Output {
        if let Some(mapping) = &self.plan.definition().output {
            let named = mapping.iter().map(|(name, _)| (name.clone(), crate::document::child("/output", name)));
            return Output::Mapping(named.collect());
        }
        let mut outputs: BTreeMap<NodeIndex, StoredValue> = BTreeMap::new();
        for (index, edge) in self.plan.graph().edges() {
            if let (Source::Node(node), Target::End, EdgePhase::Taken) = (edge.from, edge.to, self.state.edge(index))
                && let Phase::Over(number) = self.state.node(node).phase
            {
                outputs.insert(node, self.state.finished(number).output.clone());
            }
        }
        match outputs.len() {
            0 => Output::Nothing,
            1 => outputs.into_values().next().map_or(Output::Nothing, Output::Value),
            _ => Output::ByNode(
                outputs.into_iter().map(|(node, value)| (Arc::clone(self.plan.id(node)), value)).collect(),
            ),
        }
    }

    /// The outputs so far, by step, in the order in which the steps ended.
    pub fn outputs(&self) -> impl Iterator<Item = (StepKey, &StoredValue)> {
        let finished = self.state.finished.iter();
        finished.map(|step| (StepKey::new(self.plan.id(step.node), step.round), &step.output))
    }

    fn document_of(&self, past: &Past, own: Option<&Finished>) -> Document {
        let seen =
            || past.iter().map(|number| (Some(number), self.state.finished(number))).chain(own.map(|own| (None, own)));
        // The last round of each node, in the order of the definition.
        let mut outputs: BTreeMap<NodeIndex, &Finished> = BTreeMap::new();
        for (_, step) in seen() {
            let latest = outputs.entry(step.node).or_insert(step);
            if latest.round < step.round {
                *latest = step;
            }
        }
        let mut state: Vec<(Arc<str>, StateValue)> = outputs
            .into_iter()
            .map(|(node, step)| (Arc::clone(self.plan.id(node)), StateValue::Output(step.output.clone())))
            .collect();
        for (number, key) in (0u32..).zip(self.plan.state()) {
            let writers = seen().filter_map(|(finished, step)| {
                let values: Vec<&StoredValue> =
                    step.writes.iter().filter(|(key, _)| *key == number).map(|(_, value)| value).collect();
                (!values.is_empty()).then_some(Writer {
                    node: step.node,
                    round: step.round,
                    number: finished,
                    past: &step.past,
                    values,
                })
            });
            let values = in_order(writers.collect()).into_iter().cloned().collect();
            state.push((key.name.as_str().into(), StateValue::Reduced(key.reduce, values)));
        }
        Document { input: self.input.clone(), state, execution: Arc::clone(&self.execution), item: None }
    }
}

/// Writes in the order of the nodes in the definition, except that what had to be over before comes before.
///
/// A node's rounds follow one another, so it is enough to look at the first that is left of each node.
fn in_order<'m>(writers: Vec<Writer<'m>>) -> Vec<&'m StoredValue> {
    let mut by_node: BTreeMap<NodeIndex, Vec<Writer<'m>>> = BTreeMap::new();
    let mut last = None;
    for writer in writers {
        match writer.number {
            Some(_) => by_node.entry(writer.node).or_default().push(writer),
            None => last = Some(writer),
        }
    }
    for rounds in by_node.values_mut() {
        rounds.sort_by_key(|writer| std::cmp::Reverse(writer.round));
    }
    let mut values = Vec::new();
    while !by_node.is_empty() {
        let heads: Vec<u32> = by_node.values().filter_map(|rounds| rounds.last()?.number).collect();
        let is_free = |writer: &Writer<'_>| !heads.iter().any(|head| writer.past.contains(*head));
        // The past is a strict order, so there always is one that is free.
        let free = by_node.iter().find(|(_, rounds)| rounds.last().is_some_and(is_free)).map(|(node, _)| *node);
        let Some(node) = free.or_else(|| by_node.keys().next().copied()) else { break };
        let rounds = by_node.entry(node).or_default();
        values.extend(rounds.pop().into_iter().flat_map(|writer| writer.values));
        if rounds.is_empty() {
            by_node.remove(&node);
        }
    }
    values.extend(last.into_iter().flat_map(|writer| writer.values));
    values
}
