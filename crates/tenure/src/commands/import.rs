//! `tenure user import`, `tenure role import`, `tenure key import`: files of another system, on a server that runs.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::board::{cut, text};
use super::pages::all;
use super::remote::Remote;
use super::{Failure, Outcome};
use crate::output;

/// How long after the beginning an import is looked at; a long one ever more seldom, since each look is a request that counts
/// against the person's limit.
const FIRST_LOOK: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// What the lines of a file are.
pub(super) struct Kind {
    /// Where a file is handed in.
    start: &'static str,
    /// Where its imports are.
    imports: &'static str,
    /// What stays when an import is undone.
    what: &'static str,
    /// What a line is called by: the head of a column, and its member.
    label: (&'static str, &'static str),
}

pub(super) const PEOPLE: Kind =
    Kind { start: "/users/import", imports: "/users/imports", what: "people", label: ("E-MAIL", "email") };
pub(super) const ROLES: Kind =
    Kind { start: "/role-imports", imports: "/role-imports", what: "roles", label: ("ROLE", "name") };
pub(super) const KEYS: Kind =
    Kind { start: "/api-key-imports", imports: "/api-key-imports", what: "keys", label: ("KEY", "name") };

#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// The file, in UTF-8
    file: PathBuf,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct UndoImport {
    /// Which import: imp_…
    id: String,
}

pub(super) async fn import(remote: &Remote, kind: &Kind, args: &Import, json: bool) -> Outcome {
    let csv = std::fs::read_to_string(&args.file)
        .map_err(|error| Failure::Usage(format!("{}: {error}", args.file.display())))?;
    let body = json!({"csv": csv, "dry_run": args.dry_run});
    let import = remote.call(Method::POST, kind.start, Some(&body)).await?;
    report(remote, kind, import, json).await
}

pub(super) async fn undo(remote: &Remote, kind: &Kind, args: &UndoImport, json: bool) -> Outcome {
    let path = format!("{}/{}/undo", kind.imports, args.id);
    let import = remote.call(Method::POST, &path, Some(&json!({}))).await?;
    report(remote, kind, import, json).await
}

/// Waits for an import's end and tells what came of it.
async fn report(remote: &Remote, kind: &Kind, import: Value, json: bool) -> Outcome {
    let import = over(remote, kind, import).await?;
    let id = text(&import, "id");
    let of_state =
        async |state: &str| all(remote, &format!("{}/{id}/lines", kind.imports), &format!("&state={state}")).await;
    let (refused, kept) = (of_state("refused").await?, of_state("kept").await?);
    let told: Vec<&Value> = if text(&import, "state") == "undone" { &kept } else { &refused }.iter().collect();
    if json {
        output::json(&json!({"import": import, "lines": told}));
    } else {
        table(kind, &told);
        let count = |name: &str| import.get(name).and_then(Value::as_i64).unwrap_or(0);
        let added = if import.get("dry_run") == Some(&Value::Bool(true)) { "would be added" } else { "added" };
        let undone = if count("undone") + count("kept") > 0 {
            format!(", {} removed again, {} kept", count("undone"), count("kept"))
        } else {
            String::new()
        };
        output::line(format_args!(
            "{id} {}: {} lines, {} {added}, {} refused{undone}",
            text(&import, "state"),
            count("total"),
            count("added"),
            count("refused")
        ));
    }
    match text(&import, "state").as_str() {
        "stopped" => Err(Failure::Failed(format!("the import stopped: {}", text(&import, "stopped_because")))),
        _ if told.is_empty() => Ok(()),
        "undone" => Err(Failure::Failed(format!("{} {} stayed", told.len(), kind.what))),
        _ => Err(Failure::Failed(format!("{} lines were refused", told.len()))),
    }
}

async fn over(remote: &Remote, kind: &Kind, mut import: Value) -> Result<Value, Failure> {
    let (path, mut shown) = (format!("{}/{}", kind.imports, text(&import, "id")), 0);
    let mut pause = FIRST_LOOK;
    while ["waiting", "running", "undoing"].contains(&text(&import, "state").as_str()) {
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        import = remote.call(Method::GET, &path, None).await?;
        let count = |name: &str| import.get(name).and_then(Value::as_i64).unwrap_or(0);
        let (done, total) = (count("done").max(count("undone") + count("kept")), count("total").max(1));
        // Every tenth is enough for whoever watches, and for a log.
        if done * 10 / total > shown {
            shown = done * 10 / total;
            output::note(format_args!("{done} of {total} lines"));
        }
    }
    Ok(import)
}

fn table(kind: &Kind, lines: &[&Value]) {
    if lines.is_empty() {
        return;
    }
    output::line(output::faint(format!("{:>6}  {:30}  {:24}  WHY", "LINE", kind.label.0, "COLUMN")));
    for line in lines {
        for error in line.get("errors").and_then(Value::as_array).into_iter().flatten() {
            output::line(format_args!(
                "{:>6}  {:30}  {:24}  {}",
                line.get("line").and_then(Value::as_i64).unwrap_or(0),
                cut(&output::plain(&text(line, kind.label.1)), 30),
                cut(&text(error, "column"), 24),
                output::plain(&text(error, "detail"))
            ));
        }
    }
}
