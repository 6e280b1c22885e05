//! The published JSON Schema 2020-12 of a definition, put together from what each node type tells.
//!
//! It serves editors: completion and faults of form. What it accepts may still be refused by validation, which knows
//! names, paths and loops; what validation accepts, it accepts.

use serde_json::{Map, Value, json};

use crate::nodes::{Place, common_schema, schemas};
use crate::retry::Retry;

const ID: &str = "^[A-Za-z_][A-Za-z0-9_-]{0,63}$";

/// The schema. It changes only with a release.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tenure workflow",
        "description": "A directed graph of nodes; edges may form loops, bounded by limits.recursion.",
        "type": "object",
        "required": ["name", "nodes", "edges"],
        "additionalProperties": false,
        "properties": {
            "$schema": { "type": "string" },
            "name": { "type": "string", "minLength": 1, "maxLength": 128 },
            "description": { "type": "string" },
            "input": {
                "description": "JSON Schema of the input; `x-sensitive: true` marks what is sealed and masked.",
                "type": ["object", "boolean"]
            },
            "state": {
                "description": "Keys that nodes write with `set`, and how writes become one value.",
                "type": "object",
                "propertyNames": { "pattern": ID },
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["reduce"],
                    "properties": {
                        "reduce": { "enum": ["append", "merge", "sum", "first", "last", "max"] },
                        "description": { "type": "string" }
                    }
                }
            },
            "nodes": {
                "type": "object",
                "propertyNames": { "pattern": ID, "not": { "enum": ["start", "end", "else"] } },
                "additionalProperties": { "$ref": "#/$defs/node" }
            },
            "edges": { "type": "array", "items": { "$ref": "#/$defs/edge" } },
            "output": {
                "description": "The execution's output: names and the jq expressions that give them.",
                "type": "object",
                "additionalProperties": { "$ref": "#/$defs/jq" }
            },
            "limits": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "timeout": { "$ref": "#/$defs/duration" },
                    "parallelism": { "type": "integer", "minimum": 1, "maximum": 10000, "description": "Steps at a time." },
                    "recursion": { "type": "integer", "minimum": 1, "maximum": 10000, "description": "Rounds of each loop." },
                    "max_cost_usd": { "type": "number", "minimum": 0 },
                    "max_tokens": { "type": "integer", "minimum": 0 }
                }
            },
            "tags": { "type": "array", "items": { "type": "string" } },
            "metadata": { "type": "object" }
        },
        "$defs": {
            "cel": { "type": "string", "minLength": 1, "description": "CEL over input, state and execution." },
            "jq": { "type": "string", "minLength": 1, "description": "jq over {input, state, execution}." },
            "duration": { "type": "string", "pattern": "^([0-9]+(d|h|m|s|ms))+$", "description": "Such as 500ms, 10m, 1h30m, 48h." },
            "size": { "type": ["string", "integer"], "description": "Bytes, or such as 64KiB, 1MiB." },
            "status": { "type": "integer", "minimum": 100, "maximum": 599 },
            "target": { "type": "string", "minLength": 1, "description": "A node's id, or end." },
            "retry": Retry::schema(),
            "edge": {
                "type": "object",
                "additionalProperties": false,
                "required": ["from", "to"],
                "properties": {
                    "from": { "type": "string", "minLength": 1, "description": "A node's id, or start." },
                    "to": { "$ref": "#/$defs/target" },
                    "when": { "$ref": "#/$defs/cel", "description": "CEL, or `else`: taken if no sibling's condition held." },
                    "on": { "enum": ["error"], "description": "Taken if the node fails after its retries." }
                },
                "not": { "required": ["when", "on"] }
            }
        }
    });
    let types = schemas();
    if let Some(Value::Object(defs)) = schema.get_mut("$defs") {
        let mut add = |name: &str, place| {
            let names: Vec<&str> = types
                .iter()
                .filter(|(_, in_map, _)| place == Place::Graph || *in_map)
                .map(|(name, ..)| *name)
                .collect();
            let one_of: Vec<Value> = types
                .iter()
                .filter(|(name, ..)| names.contains(name))
                .map(|(name, _, own)| when_type(name, node_schema(name, own, place)))
                .collect();
            defs.insert(
                name.to_owned(),
                json!({ "type": "object", "required": ["type"], "properties": { "type": { "enum": names } }, "allOf": one_of }),
            );
        };
        add("node", Place::Graph);
        add("mapNode", Place::Map);
    }
    schema
}

/// One condition per type instead of `oneOf`: a validator then tells what is wrong with *that* type.
fn when_type(name: &str, then: Value) -> Value {
    json!({ "if": { "required": ["type"], "properties": { "type": { "const": name } } }, "then": then })
}

fn node_schema(name: &str, own: &Value, place: Place) -> Value {
    let mut node = own.as_object().cloned().unwrap_or_default();
    let mut properties: Map<String, Value> = common_schema(place).as_object().cloned().unwrap_or_default();
    properties.insert("type".to_owned(), json!({ "const": name }));
    if let Some(Value::Object(own)) = node.remove("properties") {
        properties.extend(own);
    }
    node.insert("properties".to_owned(), properties.into());
    node.insert("additionalProperties".to_owned(), false.into());
    node.into()
}
