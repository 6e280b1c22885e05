//! Going on after the end: the failures that ended an execution are taken out of its journal, all else stands.

use std::collections::HashSet;

use super::journal::{Entry, Outcome};
use super::step::StepKey;
use crate::nodes::{NodeKind, OnItemError};
use crate::plan::{Condition, Plan};

/// The entries that count: without what is there for people, and without the failures that a retry has forgotten.
pub(super) fn counting(entries: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    let mut kept = Vec::new();
    for entry in entries {
        match entry {
            Entry::Told { .. } => {}
            Entry::Retried { forgotten } => {
                let forgotten: HashSet<StepKey> = forgotten.into_iter().collect();
                kept.retain(|entry| failed(entry).is_none_or(|step| !forgotten.contains(step)));
            }
            entry => kept.push(entry),
        }
    }
    kept
}

/// The failures that a retry has to forget: the one that ended the execution, and in a map that ends with its first failed
/// item, those of its items.
///
/// A failure that the definition provides for (`on: error`, `continue_on_error`, `on_item_error`) is not among them.
#[must_use]
pub fn failures(plan: &Plan, entries: &[Entry]) -> Vec<StepKey> {
    let entries = counting(entries.iter().cloned());
    let fatal = entries.last().and_then(failed).filter(|step| is_fatal(plan, step));
    let over: HashSet<&StepKey> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Finished { step, .. } if Some(step) != fatal => Some(step),
            _ => None,
        })
        .collect();
    let items = entries.iter().filter_map(failed).filter(|step| {
        let map = StepKey::new(&step.node, step.round);
        step.item.is_some() && !over.contains(&map) && ends_its_map(plan, step)
    });
    items.chain(fatal).cloned().collect()
}

fn failed(entry: &Entry) -> Option<&StepKey> {
    match entry {
        Entry::Finished { step, outcome: Outcome::Failed { .. } } => Some(step),
        _ => None,
    }
}

/// Whether nothing provides for this step's failure.
fn is_fatal(plan: &Plan, step: &StepKey) -> bool {
    let Some(index) = plan.find(&step.node) else { return false };
    let graph = plan.graph();
    let provided = graph.node(index).outgoing.iter().any(|edge| graph.edge(*edge).condition == Condition::Error);
    step.item.is_none() && !provided && !plan.node(index).continue_on_error
}

/// Whether a failed item fails its map.
fn ends_its_map(plan: &Plan, step: &StepKey) -> bool {
    let kind = plan.find(&step.node).map(|index| &plan.node(index).kind);
    matches!(kind, Some(NodeKind::Map(map)) if map.on_item_error == OnItemError::Fail)
}
