//! `tenure run`: a workflow file on this machine, through the same gate, journal and engine as on a server.

use std::io::Read as _;
use std::path::PathBuf;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tenure_platform::domain::identity::LocalLogin;

use super::inside::{Inside, explain, success};
use super::{Failure, Outcome, on_platform};
use crate::config::Flags;
use crate::output;
use crate::platform::Platform;

/// Run a workflow file here, without a server.
///
/// It runs in the organisation `local` of the data directory, with the full gate and journal. Exit code 0: it succeeded;
/// 1: it failed; 2: the file or the input is not valid; 3: it waits for an approval.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tenure run demo/greeting.yaml --input '{\"name\": \"Ada\"}'\n  \
    tenure run triage.yaml --input @input.json --json\n  \
    cat input.json | tenure run triage.yaml --input -")]
pub(super) struct Args {
    /// The workflow, YAML or JSON
    file: PathBuf,
    /// JSON, @FILE, or - for standard input
    #[arg(long, default_value = "{}", value_name = "JSON|@FILE|-")]
    input: String,
    /// One JSON document with id, state and output
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, flags: &Flags) -> Outcome {
    let definition = std::fs::read_to_string(&args.file)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", args.file.display())))?;
    let input = read_input(&args.input)?;
    let done = on_platform(flags, async |platform: &Platform| {
        let login = LocalLogin::begin(&platform.app).await?;
        let inside = Inside::with_token(platform, login.access_token()?);
        let workflow = save(&inside, definition.clone()).await.map_err(|failure| match failure {
            Failure::Usage(words) => Failure::Usage(
                words.lines().map(|line| format!("{}:{line}", args.file.display())).collect::<Vec<_>>().join("\n"),
            ),
            other => other,
        })?;
        execute(&inside, &workflow, &input).await
    })?;
    report(args, &done)
}

fn read_input(text: &str) -> Result<Value, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Usage(format!("--input: {error}"));
    let text = match (text, text.strip_prefix('@')) {
        ("-", _) => {
            let mut all = String::new();
            std::io::stdin().read_to_string(&mut all).map_err(|error| wrong(&error))?;
            all
        }
        (_, Some(file)) => {
            std::fs::read_to_string(file).map_err(|error| wrong(&format!("cannot read {file}: {error}")))?
        }
        (text, None) => text.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| wrong(&format!("is not JSON: {error}")))
}

/// Saves the definition: a new workflow, or a new version of the one that has its name.
async fn save(inside: &Inside, definition: String) -> Result<String, Failure> {
    let (status, answer) = inside.send_as(Method::POST, "/workflows", "application/yaml", definition.clone()).await?;
    let id = |answer: &Value| answer.get("id").and_then(Value::as_str).map(str::to_owned);
    match status {
        StatusCode::CREATED => id(&answer).ok_or_else(|| Failure::Failed("the saved workflow has no id".to_owned())),
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => Err(Failure::Usage(explain(&answer))),
        StatusCode::CONFLICT => {
            let known = inside.call(Method::GET, "/workflows?limit=200", &Value::Null).await?;
            let name = name_of(&definition);
            let known = known.get("items").and_then(Value::as_array).into_iter().flatten();
            let same =
                known.filter(|workflow| workflow.get("name").and_then(Value::as_str) == name.as_deref()).find_map(id);
            let workflow = same.ok_or_else(|| Failure::Failed(explain(&answer)))?;
            let (status, answer) =
                inside.send_as(Method::PUT, &format!("/workflows/{workflow}"), "application/yaml", definition).await?;
            success(status, answer).map(|_| workflow)
        }
        _ => Err(Failure::Failed(explain(&answer))),
    }
}

/// The name a definition gives itself, from its first `name` at the left margin or its JSON member.
fn name_of(definition: &str) -> Option<String> {
    if let Ok(json) = serde_json::from_str::<Value>(definition) {
        return json.get("name").and_then(Value::as_str).map(str::to_owned);
    }
    let line = definition.lines().find_map(|line| line.strip_prefix("name:"))?;
    Some(line.trim().trim_matches(['"', '\'']).to_owned())
}

async fn execute(inside: &Inside, workflow: &str, input: &Value) -> Result<Value, Failure> {
    let path = format!("/workflows/{workflow}/executions?wait=30s");
    let (status, mut now) = inside.send(Method::POST, &path, &json!({ "input": input })).await?;
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        return Err(Failure::Usage(explain(&now)));
    }
    now = success(status, now)?;
    let id = now.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    loop {
        let state = now.get("state").and_then(Value::as_str).unwrap_or_default();
        let asks = state == "waiting" && pending(inside, &id).await?;
        if asks || matches!(state, "succeeded" | "failed" | "cancelled" | "timed_out") {
            return inside.call(Method::GET, &format!("/executions/{id}"), &Value::Null).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        now = inside.call(Method::GET, &format!("/executions/{id}"), &Value::Null).await?;
    }
}

/// Whether it waits for a person.
async fn pending(inside: &Inside, execution: &str) -> Result<bool, Failure> {
    let approvals = inside.call(Method::GET, "/approvals?state=pending&limit=200", &Value::Null).await?;
    let items = approvals.get("items").and_then(Value::as_array).into_iter().flatten();
    Ok(items.into_iter().any(|approval| approval.to_string().contains(execution)))
}

fn report(args: &Args, done: &Value) -> Outcome {
    let text = |name: &str| done.get(name).and_then(Value::as_str).unwrap_or_default();
    let state = text("state");
    let output = done.get("output").cloned().unwrap_or_default();
    if args.json {
        output::json(&json!({ "id": done.get("id"), "state": state, "output": output, "error": done.get("error") }));
    } else if state == "succeeded" {
        output::json(&output);
    }
    match state {
        "succeeded" => Ok(()),
        "waiting" => Err(Failure::Waiting(format!(
            "{} waits for an approval that somebody else must give: start `tenure serve` on this data directory and decide it in the console",
            text("id")
        ))),
        _ => {
            let error = done.get("error").cloned().unwrap_or_default();
            let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let step = part("step");
            let at = if step.is_empty() { step } else { format!(" at step {step}") };
            Err(Failure::Failed(format!("{} {state}{at}: {}: {}", text("id"), part("class"), part("message"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_either_format() {
        assert_eq!(name_of("name: strike triage\nnodes: {}").as_deref(), Some("strike triage"));
        assert_eq!(name_of("name: \"quoted\"").as_deref(), Some("quoted"));
        assert_eq!(name_of(r#"{"name": "json"}"#).as_deref(), Some("json"));
        assert_eq!(name_of("nodes:\n  name: x"), None);
    }

    #[test]
    fn inputs_come_as_text_or_say_what_is_wrong() {
        assert_eq!(read_input("{\"a\": 1}").ok(), Some(json!({"a": 1})));
        assert!(matches!(read_input("{"), Err(Failure::Usage(_))));
        assert!(matches!(read_input("@/no/such/file"), Err(Failure::Usage(_))));
    }
}
