//! `branch`: takes the edge of the first case that holds. A shorthand for edges with conditions.

use serde_json::{Value, json};

use super::NodeType;
use crate::definition::fields::Object;
use crate::expression::Sites;
use crate::fault::{Code, Faults};
use crate::validate::Shape;

/// Cases in order, and where to go when none holds. Output: `{ "case": number or null, "to": id or null }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// Tried from the first.
    pub cases: Vec<Case>,
    /// Taken when no case holds; without it no edge is taken.
    pub otherwise: Option<String>,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// CEL.
    pub when: String,
    /// The node, or `end`.
    pub to: String,
}

impl NodeType for Branch {
    const NAME: &'static str = "branch";
    const IN_MAP: bool = false;

    fn parse(object: &mut Object<'_>, faults: &mut Faults) -> Self {
        let mut cases = Vec::new();
        if let Some(item) = object.required("cases", faults) {
            let items = item.list(faults).unwrap_or_default();
            if items.is_empty() {
                faults.error(Code::InvalidValue, &item.pointer, "a branch needs at least one case");
            }
            for item in items {
                let Some(mut object) = item.object(faults) else { continue };
                let when = object.required("when", faults).and_then(|item| {
                    let when = item.expression(faults)?;
                    if when == "else" {
                        faults.error(Code::AmbiguousElse, &item.pointer, "write `else: id` beside `cases` instead");
                    }
                    Some(when)
                });
                let to = object.required("to", faults).and_then(|item| item.text(faults));
                object.finish(faults);
                // A case without target stays, so that the numbers of the others are right.
                cases.push(Case { when: when.unwrap_or_default(), to: to.unwrap_or_default() });
            }
        }
        let otherwise = object.optional("else").and_then(|item| item.text(faults));
        Self { cases, otherwise }
    }

    fn schema() -> Value {
        json!({
            "description": "Takes the edge of the first case that holds.",
            "required": ["cases"],
            "properties": {
                "cases": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["when", "to"],
                        "properties": { "when": { "$ref": "#/$defs/cel" }, "to": { "$ref": "#/$defs/target" } }
                    }
                },
                "else": { "$ref": "#/$defs/target", "description": "Taken when no case holds." }
            }
        })
    }

    fn expressions(&self, sites: &mut Sites<'_>) {
        for (index, case) in self.cases.iter().enumerate() {
            sites.cel(&format!("cases/{index}/when"), &case.when);
        }
    }

    fn output(&self) -> Shape {
        Shape::object([("case", Shape::Any), ("to", Shape::Any)])
    }
}
