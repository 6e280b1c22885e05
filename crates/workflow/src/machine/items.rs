//! A map between its list and its output: which items wait, run and are over.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::journal::StepError;
use super::value::{Fetch, StoredValue};

/// What one item (or batch) gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Its output, or with `on_item_error: collect` its `{error}`.
    Output(StoredValue),
    /// It failed and is left out.
    Skipped,
}

/// One item's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ItemPhase {
    Ready,
    Running,
    Parked,
    Over(Part),
}

/// A map whose list is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Items {
    pub(super) list: StoredValue,
    pub(super) steps: Vec<ItemPhase>,
    /// No step before this one is ready.
    first_ready: u32,
    /// Steps that are not over.
    open: u32,
    /// Running or parked steps.
    active: u32,
    /// The failure that ends the map.
    pub(super) failed: Option<StepError>,
}

impl Items {
    pub(super) fn new(list: StoredValue, count: u32, batch: Option<u32>) -> Self {
        let steps = batch.map_or(count, |size| count.div_ceil(size.max(1)));
        Self {
            list,
            steps: vec![ItemPhase::Ready; steps as usize],
            first_ready: 0,
            open: steps,
            active: 0,
            failed: None,
        }
    }

    /// Whether its output can be put together, or it has failed.
    pub(super) fn is_over(&self) -> bool {
        self.open == 0 || self.failed.is_some()
    }

    /// The items that may start, in order, when the map lets so many run at a time.
    pub(super) fn ready(&self, concurrency: u32) -> impl Iterator<Item = u32> {
        let free = if self.is_over() { 0 } else { concurrency.saturating_sub(self.active) };
        (0u32..)
            .zip(&self.steps)
            .skip(self.first_ready as usize)
            .filter(|(_, phase)| **phase == ItemPhase::Ready)
            .map(|(index, _)| index)
            .take(free as usize)
    }

    /// Moves an item that is not over; gives back what it was.
    pub(super) fn set(&mut self, item: u32, phase: ItemPhase) -> Option<ItemPhase> {
        let slot = self.steps.get_mut(item as usize).filter(|slot| !matches!(slot, ItemPhase::Over(_)))?;
        let before = std::mem::replace(slot, phase);
        let after = &*slot;
        self.active -= u32::from(is_active(&before));
        self.active += u32::from(is_active(after));
        match after {
            ItemPhase::Over(_) => self.open -= 1,
            ItemPhase::Ready => self.first_ready = self.first_ready.min(item),
            _ => {}
        }
        while self.steps.get(self.first_ready as usize).is_some_and(|phase| *phase != ItemPhase::Ready) {
            self.first_ready += 1;
        }
        Some(before)
    }

    pub(super) fn active(&self) -> impl Iterator<Item = (u32, &ItemPhase)> {
        (0u32..).zip(&self.steps).filter(|(_, phase)| is_active(phase))
    }

    pub(super) fn parts(&self) -> Vec<Part> {
        let parts = self.steps.iter().filter_map(|phase| match phase {
            ItemPhase::Over(part) => Some(part.clone()),
            _ => None,
        });
        parts.collect()
    }
}

fn is_active(phase: &ItemPhase) -> bool {
    matches!(phase, ItemPhase::Running | ItemPhase::Parked)
}

/// A map's output: the list of its parts, in their order. With `batch`, a part that is a list is joined to it.
///
/// # Errors
/// Those of `fetch`.
pub fn join<E>(parts: &[Part], batched: bool, fetch: Fetch<'_, E>) -> Result<Value, E> {
    let mut list = Vec::with_capacity(parts.len());
    for part in parts {
        let Part::Output(value) = part else { continue };
        match (&*value.load(fetch)?, batched) {
            (Value::Array(values), true) => list.extend(values.iter().cloned()),
            (value, _) => list.push(value.clone()),
        }
    }
    Ok(Value::Array(list))
}
