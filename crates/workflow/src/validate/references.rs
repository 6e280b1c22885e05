//! Faults of expressions: those the checker found, and paths that lead nowhere.

use std::collections::{BTreeMap, HashMap};

use super::{Context, Draft, Shape, View};
use crate::document::Position;
use crate::expression::{Checked, Expression, ExpressionFault, Scope, Segment, SourcePosition};
use crate::fault::{Code, Faults, Severity};
use crate::plan::{Condition, NodeIndex};

pub(super) fn check(draft: &Draft, checked: &[Checked], context: &Context<'_>, faults: &mut Faults) {
    let mut judge = Judge::new(draft, context);
    for ((expression, view), checked) in draft.expressions.iter().zip(&draft.views).zip(checked) {
        match checked {
            Err(found) => found.iter().for_each(|fault| tell(draft, expression, fault, faults)),
            Ok(references) => {
                for reference in references {
                    let (pointer, position) = place(draft, expression, reference.position.as_ref());
                    let at = At { pointer, position, optional: reference.optional };
                    judge.reference(&reference.path, expression.scope, *view, &at, faults);
                }
            }
        }
    }
    for (declared, view) in &draft.paths {
        let path: Vec<Segment> = declared.path.iter().cloned().map(Segment::Key).collect();
        let at = At { pointer: declared.pointer.clone(), position: None, optional: false };
        judge.reference(&path, declared.scope, *view, &at, faults);
    }
}

fn tell(draft: &Draft, expression: &Expression, fault: &ExpressionFault, faults: &mut Faults) {
    let (pointer, position) = place(draft, expression, fault.position.as_ref());
    let code = if fault.syntax { Code::ExpressionSyntax } else { Code::ExpressionInvalid };
    faults.error(code, &pointer, fault.message.clone()).at(position).suggest(fault.suggestion.clone());
}

/// A template's source is a whole value: its positions name the string that is meant.
fn place(draft: &Draft, expression: &Expression, position: Option<&SourcePosition>) -> (String, Option<Position>) {
    let Some(position) = position else { return (expression.pointer.clone(), None) };
    let pointer = format!("{}{}", expression.pointer, position.pointer.as_deref().unwrap_or_default());
    let inside = draft.tree.locate_inside(&pointer, position.inside());
    (pointer, Some(inside))
}

/// Where a reference stands.
struct At {
    pointer: String,
    position: Option<Position>,
    optional: bool,
}

impl At {
    fn tell<'f>(
        &self,
        faults: &'f mut Faults,
        code: Code,
        severity: Severity,
        message: String,
    ) -> crate::fault::Draft<'f> {
        match severity {
            Severity::Error => faults.error(code, &self.pointer, message),
            Severity::Warning => faults.warning(code, &self.pointer, message),
        }
        .at(self.position)
    }
}

struct Judge<'a> {
    draft: &'a Draft,
    context: &'a Context<'a>,
    input: Shape,
    execution: Shape,
    outputs: Vec<Shape>,
    upstream: HashMap<NodeIndex, Vec<bool>>,
}

impl<'a> Judge<'a> {
    fn new(draft: &'a Draft, context: &'a Context<'a>) -> Self {
        let graph = &draft.graph;
        let outputs = draft
            .definition
            .nodes
            .iter()
            .zip(graph.nodes())
            .map(|(node, (_, place))| {
                // Where a failure is provided for, the output can be `{error}` instead.
                let handled = place.outgoing.iter().any(|edge| graph.edge(*edge).condition == Condition::Error);
                if node.continue_on_error || handled { Shape::Any } else { node.kind.output() }
            })
            .collect();
        let execution = Shape::object([
            ("id", Shape::Scalar("string")),
            ("environment", Shape::Scalar("string")),
            ("attempt", Shape::Scalar("integer")),
        ]);
        let input = draft.definition.input.as_ref().map_or(Shape::Any, Shape::of_schema);
        Self { draft, context, input, execution, outputs, upstream: HashMap::new() }
    }

    fn reference(&mut self, path: &[Segment], scope: Scope, view: View, at: &At, faults: &mut Faults) {
        if scope.over_output {
            let (View::Before(node) | View::After(node)) = view else { return };
            let shape = self.outputs.get(node.get()).cloned().unwrap_or(Shape::Any);
            return walk(&shape, "the node's output", path, at, faults);
        }
        let Some((root, rest)) = path.split_first() else { return };
        let Segment::Key(root) = root else {
            let message = "the document is an object of `input`, `state` and `execution`, not a list".to_owned();
            at.tell(faults, Code::TypeMismatch, Severity::Error, message);
            return;
        };
        match root.as_str() {
            "input" => walk(&self.input, "input", rest, at, faults),
            "execution" => walk(&self.execution, "execution", rest, at, faults),
            "state" => self.state(rest, view, at, faults),
            "item" if scope.item => {}
            "index" if scope.item => walk(&Shape::Scalar("integer"), "index", rest, at, faults),
            "secrets" => self.secret(rest, scope, at, faults),
            _ => unknown_root(root, scope, at, faults),
        }
    }

    fn state(&mut self, path: &[Segment], view: View, at: &At, faults: &mut Faults) {
        let Some((Segment::Key(name), rest)) = path.split_first() else { return };
        if self.draft.definition.state.iter().any(|key| key.name == *name) {
            return;
        }
        let found = self.draft.graph.find(name).filter(|node| !self.draft.graph.node(*node).inert);
        let Some(node) = found else {
            let definition = &self.draft.definition;
            let known = definition.state.iter().map(|key| key.name.as_str());
            let known = known.chain(definition.nodes.iter().map(|node| node.id.as_str()));
            let message = format!("`state` has no `{name}`: it is neither a node nor a declared state key");
            at.tell(faults, Code::UnknownName, Severity::Error, message).suggest_like(name, known);
            return;
        };
        if !self.runs_before(node, view) && !at.optional {
            let message = format!("`{name}` does not run before this, so `state.{name}` is missing here");
            at.tell(faults, Code::NotUpstream, Severity::Warning, message);
            return;
        }
        let shape = self.outputs.get(node.get()).cloned().unwrap_or(Shape::Any);
        walk(&shape, &format!("state.{name}"), rest, at, faults);
    }

    fn runs_before(&mut self, node: NodeIndex, view: View) -> bool {
        let viewer = match view {
            View::Before(node) | View::After(node) => node,
            View::Start => return false,
            View::End => return true,
        };
        if view == View::After(node) {
            return true;
        }
        let graph = &self.draft.graph;
        let upstream = self.upstream.entry(viewer).or_insert_with(|| graph.ancestors(viewer));
        upstream.get(node.get()).copied().unwrap_or_default()
    }

    fn secret(&self, path: &[Segment], scope: Scope, at: &At, faults: &mut Faults) {
        if !scope.secrets {
            let message = "secrets can be used in the templates of an `http` node's request and a plugin's config only";
            at.tell(faults, Code::SecretNotGranted, Severity::Error, message.to_owned());
            return;
        }
        match path {
            [Segment::Key(name)] if self.context.secrets.contains(name) => {}
            [Segment::Key(name)] => {
                let message = format!("the secret `{name}` is not granted to this workflow; grant it or name another");
                let known = self.context.secrets.iter().map(String::as_str);
                at.tell(faults, Code::SecretNotGranted, Severity::Error, message).suggest_like(name, known);
            }
            _ => {
                let message = "name one secret outright, such as `secrets.hook`".to_owned();
                at.tell(faults, Code::SecretNotGranted, Severity::Error, message);
            }
        }
    }
}

fn unknown_root(root: &str, scope: Scope, at: &At, faults: &mut Faults) {
    let mut known = vec!["input", "state", "execution"];
    if scope.item {
        known.extend(["item", "index"]);
    }
    if scope.secrets {
        known.push("secrets");
    }
    let message = if matches!(root, "item" | "index") {
        format!("`{root}` exists only in what a `map` does for each item")
    } else {
        format!("unknown name `{root}`; an expression sees {} here", known.join(", "))
    };
    let severity = if at.optional { Severity::Warning } else { Severity::Error };
    at.tell(faults, Code::UnknownName, severity, message).suggest_like(root, known);
}

/// Follows a path into what is known of a value.
fn walk(shape: &Shape, name: &str, path: &[Segment], at: &At, faults: &mut Faults) {
    let mut shape = shape;
    let mut name = name.to_owned();
    for segment in path {
        match (shape, segment) {
            // jq reads any path of null as null.
            (Shape::Any | Shape::Scalar("null"), _) => return,
            (Shape::Object(fields), Segment::Key(key)) => match fields.get(key) {
                Some(field) => {
                    shape = field;
                    name = format!("{name}.{key}");
                }
                None => return unknown_path(&name, key, fields, at, faults),
            },
            (Shape::Object(_), Segment::Any) => return,
            (Shape::List(items), Segment::Index(_) | Segment::Any) => {
                shape = items;
                name = format!("{name}[]");
            }
            (shape, segment) => {
                let (is, not) = (type_of(shape), if matches!(segment, Segment::Key(_)) { "key" } else { "element" });
                let shown = match segment {
                    Segment::Key(key) => format!(" `{key}`"),
                    _ => String::new(),
                };
                let severity = if at.optional { Severity::Warning } else { Severity::Error };
                let message = format!("`{name}` is a {is}; it has no {not}{shown}");
                at.tell(faults, Code::TypeMismatch, severity, message);
                return;
            }
        }
    }
}

fn unknown_path(name: &str, key: &str, fields: &BTreeMap<String, Shape>, at: &At, faults: &mut Faults) {
    let known: Vec<&str> = fields.keys().map(String::as_str).collect();
    let severity = if at.optional { Severity::Warning } else { Severity::Error };
    let message = if known.is_empty() {
        format!("`{name}` has no `{key}`")
    } else {
        format!("`{name}` has no `{key}`; it has {}", known.join(", "))
    };
    at.tell(faults, Code::UnknownPath, severity, message).suggest_like(key, known);
}

fn type_of(shape: &Shape) -> &'static str {
    match shape {
        Shape::Any => "value",
        Shape::Scalar(name) => name,
        Shape::List(_) => "list",
        Shape::Object(_) => "mapping",
    }
}
