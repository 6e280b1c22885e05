//! `tenure execution`: what `tenure run` left in a data directory, looked at and gone on with.

use axum::http::Method;
use serde_json::{Value, json};

use super::board::{self, cut, moment, seconds, text};
use super::follow::{self, Watch};
use super::local::{Local, on_local};
use super::{Failure, Outcome};
use crate::config::Flags;
use crate::output;
use crate::platform::Work;

/// Look at executions in the data directory, decide about them, go on with them
///
/// These are the executions of the organisation `local`, which `tenure run` makes; the server must be stopped. What a
/// server runs is looked at in its console.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List executions, newest first
    #[command(after_help = "Examples:\n  \
        tenure execution list\n  \
        tenure execution list --state waiting,failed --limit 5\n  \
        tenure execution list --json | jq -r '.items[].id'")]
    List(List),
    /// Show an execution with its steps, what it waits for, and why it failed
    #[command(
        after_help = "Examples:\n  tenure execution show exe_01…\n  tenure execution show exe_01… --json | jq .steps"
    )]
    Show(Show),
    /// Approve what an execution waits for, and go on with it
    #[command(after_help = "Examples:\n  \
        tenure execution approve exe_01…\n  \
        tenure execution approve exe_01… --comment 'checked with the insurer' --watch")]
    Approve(Decide),
    /// Reject what an execution waits for, and go on with it
    #[command(after_help = "Examples:\n  tenure execution reject exe_01… --comment 'too expensive'")]
    Reject(Decide),
    /// Cancel an execution
    #[command(after_help = "Examples:\n  tenure execution cancel exe_01…")]
    Cancel(Show),
    /// Delete an execution that is over, with all that it holds
    ///
    /// Its journal, its approvals and its values are gone for good, and the storage that they took is free; the audit log
    /// keeps its events. One that is not over is to be cancelled first.
    #[command(after_help = "Examples:\n  tenure execution delete exe_01…\n  \
        tenure execution list --state failed --json | jq -r '.items[].id' | xargs -n1 tenure execution delete")]
    Delete(Show),
    /// Go on with an execution that was interrupted, paused, cancelled, or failed
    ///
    /// It goes on where its journal ends: what finished does not run again, what failed or was stopped does.
    #[command(after_help = "Examples:\n  tenure execution resume exe_01… --watch")]
    Resume(Resume),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only in these states: queued, running, waiting, paused, succeeded, failed, cancelled, timed_out
    #[arg(long, value_name = "STATE,…", value_delimiter = ',')]
    state: Vec<String>,
    /// How many at most, 1 to 200
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// Which execution: exe_…
    #[arg(value_parser = execution_id)]
    id: String,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Decide {
    /// Which execution: exe_…
    #[arg(value_parser = execution_id)]
    id: String,
    /// The step, where several wait
    #[arg(long)]
    step: Option<String>,
    /// What to tell about the decision
    #[arg(long)]
    comment: Option<String>,
    #[command(flatten)]
    watch: Watch,
}

#[derive(Debug, clap::Args)]
struct Resume {
    /// Which execution: exe_…
    #[arg(value_parser = execution_id)]
    id: String,
    #[command(flatten)]
    watch: Watch,
}

fn execution_id(given: &str) -> Result<String, String> {
    let parsed: Result<tenure_kernel::ExecutionId, _> = given.parse();
    parsed
        .map(|id| id.to_string())
        .map_err(|_| "an execution's id is like exe_01jq…; `tenure execution list` has them".to_owned())
}

pub(super) fn run(args: Args, flags: &Flags) -> Outcome {
    match args.verb {
        Verb::List(args) => list(&args, flags),
        Verb::Show(args) => on_local(flags, Work::Left, async |local| show(local, &args).await),
        Verb::Approve(args) => on_local(flags, Work::Done, async |local| decide(local, &args, "approve").await),
        Verb::Reject(args) => on_local(flags, Work::Done, async |local| decide(local, &args, "reject").await),
        Verb::Cancel(args) => on_local(flags, Work::Done, async |local| cancel(local, &args).await),
        Verb::Delete(args) => on_local(flags, Work::Left, async |local| delete(local, &args).await),
        Verb::Resume(args) => on_local(flags, Work::Done, async |local| resume(local, &args).await),
    }
}

fn list(args: &List, flags: &Flags) -> Outcome {
    let states = match args.state.join(",") {
        states if states.is_empty() => states,
        states if states.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b',') => {
            format!("&state={states}")
        }
        states => return Err(Failure::Usage(format!("--state: {states:?} is no list of states; see --help"))),
    };
    let path = format!("/executions?limit={}{states}", args.limit);
    let page = on_local(flags, Work::Left, async |local| local.inside().call(Method::GET, &path, &Value::Null).await)?;
    if args.json {
        output::json(&page);
        return Ok(());
    }
    let items = page.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        output::note("there are none; `tenure run FILE` makes one");
        return Ok(());
    }
    let head = format!("{:30}  {:10}  {:24}  {:>6}  {:20}  TOOK", "ID", "STATE", "WORKFLOW", "STEPS", "ASKED FOR");
    output::line(output::faint(head));
    for item in items {
        let name = item.get("workflow").map(|workflow| text(workflow, "name")).unwrap_or_default();
        let steps = |name: &str| item.get(name).and_then(Value::as_u64).unwrap_or_default();
        let steps = format!("{}/{}", steps("steps_finished"), steps("steps_total"));
        let asked = text(item, "created_at").chars().take(19).collect::<String>().replace('T', " ");
        output::line(format_args!(
            "{:30}  {:10}  {:24}  {steps:>6}  {asked:20}  {}",
            text(item, "id"),
            text(item, "state"),
            cut(&name, 24),
            took(item)
        ));
    }
    Ok(())
}

fn took(item: &Value) -> String {
    let begun = moment(item, "started_at");
    let over = moment(item, "finished_at");
    begun.map(|begun| seconds(begun, over.unwrap_or_else(board::now))).unwrap_or_default()
}

/// The execution as the API tells it, with `steps` and `approvals`.
async fn whole(local: &Local, id: &str) -> Result<Value, Failure> {
    let inside = local.inside();
    let mut now = inside.call(Method::GET, &format!("/executions/{id}"), &Value::Null).await?;
    let mut steps = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/executions/{id}/steps?limit=200{cursor}");
        let page = inside.call(Method::GET, &path, &Value::Null).await?;
        steps.extend(page.get("items").and_then(Value::as_array).into_iter().flatten().cloned());
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let approvals = local.pending(id).await?;
    if let Some(now) = now.as_object_mut() {
        now.insert("steps".to_owned(), steps.into());
        now.insert("approvals".to_owned(), approvals.into());
    }
    Ok(now)
}

async fn show(local: &Local, args: &Show) -> Outcome {
    let now = whole(local, &args.id).await?;
    if args.json {
        output::json(&now);
        return Ok(());
    }
    let name = now.get("workflow").map(|workflow| text(workflow, "name")).unwrap_or_default();
    let version = now.get("version").and_then(Value::as_u64).unwrap_or_default();
    output::line(format_args!("{}  {}", text(&now, "id"), text(&now, "state")));
    output::line(format_args!("{}, version {version}, {}", cut(&name, 100), took(&now)));
    for step in now.get("steps").and_then(Value::as_array).into_iter().flatten() {
        let fault = step.get("error").map(|error| text(error, "message")).unwrap_or_default();
        let line = format!(
            "  {:24} {:10} {:10} {:>8}  {fault}",
            text(step, "name"),
            text(step, "type"),
            text(step, "state"),
            took(step)
        );
        output::line(cut(&line, 160));
    }
    for approval in now.get("approvals").and_then(Value::as_array).into_iter().flatten() {
        output::line(format_args!("\n{} waits for an approval of this:", text(approval, "title")));
        output::line(format_args!("{:#}", approval.get("shown").unwrap_or(&Value::Null)));
        output::note(format_args!("`tenure execution approve {0}`, or `tenure execution reject {0}`", args.id));
    }
    if let Some(error) = now.get("error").filter(|error| !error.is_null()) {
        output::line(format_args!("\n{}: {}", text(error, "class"), output::plain(&text(error, "message"))));
    }
    if text(&now, "state") == "succeeded" {
        output::line(format_args!("\n{:#}", now.get("output").unwrap_or(&Value::Null)));
    }
    Ok(())
}

async fn decide(local: &Local, args: &Decide, decision: &str) -> Outcome {
    let pending = local.pending(&args.id).await?;
    let named = |approval: &&Value| args.step.as_deref().is_none_or(|step| text(approval, "step") == step);
    let fitting: Vec<&Value> = pending.iter().filter(named).collect();
    let approval = match fitting.as_slice() {
        [approval] => *approval,
        [] => {
            // Tells apart one that is not there from one that waits for nobody.
            let now = local.inside().call(Method::GET, &format!("/executions/{}", args.id), &Value::Null).await?;
            return Err(Failure::Failed(format!("{} is {} and waits for no approval", args.id, text(&now, "state"))));
        }
        several => {
            let steps: Vec<String> = several.iter().map(|approval| text(approval, "step")).collect();
            let steps = steps.join(", ");
            return Err(Failure::Usage(format!("several approvals wait; name one with --step: {steps}")));
        }
    };
    let decided = follow::decide(local, approval, decision, args.comment.as_deref()).await?;
    output::note(format_args!("{}: {}", text(&decided, "title"), text(&decided, "state")));
    follow::to_the_end(local, &args.id, args.watch).await
}

async fn cancel(local: &Local, args: &Show) -> Outcome {
    let inside = local.inside();
    inside.call(Method::POST, &format!("/executions/{}/cancel", args.id), &Value::Null).await?;
    let state = text(&follow::until_over(local, &args.id).await?, "state");
    if args.json {
        output::json(&json!({ "id": args.id, "state": state }));
    } else {
        output::line(format_args!("{} {state}", args.id));
    }
    Ok(())
}

async fn delete(local: &Local, args: &Show) -> Outcome {
    local.inside().call(Method::DELETE, &format!("/executions/{}", args.id), &Value::Null).await?;
    if args.json {
        output::json(&json!({ "id": args.id, "deleted": true }));
    } else {
        output::line(format_args!("deleted {}", args.id));
    }
    Ok(())
}

async fn resume(local: &Local, args: &Resume) -> Outcome {
    let inside = local.inside();
    let now = inside.call(Method::GET, &format!("/executions/{}", args.id), &Value::Null).await?;
    let verb = match text(&now, "state").as_str() {
        "paused" => Some("resume"),
        "failed" | "cancelled" | "timed_out" => Some("retry"),
        // An earlier process left it; the engine of this one has taken it up, and may have ended it by now.
        _ => None,
    };
    if let Some(verb) = verb {
        inside.call(Method::POST, &format!("/executions/{}/{verb}", args.id), &json!({})).await?;
    }
    follow::to_the_end(local, &args.id, args.watch).await
}
