//! The schema of a workflow's input, compiled.

use jsonschema::{Draft, PatternOptions, Validator};
use serde::Serialize;
use serde_json::Value;

use super::cost;
use crate::sensitive::SensitiveSchema;

/// At most this many faults of one input are told.
const MAX_FAULTS: usize = 50;

/// The most judgements of one input: about a second's.
const MAX_WORK: u64 = 20_000_000;

/// A compiled JSON Schema 2020-12. It never loads another document, its patterns run in linear time, and the time that it takes is
/// bounded (`cost.rs`).
#[derive(Debug)]
pub struct InputSchema {
    validator: Validator,
    sensitive: SensitiveSchema,
    /// The most judgements that one path into an input takes.
    cost: u64,
}

/// What an input does not fulfil.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputFault {
    /// JSON pointer into the input.
    pub pointer: String,
    /// What is wrong; holds no value of the input, which may be sensitive.
    pub message: String,
}

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SchemaError {
    /// JSON pointer into the schema.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

impl InputSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// When it is no valid JSON Schema 2020-12, refers to another document, has a pattern that needs backtracking, or takes too long.
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        let error = |error: jsonschema::ValidationError<'_>| SchemaError {
            pointer: error.instance_path().to_string(),
            message: error.to_string(),
        };
        jsonschema::draft202012::meta::validate(schema).map_err(error)?;
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .with_pattern_options(PatternOptions::regex().size_limit(1 << 20).dfa_size_limit(1 << 20));
        let validator = options.build(schema).map_err(error)?;
        Ok(Self { validator, sensitive: SensitiveSchema::new(schema), cost: cost::cost(schema)? })
    }

    /// What it marks as sensitive.
    #[must_use]
    pub fn sensitive(&self) -> &SensitiveSchema {
        &self.sensitive
    }

    /// What the input does not fulfil; empty if it is valid.
    #[must_use]
    pub fn check(&self, input: &Value) -> Vec<InputFault> {
        if self.cost.saturating_mul(cost::size(input)) > MAX_WORK {
            let message =
                "it is too large for so intricate a schema; send less, or simplify the workflow's input schema";
            return vec![InputFault { pointer: String::new(), message: message.to_owned() }];
        }
        let errors = self.validator.iter_errors(input).take(MAX_FAULTS);
        errors
            .map(|error| InputFault { pointer: error.instance_path().to_string(), message: error.masked().to_string() })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_every_fault_without_the_value() {
        let schema = json!({
            "type": "object",
            "required": ["ticket"],
            "properties": { "ticket": { "type": "string", "maxLength": 3 }, "n": { "type": "integer" } }
        });
        let schema = InputSchema::compile(&schema).unwrap();
        assert!(schema.check(&json!({ "ticket": "abc" })).is_empty());
        let faults = schema.check(&json!({ "ticket": "secret-text", "n": "x" }));
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers.len(), 2);
        assert!(pointers.contains(&"/ticket") && pointers.contains(&"/n"));
        assert!(!format!("{faults:?}").contains("secret-text"));
    }

    #[test]
    fn refuses_what_is_no_schema_or_reaches_outside() {
        for schema in [
            json!({ "type": "strin" }),
            json!({ "$ref": "https://example.org/other.json" }),
            json!({ "$ref": "file:///etc/passwd" }),
            json!({ "pattern": "(?=a)b" }),
            json!({ "pattern": "[" }),
        ] {
            assert!(InputSchema::compile(&schema).is_err(), "{schema}");
        }
    }

    #[test]
    fn a_bomb_is_refused_when_it_is_compiled() {
        let two = json!([{ "$ref": "#" }, { "$ref": "#" }]);
        let error = InputSchema::compile(&json!({ "properties": { "a": { "anyOf": two } } })).unwrap_err();
        assert!(error.message.contains("simplify"), "{error}");
    }

    #[test]
    fn an_input_that_would_take_too_long_is_refused_unjudged() {
        let all: Vec<_> = (0..5000).map(|n| json!({ "minimum": n })).collect();
        let schema = InputSchema::compile(&json!({ "items": { "allOf": all } })).unwrap();
        assert!(schema.check(&json!([1_000_000, 2_000_000])).is_empty());
        let faults = schema.check(&json!(vec![7; 1_000_000]));
        assert_eq!(faults.len(), 1);
        assert!(faults[0].message.contains("too large"), "{faults:?}");
    }
}
