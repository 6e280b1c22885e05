//! Reading typed values out of a document while collecting every fault on the way.

use std::str::FromStr;

use serde_json::Value;

use crate::document::{Data, Key, Tree, child};
use crate::fault::{Code, Faults};
use crate::timespan::Timespan;

/// A value of the document and its JSON pointer.
#[derive(Debug, Clone)]
pub(crate) struct Item<'t> {
    pub(crate) tree: &'t Tree,
    pub(crate) pointer: String,
}

impl<'t> Item<'t> {
    fn wrong_type(&self, expected: &str, faults: &mut Faults) {
        faults.error(Code::WrongType, &self.pointer, format!("expected {expected}, found a {}", self.tree.type_name()));
    }

    pub(crate) fn value(&self) -> Value {
        self.tree.to_value()
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.tree.data, Data::Text(_))
    }

    pub(crate) fn text(&self, faults: &mut Faults) -> Option<String> {
        match &self.tree.data {
            Data::Text(text) => Some(text.clone()),
            _ => {
                self.wrong_type("text", faults);
                None
            }
        }
    }

    /// An expression: text, never empty.
    pub(crate) fn expression(&self, faults: &mut Faults) -> Option<String> {
        let text = self.text(faults)?;
        if text.trim().is_empty() {
            faults.error(Code::InvalidValue, &self.pointer, "the expression is empty");
            return None;
        }
        Some(text)
    }

    pub(crate) fn boolean(&self, faults: &mut Faults) -> Option<bool> {
        match self.tree.data {
            Data::Bool(value) => Some(value),
            _ => {
                self.wrong_type("true or false", faults);
                None
            }
        }
    }

    pub(crate) fn integer(&self, range: std::ops::RangeInclusive<u64>, faults: &mut Faults) -> Option<u64> {
        match &self.tree.data {
            Data::Number(number) if number.as_u64().is_some_and(|number| range.contains(&number)) => number.as_u64(),
            Data::Number(_) => {
                faults.error(
                    Code::InvalidValue,
                    &self.pointer,
                    format!("expected a whole number from {} to {}", range.start(), range.end()),
                );
                None
            }
            _ => {
                self.wrong_type("a whole number", faults);
                None
            }
        }
    }

    pub(crate) fn number(&self, range: std::ops::RangeInclusive<f64>, faults: &mut Faults) -> Option<f64> {
        match &self.tree.data {
            Data::Number(number) => {
                let number = number.as_f64().filter(|number| range.contains(number));
                if number.is_none() {
                    faults.error(
                        Code::InvalidValue,
                        &self.pointer,
                        format!("expected a number from {} to {}", range.start(), range.end()),
                    );
                }
                number
            }
            _ => {
                self.wrong_type("a number", faults);
                None
            }
        }
    }

    /// A text that parses as `T`; its error says how to write it.
    pub(crate) fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, faults: &mut Faults) -> Option<T> {
        let text = self.text(faults)?;
        text.parse()
            .map_err(|error| {
                faults.error(Code::InvalidValue, &self.pointer, format!("`{text}` cannot be read: {error}"));
            })
            .ok()
    }

    pub(crate) fn timespan(&self, faults: &mut Faults) -> Option<Timespan> {
        let span: Timespan = self.parsed(faults)?;
        if span.as_millis() == 0 {
            faults.error(Code::InvalidValue, &self.pointer, "a duration must be longer than zero");
            return None;
        }
        Some(span)
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, words: &[(&'static str, T)], faults: &mut Faults) -> Option<T> {
        let text = self.text(faults)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        faults
            .error(Code::InvalidValue, &self.pointer, format!("`{text}` is none of {}", all.join(", ")))
            .suggest_like(&text, all);
        None
    }

    pub(crate) fn list(&self, faults: &mut Faults) -> Option<Vec<Item<'t>>> {
        match &self.tree.data {
            Data::List(items) => Some(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, tree)| Item { tree, pointer: child(&self.pointer, index) })
                    .collect(),
            ),
            _ => {
                self.wrong_type("a list", faults);
                None
            }
        }
    }

    pub(crate) fn texts(&self, faults: &mut Faults) -> Option<Vec<String>> {
        Some(self.list(faults)?.iter().filter_map(|item| item.text(faults)).collect())
    }

    pub(crate) fn entries(&self, faults: &mut Faults) -> Option<Vec<(&'t Key, Item<'t>)>> {
        match &self.tree.data {
            Data::Map(entries) => Some(
                entries
                    .iter()
                    .map(|(key, tree)| (key, Item { tree, pointer: child(&self.pointer, &key.text) }))
                    .collect(),
            ),
            _ => {
                self.wrong_type("a mapping", faults);
                None
            }
        }
    }

    pub(crate) fn object(&self, faults: &mut Faults) -> Option<Object<'t>> {
        match &self.tree.data {
            Data::Map(entries) => Some(Object { entries, pointer: self.pointer.clone(), known: Vec::new() }),
            _ => {
                self.wrong_type("a mapping", faults);
                None
            }
        }
    }
}

/// A mapping whose known fields are taken one by one; what is left at the end is unknown.
#[derive(Debug)]
pub(crate) struct Object<'t> {
    entries: &'t [(Key, Tree)],
    pub(crate) pointer: String,
    known: Vec<&'static str>,
}

impl<'t> Object<'t> {
    pub(crate) fn optional(&mut self, name: &'static str) -> Option<Item<'t>> {
        self.known.push(name);
        let (_, tree) = self.entries.iter().find(|(key, _)| key.text == name)?;
        Some(Item { tree, pointer: child(&self.pointer, name) })
    }

    pub(crate) fn required(&mut self, name: &'static str, faults: &mut Faults) -> Option<Item<'t>> {
        let item = self.optional(name);
        if item.is_none() {
            faults.error(Code::MissingField, &self.pointer, format!("`{name}` is missing"));
        }
        item
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(key, _)| key.text == name)
    }

    /// Exactly one of the fields must be given. None if not; the fault is told.
    pub(crate) fn one_of(&mut self, names: &[&'static str], faults: &mut Faults) -> Option<(&'static str, Item<'t>)> {
        let mut given: Vec<(&'static str, Item<'t>)> =
            names.iter().filter_map(|name| self.optional(name).map(|item| (*name, item))).collect();
        let all = names.join("`, `");
        if given.len() > 1 {
            for (_, item) in given.iter().skip(1) {
                faults.error(Code::ConflictingFields, &item.pointer, format!("give only one of `{all}`"));
            }
        }
        if given.is_empty() {
            faults.error(Code::MissingField, &self.pointer, format!("one of `{all}` is missing"));
        }
        (!given.is_empty()).then(|| given.swap_remove(0))
    }

    /// Tells of every field that was never asked for.
    pub(crate) fn finish(self, faults: &mut Faults) {
        for (key, _) in self.entries {
            if !self.known.contains(&key.text.as_str()) {
                faults
                    .error(
                        Code::UnknownField,
                        &child(&self.pointer, &key.text),
                        format!("unknown field `{}`; known here: {}", key.text, self.known.join(", ")),
                    )
                    .at(Some(key.at))
                    .suggest_like(&key.text, self.known.iter().copied());
            }
        }
    }
}
