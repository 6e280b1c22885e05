//! `tenure run`: a workflow file on this machine, through the same gate, journal and engine as on a server.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tenure_workflow::document;

use super::board::text;
use super::follow::{self, Watch};
use super::inside::{Inside, explain, explain_file, success};
use super::local::on_local;
use super::workflow::read_definition;
use super::{Failure, Outcome};
use crate::config::Flags;
use crate::platform::Work;

/// Run a workflow file here, without a server
///
/// It runs in the organisation `local` of the data directory, with the full gate and journal. An approval is asked for on a
/// terminal. Exit code 0: it succeeded; 1: it failed; 2: the file or the input is not valid; 3: it waits for an approval
/// that nobody here can give.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  \
    tenure run demo/greeting.yaml --input '{\"name\": \"Ada\"}'\n  \
    tenure run demo/word-count.yaml --input @input.json --watch\n  \
    cat input.json | tenure run triage.yaml --input - --json | jq .output")]
pub(super) struct Args {
    /// The workflow, YAML or JSON
    file: PathBuf,
    /// The execution's input: JSON, a file, or - for standard input
    #[arg(long, default_value = "{}", value_name = "JSON|@FILE|-")]
    input: String,
    #[command(flatten)]
    watch: Watch,
}

pub(super) fn run(args: &Args, flags: &Flags) -> Outcome {
    let definition = read_definition(&args.file)?;
    let input = read_input(&args.input)?;
    on_local(flags, Work::Done, async |local| {
        let inside = local.inside();
        let workflow = save(&inside, definition, &args.file).await?;
        let execution = start(&inside, &workflow, &input).await?;
        follow::to_the_end(local, &execution, args.watch).await
    })
}

fn read_input(text: &str) -> Result<Value, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Usage(format!("--input: {error}"));
    let text = match (text, text.strip_prefix('@')) {
        ("-", _) => {
            let mut all = String::new();
            std::io::stdin().read_to_string(&mut all).map_err(|error| wrong(&format!("standard input: {error}")))?;
            all
        }
        (_, Some(file)) => {
            std::fs::read_to_string(file).map_err(|error| wrong(&format!("cannot read {file}: {error}")))?
        }
        (text, None) => text.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| wrong(&format!("is not JSON: {error}")))
}

/// Saves the definition: a new workflow, or a new version of the one that has its name and says something else.
pub(super) async fn save(inside: &Inside, definition: String, file: &Path) -> Result<String, Failure> {
    let (status, answer) = inside.send_as(Method::POST, "/workflows", "application/yaml", definition.clone()).await?;
    match status {
        StatusCode::CREATED => return Ok(text(&answer, "id")),
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => {
            return Err(Failure::Usage(explain_file(file, &answer)));
        }
        StatusCode::CONFLICT => {}
        _ => return Err(Failure::Failed(explain(&answer))),
    }
    // It was accepted but for its name, so it can be read.
    let tree = document::read(definition.as_bytes(), &document::Limits::default())
        .map_err(|fault| Failure::Usage(format!("{}: {fault}", file.display())))?;
    let value = tree.to_value();
    let workflow = named(inside, &text(&value, "name")).await?.ok_or_else(|| Failure::Failed(explain(&answer)))?;
    let path = format!("/workflows/{workflow}");
    let known = inside.call(Method::GET, &path, &Value::Null).await?;
    if known.get("definition") == Some(&value) {
        return Ok(workflow);
    }
    let (status, answer) = inside.send_as(Method::PUT, &path, "application/yaml", definition).await?;
    if matches!(status, StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST) {
        return Err(Failure::Usage(explain_file(file, &answer)));
    }
    success(status, answer).map(|_| workflow)
}

/// The workflow of this name.
async fn named(inside: &Inside, name: &str) -> Result<Option<String>, Failure> {
    let mut cursor = String::new();
    loop {
        let page = inside.call(Method::GET, &format!("/workflows?limit=200{cursor}"), &Value::Null).await?;
        let items = page.get("items").and_then(Value::as_array).into_iter().flatten();
        if let Some(found) = items.into_iter().find(|workflow| text(workflow, "name") == name) {
            return Ok(Some(text(found, "id")));
        }
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(None),
        }
    }
}

/// The new execution's id.
async fn start(inside: &Inside, workflow: &str, input: &Value) -> Result<String, Failure> {
    let path = format!("/workflows/{workflow}/executions");
    let (status, answer) = inside.send(Method::POST, &path, &json!({ "input": input })).await?;
    match status {
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::PAYLOAD_TOO_LARGE => {
            let lines: Vec<String> = explain(&answer).lines().map(|line| format!("--input: {line}")).collect();
            Err(Failure::Usage(lines.join("\n")))
        }
        _ => success(status, answer).map(|execution| text(&execution, "id")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_come_as_text_or_say_what_is_wrong() {
        assert_eq!(read_input("{\"a\": 1}").ok(), Some(json!({"a": 1})));
        assert!(matches!(read_input("{"), Err(Failure::Usage(_))));
        assert!(matches!(read_input("@/no/such/file"), Err(Failure::Usage(_))));
    }
}
