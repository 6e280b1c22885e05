//! Sensitive parts of values: found by a schema's `x-sensitive: true`, masked wherever they turn up again.
//!
//! What a step makes of a sensitive value cannot be followed through its code. So two things are done: every value of an
//! execution that was given something sensitive is sealed where it is kept, and in what is shown of it the sensitive
//! values themselves are masked wherever they stand, whole or inside a longer text.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::{Map, Value};

/// What stands in the place of a sensitive value.
pub const MASK: &str = "[sensitive]";
/// A shorter text is masked where it is the whole of a value, but not inside longer texts: it would be in most of them.
const MIN_INSIDE: usize = 4;
/// Schemas and values that are nested more deeply count as sensitive as a whole.
const MAX_DEPTH: usize = 64;
/// Schemas that refer to themselves can be followed for ever; after so many steps everything counts as sensitive.
const MAX_STEPS: usize = 500_000;

/// A schema, as far as it says what is sensitive.
#[derive(Debug, Clone, Default)]
pub struct SensitiveSchema(Option<Value>);

impl SensitiveSchema {
    /// Of this JSON Schema.
    #[must_use]
    pub fn new(schema: &Value) -> Self {
        Self(mentions(schema).then(|| schema.clone()))
    }

    /// Whether it marks nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// JSON pointers of the sensitive parts of `value`, the outermost ones.
    #[must_use]
    pub fn parts(&self, value: &Value) -> Vec<String> {
        let mut found = BTreeSet::new();
        if let Some(schema) = &self.0 {
            Walk { root: schema, left: MAX_STEPS, found: &mut found }.visit(schema, value, "", 0);
        }
        let outermost = |pointer: &&String| {
            let mut above = pointer.as_str();
            while let Some(at) = above.rfind('/') {
                above = above.get(..at).unwrap_or_default();
                if found.contains(above) {
                    return false;
                }
            }
            true
        };
        found.iter().filter(outermost).cloned().collect()
    }
}

fn mentions(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.get("x-sensitive") == Some(&Value::Bool(true)) || map.values().any(mentions),
        Value::Array(items) => items.iter().any(mentions),
        _ => false,
    }
}

struct Walk<'a> {
    root: &'a Value,
    left: usize,
    found: &'a mut BTreeSet<String>,
}

impl Walk<'_> {
    fn visit(&mut self, schema: &Value, value: &Value, pointer: &str, depth: usize) {
        let Value::Object(rules) = schema else { return };
        let Some(left) = self.left.checked_sub(1) else {
            self.found.insert(String::new());
            return;
        };
        self.left = left;
        if rules.get("x-sensitive") == Some(&Value::Bool(true)) || depth > MAX_DEPTH {
            self.found.insert(pointer.to_owned());
            return;
        }
        // A branch that does not apply may mark too much; that is the safe side.
        for name in ["allOf", "anyOf", "oneOf"] {
            for schema in rules.get(name).and_then(Value::as_array).into_iter().flatten() {
                self.visit(schema, value, pointer, depth + 1);
            }
        }
        for name in ["if", "then", "else", "not"] {
            if let Some(schema) = rules.get(name) {
                self.visit(schema, value, pointer, depth + 1);
            }
        }
        for schema in rules.get("dependentSchemas").and_then(Value::as_object).into_iter().flat_map(Map::values) {
            self.visit(schema, value, pointer, depth + 1);
        }
        let local = ["$ref", "$dynamicRef"].into_iter().filter_map(|name| rules.get(name)?.as_str());
        for reference in local {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            // What cannot be looked up (an anchor) might mark anything.
            match target {
                Some(schema) => self.visit(schema, value, pointer, depth + 1),
                None => drop(self.found.insert(pointer.to_owned())),
            }
        }
        match value {
            Value::Object(members) => self.members(rules, members, pointer, depth),
            Value::Array(items) => self.items(rules, items, pointer, depth),
            _ => {}
        }
    }

    fn members(&mut self, rules: &Map<String, Value>, members: &Map<String, Value>, pointer: &str, depth: usize) {
        let properties = rules.get("properties").and_then(Value::as_object);
        for (name, member) in members {
            let below = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
            match properties.and_then(|properties| properties.get(name)) {
                Some(schema) => self.visit(schema, member, &below, depth + 1),
                None => {
                    for name in ["additionalProperties", "unevaluatedProperties"] {
                        if let Some(schema) = rules.get(name) {
                            self.visit(schema, member, &below, depth + 1);
                        }
                    }
                }
            }
            // Whether a pattern matches is not asked: too much is the safe side.
            for schema in rules.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::values) {
                self.visit(schema, member, &below, depth + 1);
            }
        }
    }

    fn items(&mut self, rules: &Map<String, Value>, items: &[Value], pointer: &str, depth: usize) {
        let prefix = rules.get("prefixItems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            let below = format!("{pointer}/{index}");
            if let Some(schema) = prefix.get(index) {
                self.visit(schema, item, &below, depth + 1);
            }
            for name in ["items", "unevaluatedItems", "contains"] {
                if let Some(schema) = rules.get(name) {
                    self.visit(schema, item, &below, depth + 1);
                }
            }
        }
    }
}

/// The sensitive values of one execution.
#[derive(Debug, Clone, Default)]
pub struct SensitiveValues {
    /// Whether there are any; what is true, false or null can be masked only where it stands.
    any: bool,
    /// Texts, and numbers as JSON writes them.
    scalars: BTreeSet<String>,
    inside: Option<AhoCorasick>,
}

impl SensitiveValues {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// Takes in what stands in `value` at these pointers.
    pub fn add(&mut self, value: &Value, parts: &[String]) {
        self.any |= !parts.is_empty();
        let before = self.scalars.len();
        parts.iter().filter_map(|pointer| value.pointer(pointer)).for_each(|part| collect(part, &mut self.scalars));
        if self.scalars.len() == before {
            return;
        }
        let mut inside = BTreeSet::new();
        for text in self.scalars.iter().filter(|text| text.chars().count() >= MIN_INSIDE) {
            inside.insert(text.clone());
            // As it stands in text that is JSON itself.
            let escaped = Value::String(text.clone()).to_string();
            inside.insert(escaped.get(1..escaped.len() - 1).unwrap_or_default().to_owned());
        }
        // Texts too many or too long for one automaton: nothing can be masked inside others, so all texts are.
        self.inside = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&inside).ok();
    }

    /// `value` without them, and without what stands at these pointers.
    #[must_use]
    pub fn masked(&self, value: &Value, parts: &[String]) -> Value {
        let mut masked = value.clone();
        for pointer in parts {
            if let Some(part) = masked.pointer_mut(pointer) {
                *part = MASK.into();
            }
        }
        if !self.is_empty() {
            self.mask(&mut masked);
        }
        masked
    }

    /// `text` without them.
    #[must_use]
    pub fn masked_text(&self, text: &str) -> String {
        if self.scalars.contains(text) {
            return MASK.to_owned();
        }
        match &self.inside {
            _ if self.is_empty() => text.to_owned(),
            Some(inside) => {
                let mut out = String::with_capacity(text.len());
                inside.replace_all_with(text, &mut out, |_, _, out| {
                    out.push_str(MASK);
                    true
                });
                out
            }
            None if self.scalars.is_empty() => text.to_owned(),
            None => MASK.to_owned(),
        }
    }

    fn mask(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.masked_text(text),
            Value::Number(number) if self.scalars.contains(&number.to_string()) => *value = MASK.into(),
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask(item)),
            Value::Object(map) => {
                let members = std::mem::take(map);
                for (name, mut member) in members {
                    self.mask(&mut member);
                    map.insert(self.masked_text(&name), member);
                }
            }
            _ => {}
        }
    }
}

fn collect(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if !text.is_empty() => drop(into.insert(text.clone())),
        Value::Number(number) => drop(into.insert(number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(map) => map.values().for_each(|item| collect(item, into)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> SensitiveSchema {
        SensitiveSchema::new(&json!({
            "properties": {
                "name": {"type": "string"},
                "ssn": {"type": "string", "x-sensitive": true},
                "cards": {"items": {"$ref": "#/$defs/card"}},
                "either": {"oneOf": [{"type": "string"}, {"properties": {"pin": {"x-sensitive": true}}}]},
            },
            "patternProperties": {"^x_": {"x-sensitive": false}},
            "$defs": {"card": {"properties": {"number": {"x-sensitive": true}, "of": {"$ref": "#/$defs/card"}}}},
        }))
    }

    #[test]
    fn parts_are_found_wherever_the_schema_marks_them() {
        let value = json!({
            "name": "Ada", "ssn": "123-45-6789", "cards": [{"number": 4111}, {"of": {"number": 42}}], "either": {"pin": true},
        });
        assert_eq!(schema().parts(&value), ["/cards/0/number", "/cards/1/of/number", "/either/pin", "/ssn"]);
        assert!(SensitiveSchema::new(&json!({"properties": {"a": {"x-sensitive": false}}})).is_empty());
        let whole = SensitiveSchema::new(&json!({"x-sensitive": true, "properties": {"a": {"x-sensitive": true}}}));
        assert_eq!(whole.parts(&json!({"a": 1})), [""]);
        let endless = SensitiveSchema::new(&json!({"$ref": "#", "$defs": {"a": {"x-sensitive": true}}}));
        assert_eq!(endless.parts(&json!(1)), [""], "what cannot be followed to its end is sensitive");
        let twice = json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}], "$defs": {"a": {"x-sensitive": true}}});
        assert_eq!(SensitiveSchema::new(&twice).parts(&json!(1)), [""], "nor is it followed for ever");
    }

    #[test]
    fn values_are_masked_wherever_they_turn_up_again() {
        let input =
            json!({"name": "Ada", "ssn": "123-45-6789", "cards": [{"number": 4111}], "either": {"pin": "07\"x\""}});
        let mut values = SensitiveValues::default();
        values.add(&input, &schema().parts(&input));
        let made = json!({
            "greeting": "Ada has 123-45-6789, twice: 123-45-6789", "n": [4111, 4112], "123-45-6789": true,
            "json": "{\"pin\":\"07\\\"x\\\"\"}",
        });
        let masked = values.masked(&made, &[]);
        assert_eq!(
            masked,
            json!({
                "greeting": "Ada has [sensitive], twice: [sensitive]", "n": ["[sensitive]", 4112], "[sensitive]": true,
                "json": "{\"pin\":\"[sensitive]\"}",
            })
        );
        assert_eq!(values.masked(&input, &["/name".to_owned()])["name"], MASK);
        assert_eq!(SensitiveValues::default().masked_text("Ada"), "Ada");
    }

    #[test]
    fn a_short_value_is_masked_only_as_a_whole() {
        let mut values = SensitiveValues::default();
        values.add(&json!(["a"]), &[String::new()]);
        assert_eq!(values.masked(&json!(["a", "abba"]), &[]), json!([MASK, "abba"]));
    }
}
