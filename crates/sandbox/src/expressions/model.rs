//! Programs, evaluations and what comes of them.

use crate::error::{Limit, SandboxError};
use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// The language of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Common Expression Language: conditions, and transforms that ask for it. JSON integers are `int`, other numbers `double`.
    Cel,
    /// jq: transforms, mappings. No `env`, `now`, `input`, `halt`, `debug`; one result, none is null.
    Jq,
    /// `{{ path | filter }}` in every string of a JSON value.
    Template,
}

/// One program; `id` is unique in its set, for example the JSON pointer of its place in the definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What [`Evaluation::program`] names.
    pub id: String,
    /// The language of `source`.
    pub language: Language,
    /// The text; of a template, the JSON text of a value.
    pub source: String,
}

impl Program {
    /// A CEL expression.
    pub fn cel(id: impl Into<String>, source: impl Into<String>) -> Self {
        Self { id: id.into(), language: Language::Cel, source: source.into() }
    }

    /// A jq filter.
    pub fn jq(id: impl Into<String>, source: impl Into<String>) -> Self {
        Self { id: id.into(), language: Language::Jq, source: source.into() }
    }

    /// A JSON value with templates in its strings (in its values, not in its keys).
    pub fn template(id: impl Into<String>, value: &Value) -> Self {
        Self { id: id.into(), language: Language::Template, source: value.to_string() }
    }
}

/// The programs of one workflow version. Shared as an [`Arc`], compiled when first used.
#[derive(Debug)]
pub struct ProgramSet {
    pub(super) key: [u8; 32],
    pub(super) programs: Vec<Program>,
    slots: HashMap<String, usize>,
}

impl ProgramSet {
    /// `owner` names the tenant and workflow version (a digest of both ids). An instance of the guest serves only calls of the same
    /// owner with the same programs, so that two tenants never share memory, whatever the caller mixes up.
    ///
    /// # Errors
    /// [`SandboxError::DuplicateProgram`].
    pub fn new(owner: [u8; 32], programs: Vec<Program>) -> Result<Arc<Self>, SandboxError> {
        let mut slots = HashMap::with_capacity(programs.len());
        let mut digest = Context::new(&SHA256);
        digest.update(&owner);
        for (slot, program) in programs.iter().enumerate() {
            if slots.insert(program.id.clone(), slot).is_some() {
                return Err(SandboxError::DuplicateProgram(program.id.clone()));
            }
            digest.update(&[program.language as u8]);
            digest.update(&(program.source.len() as u64).to_be_bytes());
            digest.update(program.source.as_bytes());
        }
        let mut key = [0; 32];
        key.copy_from_slice(digest.finish().as_ref());
        Ok(Arc::new(Self { key, programs, slots }))
    }

    /// Where its calls stand in line.
    pub(super) fn lane(&self) -> u128 {
        u128::from_le_bytes(*self.key.first_chunk().unwrap_or(&[0; 16]))
    }

    pub(super) fn slot(&self, id: &str) -> Result<usize, SandboxError> {
        self.slots.get(id).copied().ok_or_else(|| SandboxError::UnknownProgram(id.to_owned()))
    }
}

/// One run of a program over a document.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation<'a> {
    /// The program's id in the set.
    pub program: &'a str,
    /// An object: jq's input, CEL's variables, the roots of a template's paths. Evaluations of one call that point at the same
    /// value send it once.
    pub document: &'a Value,
    /// Keys laid over the document's, for example `item` and `index`.
    pub locals: Option<&'a Map<String, Value>>,
    /// For templates, what `{{ secrets.NAME }}` becomes: placeholders, never the secrets.
    pub secrets: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Evaluation<'a> {
    /// Without locals or secrets.
    pub fn new(program: &'a str, document: &'a Value) -> Self {
        Self { program, document, locals: None, secrets: None }
    }

    /// With keys laid over the document's.
    #[must_use]
    pub fn with_locals(self, locals: &'a Map<String, Value>) -> Self {
        Self { locals: Some(locals), ..self }
    }

    /// With placeholders of secrets.
    #[must_use]
    pub fn with_secrets(self, secrets: &'a BTreeMap<String, String>) -> Self {
        Self { secrets: Some(secrets), ..self }
    }
}

/// What a check learned of a program that compiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The paths that it reads: all of them for CEL (through `exists` and the like up to the list) and templates; for jq those that
    /// can be known without running it.
    pub references: Vec<Reference>,
}

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|references| Self { references })
    }
}

/// A path that a program reads.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reference {
    /// From the root: `["state", "classify", "label"]`.
    pub path: Vec<Segment>,
    /// Whether the program provides for its absence: `has(…)`, `.a?`, `//`, `| default(…)`.
    pub optional: bool,
    /// Where it stands.
    pub position: Position,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Segment {
    /// A key of an object.
    Key(String),
    /// An index of a list.
    Index(i64),
    /// Each element, or one that only the run knows.
    Any,
}

/// A place in a program's source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// In bytes.
    pub offset: u32,
    /// In templates: the JSON pointer of the string that the other fields count in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

/// The tenant's fault: a program that does not compile, fails or exceeds a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Deserialize)]
#[error("{message}")]
pub struct ExpressionError {
    /// What kind of fault.
    pub kind: ExpressionErrorKind,
    /// In words; quotes at most a few hundred characters of a value.
    pub message: String,
    /// Where, if that is known.
    #[serde(default)]
    pub position: Option<Position>,
}

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpressionErrorKind {
    /// The source does not parse.
    Syntax,
    /// A name is not defined.
    Undefined,
    /// A path has no value.
    Missing,
    /// A value has the wrong type, or the result does not fit into JSON.
    Type,
    /// A jq program gave several results.
    Results,
    /// The program raised an error.
    Runtime,
    /// The program ran into a limit.
    #[serde(skip)]
    Limit(Limit),
    /// The guest gave up, which is what some libraries do with absurd input; nothing else is harmed.
    #[serde(skip)]
    Crash,
}

impl fmt::Display for ExpressionErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Syntax => "syntax",
            Self::Undefined => "undefined",
            Self::Missing => "missing",
            Self::Type => "type",
            Self::Results => "results",
            Self::Runtime => "runtime",
            Self::Limit(_) => "limit",
            Self::Crash => "crash",
        })
    }
}
