//! `tenure demo`: a server with two organisations, people in every role, and workflows on real data.

use std::path::Path;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::inside::{Inside, success};
use super::{Failure, Outcome, serve};
use crate::config::Flags;
use crate::output;
use crate::platform::Platform;

/// A server with two organisations, a person in every role, and workflows on real data.
///
/// Everything lies in a data directory of its own (`demo` below the usual one), so nothing else is touched; what was
/// seeded before is kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tenure demo\n  tenure demo --listen 127.0.0.1:0")]
pub(super) struct Args {
    #[command(flatten)]
    serve: serve::Args,
}

/// Everybody's in the demo.
const PASSWORD: &str = "a quiet green meadow";
const ROLES: [&str; 5] = ["developer", "operator", "executor", "viewer", "auditor"];
const WORKFLOWS: [&str; 4] = [
    include_str!("../../../../demo/strike-triage.yaml"),
    include_str!("../../../../demo/greeting.yaml"),
    include_str!("../../../../demo/expense-approval.yaml"),
    include_str!("../../../../demo/word-count.yaml"),
];
const STRIKES: &str = include_str!("../../../../demo/birdstrikes.csv");

pub(super) fn run(args: &Args, mut flags: Flags) -> Outcome {
    if !flags.has("data_dir") && std::env::var_os("TENURE_DATA_DIR").is_none() {
        let usual = super::settings(&flags)?.data_dir;
        let below = Path::new(&usual).join("demo");
        flags.set("data_dir", Some(below.to_string_lossy().into_owned()));
    }
    serve::run_with(&args.serve, flags, async |platform| seed(platform).await)
}

async fn seed(platform: &Platform) -> Result<(), Failure> {
    let anonymous = Inside::anonymous(platform);
    let acme =
        organization(platform, &anonymous, "ada", "Acme Corporation", &["Field operations", "Fleet", "Safety"]).await?;
    let globex = organization(platform, &anonymous, "hank", "Globex", &["Research"]).await?;
    for definition in WORKFLOWS.iter().skip(1) {
        save(&globex, definition).await?;
    }
    let mut first = None;
    for definition in WORKFLOWS {
        let id = save(&acme, definition).await?;
        first = first.or(id);
    }
    if let Some(triage) = first {
        let path = format!("/workflows/{triage}/executions");
        let started = acme.call(Method::POST, &path, &json!({ "input": { "csv": STRIKES } })).await?;
        let id = started.get("id").and_then(Value::as_str).unwrap_or_default();
        output::note(format_args!("strike triage runs on 10,000 reports as {id}; it then waits for an operator"));
    }
    output::note(
        "log in as ada (Acme Corporation) or hank (Globex), or as developer, operator, executor, viewer or auditor of Acme",
    );
    output::note(format_args!("everybody's password: {PASSWORD}"));
    Ok(())
}

/// The organisation's administrator, registered now or before; with teams and a person in each role.
async fn organization(
    platform: &Platform,
    anonymous: &Inside,
    admin: &str,
    name: &str,
    teams: &[&str],
) -> Result<Inside, Failure> {
    let register = json!({
        "email": format!("{admin}@example.com"), "username": admin, "password": PASSWORD, "full_name": admin, "organization_name": name,
    });
    let (status, mut answer) = anonymous.send(Method::POST, "/auth/register", &register).await?;
    let new = status == StatusCode::CREATED;
    if !new {
        answer =
            anonymous.call(Method::POST, "/auth/login", &json!({ "username": admin, "password": PASSWORD })).await?;
    }
    let token = answer.get("access_token").and_then(Value::as_str).unwrap_or_default().to_owned();
    let inside = Inside::with_token(platform, token);
    if new {
        for team in teams {
            inside.call(Method::POST, "/teams", &json!({ "name": team })).await?;
        }
        let suffix = if admin == "ada" { String::new() } else { format!("-{}", name.to_lowercase()) };
        for role in ROLES {
            let username = format!("{role}{suffix}");
            let member = json!({
                "email": format!("{username}@example.com"), "username": username, "full_name": username, "password": PASSWORD, "roles": [role],
            });
            inside.call(Method::POST, "/users", &member).await?;
        }
    }
    Ok(inside)
}

/// The new workflow's id; nothing where it was there before.
async fn save(inside: &Inside, definition: &str) -> Result<Option<String>, Failure> {
    let (status, answer) =
        inside.send_as(Method::POST, "/workflows", "application/yaml", definition.to_owned()).await?;
    if status == StatusCode::CONFLICT {
        return Ok(None);
    }
    let saved = success(status, answer)?;
    Ok(saved.get("id").and_then(Value::as_str).map(str::to_owned))
}
