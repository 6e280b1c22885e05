//! `map`: one step for each item of a list, a bounded number at a time.

use serde_json::{Value, json};

use super::common::{Place, parse_node};
use super::{Node, NodeKind, NodeType};
use crate::definition::fields::Object;
use crate::expression::Sites;
use crate::fault::Faults;
use crate::validate::{Context, Shape};

/// Fans out over a list. Output: the list of what the items' steps gave, in the order of the items.
///
/// With `batch`, a step gets a list of items as `item` and the number of its batch as `index`; a list that it gives
/// is joined with those of the other batches, so that the output is again one list over the items.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// jq that gives the list.
    pub over: String,
    /// What is done with each item; sees `item` and `index`. Its id is the map's.
    pub body: Box<Node>,
    /// Steps at a time; the execution's parallelism unless given.
    pub concurrency: Option<u32>,
    /// Items per step.
    pub batch: Option<u32>,
    /// What a failed item does to the map.
    pub on_item_error: OnItemError,
}

/// What a failed item does to its map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnItemError {
    /// The map fails with it.
    #[default]
    Fail,
    /// The item (with `batch`, the batch) is left out.
    Skip,
    /// Its place holds `{ "error": { class, message, attempts } }`.
    Collect,
}

impl NodeType for Map {
    const NAME: &'static str = "map";
    const IN_MAP: bool = false;

    fn parse(object: &mut Object<'_>, faults: &mut Faults) -> Self {
        let over = object.required("over", faults).and_then(|item| item.expression(faults)).unwrap_or_default();
        let body = object.required("do", faults).map(|item| parse_node("", &item, Place::Map, faults));
        let mut count = |name, faults: &mut Faults| {
            object
                .optional(name)
                .and_then(|item| item.integer(1..=10_000, faults))
                .and_then(|number| u32::try_from(number).ok())
        };
        let concurrency = count("concurrency", faults);
        let batch = count("batch", faults);
        let words = [("fail", OnItemError::Fail), ("skip", OnItemError::Skip), ("collect", OnItemError::Collect)];
        let on_item_error =
            object.optional("on_item_error").and_then(|item| item.word(&words, faults)).unwrap_or_default();
        let body = body.unwrap_or_else(|| Node::placeholder(&object.pointer));
        Self { over, body: Box::new(body), concurrency, batch, on_item_error }
    }

    fn schema() -> Value {
        json!({
            "description": "One step for each item of a list; its output is the list of theirs.",
            "required": ["over", "do"],
            "properties": {
                "over": { "$ref": "#/$defs/jq", "description": "jq that gives the list." },
                "do": { "$ref": "#/$defs/mapNode" },
                "concurrency": { "type": "integer", "minimum": 1, "maximum": 10000, "description": "Steps at a time." },
                "batch": { "type": "integer", "minimum": 1, "maximum": 10000, "description": "Items per step; `item` is then a list." },
                "on_item_error": { "enum": ["fail", "skip", "collect"] }
            }
        })
    }

    fn expressions(&self, sites: &mut Sites<'_>) {
        sites.jq("over", &self.over);
        sites.with_item("do", |sites| self.body.kind.expressions(sites));
    }

    fn output(&self) -> Shape {
        if self.batch.is_some() || self.on_item_error == OnItemError::Collect {
            return Shape::List(Box::new(Shape::Any));
        }
        Shape::List(Box::new(self.body.kind.output()))
    }

    fn check(&self, pointer: &str, context: &Context<'_>, faults: &mut Faults) {
        self.body.kind.check(&crate::document::child(pointer, "do"), context, faults);
    }
}

impl Node {
    /// Stands for a node that is missing, in a definition that has that fault.
    fn placeholder(pointer: &str) -> Self {
        Self {
            id: String::new(),
            kind: NodeKind::Unknown(String::new()),
            name: None,
            description: None,
            set: Vec::new(),
            retry: crate::retry::Retry::default(),
            timeout: None,
            continue_on_error: false,
            limits: super::NodeLimits::default(),
            position: None,
            pointer: pointer.to_owned(),
        }
    }
}
