//! Expressions as this crate sees them: sources to be checked and evaluated elsewhere (in the sandbox), what they may
//! see, and what a checker tells about them.

use serde::Serialize;

use crate::document::{Position, child};
use crate::nodes::Template;

/// The language of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpressionKind {
    /// Common Expression Language; the roots are variables.
    Cel,
    /// jq; the document is an object of the roots, or a node's output.
    Jq,
    /// A JSON text whose strings hold `{{ path | filter }}`.
    Template,
}

/// An expression of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// JSON pointer of the expression in its document; unique, so it is its name too: `/nodes/tally/jq`,
    /// `/edges/3/when`, `/nodes/triage/cases/0/when`, `/nodes/draft/set/notes`, `/output/total`.
    pub pointer: String,
    /// Its language.
    pub kind: ExpressionKind,
    /// Its source; of a template the JSON text of the whole value.
    pub source: String,
    /// What it may see.
    pub(crate) scope: Scope,
}

/// What an expression may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The node's output instead of the roots.
    pub(crate) over_output: bool,
    /// `item` and `index`, inside a map.
    pub(crate) item: bool,
    /// `secrets`: only where the host puts the value in when it sends.
    pub(crate) secrets: bool,
}

/// A path that a definition names outright (`needs`).
#[derive(Debug, Clone)]
pub(crate) struct DeclaredPath {
    pub(crate) pointer: String,
    pub(crate) path: Vec<String>,
    pub(crate) scope: Scope,
}

/// What a checker found in an expression: its references, or all that is wrong with it.
pub type Checked = Result<Vec<Reference>, Vec<ExpressionFault>>;

/// A path that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The path, root first: `state`, `classify`, `label`.
    pub path: Vec<Segment>,
    /// Whether the expression provides for its absence (`has()`, `// x`, `| default(…)`).
    pub optional: bool,
    /// Where in the source it stands.
    pub position: Option<SourcePosition>,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// A name known from the source.
    Key(String),
    /// A position in a list.
    Index(i64),
    /// Each element, or one that is known only when it runs.
    Any,
}

/// A place in an expression's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePosition {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// In a template: JSON pointer, inside the value, of the string that is meant.
    pub pointer: Option<String>,
}

/// Something wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionFault {
    /// Whether it does not even parse (otherwise: unknown function, filter, misuse, too costly to check).
    pub syntax: bool,
    /// What is wrong.
    pub message: String,
    /// Where in the source.
    pub position: Option<SourcePosition>,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

/// Collects the expressions of one node.
#[derive(Debug)]
pub(crate) struct Sites<'a> {
    base: String,
    item: bool,
    expressions: &'a mut Vec<Expression>,
    paths: &'a mut Vec<DeclaredPath>,
}

impl<'a> Sites<'a> {
    pub(crate) fn new(base: &str, expressions: &'a mut Vec<Expression>, paths: &'a mut Vec<DeclaredPath>) -> Self {
        Self { base: base.to_owned(), item: false, expressions, paths }
    }

    fn scope(&self) -> Scope {
        Scope { over_output: false, item: self.item, secrets: false }
    }

    /// `field` is a relative JSON pointer without its leading slash.
    fn add(&mut self, field: &str, kind: ExpressionKind, source: String, scope: Scope) {
        // An empty source stands for one that was missing or wrong, which has been told.
        if !source.trim().is_empty() {
            self.expressions.push(Expression { pointer: format!("{}/{field}", self.base), kind, source, scope });
        }
    }

    pub(crate) fn jq(&mut self, field: &str, source: &str) {
        self.add(field, ExpressionKind::Jq, source.to_owned(), self.scope());
    }

    pub(crate) fn cel(&mut self, field: &str, source: &str) {
        self.add(field, ExpressionKind::Cel, source.to_owned(), self.scope());
    }

    /// jq whose document is the node's output.
    pub(crate) fn over_output(&mut self, field: &str, source: &str) {
        let scope = Scope { over_output: true, item: false, secrets: false };
        self.add(field, ExpressionKind::Jq, source.to_owned(), scope);
    }

    pub(crate) fn template(&mut self, field: &str, template: &Template, secrets: bool) {
        if template.is_templated() {
            let scope = Scope { secrets, ..self.scope() };
            self.add(field, ExpressionKind::Template, template.value().to_string(), scope);
        }
    }

    pub(crate) fn path(&mut self, field: &str, path: &[String]) {
        let scope = self.scope();
        self.paths.push(DeclaredPath { pointer: format!("{}/{field}", self.base), path: path.to_vec(), scope });
    }

    /// The expressions of what a map does for each item.
    pub(crate) fn with_item(&mut self, field: &str, collect: impl FnOnce(&mut Sites<'_>)) {
        let mut inner = Sites {
            base: child(&self.base, field),
            item: true,
            expressions: &mut *self.expressions,
            paths: &mut *self.paths,
        };
        collect(&mut inner);
    }
}

impl SourcePosition {
    pub(crate) fn inside(&self) -> Position {
        Position { line: self.line, column: self.column }
    }
}
