//! `tenure config show`.

use super::Outcome;
use crate::config::{Flags, Loaded, Origin, Shown};
use crate::output;

/// Look at the settings
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print every setting, its value, and where that comes from
    ///
    /// A flag beats an environment variable, which beats the TOML file, which beats the default. Secrets are shown as
    /// set or not, never themselves.
    #[command(
        after_help = "Examples:\n  tenure config show\n  TENURE_LISTEN=0.0.0.0:80 tenure config show --json | jq '.settings[\"server.listen\"]'"
    )]
    Show {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(args: &Args, flags: &Flags) -> Outcome {
    let Verb::Show { json } = args.verb;
    let loaded = Loaded::read(flags)?;
    if json {
        as_json(&loaded)
    } else {
        as_table(&loaded)
    }
    Ok(())
}

fn as_json(loaded: &Loaded) {
    let settings: serde_json::Map<String, serde_json::Value> = loaded
        .shown
        .iter()
        .map(|shown| {
            let value = serde_json::json!({"value": shown.value, "origin": shown.origin, "variable": shown.variable});
            (shown.key.to_owned(), value)
        })
        .collect();
    output::json(&serde_json::json!({"file": loaded.file, "settings": settings, "policy": loaded.config.policy}));
}

fn as_table(loaded: &Loaded) {
    match &loaded.file {
        Some(path) => output::line(output::faint(format_args!("file {}", path.display()))),
        None => output::line(output::faint("no file")),
    }
    let width = |of: fn(&Shown) -> usize| loaded.shown.iter().map(of).max().unwrap_or(0);
    let (keys, values) = (width(|shown| shown.key.len()), width(|shown| plain(&shown.value).len()).min(44));
    for shown in &loaded.shown {
        let (key, value) = (shown.key, plain(&shown.value));
        let origin = match &shown.origin {
            Origin::Default => format!("default; set with {}", shown.variable),
            origin => origin.to_string(),
        };
        output::line(format_args!("{key:keys$}  {value:values$}  {}", output::faint(origin)));
    }
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "-".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) if items.is_empty() => "(none)".to_owned(),
        serde_json::Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
