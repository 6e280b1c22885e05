//! `tenure workflow validate`.

use std::path::PathBuf;

use axum::http::Method;
use serde_json::Value;
use tenure_platform::domain::identity::LocalLogin;

use super::inside::{Inside, explain, success};
use super::{Failure, Outcome, on_platform};
use crate::config::Flags;
use crate::output;
use crate::platform::Platform;

/// Work with workflow files.
#[derive(Debug, clap::Args)]
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
    let definition = std::fs::read_to_string(&args.file)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", args.file.display())))?;
    let report = on_platform(flags, async |platform: &Platform| {
        let login = LocalLogin::begin(&platform.app).await?;
        let inside = Inside::with_token(platform, login.access_token()?);
        let (status, report) =
            inside.send_as(Method::POST, "/workflows/validate", "application/yaml", definition).await?;
        success(status, report)
    })?;
    if args.json {
        output::json(&report);
    }
    if report.get("valid") == Some(&Value::Bool(true)) {
        if !args.json {
            output::line(format_args!("{} is valid", args.file.display()));
        }
        return Ok(());
    }
    let faults =
        explain(&report).lines().map(|line| format!("{}:{line}", args.file.display())).collect::<Vec<_>>().join("\n");
    Err(Failure::Usage(faults))
}
