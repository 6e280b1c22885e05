//! What a step's expressions see: `{input, state, execution}`, and in a map `item` and `index`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::value::{Fetch, ObjectRef, StoredValue};
use crate::definition::Reduce;

/// The parts of a document: shared values and references, nothing copied. [`Document::to_value`] puts them together.
#[derive(Debug, Clone)]
pub struct Document {
    /// The execution's input.
    pub input: StoredValue,
    /// Under each name what a node gave, or what a state key has become.
    pub state: Vec<(Arc<str>, StateValue)>,
    /// `{id, environment, attempt}`.
    pub execution: Arc<Value>,
    /// In a map the step's part of the list.
    pub item: Option<Item>,
}

/// A value under `state`.
#[derive(Debug, Clone)]
pub enum StateValue {
    /// A node's output.
    Output(StoredValue),
    /// A state key: what was written, in its order.
    Reduced(Reduce, Vec<StoredValue>),
}

/// A map's step's part of the list.
#[derive(Debug, Clone)]
pub struct Item {
    /// The whole list.
    pub list: StoredValue,
    /// The number of the item, or of the batch.
    pub index: u32,
    /// Items per step, if the map has `batch`.
    pub batch: Option<u32>,
}

impl Document {
    /// The values that are kept elsewhere, to be fetched before.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<ObjectRef>> {
        let state = self.state.iter().flat_map(|(_, value)| match value {
            StateValue::Output(value) => std::slice::from_ref(value),
            StateValue::Reduced(_, values) => values.as_slice(),
        });
        let list = self.item.iter().map(|item| &item.list);
        std::iter::once(&self.input).chain(state).chain(list).filter_map(StoredValue::object)
    }

    /// `{input, state, execution}`. It is the same for all items of a map, so it needs to be built once for them.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub fn to_value<E>(&self, fetch: Fetch<'_, E>) -> Result<Value, E> {
        let mut state = Map::new();
        for (name, value) in &self.state {
            state.insert(name.to_string(), value.to_value(fetch)?);
        }
        let input = Value::clone(&*self.input.load(fetch)?);
        Ok(json!({ "input": input, "state": state, "execution": &*self.execution }))
    }

    /// `{item, index}` in a map, where `item` is a list if the map has `batch`.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub fn locals<E>(&self, fetch: Fetch<'_, E>) -> Result<Option<Map<String, Value>>, E> {
        let Some(item) = &self.item else { return Ok(None) };
        let list = item.list.load(fetch)?;
        let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
        let value = match item.batch {
            None => all.get(item.index as usize).cloned().unwrap_or_default(),
            Some(size) => all.chunks(size.max(1) as usize).nth(item.index as usize).unwrap_or_default().into(),
        };
        Ok(Some(Map::from_iter([("item".to_owned(), value), ("index".to_owned(), item.index.into())])))
    }
}

impl StateValue {
    /// The value.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub fn to_value<E>(&self, fetch: Fetch<'_, E>) -> Result<Value, E> {
        match self {
            Self::Output(value) => Ok(Value::clone(&*value.load(fetch)?)),
            Self::Reduced(reduce, values) => {
                let values = values.iter().map(|value| value.load(fetch)).collect::<Result<Vec<_>, E>>()?;
                Ok(reduce.apply(values.iter().map(|value| &**value)))
            }
        }
    }
}
