//! `tenure key`: API keys of a server that runs.

use reqwest::Method;
use serde_json::{Value, json};

use super::board::{cut, text};
use super::import::{self, Import, UndoImport};
use super::remote::{Connection, Remote};
use super::user::{list_of, when};
use super::{Failure, Outcome, block_on, pages};
use crate::output;

/// Make, list, import, rotate and revoke API keys of a running server
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Connection,
    /// One JSON document
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make an API key, and print it this once
    ///
    /// Wants a login: an API key makes no API keys. Where you have not proven for five minutes who you are, it asks on the terminal.
    #[command(after_help = "Examples:\n  \
        tenure key create --name 'Nightly import' --scope workflow:read --scope workflow:execute\n  \
        tenure key create --name CI --scope 'workflow:*' --environment test --cidr 192.0.2.0/24 --json")]
    Create(Create),
    /// List API keys, the newest first
    #[command(after_help = "Examples:\n  \
        tenure key list\n  \
        tenure key list --server https://tenure.example.com --json")]
    List,
    /// Replace an API key, and print the new one this once
    #[command(after_help = "Examples:\n  \
        tenure key rotate key_01jq…\n  \
        tenure key rotate key_01jq… --grace-seconds 0")]
    Rotate(Rotate),
    /// Revoke an API key, for good
    #[command(after_help = "Examples:\n  tenure key revoke key_01jq…")]
    Revoke(Revoke),
    /// Take over API keys of another system from a CSV file
    ///
    /// The first line names the columns: name, owner (a service account, or you), scopes, key or key_sha256, and where wanted
    /// environment, expires_at and allowed_cidrs. Wants a login, as every new key does.
    #[command(after_help = "Examples:\n  \
        tenure key import keys.csv --dry-run\n  \
        tenure key import keys.csv --json")]
    Import(Import),
    /// Remove the keys that an import took over, but for those that were rotated since
    #[command(after_help = "Examples:\n  tenure key undo-import imp_01jq…")]
    UndoImport(UndoImport),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// What it is for
    #[arg(long)]
    name: String,
    /// A permission that it gets, or a wildcard over some; several times for several
    #[arg(long = "scope", value_name = "PERMISSION", required = true)]
    scopes: Vec<String>,
    /// dev, test or prod; dev if absent
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// A network that it may be used from; several times for several
    #[arg(long = "cidr", value_name = "NETWORK")]
    networks: Vec<String>,
    /// When it ends, like 2030-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// The service account that it acts for: svc_…; yourself if absent
    #[arg(long, value_name = "ID")]
    service_account: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Rotate {
    /// Which key: key_…
    #[arg(value_parser = key_id)]
    id: String,
    /// How long the old key works on; 7 days if absent
    #[arg(long, value_name = "N")]
    grace_seconds: Option<u32>,
}

#[derive(Debug, clap::Args)]
struct Revoke {
    /// Which key: key_…
    #[arg(value_parser = key_id)]
    id: String,
}

fn key_id(given: &str) -> Result<String, String> {
    let parsed: Result<tenure_kernel::KeyId, _> = given.parse();
    parsed.map(|id| id.to_string()).map_err(|_| "a key's id is like key_01jq…; `tenure key list` has them".to_owned())
}

pub(super) fn run(args: Args) -> Outcome {
    let (verb, json, remote) = (args.verb, args.json, Remote::new(args.remote)?);
    block_on(async {
        match verb {
            Verb::Create(args) => issued(&create(&remote, args).await?, json),
            Verb::Rotate(args) => issued(&rotate(&remote, &args).await?, json),
            Verb::Revoke(args) => revoke(&remote, &args, json).await?,
            Verb::List => list(&remote, json).await?,
            Verb::Import(args) => import::import(&remote, &import::KEYS, &args, json).await?,
            Verb::UndoImport(args) => import::undo(&remote, &import::KEYS, &args, json).await?,
        }
        Ok(())
    })
}

async fn create(remote: &Remote, args: Create) -> Result<Value, Failure> {
    let mut body = json!({"name": args.name, "scopes": args.scopes, "allowed_cidrs": args.networks});
    let further =
        [("environment", args.environment), ("expires_at", args.expires_at), ("service_account", args.service_account)];
    if let Some(body) = body.as_object_mut() {
        body.extend(further.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
    }
    remote.call(Method::POST, "/api-keys", Some(&body)).await
}

async fn rotate(remote: &Remote, args: &Rotate) -> Result<Value, Failure> {
    let body = json!({"grace_seconds": args.grace_seconds});
    remote.call(Method::POST, &format!("/api-keys/{}/rotate", args.id), Some(&body)).await
}

async fn revoke(remote: &Remote, args: &Revoke, json: bool) -> Outcome {
    let revoked = remote.call(Method::POST, &format!("/api-keys/{}/revoke", args.id), None).await?;
    if json {
        output::json(&revoked);
    } else {
        output::line(format_args!("{} {}", args.id, text(&revoked, "state")));
    }
    Ok(())
}

/// The key alone on standard output, for a pipe into whatever keeps secrets.
fn issued(issued: &Value, json: bool) {
    if json {
        output::json(issued);
        return;
    }
    output::line(text(issued, "key"));
    let id = issued.get("api_key").map(|key| text(key, "id")).unwrap_or_default();
    output::note(format_args!("{id}: keep it now, it is not shown again"));
}

/// Whether it works: one that has not ended may be refused for want of a second factor.
fn state(key: &Value) -> String {
    let state = text(key, "state");
    let blocked = key.get("blocked").is_some_and(Value::is_string) && matches!(&*state, "active" | "retiring");
    if blocked { "blocked".to_owned() } else { state }
}

/// Its name; that of a key of another system tells whose format it has.
fn called(key: &Value) -> String {
    let foreign = key.get("imported") == Some(&Value::Bool(true));
    let name = text(key, "name");
    if foreign { format!("{} (imported)", cut(&name, 13)) } else { name }
}

async fn list(remote: &Remote, json: bool) -> Outcome {
    let keys = pages::all(remote, "/api-keys", "").await?;
    if json {
        output::json(&json!({ "items": keys }));
        return Ok(());
    }
    if keys.is_empty() {
        output::note("there are none; `tenure key create` makes one");
        return Ok(());
    }
    let head = format!("{:30}  {:8}  {:24}  {:24}  {:20}  MAY", "ID", "STATE", "NAME", "OWNER", "LAST USED");
    output::line(output::faint(head));
    for key in &keys {
        output::line(format_args!(
            "{:30}  {:8}  {:24}  {:24}  {:20}  {}",
            text(key, "id"),
            state(key),
            cut(&called(key), 24),
            cut(&text(key, "owner_name"), 24),
            when(key, "last_used_at"),
            list_of(key, "scopes")
        ));
    }
    Ok(())
}
