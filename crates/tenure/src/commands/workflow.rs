//! `tenure workflow validate`.

use std::path::{Path, PathBuf};

use axum::http::Method;
use serde_json::Value;

use super::inside::{explain_file, success};
use super::local::on_local;
use super::{Failure, Outcome};
use crate::config::Flags;
use crate::output;
use crate::platform::Work;

/// Work with workflow files
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Check a workflow file: every fault at once, with its place
    #[command(
        after_help = "Examples:\n  tenure workflow validate demo/greeting.yaml\n  tenure workflow validate triage.yaml --json"
    )]
    Validate(Validate),
}

#[derive(Debug, clap::Args)]
struct Validate {
    /// The workflow, YAML or JSON
    file: PathBuf,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args, flags: &Flags) -> Outcome {
    let Verb::Validate(args) = args.verb;
    let definition = read_definition(&args.file)?;
    let (status, report) = on_local(flags, Work::Left, async |local| {
        local.inside().send_as(Method::POST, "/workflows/validate", "application/yaml", definition).await
    })?;
    let report = success(status, report)?;
    if args.json {
        output::json(&report);
    }
    let words = explain_file(&args.file, &report);
    if report.get("valid") != Some(&Value::Bool(true)) {
        return Err(Failure::Usage(words));
    }
    if !words.is_empty() {
        output::note(words);
    }
    if !args.json {
        output::line(format_args!("{} is valid", args.file.display()));
    }
    Ok(())
}

/// The text of a definition.
pub(super) fn read_definition(file: &Path) -> Result<String, Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure::Usage(format!("cannot read {}: {why}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| wrong(&error))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        wrong(&format_args!("line {line} is not UTF-8 (byte {at}); save it as UTF-8"))
    })
}
