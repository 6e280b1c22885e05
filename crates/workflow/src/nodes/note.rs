//! `note`: words on the canvas. It never runs and has no edges.

use serde_json::{Value, json};

use super::NodeType;
use crate::definition::fields::Object;
use crate::expression::Sites;
use crate::fault::Faults;

/// A note for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it says (Markdown).
    pub text: String,
}

impl NodeType for Note {
    const NAME: &'static str = "note";
    const IN_MAP: bool = false;

    fn parse(object: &mut Object<'_>, faults: &mut Faults) -> Self {
        Self { text: object.optional("text").and_then(|item| item.text(faults)).unwrap_or_default() }
    }

    fn schema() -> Value {
        json!({
            "description": "Words on the canvas; never runs.",
            "properties": { "text": { "type": "string" } }
        })
    }

    fn expressions(&self, _sites: &mut Sites<'_>) {}
}
