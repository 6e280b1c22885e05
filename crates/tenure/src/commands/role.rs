//! `tenure role`: the roles of an organisation on a server that runs.

use reqwest::Method;
use serde_json::{Value, json};

use super::board::{cut, text};
use super::import::{self, Import, UndoImport};
use super::remote::{Connection, Remote};
use super::user::list_of;
use super::{Failure, Outcome, block_on, user};
use crate::output;

/// List, make, clone, change, import and delete roles of a running server, and give them to members
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
    /// List roles, the system's first
    #[command(after_help = "Examples:\n  tenure role list")]
    List,
    /// Show a role, and every permission that it stands for
    #[command(after_help = "Examples:\n  tenure role show operator")]
    Show(Name),
    /// Make a role
    #[command(after_help = "Examples:\n  \
        tenure role create night-shift --permission 'execution:*' --permission workflow:read --description 'Keeps things running'")]
    Create(Create),
    /// Make a role with the permissions of another
    #[command(after_help = "Examples:\n  tenure role clone operator night-shift")]
    Clone(CloneOf),
    /// Change what a role permits, or its description
    #[command(after_help = "Examples:\n  \
        tenure role change night-shift --add workflow:execute --remove 'execution:*'\n  \
        tenure role change night-shift --description 'Keeps things running'")]
    Change(Change),
    /// Delete a role that nobody has
    #[command(after_help = "Examples:\n  tenure role delete night-shift")]
    Delete(Name),
    /// Give a role to members
    #[command(after_help = "Examples:\n  tenure role grant night-shift grace hedy")]
    Grant(Given),
    /// Take a role from members
    #[command(after_help = "Examples:\n  tenure role revoke night-shift grace")]
    Revoke(Given),
    /// Make roles from a CSV file
    ///
    /// The first line names the columns: name, permissions with spaces between them, and where wanted description.
    #[command(after_help = "Examples:\n  \
        tenure role import roles.csv --dry-run\n  \
        tenure role import roles.csv --json")]
    Import(Import),
    /// Delete the roles that an import made, but for those that somebody has
    #[command(after_help = "Examples:\n  tenure role undo-import imp_01jq…")]
    UndoImport(UndoImport),
}

#[derive(Debug, clap::Args)]
struct Name {
    /// The role's name
    #[arg(value_parser = role_name)]
    name: String,
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Its name: lower-case letters, digits and hyphens
    #[arg(value_parser = role_name)]
    name: String,
    /// A permission that it holds, or a wildcard; several times for several
    #[arg(long = "permission", value_name = "PERMISSION", required = true)]
    permissions: Vec<String>,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
}

#[derive(Debug, clap::Args)]
struct Change {
    /// The role's name
    #[arg(value_parser = role_name)]
    name: String,
    /// A permission, or a wildcard, that it gets; several times for several
    #[arg(long, value_name = "PERMISSION", required_unless_present_any = ["remove", "description"])]
    add: Vec<String>,
    /// A permission, or a wildcard, that it loses, as it is written in the role; several times for several
    #[arg(long, value_name = "PERMISSION")]
    remove: Vec<String>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
}

#[derive(Debug, clap::Args)]
struct CloneOf {
    /// The role whose permissions it gets
    #[arg(value_parser = role_name)]
    from: String,
    /// The name of the new one
    #[arg(value_parser = role_name)]
    name: String,
}

#[derive(Debug, clap::Args)]
struct Given {
    /// The role's name
    #[arg(value_parser = role_name)]
    role: String,
    /// User names, addresses or ids (usr_…)
    #[arg(required = true)]
    members: Vec<String>,
}

/// It becomes part of a path.
fn role_name(given: &str) -> Result<String, String> {
    let fine = given.starts_with(|c: char| c.is_ascii_lowercase())
        && given.len() <= 63
        && given.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let detail = "a role's name is lower-case letters, digits and hyphens; `tenure role list` has them";
    if fine { Ok(given.to_owned()) } else { Err(detail.to_owned()) }
}

pub(super) fn run(args: Args) -> Outcome {
    let (verb, json, remote) = (args.verb, args.json, Remote::new(args.remote)?);
    block_on(async {
        match verb {
            Verb::List => list(&remote, json).await?,
            Verb::Show(Name { name }) => show(&role(&remote, &name).await?, json),
            Verb::Create(new) => {
                let body = json!({"name": new.name, "description": new.description, "permissions": new.permissions});
                show(&remote.call(Method::POST, "/roles", Some(&body)).await?, json);
            }
            Verb::Clone(CloneOf { from, name }) => {
                let of = role(&remote, &from).await?;
                let body =
                    json!({"name": name, "description": of.get("description"), "permissions": of.get("permissions")});
                show(&remote.call(Method::POST, "/roles", Some(&body)).await?, json);
            }
            Verb::Change(wanted) => {
                let body = changed(&role(&remote, &wanted.name).await?, &wanted)?;
                show(&remote.call(Method::PATCH, &format!("/roles/{}", wanted.name), Some(&body)).await?, json);
            }
            Verb::Delete(Name { name }) => {
                remote.call(Method::DELETE, &format!("/roles/{name}"), None).await?;
                if json {
                    output::json(&json!({"deleted": name}))
                } else {
                    output::line(format_args!("{name} deleted"))
                }
            }
            Verb::Grant(Given { role, members }) => {
                user::change_all(&remote, &members, json!({"add_roles": [role]}), json).await?;
            }
            Verb::Revoke(Given { role, members }) => {
                user::change_all(&remote, &members, json!({"remove_roles": [role]}), json).await?;
            }
            Verb::Import(args) => import::import(&remote, &import::ROLES, &args, json).await?,
            Verb::UndoImport(args) => import::undo(&remote, &import::ROLES, &args, json).await?,
        }
        Ok(())
    })
}

/// What to ask of the server: it takes all permissions of a role at once.
fn changed(role: &Value, wanted: &Change) -> Result<Value, Failure> {
    let mut body = serde_json::Map::new();
    if let Some(description) = &wanted.description {
        body.insert("description".to_owned(), json!(description));
    }
    if wanted.add.is_empty() && wanted.remove.is_empty() {
        return Ok(body.into());
    }
    let written = role.get("permissions").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut permissions: Vec<&str> = written.collect();
    for pattern in &wanted.remove {
        if !permissions.contains(&pattern.as_str()) {
            let name = &wanted.name;
            return Err(Failure::Failed(format!(
                "{pattern:?} is not written in {name}, which has {}; what a wildcard covers goes with the wildcard",
                permissions.join(", ")
            )));
        }
    }
    permissions.retain(|written| !wanted.remove.iter().any(|pattern| pattern == written));
    for pattern in &wanted.add {
        if !permissions.contains(&pattern.as_str()) {
            permissions.push(pattern);
        }
    }
    body.insert("permissions".to_owned(), json!(permissions));
    Ok(body.into())
}

async fn role(remote: &Remote, name: &str) -> Result<Value, Failure> {
    remote.call(Method::GET, &format!("/roles/{name}"), None).await
}

async fn list(remote: &Remote, json: bool) -> Outcome {
    // The list has one page and takes no limit.
    let roles = remote.call(Method::GET, "/roles", None).await?;
    if json {
        output::json(&roles);
        return Ok(());
    }
    output::line(output::faint(format!("{:24}  {:6}  {:50}  PERMISSIONS", "NAME", "WHOSE", "WHAT FOR")));
    for role in roles.get("items").and_then(Value::as_array).into_iter().flatten() {
        let whose = if role.get("system") == Some(&Value::Bool(true)) { "system" } else { "own" };
        output::line(format_args!(
            "{:24}  {whose:6}  {:50}  {}",
            cut(&text(role, "name"), 24),
            cut(&output::plain(&text(role, "description")), 50),
            cut(&list_of(role, "permissions"), 80)
        ));
    }
    Ok(())
}

fn show(role: &Value, json: bool) {
    if json {
        output::json(role);
        return;
    }
    output::line(format_args!("{}: {}", text(role, "name"), output::plain(&text(role, "description"))));
    output::line(format_args!("written as {}", list_of(role, "permissions")));
    for permission in role.get("permits").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        output::line(format_args!("  {permission}"));
    }
}
