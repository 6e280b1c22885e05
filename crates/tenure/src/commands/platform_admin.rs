//! `tenure platform-admin`: people who run the platform.

use tenure_kernel::Kernel;
use tenure_platform::domain::identity::PersonStatus;
use tenure_platform::domain::platform::{self, FactorsReset, PersonDecided, PlatformAdmin};

use super::{Failure, Outcome, on_platform};
use crate::config::Flags;
use crate::output;
use crate::platform::Platform;

/// Make, list and remove the platform's administrators; help who has lost their second factors; suspend people
///
/// Administrators list organisations, suspend and resume them, change their plans, quotas and rate limits, and suspend people, in the
/// console and over the API; they see nothing of what is in them. Works on the database itself, on the server's machine; with the embedded PostgreSQL the server must be stopped.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// One JSON document
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a person who has a login here a platform administrator
    #[command(after_help = "Examples:\n  \
        tenure platform-admin create ada\n  \
        tenure platform-admin create ada@example.com --json")]
    Create(Person),
    /// List the platform's administrators
    #[command(after_help = "Examples:\n  tenure platform-admin list --json")]
    List,
    /// Take a person off the platform's administrators; their login stays
    #[command(after_help = "Examples:\n  tenure platform-admin remove ada")]
    Remove(Person),
    /// Remove somebody's second factors, recovery codes and trusted devices, and end their logins
    ///
    /// For who has lost them and is in several organisations, none of which may do it alone. Be sure who asks: afterwards the password
    /// is all that a login takes. Each organisation of theirs reads of it in its audit log.
    #[command(after_help = "Examples:\n  \
        tenure platform-admin reset-mfa ada\n  \
        tenure platform-admin reset-mfa ada@example.com --json")]
    ResetMfa(Person),
    /// Suspend a person in every organisation: their logins end, and nothing of theirs works until they are resumed
    ///
    /// Each organisation of theirs reads of it in its audit log; the reason stands in the platform's part alone.
    #[command(after_help = "Examples:\n  \
        tenure platform-admin suspend ada --reason 'their laptop was stolen'")]
    Suspend(Decision),
    /// Let a suspended person go on
    #[command(after_help = "Examples:\n  \
        tenure platform-admin resume ada --reason 'they have a new one'")]
    Resume(Decision),
}

#[derive(Debug, clap::Args)]
struct Decision {
    #[command(flatten)]
    person: Person,
    /// Why, 1 to 500 characters; kept in the platform's part of the audit log
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, clap::Args)]
struct Person {
    /// Their user name or address
    #[arg(value_name = "PERSON")]
    name: String,
}

pub(super) fn run(args: &Args, flags: &Flags) -> Outcome {
    match &args.verb {
        Verb::Create(person) => {
            let made = on_kernel(flags, async |kernel| platform::add_admin(kernel, &person.name).await);
            one(&made.map_err(|error| told(error, &person.name))?, "added ", args.json);
        }
        Verb::Remove(person) => {
            let removed = on_kernel(flags, async |kernel| platform::remove_admin(kernel, &person.name).await);
            one(&removed.map_err(|error| told(error, &person.name))?, "removed ", args.json);
        }
        Verb::ResetMfa(person) => {
            let reset = on_kernel(flags, async |kernel| platform::reset_factors(kernel, &person.name).await);
            reset_told(&reset.map_err(|error| told(error, &person.name))?, args.json);
        }
        Verb::Suspend(decision) => decide(flags, decision, PersonStatus::Suspended, args.json)?,
        Verb::Resume(decision) => decide(flags, decision, PersonStatus::Active, args.json)?,
        Verb::List => list(&on_kernel(flags, async |kernel| platform::admins(kernel).await).map_err(whole)?, args.json),
    }
    Ok(())
}

/// Why nothing came of it: the platform was not opened, or what was asked of it was refused.
enum Trouble {
    Open(Failure),
    Refused(tenure_kernel::Error),
}

fn on_kernel<T>(flags: &Flags, work: impl AsyncFnOnce(&Kernel) -> tenure_kernel::Result<T>) -> Result<T, Trouble> {
    let done = on_platform(flags, async |platform: &Platform| Ok(work(&platform.app.kernel).await));
    done.map_err(Trouble::Open)?.map_err(Trouble::Refused)
}

fn one(admin: &PlatformAdmin, verb: &str, json: bool) {
    if json {
        output::json(&serde_json::json!(admin));
    } else {
        let PlatformAdmin { username, email, created_at, .. } = admin;
        output::line(format_args!("{verb}{} ({}), since {created_at}", username.0, email.0));
    }
}

fn list(admins: &[PlatformAdmin], json: bool) {
    if json {
        output::json(&serde_json::json!({ "items": admins }));
        return;
    }
    admins.iter().for_each(|admin| one(admin, "", false));
    if admins.is_empty() {
        output::note("there are none; `tenure platform-admin create` makes one");
    }
}

fn decide(flags: &Flags, Decision { person, reason }: &Decision, status: PersonStatus, json: bool) -> Outcome {
    let decided = on_kernel(flags, async |kernel| platform::decide_about(kernel, &person.name, status, reason).await);
    let decided = decided.map_err(|error| match error {
        Trouble::Refused(error) if error.problem().code == tenure_kernel::Code::NotFound => {
            Failure::Failed(format!("nobody here is called {}", person.name))
        }
        other => whole(other),
    })?;
    if json {
        output::json(&serde_json::json!(decided));
        return Ok(());
    }
    let PersonDecided { person, logins_ended } = decided;
    let (username, email) = (person.username.0, person.email.0);
    match status {
        PersonStatus::Suspended => {
            output::line(format_args!("suspended {username} ({email}); {logins_ended} of their logins ended"));
        }
        PersonStatus::Active => output::line(format_args!("resumed {username} ({email}); they log in again")),
    }
    Ok(())
}

fn reset_told(reset: &FactorsReset, json: bool) {
    if json {
        output::json(&serde_json::json!(reset));
        return;
    }
    let FactorsReset { user, logins_ended } = reset;
    output::line(format_args!(
        "removed the second factors of {} ({}); {logins_ended} of their logins ended, and the next asks for the password alone",
        user.username.0, user.email.0
    ));
}

fn whole(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Open(failure) => failure,
        Trouble::Refused(error) => error.into(),
    }
}

fn told(trouble: Trouble, name: &str) -> Failure {
    match trouble {
        Trouble::Refused(error) if error.problem().code == tenure_kernel::Code::NotFound => {
            Failure::Failed(format!("nobody here is called {name}, or they are no platform administrator"))
        }
        other => whole(other),
    }
}
