//! One value out of four layers, and the memory of which one it was.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::file::File;
use super::values::{Raw, Value};

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// Other settings by key, for example `server.listen`.
    pub(crate) values: BTreeMap<&'static str, String>,
    /// Whether only what goes wrong is logged unless told: for commands whose result somebody reads.
    pub(crate) quiet: bool,
}

impl Flags {
    /// Whether this flag was given.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Adds a flag that was given.
    pub(crate) fn set(&mut self, key: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.values.insert(key, value.into());
        }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "lowercase")]
pub(crate) enum Origin {
    /// The command line.
    Flag { name: String },
    /// The environment.
    Environment { name: &'static str },
    /// The file.
    File { path: PathBuf, line: usize },
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag { name } => f.write_str(name),
            Self::Environment { name } => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value as `config show` prints it: secrets are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Shown {
    /// Its place in the file, for example `server.listen`.
    pub(crate) key: &'static str,
    /// The environment variable that sets it.
    pub(crate) variable: &'static str,
    /// The value in effect; `null` for none.
    pub(crate) value: serde_json::Value,
    /// Where that came from.
    pub(crate) origin: Origin,
}

/// Something wrong with one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The place: a flag, a variable, or file, line and column.
    pub(crate) at: String,
    /// What is wrong and what to do.
    pub(crate) detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.detail)
    }
}

type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The four layers, and what was read from them so far.
pub(crate) struct Layers<'a> {
    flags: &'a Flags,
    env: Environment<'a>,
    file: Option<File>,
    shown: Vec<Shown>,
    faults: Vec<Fault>,
}

impl<'a> Layers<'a> {
    pub(crate) fn new(flags: &'a Flags, env: Environment<'a>, file: Option<File>) -> Self {
        Self { flags, env, file, shown: Vec::new(), faults: Vec::new() }
    }

    /// The value of a setting. One that cannot be read is noted as a fault, and the default stands in for it.
    pub(crate) fn get<T: Value>(&mut self, key: &'static str, variable: &'static str, default: T) -> T {
        let (parsed, origin, at) = match self.find(key, variable) {
            None => (Ok(default), Origin::Default, key.to_owned()),
            Some((Err(detail), origin, at)) => (Err((detail, default)), origin, at),
            Some((Ok(raw), origin, at)) => (T::parse(raw).map_err(|detail| (detail, default)), origin, at),
        };
        let value = parsed.unwrap_or_else(|(detail, default)| {
            self.faults.push(Fault { at, detail });
            default
        });
        self.shown.push(Shown { key, variable, value: value.show(), origin });
        value
    }

    /// Whether only what goes wrong is logged unless told.
    pub(crate) fn quiet(&self) -> bool {
        self.flags.quiet
    }

    /// A setting that may be absent.
    pub(crate) fn optional<T: Value>(&mut self, key: &'static str, variable: &'static str) -> Option<T> {
        self.get(key, variable, None)
    }

    /// A whole table of the file, as JSON.
    pub(crate) fn table(&mut self, key: &'static str) -> serde_json::Value {
        self.file.as_mut().map_or(serde_json::Value::Null, |file| file.take_table(key))
    }

    /// Notes a fault of a setting that was read already, at the place its value came from.
    pub(crate) fn refuse(&mut self, key: &'static str, detail: impl Into<String>) {
        let shown = self.shown.iter().find(|shown| shown.key == key);
        let at = match shown.map(|shown| (&shown.origin, shown.variable)) {
            Some((Origin::Default, variable)) => format!("{key} ({variable})"),
            Some((origin, _)) => format!("{origin}: {key}"),
            None => key.to_owned(),
        };
        self.faults.push(Fault { at, detail: detail.into() });
    }

    /// Everything that was read, unless something was wrong or the file says more than anybody reads.
    pub(crate) fn finish(mut self) -> Result<Vec<Shown>, Vec<Fault>> {
        let known: Vec<&str> = self.shown.iter().map(|shown| shown.key).collect();
        self.faults.extend(self.file.as_ref().into_iter().flat_map(|file| file.unknown(&known)));
        if self.faults.is_empty() { Ok(self.shown) } else { Err(self.faults) }
    }

    fn find(&self, key: &'static str, variable: &'static str) -> Option<(Result<Raw, String>, Origin, String)> {
        if let Some(text) = self.flags.values.get(key) {
            let name = format!("--{}", key.rsplit('.').next().unwrap_or(key).replace('_', "-"));
            return Some((Ok(Raw::Text(text.clone())), Origin::Flag { name: name.clone() }, name));
        }
        if let Some(value) = (self.env)(variable) {
            let raw = value.into_string().map(Raw::Text).map_err(|_| "is not UTF-8".to_owned());
            return Some((raw, Origin::Environment { name: variable }, variable.to_owned()));
        }
        let file = self.file.as_ref()?;
        let found = file.get(key)?;
        let at = format!("{}:{}:{}: {key}", file.path().display(), found.line, found.column);
        let origin = Origin::File { path: file.path().to_owned(), line: found.line };
        Some((found.raw.clone(), origin, at))
    }
}
