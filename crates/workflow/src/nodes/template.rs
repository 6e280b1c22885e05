//! A configuration value whose texts may be templates.

use serde_json::Value;

/// A JSON value in which every text may hold `{{ … }}`; keys never do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Template {
    value: Value,
    templated: bool,
}

impl Template {
    /// Wraps a value as it stands in the definition.
    #[must_use]
    pub fn new(value: Value) -> Self {
        let templated = holds_template(&value);
        Self { value, templated }
    }

    /// The value, templates and all.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Whether anything in it needs rendering.
    #[must_use]
    pub fn is_templated(&self) -> bool {
        self.templated
    }
}

/// Depth is bounded by the document's.
fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{"),
        Value::Array(items) => items.iter().any(holds_template),
        Value::Object(entries) => entries.values().any(holds_template),
        _ => false,
    }
}
