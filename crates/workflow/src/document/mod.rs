//! The document: YAML or JSON text as a tree of values that know their line and column.
//!
//! Owns reading (bounded in size, depth, values and aliases *before* anything is built from it) and writing. Order
//! of keys is kept, because the order of the nodes has a meaning. Nothing here knows what a workflow is.

mod emit;
mod read;

#[cfg(test)]
mod tests;

pub use emit::{canonical_json, to_yaml};
pub(crate) use read::read_keeping_duplicates;
pub use read::{Limits, SyntaxFault, read};

use serde_json::{Number, Value};

/// A place in the text: line and column in characters, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// The first character of the document.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// How long the lines of a text are, so that no place is told that is not in it.
#[derive(Debug, Clone)]
pub(crate) struct Lines(Vec<u32>);

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        let lines = text.replace("\r\n", "\n").replace('\r', "\n");
        Self(lines.split('\n').map(|line| u32::try_from(line.chars().count()).unwrap_or(u32::MAX - 1)).collect())
    }

    /// Behind the last character.
    pub(crate) fn end(&self) -> Position {
        let line = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        Position { line, column: self.0.last().map_or(1, |length| length + 1) }
    }

    /// The place itself; the end of its line, or of the text, where that has no such place.
    pub(crate) fn nearest(&self, at: Position) -> Position {
        let line = usize::try_from(at.line).ok().and_then(|line| self.0.get(line.checked_sub(1)?));
        line.map_or_else(|| self.end(), |length| Position { column: at.column.min(length + 1), ..at })
    }
}

/// A value of the document with its place.
#[derive(Debug, Clone)]
pub struct Tree {
    pub(crate) data: Data,
    pub(crate) at: Position,
    /// Where the first character of a text's content stands, if lines and columns inside it can be told.
    pub(crate) content: Option<Content>,
}

/// How the content of a text lies in the document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content {
    /// Place of the first character.
    pub(crate) first: Position,
    /// Column at which each further line begins; none where lines are folded or escaped.
    pub(crate) indent: Option<u32>,
}

/// What a [`Tree`] holds.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(Key, Tree)>),
}

/// A mapping's key with its place.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) at: Position,
}

impl Tree {
    /// The value without its places. Object keys are sorted where `serde_json` sorts them.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number(number) => Value::Number(number.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => items.iter().map(Self::to_value).collect(),
            Data::Map(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.text.clone(), value.to_value())).collect())
            }
        }
    }

    /// What the value is, in JSON's words.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.data {
            Data::Null => "null",
            Data::Bool(_) => "boolean",
            Data::Number(_) => "number",
            Data::Text(_) => "string",
            Data::List(_) => "list",
            Data::Map(_) => "mapping",
        }
    }

    /// The value at a JSON pointer.
    pub(crate) fn get(&self, pointer: &str) -> Option<&Self> {
        segments(pointer).try_fold(self, |tree, segment| tree.step(&segment).map(|(_, child)| child))
    }

    fn step(&self, segment: &str) -> Option<(Option<&Key>, &Self)> {
        match &self.data {
            Data::List(items) => items.get(segment.parse::<usize>().ok()?).map(|item| (None, item)),
            Data::Map(entries) => {
                entries.iter().find(|(key, _)| key.text == segment).map(|(key, value)| (Some(key), value))
            }
            _ => None,
        }
    }

    /// Where a person should look for the value at a pointer: at a scalar itself, at the key of a mapping or list,
    /// and for what does not exist at the nearest thing around it that does.
    pub(crate) fn locate(&self, pointer: &str) -> Position {
        let mut tree = self;
        let mut at = self.at;
        for segment in segments(pointer) {
            let Some((key, child)) = tree.step(&segment) else { break };
            at = match (&child.data, key) {
                (Data::Map(_) | Data::List(_) | Data::Null, Some(key)) => key.at,
                _ => child.at,
            };
            tree = child;
        }
        at
    }

    /// The document's place of a line and column (from 1) inside the text at `pointer`.
    pub(crate) fn locate_inside(&self, pointer: &str, inside: Position) -> Position {
        let Some(content) = self.get(pointer).and_then(|tree| tree.content) else {
            return self.locate(pointer);
        };
        match (inside.line, content.indent) {
            (0 | 1, _) => {
                Position { line: content.first.line, column: content.first.column + inside.column.saturating_sub(1) }
            }
            (line, Some(indent)) => {
                Position { line: content.first.line + line - 1, column: indent + inside.column.saturating_sub(1) }
            }
            (_, None) => content.first,
        }
    }
}

/// Appends a segment to a JSON pointer (RFC 6901).
pub(crate) fn child(pointer: &str, segment: impl std::fmt::Display) -> String {
    let segment = segment.to_string();
    if segment.contains(['~', '/']) {
        format!("{pointer}/{}", segment.replace('~', "~0").replace('/', "~1"))
    } else {
        format!("{pointer}/{segment}")
    }
}

fn segments(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"))
}
