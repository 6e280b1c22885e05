//! The host's half of what is said to the expression guest; the guest's is `guests/expressions/src/protocol.rs`.

use super::{Checked, ExpressionError, Language};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request<'a> {
    Evaluate { load: Vec<Load<'a>>, documents: &'a [&'a Value], jobs: Vec<Job<'a>> },
    Check { programs: &'a [Source<'a>] },
}

#[derive(Serialize)]
pub(super) struct Load<'a> {
    pub(super) slot: usize,
    pub(super) language: Language,
    pub(super) source: &'a str,
}

#[derive(Serialize)]
pub(super) struct Job<'a> {
    pub(super) slot: usize,
    pub(super) document: usize,
    pub(super) locals: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secrets: Option<&'a BTreeMap<String, String>>,
}

#[derive(Serialize, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) language: Language,
    pub(super) source: &'a str,
}

#[derive(Deserialize)]
pub(super) struct Response<T> {
    pub(super) results: Option<Vec<T>>,
    pub(super) fault: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome<T, E> {
    Ok(T),
    Error(E),
}

impl<T, E> From<Outcome<T, E>> for Result<T, E> {
    fn from(outcome: Outcome<T, E>) -> Self {
        match outcome {
            Outcome::Ok(value) => Ok(value),
            Outcome::Error(error) => Err(error),
        }
    }
}

/// Values pass through unparsed until the caller's own type is made of them.
pub(super) type Evaluated = Outcome<Box<RawValue>, ExpressionError>;
pub(super) type CheckedProgram = Outcome<Checked, Vec<ExpressionError>>;
