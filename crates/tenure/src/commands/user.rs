//! `tenure user`: the people of a server that runs.

use reqwest::Method;
use serde_json::{Value, json};

use super::board::{cut, text};
use super::import::{self, Import, UndoImport};
use super::pages::{all, parameter};
use super::remote::{Connection, Remote};
use super::{Failure, Outcome, block_on, organization};
use crate::output;

/// Add, list, lock, offboard and import the members of an organisation on a running server
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
    /// Add a member; the first password is asked for, or read from standard input
    #[command(after_help = "Examples:\n  \
        tenure user create --email grace@example.com --username grace --name 'Grace Hopper' --role operator\n  \
        pwgen 20 1 | tenure user create --email x@example.com --username x --name X --json")]
    Create(Create),
    /// List members
    #[command(after_help = "Examples:\n  \
        tenure user list --role admin\n  \
        tenure user list --inactive-since 2026-01-01T00:00:00Z --sort last_login_at --json")]
    List(List),
    /// Show a member
    #[command(after_help = "Examples:\n  tenure user show grace")]
    Show(Who),
    /// Lock members out for now; their sessions end
    #[command(after_help = "Examples:\n  tenure user lock grace")]
    Lock(Several),
    /// Let locked members in again, and who waits after failed logins
    #[command(after_help = "Examples:\n  tenure user unlock grace")]
    Unlock(Several),
    /// Let deactivated members in again
    #[command(after_help = "Examples:\n  tenure user activate grace hedy")]
    Activate(Several),
    /// Deactivate members; their sessions end, and what they own stays theirs
    #[command(after_help = "Examples:\n  tenure user deactivate grace hedy")]
    Deactivate(Several),
    /// Give what a member owns to another, and end what acts in their name
    ///
    /// Without --yes it only shows what they own. With it, it wants a login: an API key offboards nobody. Where you have not
    /// proven for five minutes who you are, it asks on the terminal.
    #[command(after_help = "Examples:\n  \
        tenure user offboard grace --to ada\n  \
        tenure user offboard grace --to ada --yes")]
    Offboard(Offboard),
    /// Add people from CSV, and wait for its end
    ///
    /// Columns: email, username, full_name, password or password_hash; roles, teams and `attributes.NAME` where wanted. The
    /// exit code is 1 where a line was refused.
    #[command(after_help = "Examples:\n  \
        tenure user import people.csv --dry-run\n  \
        tenure user import people.csv")]
    Import(Import),
    /// Remove again whom an import added, but for those who have joined since
    #[command(after_help = "Examples:\n  tenure user undo-import imp_01jq…")]
    UndoImport(UndoImport),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Their address
    #[arg(long)]
    email: String,
    /// Their user name
    #[arg(long)]
    username: String,
    /// What they are called
    #[arg(long)]
    name: String,
    /// A role that they get; several times for several, viewer if absent
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// invited, active, locked or deactivated
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only who has this role
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// Only who is in this team: team_…
    #[arg(long, value_name = "ID")]
    team: Option<String>,
    /// Part of user name, address or name
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only who did nothing since then, like 2026-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    inactive_since: Option<String>,
    /// Only who never logged in
    #[arg(long)]
    never_logged_in: bool,
    /// username, created_at, -created_at, last_login_at or -last_login_at
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    sort: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Who {
    /// User name, address or id (usr_…)
    member: String,
}

#[derive(Debug, clap::Args)]
struct Several {
    /// User names, addresses or ids (usr_…)
    #[arg(required = true)]
    members: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Offboard {
    /// User name, address or id (usr_…) of who leaves
    member: String,
    /// User name, address or id (usr_…) of who takes over
    #[arg(long, value_name = "MEMBER")]
    to: String,
    /// Do it
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: Args) -> Outcome {
    let (verb, json, remote) = (args.verb, args.json, Remote::new(args.remote)?);
    block_on(async {
        match verb {
            Verb::Create(args) => show(&create(&remote, args).await?, json),
            Verb::List(args) => list(&remote, &args, json).await?,
            Verb::Show(args) => show(&member(&remote, &args.member).await?, json),
            Verb::Lock(args) => set_status(&remote, &args.members, "locked", json).await?,
            Verb::Unlock(args) => unlock(&remote, &args.members, json).await?,
            Verb::Activate(args) => set_status(&remote, &args.members, "active", json).await?,
            Verb::Deactivate(args) => set_status(&remote, &args.members, "deactivated", json).await?,
            Verb::Offboard(args) => offboard(&remote, &args, json).await?,
            Verb::Import(args) => import::import(&remote, &import::PEOPLE, &args, json).await?,
            Verb::UndoImport(args) => import::undo(&remote, &import::PEOPLE, &args, json).await?,
        }
        Ok(())
    })
}

async fn create(remote: &Remote, args: Create) -> Result<Value, Failure> {
    let password = organization::read_password()?;
    let body = json!({
        "email": args.email, "username": args.username, "full_name": args.name, "roles": args.roles, "password": *password
    });
    remote.call(Method::POST, "/users", Some(&body)).await
}

/// The member of this user name, address or id.
pub(super) async fn member(remote: &Remote, who: &str) -> Result<Value, Failure> {
    if who.parse::<tenure_kernel::UserId>().is_ok() {
        return remote.call(Method::GET, &format!("/users/{who}"), None).await;
    }
    let found = all(remote, "/users", &parameter("search", Some(who))).await?;
    let is = |member: &&Value| ["username", "email"].iter().any(|name| text(member, name).eq_ignore_ascii_case(who));
    let found = found.iter().find(is).cloned();
    found.ok_or_else(|| Failure::Failed(format!("nobody here is called {who:?}; `tenure user list` has the members")))
}

async fn list(remote: &Remote, args: &List, json: bool) -> Outcome {
    let query = [
        parameter("status", args.status.as_deref()),
        parameter("role", args.role.as_deref()),
        parameter("team", args.team.as_deref()),
        parameter("search", args.search.as_deref()),
        parameter("active_before", args.inactive_since.as_deref()),
        parameter("never_logged_in", args.never_logged_in.then_some("true")),
        parameter("sort", args.sort.as_deref()),
    ];
    let members = all(remote, "/users", &query.concat()).await?;
    if json {
        output::json(&json!({ "items": members }));
        return Ok(());
    }
    if members.is_empty() {
        output::note("nobody");
        return Ok(());
    }
    let head = format!("{:30}  {:20}  {:30}  {:11}  {:19}  ROLES", "ID", "USER NAME", "E-MAIL", "STATUS", "LAST LOGIN");
    output::line(output::faint(head));
    for member in &members {
        output::line(format_args!(
            "{:30}  {:20}  {:30}  {:11}  {:19}  {}",
            text(member, "id"),
            cut(&text(member, "username"), 20),
            cut(&text(member, "email"), 30),
            text(member, "status"),
            when(member, "last_login_at"),
            list_of(member, "roles")
        ));
    }
    Ok(())
}

fn show(member: &Value, json: bool) {
    if json {
        output::json(member);
        return;
    }
    for (label, value) in [
        ("id", text(member, "id")),
        ("user name", text(member, "username")),
        ("name", text(member, "full_name")),
        ("e-mail", text(member, "email")),
        ("status", text(member, "status")),
        ("roles", list_of(member, "roles")),
        ("permissions", list_of(member, "permissions")),
        ("attributes", member.get("attributes").map(Value::to_string).unwrap_or_default()),
        ("member since", when(member, "created_at")),
        ("last login", when(member, "last_login_at")),
        ("last active", when(member, "last_active_at")),
    ] {
        output::line(format_args!("{label:13} {}", output::plain(&value)));
    }
}

pub(super) fn when(value: &Value, name: &str) -> String {
    let time: String = text(value, name).chars().take(19).collect();
    if time.is_empty() { "never".to_owned() } else { time.replace('T', " ") }
}

pub(super) fn list_of(value: &Value, name: &str) -> String {
    let items = value.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    items.collect::<Vec<_>>().join(" ")
}

async fn set_status(remote: &Remote, members: &[String], status: &str, json: bool) -> Outcome {
    change_all(remote, members, json!({"status": status}), json).await
}

/// A member who is locked is let in again; of one who is not, the wait after failed logins ends.
async fn unlock(remote: &Remote, members: &[String], json: bool) -> Outcome {
    let (mut found, mut results) = (Vec::new(), Vec::new());
    for who in members {
        let member = member(remote, who).await?;
        let (id, path) = (text(&member, "id"), format!("/users/{}", text(&member, "id")));
        let done = match text(&member, "status").as_str() {
            "locked" => remote.call(Method::PATCH, &path, Some(&json!({"status": "active"}))).await,
            "deactivated" => {
                let name = text(&member, "username");
                let detail = format!("is deactivated; `tenure user activate {name}` lets them in again");
                Err(Failure::Failed(detail))
            }
            _ => remote.call(Method::POST, &format!("{path}/unlock"), None).await,
        };
        results.push(match done {
            Ok(_) => json!({"user": id, "outcome": "changed"}),
            Err(Failure::Failed(detail)) => json!({"user": id, "outcome": "refused", "detail": detail}),
            Err(other) => return Err(other),
        });
        found.push(member);
    }
    let refused = results.iter().filter(|one| text(one, "outcome") == "refused").count();
    tell(&found, &json!({"results": results, "refused": refused}), json)
}

/// One change of several members; what came of it for each.
pub(super) async fn change_all(remote: &Remote, members: &[String], mut change: Value, json: bool) -> Outcome {
    let mut found = Vec::new();
    for who in members {
        found.push(member(remote, who).await?);
    }
    let ids: Vec<String> = found.iter().map(|member| text(member, "id")).collect();
    if let Some(body) = change.as_object_mut() {
        body.insert("users".to_owned(), json!(ids));
    }
    tell(&found, &remote.call(Method::POST, "/users/bulk", Some(&change)).await?, json)
}

/// What came of a change for each of these.
fn tell(found: &[Value], result: &Value, json: bool) -> Outcome {
    if json {
        output::json(result);
    } else {
        for one in result.get("results").and_then(Value::as_array).into_iter().flatten() {
            let id = text(one, "user");
            let name = found.iter().find(|member| text(member, "id") == id).map(|member| text(member, "username"));
            let why = text(one, "detail");
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            output::line(format_args!("{id} {} {}{why}", name.unwrap_or_default(), text(one, "outcome")));
        }
    }
    match result.get("refused").and_then(Value::as_u64).unwrap_or(0) {
        0 => Ok(()),
        refused => Err(Failure::Failed(format!("{refused} of {} refused", found.len()))),
    }
}

async fn offboard(remote: &Remote, args: &Offboard, json: bool) -> Outcome {
    let (leaves, stays) = (member(remote, &args.member).await?, member(remote, &args.to).await?);
    let path = format!("/users/{}", text(&leaves, "id"));
    if args.yes {
        let body = json!({"to": text(&stays, "id")});
        let done = remote.call(Method::POST, &format!("{path}/offboard"), Some(&body)).await?;
        if json {
            output::json(&done);
        } else {
            let count = |name: &str| done.get(name).and_then(Value::as_u64).unwrap_or(0);
            output::line(format_args!(
                "{} has left: {} workflows and {} plugins are {}'s, who is named in {} open approvals; {} keys revoked, {} invitations taken back, {} teams left",
                text(&leaves, "username"),
                count("workflows"),
                count("plugins"),
                text(&stays, "username"),
                count("approvals"),
                count("revoked_keys"),
                count("revoked_invitations"),
                count("left_teams")
            ));
            for left in done.get("approvals_left_because").and_then(Value::as_array).into_iter().flatten() {
                let approvals = left.get("approvals").and_then(Value::as_u64).unwrap_or(0);
                let because = text(left, "because").replace('_', " ");
                output::note(format_args!("{approvals} open approvals name them still: {}", output::plain(&because)));
            }
        }
        return Ok(());
    }
    let assets = remote.call(Method::GET, &format!("{path}/assets"), None).await?;
    if json {
        output::json(&assets);
        return Ok(());
    }
    for (name, then) in [
        ("workflows", "go to who takes over"),
        ("plugins", "go to who takes over"),
        ("api_keys", "are revoked"),
        ("service_account_keys", "go to who takes over, who answers for them; rotate them"),
        ("teams", "are left"),
        ("approvals", "go to who takes over, who may decide"),
        ("executions", "end at their next step that acts"),
        ("invitations", "are taken back"),
        ("sessions", "end"),
    ] {
        let Some(found) = assets.get(name) else { continue };
        let total = found.as_u64().or_else(|| found.get("total")?.as_u64()).unwrap_or(0);
        let named = found.get("items").and_then(Value::as_array).into_iter().flatten().map(|item| text(item, "name"));
        let named = named.collect::<Vec<_>>().join(", ");
        output::line(format_args!(
            "{total:5}  {:22} {then:34} {}",
            name.replace('_', " "),
            cut(&output::plain(&named), 60)
        ));
    }
    output::note("nothing was done; add --yes to do it");
    Ok(())
}
