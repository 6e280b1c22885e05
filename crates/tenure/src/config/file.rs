//! The TOML file, taken apart into its values and where each of them stands.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::layers::Fault;
use super::values::Raw;

/// A value and where it stands; line and column count from 1.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) raw: Result<Raw, String>,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A file that is TOML.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    /// By dotted key, for example `server.listen`.
    values: BTreeMap<String, Found>,
    /// Top-level tables as JSON.
    tables: BTreeMap<String, serde_json::Value>,
    taken: BTreeSet<&'static str>,
}

impl File {
    pub(crate) fn read(path: &Path) -> Result<Self, Fault> {
        let text = fs::read_to_string(path)
            .map_err(|error| Fault { at: path.display().to_string(), detail: format!("cannot be read: {error}") })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Fault> {
        let root = DeTable::parse(text).map_err(|error| {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            Fault { at: format!("{}:{line}:{column}", path.display()), detail: error.message().replace('\n', "; ") }
        })?;
        let mut values = BTreeMap::new();
        collect(text, root.get_ref(), "", &mut values);
        let tables = root.get_ref().iter().filter(|(_, value)| value.get_ref().is_table());
        let tables = tables.map(|(name, value)| (name.get_ref().to_string(), json(value.get_ref()))).collect();
        Ok(Self { path: path.to_owned(), values, tables, taken: BTreeSet::new() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The value of a dotted key.
    pub(crate) fn get(&self, key: &str) -> Option<&Found> {
        self.values.get(key)
    }

    /// A whole top-level table, whatever is in it.
    pub(crate) fn take_table(&mut self, key: &'static str) -> serde_json::Value {
        self.taken.insert(key);
        self.tables.get(key).cloned().unwrap_or_default()
    }

    /// What stands in the file and no setting is called.
    pub(crate) fn unknown<'a>(&'a self, known: &'a [&str]) -> impl Iterator<Item = Fault> + 'a {
        let taken = |key: &str| self.taken.contains(key.split('.').next().unwrap_or(key));
        self.values.iter().filter(move |(key, _)| !known.contains(&key.as_str()) && !taken(key)).map(|(key, found)| {
            let at = format!("{}:{}:{}", self.path.display(), found.line, found.column);
            Fault { at, detail: format!("there is no setting {key}; `tenure config show` lists all of them") }
        })
    }
}

fn collect(text: &str, table: &DeTable<'_>, prefix: &str, values: &mut BTreeMap<String, Found>) {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => collect(text, inner, &format!("{key}."), values),
            other => {
                let (line, column) = position(text, name.span().start);
                values.insert(key, Found { raw: raw(other), line, column });
            }
        }
    }
}

fn raw(value: &DeValue<'_>) -> Result<Raw, String> {
    let scalar = |value: &DeValue<'_>| match json(value) {
        serde_json::Value::String(text) => Some(text),
        scalar @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_)) => Some(scalar.to_string()),
        _ => None,
    };
    match value {
        DeValue::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(|item| scalar(item.get_ref())).collect();
            items.map(Raw::List).ok_or_else(|| "must be a list of plain values".to_owned())
        }
        other => scalar(other).map(Raw::Text).ok_or_else(|| "must be a plain value, not a table".to_owned()),
    }
}

fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.as_str().into(), serde_json::Value::from),
        DeValue::Float(number) => {
            number.as_str().parse::<f64>().map_or_else(|_| number.as_str().into(), serde_json::Value::from)
        }
        DeValue::Datetime(moment) => moment.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(name, value)| (name.get_ref().to_string(), json(value.get_ref()))).collect()
        }
    }
}

/// Line and column, both from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}
