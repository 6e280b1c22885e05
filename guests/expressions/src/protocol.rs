//! What host and guest say to each other: one JSON request, one JSON response.
//!
//! The host's half of these types is `crates/sandbox/src/expressions/protocol.rs`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A request; exactly one of the operations.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request<'a> {
    #[serde(borrow)]
    Evaluate(Evaluate<'a>),
    Check(Check),
}

/// Compiles `load`, then runs each job; programs stay compiled for later requests to the same instance.
#[derive(Deserialize)]
pub struct Evaluate<'a> {
    pub load: Vec<Load>,
    #[serde(borrow)]
    pub documents: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub jobs: Vec<Job<'a>>,
}

/// A program and the slot under which jobs name it.
#[derive(Deserialize)]
pub struct Load {
    pub slot: u32,
    pub language: Language,
    pub source: String,
}

/// One evaluation. `locals` (an object) is laid over the document's top level.
#[derive(Deserialize)]
pub struct Job<'a> {
    pub slot: u32,
    pub document: usize,
    #[serde(borrow)]
    pub locals: Option<&'a RawValue>,
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
}

/// Checks sources without running them.
#[derive(Deserialize)]
pub struct Check {
    pub programs: Vec<Source>,
}

#[derive(Deserialize)]
pub struct Source {
    pub language: Language,
    pub source: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    Cel,
    Jq,
    Template,
}

/// The result of one job or one check.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome<T, E> {
    Ok(T),
    Error(E),
}

/// What a program reads, as far as it can be known without running it.
#[derive(Serialize)]
pub struct Reference {
    pub path: Vec<Segment>,
    pub optional: bool,
    pub position: Position,
}

/// A step of a path; [`Segment::Any`] is every element, or an index that only the run knows.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(untagged)]
pub enum Segment {
    Key(String),
    Index(i64),
    Any,
}

/// Line and column from 1, the column in characters; the offset in bytes.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: u32,
    pub column: u32,
    pub offset: u32,
    /// In templates: the JSON pointer of the string that holds the expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

impl Position {
    pub fn at(source: &str, offset: usize) -> Self {
        let before = source.get(..offset).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() as u32 + 1,
            column: before[line_start..].chars().count() as u32 + 1,
            offset: before.len() as u32,
            pointer: None,
        }
    }
}

#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    Syntax,
    Undefined,
    Missing,
    Type,
    Results,
    Runtime,
}

#[derive(Serialize, Clone, Debug)]
pub struct Error {
    pub kind: ErrorKind,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: shorten(message.into()), position: None }
    }

    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }
}

/// Messages quote values, and a value may be megabytes.
fn shorten(mut message: String) -> String {
    const LONGEST: usize = 400;
    if message.len() > LONGEST {
        let mut end = LONGEST;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push('…');
    }
    message
}
