//! `plugin`: a published plugin, or source code of the workflow's own.

use std::fmt;
use std::str::FromStr;

use semver::VersionReq;
use serde_json::{Map, Value, json};

use super::{NodeType, Template};
use crate::definition::fields::Object;
use crate::expression::Sites;
use crate::fault::{Code as FaultCode, Faults};
use crate::validate::{Context, Resolution};

/// A call of `execute(state, config)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    /// What is called.
    pub code: Code,
    /// Its `config`, templates inside.
    pub config: Template,
    /// The paths its `state` is cut down to; everything unless given (in a map `item` and `index`).
    pub needs: Option<Vec<Vec<String>>>,
}

impl Plugin {
    /// What `execute` gets as its state: the whole document; or the paths that `needs` names; or, in a map, item and index.
    #[must_use]
    pub fn state(&self, document: &Value, locals: Option<&Map<String, Value>>) -> Value {
        match (&self.needs, locals) {
            (None, None) => document.clone(),
            (None, Some(locals)) => Value::Object(locals.clone()),
            (Some(paths), locals) => {
                let mut cut = locals.cloned().unwrap_or_default();
                for path in paths {
                    copy(document, &mut cut, path);
                }
                Value::Object(cut)
            }
        }
    }
}

/// Copies what is at the path, with the objects that lead there.
fn copy(from: &Value, into: &mut Map<String, Value>, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(value) = from.get(first) else { return };
    if rest.is_empty() {
        into.insert(first.clone(), value.clone());
        return;
    }
    let below = into.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(below) = below {
        copy(value, below, rest);
    }
}

/// Where a plugin's code comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// A published plugin and the versions that will do.
    Published(PluginReference),
    /// Source in the definition itself.
    Inline {
        /// Its language.
        language: Language,
        /// Its text.
        source: String,
    },
}

/// Languages of inline source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// CPython in the sandbox.
    Python,
}

/// `publisher/name@range`, e.g. `acme/classify@^1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginReference {
    /// Who publishes it.
    pub publisher: String,
    /// Its name.
    pub name: String,
    /// The versions that will do (Cargo's and npm's caret rules).
    pub range: VersionReq,
}

/// Why a text is no [`PluginReference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("name a plugin as publisher/name@range, such as `acme/classify@^1`")]
pub struct PluginReferenceError;

impl FromStr for PluginReference {
    type Err = PluginReferenceError;

    fn from_str(text: &str) -> Result<Self, PluginReferenceError> {
        let (path, range) = text.split_once('@').ok_or(PluginReferenceError)?;
        let (publisher, name) = path.split_once('/').ok_or(PluginReferenceError)?;
        let is_slug = |part: &str| {
            !part.is_empty()
                && part.len() <= 64
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        };
        if !is_slug(publisher) || !is_slug(name) {
            return Err(PluginReferenceError);
        }
        let range = range.parse().map_err(|_| PluginReferenceError)?;
        Ok(Self { publisher: publisher.to_owned(), name: name.to_owned(), range })
    }
}

impl fmt::Display for PluginReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.publisher, self.name, self.range)
    }
}

impl NodeType for Plugin {
    const NAME: &'static str = "plugin";

    fn parse(object: &mut Object<'_>, faults: &mut Faults) -> Self {
        let inline = || Code::Inline { language: Language::Python, source: String::new() };
        let given = object.one_of(&["plugin", "language"], faults);
        let source = object.optional("source");
        let code = match given {
            Some(("plugin", item)) => {
                if let Some(source) = source {
                    let message = "`source` goes with `language`, not with `plugin`";
                    faults.error(FaultCode::ConflictingFields, &source.pointer, message);
                }
                item.parsed(faults).map(Code::Published)
            }
            Some((_, item)) => {
                match item.text(faults).as_deref() {
                    None | Some("python") => {}
                    Some("javascript") => {
                        let message = "plugins in `javascript` are not available in this release";
                        faults.error(FaultCode::NotAvailable, &item.pointer, message);
                    }
                    Some(other) => {
                        let message = format!("`{other}` is no language of plugins; use `python`");
                        faults.error(FaultCode::InvalidValue, &item.pointer, message);
                    }
                }
                if source.is_none() {
                    faults.error(FaultCode::MissingField, &object.pointer, "`source` is missing");
                }
                let source = source.and_then(|item| item.expression(faults)).unwrap_or_default();
                Some(Code::Inline { language: Language::Python, source })
            }
            None => None,
        };
        let config = object.optional("config").map(|item| {
            if item.entries(faults).is_none() {
                return Template::default();
            }
            Template::new(item.value())
        });
        Self {
            code: code.unwrap_or_else(inline),
            config: config.unwrap_or_else(|| Template::new(json!({}))),
            needs: parse_needs(object, faults),
        }
    }

    fn schema() -> Value {
        json!({
            "description": "A published plugin, or source of the workflow's own.",
            "properties": {
                "plugin": {
                    "type": "string",
                    "pattern": "^[a-z0-9_-]{1,64}/[a-z0-9_-]{1,64}@.+$",
                    "description": "publisher/name@range, such as acme/classify@^1."
                },
                "language": { "enum": ["python"] },
                "source": { "type": "string", "minLength": 1, "description": "Defines execute(state, config)." },
                "config": { "type": "object", "description": "Given to the plugin; templates inside." },
                "needs": {
                    "type": "array",
                    "items": { "type": "string", "pattern": "^(input|state|execution|item|index)(\\.[^.]+)*$" },
                    "description": "The paths its state is cut down to, such as input.text."
                }
            },
            "oneOf": [{ "required": ["plugin"] }, { "required": ["language", "source"] }]
        })
    }

    fn expressions(&self, sites: &mut Sites<'_>) {
        sites.template("config", &self.config, true);
        for (index, path) in self.needs.iter().flatten().enumerate() {
            sites.path(&format!("needs/{index}"), path);
        }
    }

    fn check(&self, pointer: &str, context: &Context<'_>, faults: &mut Faults) {
        let Code::Published(reference) = &self.code else { return };
        let pointer = crate::document::child(pointer, "plugin");
        match context.catalog.resolve(reference) {
            Resolution::Found => {}
            Resolution::UnknownPlugin { similar } => {
                let message = format!("no plugin `{}/{}` is active", reference.publisher, reference.name);
                faults.error(FaultCode::UnknownPlugin, &pointer, message).suggest(similar);
            }
            Resolution::NoVersion { versions } => {
                let message = format!(
                    "no active version of `{}/{}` is in `{}`; there is {}",
                    reference.publisher,
                    reference.name,
                    reference.range,
                    if versions.is_empty() { "none".to_owned() } else { versions.join(", ") }
                );
                faults.error(FaultCode::UnknownPlugin, &pointer, message);
            }
        }
    }
}

fn parse_needs(object: &mut Object<'_>, faults: &mut Faults) -> Option<Vec<Vec<String>>> {
    let items = object.optional("needs")?.list(faults)?;
    Some(
        items
            .into_iter()
            .filter_map(|item| {
                let path: Vec<String> = item.text(faults)?.split('.').map(str::to_owned).collect();
                if path.iter().any(String::is_empty) {
                    let message = "write a path as names joined by dots, such as `input.text`";
                    faults.error(FaultCode::InvalidValue, &item.pointer, message);
                    return None;
                }
                Some(path)
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_cut_the_state_down_to_its_paths() {
        let document =
            json!({"input": {"text": "a", "rest": 1}, "state": {"parse": {"rows": [1]}, "other": 2}, "execution": {}});
        let mut cut = Map::new();
        for path in [&["input", "text"][..], &["state", "parse"], &["input", "missing"]] {
            copy(&document, &mut cut, &path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
        }
        assert_eq!(Value::Object(cut), json!({"input": {"text": "a"}, "state": {"parse": {"rows": [1]}}}));
    }
}
