//! Follows an execution in this process to its end, or to where a person is needed.

use std::io::IsTerminal as _;

use axum::body::Body;
use axum::http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::board::{Board, cut, text};
use super::local::Local;
use super::{Failure, Outcome};
use crate::output;

/// How an execution is followed, and what becomes of approvals.
#[derive(Debug, Clone, Copy, clap::Args)]
#[group(skip)]
pub(super) struct Watch {
    /// Show the steps as they go on: a table on a terminal, lines elsewhere
    #[arg(long)]
    pub(super) watch: bool,
    /// One JSON document with id, state and output; nothing is asked
    #[arg(long)]
    pub(super) json: bool,
}

/// As many lines of what is to be approved are shown before it is asked about.
const SHOWN_LINES: usize = 40;

/// Follows `execution` until it is over or waits for somebody who is not here; then reports it.
///
/// # Errors
/// What [`report`] says of its end.
pub(super) async fn to_the_end(local: &Local, execution: &str, watch: Watch) -> Outcome {
    let mut board = Board::new();
    loop {
        let over = events(local, execution, &mut board, watch.watch).await?;
        board.leave();
        let now = local.inside().call(Method::GET, &format!("/executions/{execution}"), &Value::Null).await?;
        if over || text(&now, "state") == "paused" {
            return report(&now, &[], watch.json);
        }
        let pending = local.pending(execution).await?;
        if pending.is_empty() {
            continue;
        }
        let mut decided = false;
        if !watch.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
            // One that was decided about and still waits needs other people.
            for approval in pending.iter().filter(|approval| is_new(approval)) {
                decided |= ask(local, approval).await?;
            }
        }
        if !decided {
            return report(&now, &pending, watch.json);
        }
    }
}

/// Follows `execution` until it is over, whatever it waits for on the way; as it stands then.
pub(super) async fn until_over(local: &Local, execution: &str) -> Result<Value, Failure> {
    let path = format!("/executions/{execution}");
    loop {
        // A stream that stops before the end is asked for again.
        let mut board = Board::new();
        let mut stream = Stream::open(local, execution).await?;
        while let Some(over) = stream.next(&mut board, false).await? {
            if over {
                return local.inside().call(Method::GET, &path, &Value::Null).await;
            }
        }
    }
}

fn is_new(approval: &Value) -> bool {
    approval.get("decisions").and_then(Value::as_array).is_none_or(Vec::is_empty)
}

/// Reads the stream of events until the execution is over (`true`), or nothing goes on without a person (`false`).
async fn events(local: &Local, execution: &str, board: &mut Board, watch: bool) -> Result<bool, Failure> {
    let mut stream = Stream::open(local, execution).await?;
    while let Some(over) = stream.next(board, watch).await? {
        if watch {
            board.show();
        }
        if over {
            return Ok(true);
        }
        if board.is_paused() || board.is_waiting() && !local.pending(execution).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(false)
}

/// The server-sent events of an execution.
struct Stream {
    body: Body,
    buffer: Vec<u8>,
}

impl Stream {
    async fn open(local: &Local, execution: &str) -> Result<Self, Failure> {
        let body = local.inside().stream(&format!("/executions/{execution}/events")).await?;
        Ok(Self { body, buffer: Vec::new() })
    }

    /// Takes what came into the board; whether that was the end, and nothing where the stream just stops.
    async fn next(&mut self, board: &mut Board, watch: bool) -> Result<Option<bool>, Failure> {
        let Some(frame) = self.body.frame().await else { return Ok(None) };
        let frame = frame.map_err(|error| Failure::Failed(format!("the execution's progress was lost: {error}")))?;
        if let Ok(data) = frame.into_data() {
            self.buffer.extend_from_slice(&data);
        }
        let mut over = false;
        while let Some(end) = self.buffer.windows(2).position(|window| window == b"\n\n") {
            let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
            let (kind, data) = parse(&String::from_utf8_lossy(&event));
            match kind.as_str() {
                "execution" => board.execution(&data),
                "step" => board.step(&data),
                "log" if watch => {
                    // Logs stand above the table.
                    board.leave();
                    let words = format!("{} {}: {}", text(&data, "level"), text(&data, "step"), text(&data, "message"));
                    output::note(output::faint(cut(&words, 500)));
                }
                "end" => over = true,
                _ => {}
            }
        }
        Ok(Some(over))
    }
}

/// An event's name and its data.
fn parse(event: &str) -> (String, Value) {
    let (mut kind, mut data) = (String::new(), String::new());
    for line in event.lines() {
        if let Some(value) = line.strip_prefix("event:") {
            kind = value.trim().to_owned();
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push_str(value.trim_start());
        }
    }
    (kind, serde_json::from_str(&data).unwrap_or(Value::Null))
}

/// Asks the person at the terminal; whether they decided.
async fn ask(local: &Local, approval: &Value) -> Result<bool, Failure> {
    let title = text(approval, "title");
    output::note(format_args!("\n{title} needs an approval. This is what is to be approved:"));
    let shown = format!("{:#}", approval.get("shown").unwrap_or(&Value::Null));
    for line in shown.lines().take(SHOWN_LINES) {
        output::note(format_args!("  {}", cut(line, 160)));
    }
    let more = shown.lines().count().saturating_sub(SHOWN_LINES);
    if more > 0 {
        let id = text(approval, "execution_id");
        output::note(format_args!("  … and {more} lines more; `tenure execution show {id}` has all"));
    }
    loop {
        output::prompt(format_args!("Approve {title}? [y]es, [n]o, [l]ater: "));
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|read| (read, line))
        });
        let (read, line) = line
            .await
            .map_err(|error| Failure::Failed(error.to_string()))?
            .map_err(|error| Failure::Failed(format!("the answer cannot be read: {error}")))?;
        match line.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => return decide(local, approval, "approve", None).await.map(|_| true),
            "n" | "no" => return decide(local, approval, "reject", None).await.map(|_| true),
            "l" | "later" => return Ok(false),
            _ if read == 0 => return Ok(false),
            _ => {}
        }
    }
}

/// Decides as the person at this machine, about exactly what was shown; the approval after it.
pub(super) async fn decide(
    local: &Local,
    approval: &Value,
    decision: &str,
    comment: Option<&str>,
) -> Result<Value, Failure> {
    let body = json!({
        "decision": decision, "comment": comment, "shown_digest": approval.get("shown_digest"),
    });
    let path = format!("/approvals/{}/decision", text(approval, "id"));
    local.approver().await?.call(Method::POST, &path, &body).await.map_err(|failure| match failure {
        Failure::Failed(words) => Failure::Failed(format!("{}: {words}", text(approval, "title"))),
        other => other,
    })
}

/// Prints what came of an execution, and says by the exit code how it ended.
pub(super) fn report(now: &Value, pending: &[Value], json: bool) -> Outcome {
    let (id, state) = (text(now, "id"), text(now, "state"));
    let output = now.get("output").cloned().unwrap_or_default();
    if json {
        output::json(&json!({ "id": id, "state": state, "output": output, "error": now.get("error") }));
    } else if state == "succeeded" {
        output::json(&output);
    }
    match state.as_str() {
        "succeeded" => Ok(()),
        "paused" => Err(Failure::Waiting(format!("{id} is paused; go on with `tenure execution resume {id}`"))),
        "failed" | "cancelled" | "timed_out" => Err(Failure::Failed(ending(now))),
        _ => {
            let titles: Vec<String> = pending.iter().map(|approval| text(approval, "title")).collect();
            let titles = titles.join(", ");
            Err(Failure::Waiting(format!(
                "{id} waits for an approval ({titles}): look at it with `tenure execution show {id}`, then \
                 `tenure execution approve {id}` or `tenure execution reject {id}`"
            )))
        }
    }
}

/// Why it ended, in a line.
fn ending(now: &Value) -> String {
    let (id, state) = (text(now, "id"), text(now, "state"));
    let error = now.get("error").cloned().unwrap_or_default();
    let (step, class, message) = (text(&error, "step"), text(&error, "class"), text(&error, "message"));
    let at = if step.is_empty() { step } else { format!(" at step {step}") };
    if class.is_empty() { format!("{id} {state}{at}") } else { format!("{id} {state}{at}: {class}: {message}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_they_are_sent() {
        let (kind, data) = parse("id: 7\nevent: step\ndata: {\"name\":\"a\"}\n\n");
        assert_eq!((kind.as_str(), text(&data, "name").as_str()), ("step", "a"));
        assert_eq!(parse(": keep-alive\n\n"), (String::new(), Value::Null));
    }

    #[test]
    fn an_end_names_step_class_and_message() {
        let now =
            json!({"id": "exe_1", "state": "failed", "error": {"step": "a", "class": "plugin", "message": "boom"}});
        assert_eq!(ending(&now), "exe_1 failed at step a: plugin: boom");
        assert_eq!(ending(&json!({"id": "exe_1", "state": "cancelled"})), "exe_1 cancelled");
    }
}
