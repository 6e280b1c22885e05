//! Faults: what is wrong with a definition, where, and what to do about it.
//!
//! Codes are stable: clients, tests and translations rely on them.

use serde::Serialize;

use crate::document::{Lines, Position, Tree};

/// At most this many faults are kept, so that a hostile document cannot grow its own report.
const MAX_FAULTS: usize = 500;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The stable name of a kind of fault, in kebab case.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        pub enum Code { $($(#[$doc])* #[serde(rename = $text)] $name,)* }

        impl Code {
            /// Every code there is, for documentation and tests.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The code as it appears in reports, e.g. `unknown-node`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The text is not YAML or JSON.
    Syntax = "syntax",
    /// The document is larger, deeper or more repetitive than is read.
    TooLarge = "too-large",
    /// A mapping holds the same key twice.
    DuplicateKey = "duplicate-key",
    /// A field that the definition does not know.
    UnknownField = "unknown-field",
    /// A field that must be given is not.
    MissingField = "missing-field",
    /// A value of another JSON type than expected.
    WrongType = "wrong-type",
    /// A value of the right type that is not allowed.
    InvalidValue = "invalid-value",
    /// Two fields that exclude each other are both given.
    ConflictingFields = "conflicting-fields",
    /// No node type has this name.
    UnknownNodeType = "unknown-node-type",
    /// The node type, or an option of it, comes with a later release.
    NotAvailable = "not-available",
    /// An edge or case names a node that does not exist.
    UnknownNode = "unknown-node",
    /// Two nodes, or a node and a state key, share an id.
    DuplicateId = "duplicate-id",
    /// `start`, `end` and `else` are not free to use.
    ReservedId = "reserved-id",
    /// An id with characters that ids cannot have.
    InvalidId = "invalid-id",
    /// The same edge twice.
    DuplicateEdge = "duplicate-edge",
    /// An edge that cannot exist: into `start`, out of `end`, to a note.
    InvalidEdge = "invalid-edge",
    /// No path leads from `start` to the node.
    UnreachableNode = "unreachable-node",
    /// No path leads from the node, or from `start`, to `end`.
    NoPathToEnd = "no-path-to-end",
    /// A loop without a condition on its back edge, or without `limits.recursion`.
    UnboundedLoop = "unbounded-loop",
    /// Two loops that overlap without one holding the other.
    OverlappingLoops = "overlapping-loops",
    /// `else` twice, or with no condition beside it.
    AmbiguousElse = "ambiguous-else",
    /// No active plugin has this name and a version in this range.
    UnknownPlugin = "unknown-plugin",
    /// Code that nobody signed, where the installation runs signed code alone.
    UnsignedPlugin = "unsigned-plugin",
    /// The workflow was not granted this secret, or the expression cannot use secrets.
    SecretNotGranted = "secret-not-granted",
    /// More than the plan, or any plan, allows.
    OverLimit = "over-limit",
    /// An expression or template that does not parse.
    ExpressionSyntax = "expression-syntax",
    /// An expression that parses but calls an unknown function or filter, or misuses one.
    ExpressionInvalid = "expression-invalid",
    /// An expression's first name is none of those it can see.
    UnknownName = "unknown-name",
    /// A path that its schema, or its node's output, does not have.
    UnknownPath = "unknown-path",
    /// A path into a value that cannot have one, such as a number.
    TypeMismatch = "type-mismatch",
    /// An expression reads the output of a node that does not run before.
    NotUpstream = "not-upstream",
    /// A JSON Schema that is not valid.
    InvalidSchema = "invalid-schema",
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a fault keeps the definition from being saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The definition cannot run.
    Error,
    /// It can run, but likely not as meant.
    Warning,
}

/// One thing that is wrong, with its place in the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The stable code.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// JSON pointer (RFC 6901) of the value; empty for the whole document.
    pub pointer: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}: {}", self.line, self.column, self.code, self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " (did you mean `{suggestion}`?)"),
            None => Ok(()),
        }
    }
}

/// All faults of a definition, in the order of the document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The faults; errors and warnings alike.
    pub faults: Vec<Fault>,
}

impl Report {
    /// Whether nothing keeps the definition from running; warnings may remain.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.errors().next().is_none()
    }

    /// The faults that are errors.
    pub fn errors(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| fault.severity == Severity::Error)
    }

    /// Whether a fault of this code is among them.
    #[must_use]
    pub fn has(&self, code: Code) -> bool {
        self.faults.iter().any(|fault| fault.code == code)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

/// A fault before its place is looked up.
#[derive(Debug, Clone)]
struct Found {
    code: Code,
    severity: Severity,
    message: String,
    pointer: String,
    /// Where inside the document, if finer than the pointer's own place.
    position: Option<Position>,
    suggestion: Option<String>,
}

/// Collects faults while a definition is read and checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    found: Vec<Found>,
}

impl Faults {
    pub(crate) fn error(&mut self, code: Code, pointer: &str, message: impl Into<String>) -> Draft<'_> {
        self.add(code, Severity::Error, pointer, message.into())
    }

    pub(crate) fn warning(&mut self, code: Code, pointer: &str, message: impl Into<String>) -> Draft<'_> {
        self.add(code, Severity::Warning, pointer, message.into())
    }

    fn add(&mut self, code: Code, severity: Severity, pointer: &str, message: String) -> Draft<'_> {
        if self.found.len() >= MAX_FAULTS {
            return Draft { found: None };
        }
        self.found.push(Found {
            code,
            severity,
            message,
            pointer: pointer.to_owned(),
            position: None,
            suggestion: None,
        });
        Draft { found: self.found.last_mut() }
    }

    /// The report, each fault with its line and column, in the order of the document.
    pub(crate) fn into_report(self, tree: &Tree, lines: &Lines) -> Report {
        let mut faults: Vec<Fault> = self
            .found
            .into_iter()
            .map(|found| {
                let position = lines.nearest(found.position.unwrap_or_else(|| tree.locate(&found.pointer)));
                Fault {
                    code: found.code,
                    severity: found.severity,
                    message: found.message,
                    pointer: found.pointer,
                    line: position.line,
                    column: position.column,
                    suggestion: found.suggestion,
                }
            })
            .collect();
        faults.sort_by_key(|fault| (fault.line, fault.column));
        Report { faults }
    }
}

/// The fault just added, to give it a suggestion or a finer position.
pub(crate) struct Draft<'a> {
    found: Option<&'a mut Found>,
}

impl Draft<'_> {
    pub(crate) fn at(self, position: Option<Position>) -> Self {
        if let Some(found) = self.found {
            found.position = position.or(found.position);
            return Self { found: Some(found) };
        }
        self
    }

    pub(crate) fn suggest(self, suggestion: Option<impl Into<String>>) {
        if let (Some(found), Some(suggestion)) = (self.found, suggestion) {
            found.suggestion = Some(suggestion.into());
        }
    }

    /// Suggests the name among `known` that is most like `name`, if any is near enough.
    pub(crate) fn suggest_like<'k>(self, name: &str, known: impl IntoIterator<Item = &'k str>) {
        self.suggest(nearest(name, known));
    }
}

/// The known name most like `name`: at most a third of its letters differ.
fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let allowed = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["transform", "branch", "map"];
        assert_eq!(nearest("tranform", known), Some("transform"));
        assert_eq!(nearest("Branch", known), Some("branch"));
        assert_eq!(nearest("mpa", known), Some("map"));
        assert_eq!(nearest("approval", known), None);
    }

    #[test]
    fn codes_are_kebab_case_and_unique() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::ALL {
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{code}");
            assert!(seen.insert(code.as_str()));
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
