//! What is known about a value before there is one.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Deepest schema that is looked into; below it everything is possible.
const DEPTH: usize = 16;

/// What a value can hold, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Anything.
    Any,
    /// A value without parts, of this JSON type.
    Scalar(&'static str),
    /// A list of such values.
    List(Box<Shape>),
    /// An object with these keys and no others.
    Object(BTreeMap<String, Shape>),
}

impl Shape {
    pub(crate) fn object<const N: usize>(fields: [(&str, Shape); N]) -> Self {
        Self::Object(fields.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect())
    }

    /// What a JSON Schema says. Keys that it does not declare are taken for mistakes, unless it says
    /// `additionalProperties` or anything that this reading does not understand.
    pub(crate) fn of_schema(schema: &Value) -> Self {
        read(schema, DEPTH)
    }
}

fn read(schema: &Value, depth: usize) -> Shape {
    const COMPOSED: [&str; 11] = [
        "$ref",
        "$dynamicRef",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "const",
        "enum",
        "dependentSchemas",
        "patternProperties",
    ];
    let Some(schema) = schema.as_object() else { return Shape::Any };
    if depth == 0 || COMPOSED.iter().any(|keyword| schema.contains_key(*keyword)) {
        return Shape::Any;
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => read_object(schema, depth),
        Some("array") => {
            let items = schema.get("items").filter(|_| !schema.contains_key("prefixItems"));
            Shape::List(Box::new(items.map_or(Shape::Any, |items| read(items, depth - 1))))
        }
        Some("string") => Shape::Scalar("string"),
        Some("number") => Shape::Scalar("number"),
        Some("integer") => Shape::Scalar("integer"),
        Some("boolean") => Shape::Scalar("boolean"),
        Some("null") => Shape::Scalar("null"),
        None if schema.contains_key("properties") => read_object(schema, depth),
        _ => Shape::Any,
    }
}

fn read_object(schema: &Map<String, Value>, depth: usize) -> Shape {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Shape::Any };
    let open = schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false))
        || schema.contains_key("unevaluatedProperties");
    if open {
        return Shape::Any;
    }
    Shape::Object(properties.iter().map(|(name, schema)| (name.clone(), read(schema, depth - 1))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_a_schema_declares() {
        let schema = json!({
            "type": "object",
            "properties": {
                "text": { "type": "string" },
                "rows": { "type": "array", "items": { "type": "object", "properties": { "id": { "type": "integer" } } } },
                "open": { "type": "object", "properties": {}, "additionalProperties": true },
                "either": { "anyOf": [{ "type": "string" }] }
            }
        });
        let row = Shape::object([("id", Shape::Scalar("integer"))]);
        let expected = Shape::object([
            ("text", Shape::Scalar("string")),
            ("rows", Shape::List(Box::new(row))),
            ("open", Shape::Any),
            ("either", Shape::Any),
        ]);
        assert_eq!(Shape::of_schema(&schema), expected);
        assert_eq!(Shape::of_schema(&json!(true)), Shape::Any);
        assert_eq!(Shape::of_schema(&json!({ "type": ["string", "null"] })), Shape::Any);
    }
}
