//! `transform`: a value computed by jq or CEL.

use serde_json::{Value, json};

use super::NodeType;
use crate::definition::fields::Object;
use crate::expression::Sites;
use crate::fault::Faults;

/// Exactly one expression; several jq results are an error, none is `null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transform {
    /// jq over `{input, state, execution}`.
    Jq(String),
    /// CEL with `input`, `state` and `execution` as variables.
    Cel(String),
}

impl NodeType for Transform {
    const NAME: &'static str = "transform";

    fn parse(object: &mut Object<'_>, faults: &mut Faults) -> Self {
        let given = object.one_of(&["jq", "cel"], faults);
        let text = given.as_ref().and_then(|(_, item)| item.expression(faults)).unwrap_or_default();
        match given {
            Some(("cel", _)) => Self::Cel(text),
            _ => Self::Jq(text),
        }
    }

    fn schema() -> Value {
        json!({
            "description": "A value computed by jq or CEL.",
            "properties": { "jq": { "$ref": "#/$defs/jq" }, "cel": { "$ref": "#/$defs/cel" } },
            "oneOf": [{ "required": ["jq"] }, { "required": ["cel"] }]
        })
    }

    fn expressions(&self, sites: &mut Sites<'_>) {
        match self {
            Self::Jq(source) => sites.jq("jq", source),
            Self::Cel(source) => sites.cel("cel", source),
        }
    }
}
