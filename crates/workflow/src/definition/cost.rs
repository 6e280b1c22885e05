//! How much work a JSON Schema can make, found before it is used.
//!
//! Schemas are judged in the server itself, where nothing bounds their time. Two references to one definition, thirty definitions
//! deep, are a few hundred bytes and a thousand million judgements of one value; a schema that refers to itself twice in each
//! member does the same with the depth of the input. So the most judgements along any one path into a value are counted over the
//! schema, as deep as values go, and schemas beyond a bound are refused.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::SchemaError;

/// The most judgements along one path into a value.
const MAX_COST: u64 = 20_000;
/// Values are read no deeper than this, which is where the reader of JSON ends.
const MAX_DEPTH: usize = 128;
/// Schemas have fewer parts than this; more are refused unseen.
const MAX_PARTS: usize = 50_000;

/// Judged with the value itself; the whole list is.
const SAME_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const SAME: [&str; 4] = ["not", "if", "then", "else"];
/// Judged with each part of the value.
const PARTS: [&str; 6] =
    ["additionalProperties", "unevaluatedProperties", "propertyNames", "items", "contains", "unevaluatedItems"];
/// What these are asks which of the other keywords have judged a part: they are judged again for that.
const AGAIN: [&str; 2] = ["unevaluatedProperties", "unevaluatedItems"];
const AGAIN_COST: u64 = 8;

/// The most judgements that one path into a value can cost.
///
/// # Errors
/// When that is too much, when the schema refers to itself without going into the value, or to something outside.
pub(super) fn cost(schema: &Value) -> Result<u64, SchemaError> {
    let mut graph = Graph { root: schema, anchors: HashMap::new(), nodes: Vec::new(), known: HashMap::new() };
    graph.find_anchors(schema, "", 0)?;
    let root = graph.node(schema, "")?;
    graph.worst(root)
}

#[derive(Default)]
struct Node {
    /// Of the schema by itself: its enumerations and the like are compared one by one.
    own: u64,
    /// Judged with the same value.
    same: Vec<usize>,
    /// Judged with parts of it: of each group at most one with the same part.
    parts: Vec<Vec<usize>>,
    factor: u64,
    pointer: String,
}

struct Graph<'a> {
    root: &'a Value,
    anchors: HashMap<&'a str, Vec<(String, &'a Value)>>,
    nodes: Vec<Node>,
    /// By the address of the schema in its document.
    known: HashMap<*const Value, usize>,
}

fn refuse<T>(pointer: &str, message: impl Into<String>) -> Result<T, SchemaError> {
    Err(SchemaError { pointer: pointer.to_owned(), message: message.into() })
}

fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

impl<'a> Graph<'a> {
    fn find_anchors(&mut self, value: &'a Value, pointer: &str, depth: usize) -> Result<(), SchemaError> {
        match value {
            Value::Object(map) => {
                for key in ["$anchor", "$dynamicAnchor"] {
                    if let Some(Value::String(name)) = map.get(key) {
                        self.anchors.entry(name.as_str()).or_default().push((pointer.to_owned(), value));
                    }
                }
                if depth > 0 && map.get("$id").is_some_and(Value::is_string) {
                    return refuse(
                        &below(pointer, "$id"),
                        "only the whole schema may have an `$id`; use `$defs` and `#/$defs/…`",
                    );
                }
                map.iter().try_for_each(|(key, inner)| self.find_anchors(inner, &below(pointer, key), depth + 1))
            }
            Value::Array(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(index, inner)| self.find_anchors(inner, &format!("{pointer}/{index}"), depth + 1)),
            _ => Ok(()),
        }
    }

    /// The schema's node, with all that it leads to.
    fn node(&mut self, schema: &'a Value, pointer: &str) -> Result<usize, SchemaError> {
        let mut first = None;
        let mut open = vec![(schema, pointer.to_owned())];
        while let Some((schema, pointer)) = open.pop() {
            let index = self.index(schema, &pointer)?;
            first.get_or_insert(index);
            let Value::Object(map) = schema else { continue };
            if self.nodes.get(index).is_some_and(|node| node.own > 0) {
                continue;
            }
            let (node, found) = self.read(map, &pointer)?;
            if let Some(place) = self.nodes.get_mut(index) {
                *place = node;
            }
            open.extend(found);
        }
        first.map_or_else(|| refuse("", "the schema is empty"), Ok)
    }

    fn index(&mut self, schema: &'a Value, pointer: &str) -> Result<usize, SchemaError> {
        let next = self.nodes.len();
        let index = *self.known.entry(std::ptr::from_ref(schema)).or_insert(next);
        if index == next {
            if next >= MAX_PARTS {
                return refuse("", format!("the schema has more than {MAX_PARTS} parts; simplify it"));
            }
            self.nodes.push(Node { factor: 1, pointer: pointer.to_owned(), ..Node::default() });
        }
        Ok(index)
    }

    #[expect(clippy::type_complexity, reason = "a node and what is to be read next")]
    fn read(
        &mut self,
        map: &'a Map<String, Value>,
        pointer: &str,
    ) -> Result<(Node, Vec<(&'a Value, String)>), SchemaError> {
        let mut node = Node { own: 1, factor: 1, pointer: pointer.to_owned(), ..Node::default() };
        let mut found: Vec<(&'a Value, String)> = Vec::new();
        for (key, value) in map {
            let place = below(pointer, key);
            let listed = |value: &'a Value| -> Vec<(&'a Value, String)> {
                let items = value.as_array().into_iter().flatten().enumerate();
                let items = items.map(|(index, schema)| (schema, format!("{place}/{index}")));
                let members = value.as_object().into_iter().flatten();
                items.chain(members.map(|(name, schema)| (schema, below(&place, name)))).collect()
            };
            match key.as_str() {
                "$ref" | "$dynamicRef" => {
                    for (schema, place) in self.referred(value, &place)? {
                        node.same.push(self.index(schema, &place)?);
                        found.push((schema, place));
                    }
                }
                name if SAME.contains(&name) => {
                    node.same.push(self.index(value, &place)?);
                    found.push((value, place));
                }
                name if SAME_LISTS.contains(&name) || name == "dependentSchemas" => {
                    for (schema, place) in listed(value) {
                        node.same.push(self.index(schema, &place)?);
                        found.push((schema, place));
                    }
                }
                // Of these, one at most judges any one part.
                "properties" | "prefixItems" => {
                    let mut group = Vec::new();
                    for (schema, place) in listed(value) {
                        group.push(self.index(schema, &place)?);
                        found.push((schema, place));
                    }
                    node.parts.push(group);
                }
                // Of these, all may.
                "patternProperties" => {
                    for (schema, place) in listed(value) {
                        node.parts.push(vec![self.index(schema, &place)?]);
                        found.push((schema, place));
                    }
                }
                name if PARTS.contains(&name) => {
                    node.parts.push(vec![self.index(value, &place)?]);
                    found.push((value, place));
                    if AGAIN.contains(&name) {
                        node.factor = AGAIN_COST;
                    }
                }
                "enum" | "const" | "required" | "dependentRequired" => node.own += size(value),
                _ => {}
            }
        }
        Ok((node, found))
    }

    /// Where a reference leads: a dynamic one to any of its name.
    fn referred(&self, reference: &Value, place: &str) -> Result<Vec<(&'a Value, String)>, SchemaError> {
        let Some(text) = reference.as_str() else { return refuse(place, "a reference is a text") };
        let Some(fragment) = text.strip_prefix('#') else {
            return refuse(place, "a schema refers to its own parts alone: `#/$defs/…`");
        };
        if fragment.is_empty() {
            return Ok(vec![(self.root, String::new())]);
        }
        if fragment.starts_with('/') {
            let fragment = percent_decoded(fragment);
            let found = self.root.pointer(&fragment).map(|schema| vec![(schema, fragment.clone())]);
            return found.map_or_else(|| refuse(place, format!("the schema has no part {fragment}")), Ok);
        }
        let anchored =
            self.anchors.get(fragment).map(|found| found.iter().map(|(at, schema)| (*schema, at.clone())).collect());
        anchored.map_or_else(|| refuse(place, format!("the schema has no anchor {fragment}")), Ok)
    }

    /// From the deepest values up: what a judgement of each node costs there.
    fn worst(&self, root: usize) -> Result<u64, SchemaError> {
        let order = self.order()?;
        let mut deeper: Vec<u64> = vec![0; self.nodes.len()];
        for _ in 0..MAX_DEPTH {
            let mut here: Vec<u64> = vec![0; self.nodes.len()];
            let at = |costs: &[u64], index: &usize| costs.get(*index).copied().unwrap_or(u64::MAX);
            for index in &order {
                let Some(node) = self.nodes.get(*index) else { continue };
                let same = node.same.iter().fold(0_u64, |sum, next| sum.saturating_add(at(&here, next)));
                let parts = node.parts.iter().fold(0_u64, |sum, group| {
                    sum.saturating_add(group.iter().map(|next| at(&deeper, next)).max().unwrap_or(0))
                });
                let cost = node.own.max(1).saturating_add(same.saturating_mul(node.factor)).saturating_add(parts);
                if cost > MAX_COST {
                    let message = format!(
                        "judging one value by this takes more than {MAX_COST} steps, for parts of it refer to one another too often; simplify it"
                    );
                    return refuse(&node.pointer, message);
                }
                if let Some(place) = here.get_mut(*index) {
                    *place = cost;
                }
            }
            if here == deeper {
                break;
            }
            deeper = here;
        }
        Ok(deeper.get(root).copied().unwrap_or(1))
    }

    /// The nodes, each after those that it judges the same value with.
    fn order(&self) -> Result<Vec<usize>, SchemaError> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            Unseen,
            Open,
            Done,
        }
        let mut marks = vec![Mark::Unseen; self.nodes.len()];
        let mut order = Vec::with_capacity(self.nodes.len());
        for start in 0..self.nodes.len() {
            let mut open = vec![(start, 0)];
            while let Some((index, next)) = open.pop() {
                let (Some(node), Some(mark)) = (self.nodes.get(index), marks.get_mut(index)) else { continue };
                if next == 0 {
                    match *mark {
                        Mark::Done => continue,
                        Mark::Open => {
                            return refuse(
                                &node.pointer,
                                "the schema refers to itself without going into the value; it would never end",
                            );
                        }
                        Mark::Unseen => *mark = Mark::Open,
                    }
                }
                match node.same.get(next) {
                    Some(child) => {
                        open.push((index, next + 1));
                        if marks.get(*child) != Some(&Mark::Done) {
                            open.push((*child, 0));
                        }
                    }
                    None => {
                        *mark = Mark::Done;
                        order.push(index);
                    }
                }
            }
        }
        Ok(order)
    }
}

/// How many values a value holds.
pub(super) fn size(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<u64>(),
        Value::Object(map) => 1 + map.values().map(size).sum::<u64>(),
        // Patterns and lengths read every character.
        Value::String(text) => 1 + text.len() as u64 / 64,
        _ => 1,
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let digits = more.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = more.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn doubling(levels: usize, keyword: &str) -> Value {
        let mut parts = Map::new();
        for level in 0..levels {
            let next = json!({ "$ref": format!("#/$defs/a{}", level + 1) });
            parts.insert(format!("a{level}"), json!({ keyword: [next, next] }));
        }
        parts.insert(format!("a{levels}"), json!({ "type": "string" }));
        json!({ "$defs": parts, "$ref": "#/$defs/a0" })
    }

    #[test]
    fn ordinary_schemas_are_cheap() {
        for schema in [
            json!(true),
            json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string" } } }),
            json!({ "$defs": { "tree": { "properties": { "left": { "$ref": "#/$defs/tree" }, "right": { "$ref": "#/$defs/tree" } } } },
                    "$ref": "#/$defs/tree" }),
            json!({ "type": "array", "items": { "$ref": "#" } }),
            json!({ "$anchor": "me", "properties": { "child": { "$ref": "#me" } } }),
            json!({ "allOf": (0..200).map(|n| json!({ "if": { "properties": { "a": { "const": n } } }, "then": { "required": ["b"] } })).collect::<Vec<_>>() }),
            json!({ "properties": { "$id": { "type": "string" }, "$ref": { "type": "string" } } }),
            json!({ "enum": (0..5000).collect::<Vec<_>>() }),
            json!({ "$defs": { "a/b~c": { "type": "string" } }, "$ref": "#/$defs/a~1b~0c" }),
        ] {
            let cost = cost(&schema).unwrap_or_else(|error| panic!("{schema}: {error:?}"));
            assert!(cost < 10_000, "{schema} costs {cost}");
        }
    }

    #[test]
    fn bombs_are_refused() {
        let recursive = |inner: Value| json!({ "properties": { "a": inner }, "additionalProperties": inner });
        for schema in [
            doubling(30, "allOf"),
            doubling(30, "anyOf"),
            doubling(30, "oneOf"),
            json!({ "properties": { "a": { "anyOf": [{ "$ref": "#" }, { "$ref": "#" }] } } }),
            json!({ "items": { "$ref": "#" }, "contains": { "$ref": "#" } }),
            recursive(json!({ "allOf": [{ "$ref": "#" }, { "$ref": "#" }] })),
            json!({ "patternProperties": { "a": { "$ref": "#" }, "b": { "$ref": "#" } } }),
            json!({ "$dynamicAnchor": "x", "items": { "allOf": [{ "$dynamicRef": "#x" }, { "$dynamicRef": "#x" }] } }),
            json!({ "$ref": "#" }),
            json!({ "not": { "$ref": "#" } }),
            json!({ "$defs": { "a": { "allOf": [{ "$ref": "#/$defs/b" }] }, "b": { "allOf": [{ "$ref": "#/$defs/a" }] } }, "$ref": "#/$defs/a" }),
            json!({ "$ref": "https://json-schema.org/draft/2020-12/schema" }),
            json!({ "$defs": { "a": { "$id": "https://example.com/a" } }, "$ref": "https://example.com/a" }),
            json!({ "$ref": "#/$defs/nothing" }),
            json!({ "enum": (0..50_000).collect::<Vec<_>>() }),
        ] {
            assert!(cost(&schema).is_err(), "{}", schema.to_string().chars().take(300).collect::<String>());
        }
    }
}
