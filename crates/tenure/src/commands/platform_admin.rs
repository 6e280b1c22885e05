//! `tenure platform-admin`: people who run the platform.

use tenure_platform::domain::platform::{self, PlatformAdmin};

use super::{Failure, Outcome, on_platform};
use crate::config::Flags;
use crate::output;
use crate::platform::Platform;

/// Make, list and remove the platform's administrators
///
/// They list organisations, suspend and resume them, and change their plans and quotas, over the API; they see nothing of what is in
/// them. Works on the database itself, on the server's machine; with the embedded PostgreSQL the server must be stopped.
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
}

#[derive(Debug, clap::Args)]
struct Person {
    /// Their user name or address
    #[arg(value_name = "PERSON")]
    name: String,
}

pub(super) fn run(args: &Args, flags: &Flags) -> Outcome {
    let admins = on_platform(flags, async |platform: &Platform| {
        let kernel = &platform.app.kernel;
        Ok(match &args.verb {
            Verb::Create(person) => vec![platform::add_admin(kernel, &person.name).await.map_err(|e| told(e, person))?],
            Verb::Remove(person) => {
                vec![platform::remove_admin(kernel, &person.name).await.map_err(|e| told(e, person))?]
            }
            Verb::List => platform::admins(kernel).await?,
        })
    })?;
    if args.json {
        match &args.verb {
            Verb::List => output::json(&serde_json::json!({ "items": admins })),
            Verb::Create(_) | Verb::Remove(_) => output::json(&serde_json::json!(admins.first())),
        }
        return Ok(());
    }
    let verb = match &args.verb {
        Verb::Create(_) => "added ",
        Verb::Remove(_) => "removed ",
        Verb::List => "",
    };
    for PlatformAdmin { username, email, created_at, .. } in &admins {
        output::line(format_args!("{verb}{} ({}), since {created_at}", username.0, email.0));
    }
    if admins.is_empty() {
        output::note("there are none; `tenure platform-admin create` makes one");
    }
    Ok(())
}

fn told(error: tenure_kernel::Error, person: &Person) -> Failure {
    match error.problem().code {
        tenure_kernel::Code::NotFound => {
            let name = &person.name;
            Failure::Failed(format!("nobody here is called {name}, or they are no platform administrator"))
        }
        _ => error.into(),
    }
}
