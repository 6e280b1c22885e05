//! Validation: every fault of a definition at once, each with code, place and suggestion (spec 20, *Definition*).
//!
//! It has two phases, because expressions are checked in the sandbox, which is asynchronous and elsewhere:
//!
//! 1. [`Draft::parse`] reads the document; [`Draft::expressions`] lists what is to be checked, in one batch.
//! 2. [`Draft::validate`] takes the checker's answers and what is known of the tenant and gives the [`Report`].
//!
//! A version that was validated when it was saved is compiled for running by [`Draft::into_plan`], which judges the
//! definition alone: plugins and grants may have changed since.

mod context;
mod graph;
mod references;
mod shape;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use context::{Catalog, Context, NoCatalog, PlanLimits, Resolution};
pub(crate) use shape::Shape;

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::definition::{Definition, EdgeWhen, InputSchema};
use crate::document::{self, Limits as DocumentLimits, Lines, Position, Tree, canonical_json, child};
use crate::expression::{Checked, DeclaredPath, Expression, ExpressionKind, Scope, Sites};
use crate::fault::{Code, Fault, Faults, Report, Severity};
use crate::nodes::NodeKind;
use crate::plan::{Graph, NodeIndex, Plan};

/// Most nodes that any definition can have, whatever the tenant's plan.
pub const MAX_NODES: usize = 1_000;
/// Most edges that any definition can have, those of branches aside.
pub const MAX_EDGES: usize = 5_000;

/// A definition that has been read but not judged.
#[derive(Debug)]
pub struct Draft {
    tree: Tree,
    lines: Lines,
    definition: Definition,
    graph: Graph,
    faults: Faults,
    expressions: Vec<Expression>,
    /// Beside each expression, whose sight it has.
    views: Vec<View>,
    paths: Vec<(DeclaredPath, View)>,
}

/// What part of the state an expression sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// What has run before the node.
    Before(NodeIndex),
    /// That, and the node's own output.
    After(NodeIndex),
    /// Nothing yet.
    Start,
    /// All that has run.
    End,
}

impl Draft {
    /// Reads YAML or JSON of at most 1 MiB.
    ///
    /// # Errors
    /// A report of one fault when the text cannot be read at all: not UTF-8, malformed, too large, too deep.
    pub fn parse(text: &[u8]) -> Result<Self, Report> {
        let read = document::read_keeping_duplicates(text, &DocumentLimits::default()).map_err(|fault| Report {
            faults: vec![Fault {
                code: fault.code,
                severity: Severity::Error,
                message: fault.message,
                pointer: String::new(),
                line: fault.at.line,
                column: fault.at.column,
                suggestion: None,
            }],
        })?;
        let mut faults = Faults::default();
        for duplicate in &read.duplicates {
            let (code, message) = match duplicate.pointer.rsplit_once('/') {
                Some(("/nodes", _)) => (Code::DuplicateId, format!("there are two nodes `{}`", duplicate.key)),
                _ => (Code::DuplicateKey, format!("`{}` is given twice", duplicate.key)),
            };
            faults.error(code, &duplicate.pointer, message).at(Some(duplicate.at));
        }
        let definition = Definition::read(&read.tree, &mut faults);
        let mut draft = Self {
            tree: read.tree,
            lines: read.lines,
            definition,
            graph: Graph::default(),
            faults,
            expressions: Vec::new(),
            views: Vec::new(),
            paths: Vec::new(),
        };
        // Beyond these bounds nothing more is looked at: the work would grow with the fault.
        if draft.within_bounds() {
            draft.graph = Graph::build(&draft.definition, &mut draft.faults);
            draft.collect_expressions();
        }
        Ok(draft)
    }

    fn within_bounds(&mut self) -> bool {
        let counts = [
            ("/nodes", "nodes", self.definition.nodes.len(), MAX_NODES),
            ("/edges", "edges", self.definition.edges.len(), MAX_EDGES),
        ];
        let mut within = true;
        for (pointer, what, count, most) in counts {
            if count > most {
                let message = format!("{count} {what}; a definition has at most {most}; split it");
                self.faults.error(Code::OverLimit, pointer, message);
                within = false;
            }
        }
        within
    }

    fn collect_expressions(&mut self) {
        for (index, node) in self.definition.nodes.iter().enumerate() {
            let index = NodeIndex::new(index);
            let mut paths = Vec::new();
            node.expressions(&mut Sites::new(&node.pointer, &mut self.expressions, &mut paths));
            self.views.resize(self.expressions.len(), View::Before(index));
            self.paths.extend(paths.into_iter().map(|path| (path, View::Before(index))));
        }
        let scope = Scope { over_output: false, item: false, secrets: false };
        let mut add = |pointer: String, kind, source: &str, view| {
            if !source.trim().is_empty() {
                self.expressions.push(Expression { pointer, kind, source: source.to_owned(), scope });
                self.views.push(view);
            }
        };
        for edge in &self.definition.edges {
            let EdgeWhen::Cel(source) = &edge.when else { continue };
            let view = match self.graph.find(&edge.from) {
                Some(node) => View::After(node),
                None => View::Start,
            };
            add(child(&edge.pointer, "when"), ExpressionKind::Cel, source, view);
        }
        for (name, source) in self.definition.output.iter().flatten() {
            add(child("/output", name), ExpressionKind::Jq, source, View::End);
        }
    }

    /// The definition as far as it could be read.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The expressions to be checked; [`Draft::validate`] wants the answers in this order.
    #[must_use]
    pub fn expressions(&self) -> &[Expression] {
        &self.expressions
    }

    /// The source code of plugins written in the definition: JSON pointer and text, for a checker of that language.
    pub fn sources(&self) -> impl Iterator<Item = (String, &str)> {
        self.definition.nodes.iter().filter_map(|node| {
            let (kind, pointer) = match &node.kind {
                NodeKind::Map(map) => (&map.body.kind, child(&node.pointer, "do")),
                kind => (kind, node.pointer.clone()),
            };
            match kind {
                NodeKind::Plugin(plugin) => match &plugin.code {
                    crate::nodes::PluginCode::Inline { source, .. } if !source.is_empty() => {
                        Some((child(&pointer, "source"), source.as_str()))
                    }
                    _ => None,
                },
                _ => None,
            }
        })
    }

    /// The place in the document of a place (line and column from 1) in the text at `pointer`.
    #[must_use]
    pub fn position_inside(&self, pointer: &str, line: u32, column: u32) -> Position {
        self.lines.nearest(self.tree.locate_inside(pointer, Position { line, column }))
    }

    /// The document as compact JSON in canonical order: what is stored, and what the digest is of.
    #[must_use]
    pub fn canonical_json(&self) -> String {
        canonical_json(&self.tree)
    }

    /// The document as YAML.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        document::to_yaml(&self.tree)
    }

    /// SHA-256 of the canonical JSON.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.canonical_json().as_bytes()).into()
    }

    /// The graph for a canvas, as far as it could be read.
    #[must_use]
    pub fn canvas(&self) -> crate::plan::Canvas {
        crate::plan::Canvas::of(&self.definition, &self.graph)
    }

    /// Every fault. `checked` are the checker's answers to [`Draft::expressions`], in their order; what has no answer
    /// is not judged.
    #[must_use]
    pub fn validate(&self, checked: &[Checked], context: &Context<'_>) -> Report {
        let mut faults = self.faults.clone();
        self.check_form(&mut faults);
        self.check_limits(context, &mut faults);
        for node in &self.definition.nodes {
            node.kind.check(&node.pointer, context, &mut faults);
        }
        references::check(self, checked, context, &mut faults);
        faults.into_report(&self.tree, &self.lines)
    }

    /// Compiles the definition for running.
    ///
    /// # Errors
    /// The report, when the definition itself has errors; expressions, plugins and grants are not judged here.
    pub fn into_plan(self) -> Result<Plan, Report> {
        let mut faults = self.faults.clone();
        self.check_form(&mut faults);
        let report = faults.into_report(&self.tree, &self.lines);
        if !report.is_valid() {
            return Err(report);
        }
        let digest = self.digest();
        Ok(Plan::new(Arc::new(self.definition), self.graph, self.expressions, digest))
    }

    /// What can be told from the definition alone.
    fn check_form(&self, faults: &mut Faults) {
        let over = self.definition.nodes.len() > MAX_NODES || self.definition.edges.len() > MAX_EDGES;
        if over {
            return;
        }
        self.check_names(faults);
        if let Some(input) = &self.definition.input
            && let Err(error) = InputSchema::compile(input)
        {
            let pointer = format!("/input{}", error.pointer);
            faults.error(Code::InvalidSchema, &pointer, format!("no valid JSON Schema 2020-12: {error}"));
        }
        graph::check(&self.definition, &self.graph, faults);
    }

    fn check_names(&self, faults: &mut Faults) {
        let keys: HashMap<&str, ()> = self.definition.state.iter().map(|key| (key.name.as_str(), ())).collect();
        for node in &self.definition.nodes {
            if keys.contains_key(node.id.as_str()) {
                let message = format!("`{}` is a state key too; both would be `state.{}`", node.id, node.id);
                faults.error(Code::DuplicateId, &node.pointer, message);
            }
            for set in &node.set {
                if !keys.contains_key(set.key.as_str()) {
                    let pointer = child(&child(&node.pointer, "set"), &set.key);
                    let message = format!("there is no state key `{}`; declare it under `state`", set.key);
                    faults.error(Code::UnknownName, &pointer, message).suggest_like(&set.key, keys.keys().copied());
                }
            }
        }
    }

    fn check_limits(&self, context: &Context<'_>, faults: &mut Faults) {
        let nodes = self.definition.nodes.len();
        if nodes > context.limits.nodes {
            let message = format!("{nodes} nodes; this plan allows {}", context.limits.nodes);
            faults.error(Code::OverLimit, "/nodes", message);
        }
        let asked = self.definition.limits.parallelism;
        if self.tree.get("/limits/parallelism").is_some() && asked > context.limits.parallelism {
            let message = format!("parallelism {asked}; this plan allows {}", context.limits.parallelism);
            faults.error(Code::OverLimit, "/limits/parallelism", message);
        }
        if let (Some(asked), Some(allowed)) = (self.definition.limits.timeout, context.limits.timeout)
            && asked > allowed
        {
            let message = format!("timeout {asked}; this plan allows {allowed}");
            faults.error(Code::OverLimit, "/limits/timeout", message);
        }
    }
}
