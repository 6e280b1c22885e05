//! What is journaled: everything a machine needs to be rebuilt, and nothing that would have to be evaluated again.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::step::StepKey;
use super::value::StoredValue;
use crate::error_class::ErrorClass;
use crate::plan::EdgeIndex;

/// One entry of an execution's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// The first: the execution has begun.
    Begun {
        /// The edges out of `start` that were taken.
        taken: Vec<EdgeIndex>,
    },
    /// A map's list is known.
    Expanded {
        /// The map's step.
        step: StepKey,
        /// The list.
        items: StoredValue,
        /// Its length.
        count: u32,
    },
    /// A step is over.
    Finished {
        /// The step.
        step: StepKey,
        /// How it ended.
        outcome: Outcome,
    },
    /// For people: a step that was skipped, or that failed without having run. It follows from what stands before, so a
    /// machine that is rebuilt comes to it by itself.
    Told {
        /// The step.
        step: StepKey,
        /// Why it failed; none where it was skipped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<StepError>,
    },
    /// The execution had ended and somebody had it go on: what failed is done again, what finished is kept.
    Retried {
        /// The steps whose failure counts no more.
        forgotten: Vec<StepKey>,
    },
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Well.
    Succeeded {
        /// Its output.
        output: StoredValue,
        /// What its `set` writes; of a map's item nothing.
        writes: Vec<Write>,
        /// Its edges that were taken; of a map's item none.
        taken: Vec<EdgeIndex>,
    },
    /// Not, after all retries.
    Failed {
        /// Why.
        error: StepError,
        /// With `continue_on_error`, and without an error edge, its edges that were taken; otherwise none.
        taken: Vec<EdgeIndex>,
    },
}

/// A write to a declared state key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// The key.
    pub key: String,
    /// What is written.
    pub value: StoredValue,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepError {
    /// The class.
    pub class: ErrorClass,
    /// For people.
    pub message: String,
    /// How often it was tried.
    pub attempts: u32,
}

impl StepError {
    /// The output of a step whose failure does not end the execution: `{ "error": { class, message, attempts } }`.
    #[must_use]
    pub fn to_output(&self) -> Value {
        json!({ "error": { "class": self.class, "message": self.message, "attempts": self.attempts } })
    }
}

impl std::fmt::Display for StepError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}
