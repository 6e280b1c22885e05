//! The definition: the model of a workflow as its author wrote it (spec 20, *Definition*).
//!
//! Owns reading a document into the model and telling every fault of form on the way. Names are still text here:
//! `plan` resolves them, `validate` judges them.

mod cost;
pub(crate) mod fields;
mod input;
mod schema;

pub use input::{InputFault, InputSchema, SchemaError};
pub use schema::json_schema;

use serde::Serialize;
use serde_json::Value;

use crate::document::Tree;
use crate::fault::{Code, Faults};
use crate::nodes::{Node, parse_nodes};
use crate::timespan::Timespan;
use fields::{Item, Object};

/// A workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// What people call it.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// JSON Schema 2020-12 of the input. `x-sensitive: true` marks what is sealed and masked.
    pub input: Option<Value>,
    /// The declared state keys, by name.
    pub state: Vec<StateKey>,
    /// The nodes, in the order of the definition, which has a meaning: state writes are applied in it.
    pub nodes: Vec<Node>,
    /// The edges as written; a `branch` adds its own.
    pub edges: Vec<Edge>,
    /// The output's names and the jq expressions that give them, by name.
    pub output: Option<Vec<(String, String)>>,
    /// Bounds on an execution.
    pub limits: Limits,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Anything else that is kept with it.
    pub metadata: Option<Value>,
}

/// A declared state key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateKey {
    /// Its name under `state`.
    pub name: String,
    /// How its writes become one value.
    pub reduce: Reduce,
}

/// How the writes to a state key become one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduce {
    /// The list of what was written; empty at first.
    Append,
    /// One object with the keys of all, later ones winning; empty at first.
    Merge,
    /// The sum of numbers; zero at first.
    Sum,
    /// The first value; null at first.
    First,
    /// The last value; null at first.
    Last,
    /// The greatest value, in jq's order of values; null at first.
    Max,
}

/// An edge as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// A node, or `start`.
    pub from: String,
    /// A node, or `end`.
    pub to: String,
    /// When it is taken.
    pub when: EdgeWhen,
    /// JSON pointer of the edge, e.g. `/edges/2`.
    pub pointer: String,
}

/// When an edge is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EdgeWhen {
    /// Whenever its node ends well.
    Always,
    /// If this CEL holds.
    Cel(String),
    /// If no sibling's condition held.
    Else,
    /// If its node fails after its retries.
    Error,
}

/// Bounds on an execution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limits {
    /// How long it may take.
    pub timeout: Option<Timespan>,
    /// Steps at a time; 10 unless given.
    pub parallelism: u32,
    /// Rounds of each loop.
    pub recursion: Option<u32>,
    /// Kept for a later release.
    pub max_cost_usd: Option<f64>,
    /// Kept for a later release.
    pub max_tokens: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: None, parallelism: 10, recursion: None, max_cost_usd: None, max_tokens: None }
    }
}

impl Definition {
    /// Reads the model; what is wrong is told to `faults` and replaced by a default.
    pub(crate) fn read(tree: &Tree, faults: &mut Faults) -> Self {
        let mut definition = Self {
            name: String::new(),
            description: None,
            input: None,
            state: Vec::new(),
            nodes: Vec::new(),
            edges: Vec::new(),
            output: None,
            limits: Limits::default(),
            tags: Vec::new(),
            metadata: None,
        };
        let root = Item { tree, pointer: String::new() };
        let Some(mut object) = root.object(faults) else { return definition };
        // Editors find the schema by this field.
        let _ = object.optional("$schema");
        if let Some(item) = object.required("name", faults) {
            definition.name = item.text(faults).unwrap_or_default();
            if item.is_text() && (definition.name.trim().is_empty() || definition.name.chars().count() > 128) {
                faults.error(Code::InvalidValue, &item.pointer, "a name has 1 to 128 characters");
            }
        }
        definition.description = object.optional("description").and_then(|item| item.text(faults));
        definition.input = object.optional("input").map(|item| item.value());
        definition.state = object.optional("state").map_or_else(Vec::new, |item| read_state(&item, faults));
        definition.nodes = object.required("nodes", faults).map_or_else(Vec::new, |item| parse_nodes(&item, faults));
        definition.edges = object.required("edges", faults).map_or_else(Vec::new, |item| read_edges(&item, faults));
        definition.output = object.optional("output").and_then(|item| read_output(&item, faults));
        if let Some(item) = object.optional("limits") {
            definition.limits = read_limits(&item, faults);
        }
        definition.tags = object.optional("tags").and_then(|item| item.texts(faults)).unwrap_or_default();
        definition.metadata = object.optional("metadata").and_then(|item| item.entries(faults).map(|_| item.value()));
        object.finish(faults);
        definition
    }

    /// The node with this id.
    #[must_use]
    pub fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

fn read_state(item: &Item<'_>, faults: &mut Faults) -> Vec<StateKey> {
    let words = [
        ("append", Reduce::Append),
        ("merge", Reduce::Merge),
        ("sum", Reduce::Sum),
        ("first", Reduce::First),
        ("last", Reduce::Last),
        ("max", Reduce::Max),
    ];
    let mut keys = Vec::new();
    for (key, item) in item.entries(faults).unwrap_or_default() {
        crate::nodes::check_id(&key.text, &item.pointer, faults);
        let Some(mut object) = item.object(faults) else { continue };
        let reduce = object.required("reduce", faults).and_then(|item| item.word(&words, faults));
        let _ = object.optional("description").and_then(|item| item.text(faults));
        object.finish(faults);
        keys.push(StateKey { name: key.text.clone(), reduce: reduce.unwrap_or(Reduce::Last) });
    }
    // Their order has no meaning, so it is the same however the document was written.
    keys.sort_by(|a, b| a.name.cmp(&b.name));
    keys
}

fn read_edges(item: &Item<'_>, faults: &mut Faults) -> Vec<Edge> {
    item.list(faults).unwrap_or_default().iter().filter_map(|item| read_edge(item, faults)).collect()
}

fn read_edge(item: &Item<'_>, faults: &mut Faults) -> Option<Edge> {
    let mut object = item.object(faults)?;
    let mut end = |name, faults: &mut Faults| object.required(name, faults).and_then(|item| item.text(faults));
    let (from, to) = (end("from", faults), end("to", faults));
    let when = read_when(&mut object, faults);
    object.finish(faults);
    Some(Edge { from: from?, to: to?, when, pointer: item.pointer.clone() })
}

fn read_when(object: &mut Object<'_>, faults: &mut Faults) -> EdgeWhen {
    let when = object.optional("when");
    let on = object.optional("on").and_then(|item| item.word(&[("error", ())], faults));
    match (when, on) {
        (Some(item), Some(())) => {
            let message = "an edge that is taken on an error has no condition; remove `when`";
            faults.error(Code::ConflictingFields, &item.pointer, message);
            EdgeWhen::Error
        }
        (None, Some(())) => EdgeWhen::Error,
        (Some(item), None) => match item.expression(faults) {
            Some(text) if text.trim() == "else" => EdgeWhen::Else,
            // A condition that cannot be read is still a condition: its loop is not unbounded.
            text => EdgeWhen::Cel(text.unwrap_or_default()),
        },
        (None, None) => EdgeWhen::Always,
    }
}

fn read_output(item: &Item<'_>, faults: &mut Faults) -> Option<Vec<(String, String)>> {
    let entries = item.entries(faults)?;
    let mut output: Vec<(String, String)> =
        entries.into_iter().filter_map(|(key, item)| Some((key.text.clone(), item.expression(faults)?))).collect();
    output.sort();
    Some(output)
}

fn read_limits(item: &Item<'_>, faults: &mut Faults) -> Limits {
    let mut limits = Limits::default();
    let Some(mut object) = item.object(faults) else { return limits };
    limits.timeout = object.optional("timeout").and_then(|item| item.timespan(faults));
    let mut count = |name, faults: &mut Faults| {
        object
            .optional(name)
            .and_then(|item| item.integer(1..=10_000, faults))
            .and_then(|number| u32::try_from(number).ok())
    };
    limits.parallelism = count("parallelism", faults).unwrap_or(limits.parallelism);
    limits.recursion = count("recursion", faults);
    limits.max_cost_usd = object.optional("max_cost_usd").and_then(|item| item.number(0.0..=1e9, faults));
    limits.max_tokens = object.optional("max_tokens").and_then(|item| item.integer(0..=1 << 50, faults));
    object.finish(faults);
    limits
}
