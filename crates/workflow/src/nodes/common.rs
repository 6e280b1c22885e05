//! What every node has, whatever its type: `set`, `retry`, `timeout`, `continue_on_error`, `limits` and its looks.

use serde::Serialize;
use serde_json::{Value, json};

use super::{LATER, NodeKind};
use crate::byte_size::ByteSize;
use crate::definition::fields::{Item, Object};
use crate::document::child;
use crate::expression::Sites;
use crate::fault::{Code, Faults};
use crate::retry::Retry;
use crate::timespan::Timespan;

/// Longest output a node may ask for (spec 20, *Engine*).
const MAX_OUTPUT: ByteSize = ByteSize::mib(16);

/// A node of the definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its id, unique in the definition.
    pub id: String,
    /// Its type and the type's configuration.
    pub kind: NodeKind,
    /// Shown instead of the id.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Writes to declared state keys, by key.
    pub set: Vec<SetState>,
    /// When a failed step is tried again.
    pub retry: Retry,
    /// How long one attempt may take.
    pub timeout: Option<Timespan>,
    /// Whether a failure becomes the output `{error: {class, message, attempts}}`.
    pub continue_on_error: bool,
    /// Bounds on the node.
    pub limits: NodeLimits,
    /// Where the canvas draws it.
    pub position: Option<CanvasPosition>,
    /// JSON pointer of the node in its document, e.g. `/nodes/draft`.
    pub pointer: String,
}

/// One entry of `set`: a jq expression over the node's output whose result is written to a state key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetState {
    /// The state key.
    pub key: String,
    /// The jq expression; its document is the node's output.
    pub jq: String,
}

/// A node's own bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NodeLimits {
    /// Longest output, as JSON text; 1 MiB unless given, 16 MiB at most.
    pub output: ByteSize,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self { output: ByteSize::mib(1) }
    }
}

/// A place on the canvas, in its own units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CanvasPosition {
    /// To the right.
    pub x: f64,
    /// Downwards.
    pub y: f64,
}

/// Reads the mapping under `nodes`.
pub(crate) fn parse_nodes(item: &Item<'_>, faults: &mut Faults) -> Vec<Node> {
    let entries = item.entries(faults).unwrap_or_default();
    entries
        .into_iter()
        .map(|(key, item)| {
            check_id(&key.text, &item.pointer, faults);
            parse_node(&key.text, &item, Place::Graph, faults)
        })
        .collect()
}

/// Ids become names in expressions and in steps (`id#2[17]`), so their letters are few.
pub(crate) fn check_id(id: &str, pointer: &str, faults: &mut Faults) {
    if matches!(id, "start" | "end" | "else") {
        faults.error(Code::ReservedId, pointer, format!("`{id}` is reserved; choose another id"));
    }
    let letters = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !letters || !id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') || id.len() > 64 {
        faults.error(
            Code::InvalidId,
            pointer,
            format!("`{id}` cannot be an id: use a letter, then letters, digits, `_` or `-`, at most 64 in all"),
        );
    }
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Place {
    Graph,
    /// `do` of a map: it has no edges and no state of its own.
    Map,
}

pub(crate) fn parse_node(id: &str, item: &Item<'_>, place: Place, faults: &mut Faults) -> Node {
    let mut node = Node {
        id: id.to_owned(),
        kind: NodeKind::Unknown(String::new()),
        name: None,
        description: None,
        set: Vec::new(),
        retry: Retry::default(),
        timeout: None,
        continue_on_error: false,
        limits: NodeLimits::default(),
        position: None,
        pointer: item.pointer.clone(),
    };
    let Some(mut object) = item.object(faults) else { return node };
    let kind = object.required("type", faults).and_then(|item| Some((item.text(faults)?, item.pointer)));
    node.retry = object.optional("retry").map_or_else(Retry::default, |item| Retry::parse(&item, faults));
    node.timeout = object.optional("timeout").and_then(|item| item.timespan(faults));
    node.limits = parse_limits(&mut object, faults);
    node.description = object.optional("description").and_then(|item| item.text(faults));
    if place == Place::Graph {
        node.name = object.optional("name").and_then(|item| item.text(faults));
        node.set = parse_set(&mut object, faults);
        node.continue_on_error =
            object.optional("continue_on_error").and_then(|item| item.boolean(faults)).unwrap_or_default();
        node.position = parse_position(&mut object, faults);
    } else {
        for field in ["set", "continue_on_error"] {
            if object.has(field) {
                let message = format!("`{field}` belongs on the map itself, not on what it does for each item");
                faults.error(Code::UnknownField, &child(&object.pointer, field), message);
                let _ = object.optional(if field == "set" { "set" } else { "continue_on_error" });
            }
        }
    }
    if let Some((name, pointer)) = kind {
        match NodeKind::parse_own(&name, &mut object, faults) {
            Some(kind) => {
                if place == Place::Map && !kind.runs_in_map() {
                    faults.error(Code::InvalidValue, &pointer, format!("a map cannot run a `{name}` for each item"));
                }
                node.kind = kind;
                object.finish(faults);
            }
            // The fields of an unknown type cannot be judged.
            None => {
                unknown_type(&name, &pointer, faults);
                node.kind = NodeKind::Unknown(name);
            }
        }
    }
    node
}

fn unknown_type(name: &str, pointer: &str, faults: &mut Faults) {
    if LATER.contains(&name) {
        faults.error(Code::NotAvailable, pointer, format!("node type `{name}` is not available in this release"));
    } else {
        faults
            .error(
                Code::UnknownNodeType,
                pointer,
                format!("unknown node type `{name}`; there are {}", NodeKind::NAMES.join(", ")),
            )
            .suggest_like(name, NodeKind::NAMES.iter().copied());
    }
}

fn parse_set(object: &mut Object<'_>, faults: &mut Faults) -> Vec<SetState> {
    let entries = object.optional("set").and_then(|item| item.entries(faults)).unwrap_or_default();
    let mut set: Vec<SetState> = entries
        .into_iter()
        .filter_map(|(key, item)| Some(SetState { key: key.text.clone(), jq: item.expression(faults)? }))
        .collect();
    set.sort_by(|a, b| a.key.cmp(&b.key));
    set
}

fn parse_limits(object: &mut Object<'_>, faults: &mut Faults) -> NodeLimits {
    let mut limits = NodeLimits::default();
    if let Some(mut object) = object.optional("limits").and_then(|item| item.object(faults)) {
        if let Some(item) = object.optional("output") {
            let size =
                if item.is_text() { item.parsed(faults) } else { item.integer(1..=u64::MAX, faults).map(ByteSize) };
            if let Some(size) = size {
                if size > MAX_OUTPUT {
                    faults.error(Code::OverLimit, &item.pointer, format!("an output is at most {MAX_OUTPUT}"));
                }
                limits.output = size;
            }
        }
        object.finish(faults);
    }
    limits
}

fn parse_position(object: &mut Object<'_>, faults: &mut Faults) -> Option<CanvasPosition> {
    let mut object = object.optional("position")?.object(faults)?;
    let mut axis = |name| object.required(name, faults).and_then(|item| item.number(-1e9..=1e9, faults));
    let (x, y) = (axis("x"), axis("y"));
    object.finish(faults);
    Some(CanvasPosition { x: x?, y: y? })
}

impl Node {
    /// The expressions of the node: its type's, then `set`.
    pub(crate) fn expressions(&self, sites: &mut Sites<'_>) {
        self.kind.expressions(sites);
        for set in &self.set {
            sites.over_output(&format!("set{}", child("", &set.key)), &set.jq);
        }
    }
}

/// The schema's `properties` of the fields that every node has.
pub(crate) fn schema(place: Place) -> Value {
    let mut properties = json!({
        "description": { "type": "string" },
        "retry": { "$ref": "#/$defs/retry" },
        "timeout": { "$ref": "#/$defs/duration", "description": "How long one attempt may take." },
        "limits": {
            "type": "object",
            "additionalProperties": false,
            "properties": { "output": { "$ref": "#/$defs/size", "description": "Longest output, 1MiB unless given, 16MiB at most." } }
        }
    });
    if let (Place::Graph, Value::Object(properties)) = (place, &mut properties) {
        let own = json!({
            "name": { "type": "string", "description": "Shown instead of the id." },
            "set": {
                "type": "object",
                "description": "State keys and the jq expressions, over the node's output, that are written to them.",
                "additionalProperties": { "$ref": "#/$defs/jq" }
            },
            "continue_on_error": { "type": "boolean", "description": "A failure becomes the output {error: {class, message, attempts}}." },
            "position": {
                "type": "object",
                "additionalProperties": false,
                "required": ["x", "y"],
                "properties": { "x": { "type": "number" }, "y": { "type": "number" } }
            }
        });
        if let Value::Object(own) = own {
            properties.extend(own);
        }
    }
    properties
}
