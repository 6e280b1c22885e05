//! `tenure demo`: a server with two organisations, people in every role, and workflows on real data.

mod page;
mod receiver;
mod report;

use std::path::Path;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use self::receiver::Receiver;
use super::board::text;
use super::inside::Inside;
use super::run::save as save_file;
use super::{Failure, Outcome, block_on, serve, settings};
use crate::config::Flags;
use crate::platform::Platform;

/// A server with two organisations, a person in every role, and workflows on real data
///
/// Strike triage runs on 10,000 reports and then waits for an operator; its report comes up at the address that is printed.
/// Everything lies in a data directory of its own (`demo` below the usual one), so nothing else is touched; what was
/// seeded before is kept.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  tenure demo\n  tenure demo --listen 127.0.0.1:0\n  tenure demo --data-dir /tmp/demo"
)]
pub(super) struct Args {
    #[command(flatten)]
    serve: serve::Args,
}

/// Everybody's in the demo.
const PASSWORD: &str = "a quiet green meadow";
/// What an administrator gives a new member, until they chose their own.
const FIRST_PASSWORD: &str = "a loud autumn harbour";
const ROLES: [&str; 5] = ["developer", "operator", "executor", "viewer", "auditor"];
const TRIAGE: &str = include_str!("../../../../../demo/strike-triage.yaml");
const SPECIES: &str = include_str!("../../../../../demo/species.yaml");
const GREETING: &str = include_str!("../../../../../demo/greeting.yaml");
const EXPENSES: &str = include_str!("../../../../../demo/expense-approval.yaml");
const WORDS: &str = include_str!("../../../../../demo/word-count.yaml");
const STRIKES: &str = include_str!("../../../../../demo/birdstrikes.csv");

pub(super) fn run(args: &Args, mut flags: Flags) -> Outcome {
    // What it has to say stands among few log lines.
    flags.quiet = true;
    if !flags.has("log.format") && std::env::var_os("TENURE_LOG_FORMAT").is_none() {
        flags.set("log.format", Some("text"));
    }
    args.serve.set(&mut flags);
    if !flags.has("data_dir") && std::env::var_os("TENURE_DATA_DIR").is_none() {
        let usual = crate::config::Loaded::read(&flags)?.config.data_dir;
        flags.set("data_dir", Some(usual.join("demo").to_string_lossy()));
    }
    let mut config = settings(&flags)?;
    block_on(async {
        let receiver = Receiver::open(&config.data_dir).await?;
        // Loopback is out of reach for workflows unless the platform's settings name the host, as here.
        config.egress_allow.push(receiver.address.to_string());
        let post_to = receiver.url();
        let shown_at = format!("http://{}/", receiver.address);
        receiver.start();
        serve::serve(config, async |platform, url| {
            let started = seed(platform, &post_to).await?;
            Ok(welcome(url, &shown_at, &started))
        })
        .await
    })
}

/// What there is to do now.
fn welcome(url: &str, reports: &str, triage: &str) -> Vec<String> {
    let text = format!(
        "\nStrike triage works on 10,000 reports and then waits for an operator:\n  \
         1. log in as operator           {url}/login\n  \
         2. watch it                     {url}/executions/{triage}\n  \
         3. approve what was expensive   {url}/approvals\n  \
         4. read the report              {reports}\n\n\
         Logins, all with the password \"{PASSWORD}\":\n  \
         Acme Corporation   ada (admin), developer, operator, executor, viewer, auditor\n  \
         Globex             hank (admin), developer-globex, operator-globex, executor-globex, viewer-globex, auditor-globex\n\n\
         Ctrl-C ends it; the next start goes on where this one ended."
    );
    text.lines().map(str::to_owned).collect()
}

/// Makes what is not there yet; the triage that runs now.
async fn seed(platform: &Platform, receiver: &str) -> Result<String, Failure> {
    let anonymous = Inside::anonymous(platform);
    let acme =
        organization(platform, &anonymous, "ada", "Acme Corporation", &["Field operations", "Fleet", "Safety"]).await?;
    let globex = organization(platform, &anonymous, "hank", "Globex", &["Research"]).await?;
    for (inside, definitions) in [(&acme, [GREETING, EXPENSES, WORDS]), (&globex, [GREETING, EXPENSES, WORDS])] {
        for definition in definitions {
            save(inside, definition).await?;
        }
    }
    let input = json!({ "csv": STRIKES, "receiver": receiver });
    begin(&globex, &save(&globex, SPECIES).await?, &input).await?;
    begin(&acme, &save(&acme, TRIAGE).await?, &input).await
}

async fn save(inside: &Inside, definition: &str) -> Result<String, Failure> {
    save_file(inside, definition.to_owned(), Path::new("demo")).await
}

/// Starts the workflow, unless an execution of it is under way or waits for somebody.
async fn begin(inside: &Inside, workflow: &str, input: &Value) -> Result<String, Failure> {
    let open = format!("/executions?limit=1&workflow_id={workflow}&state=queued,running,waiting,paused");
    let open = inside.call(Method::GET, &open, &Value::Null).await?;
    if let Some(execution) = open.get("items").and_then(|items| items.get(0)) {
        return Ok(text(execution, "id"));
    }
    let path = format!("/workflows/{workflow}/executions");
    inside.call(Method::POST, &path, &json!({ "input": input })).await.map(|execution| text(&execution, "id"))
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
        confirm_address(platform, &inside).await?;
        for team in teams {
            inside.call(Method::POST, "/teams", &json!({ "name": team })).await?;
        }
        // The first organisation's have the plain names.
        let suffix = if admin == "ada" { String::new() } else { format!("-{}", name.to_lowercase()) };
        for role in ROLES {
            let username = format!("{role}{suffix}");
            let member = json!({
                "email": format!("{username}@example.com"), "username": username, "full_name": username, "password": FIRST_PASSWORD, "roles": [role],
            });
            inside.call(Method::POST, "/users", &member).await?;
            choose_password(platform, anonymous, &username).await?;
        }
    }
    Ok(inside)
}

/// What somebody else chose must be changed before anything else is allowed.
async fn choose_password(platform: &Platform, anonymous: &Inside, username: &str) -> Result<(), Failure> {
    let login = json!({ "username": username, "password": FIRST_PASSWORD });
    let answer = anonymous.call(Method::POST, "/auth/login", &login).await?;
    let own = Inside::with_token(platform, text(&answer, "access_token"));
    let change = json!({ "current_password": FIRST_PASSWORD, "new_password": PASSWORD });
    own.call(Method::POST, "/auth/password", &change).await?;
    confirm_address(platform, &own).await
}

/// Follows the link that was sent to a person's address, where messages stay in this machine's outbox.
async fn confirm_address(platform: &Platform, own: &Inside) -> Result<(), Failure> {
    own.call(Method::POST, "/auth/verify-email", &json!({})).await?;
    let here = Inside::from_here(platform);
    let (status, outbox) = here.send(Method::GET, "/dev/outbox", &Value::Null).await?;
    if status != StatusCode::OK {
        return Ok(());
    }
    let sent = outbox.get("items").and_then(Value::as_array).into_iter().flatten();
    let newest = sent.map(|message| text(message, "text")).find_map(|text| {
        let (_, link) = text.split_once("/verify-email#token=")?;
        link.split_whitespace().next().map(str::to_owned)
    });
    let Some(token) = newest else { return Ok(()) };
    here.call(Method::POST, "/auth/verify-email/confirm", &json!({ "token": token })).await.map(drop)
}
