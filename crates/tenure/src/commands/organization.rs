//! `tenure organization create`.

use std::io::{IsTerminal as _, Read as _};

use tenure_kernel::SystemReason;
use tenure_platform::domain::identity::{Email, NewPerson, Username, create_organization, parse_name, parse_password};
use tenure_platform::domain::tenancy::Plan;
use zeroize::Zeroizing;

use super::{Failure, Outcome, on_platform};
use crate::config::Flags;
use crate::output;
use crate::platform::Platform;

/// Create organisations
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Create an organisation and the person who administers it
    ///
    /// The password is read from standard input, or asked for on a terminal; it is never an argument, which other users
    /// of the machine could see. With the embedded PostgreSQL the server must be stopped.
    #[command(after_help = "Examples:\n  \
        tenure organization create --name 'Acme Corporation' --username ada --email ada@example.com --full-name 'Ada Lovelace'\n  \
        pass show acme | tenure organization create --name Acme --username ada --email ada@example.com --json")]
    Create(Create),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Name of the organisation
    #[arg(long)]
    name: String,
    /// Name the administrator logs in with
    #[arg(long)]
    username: String,
    /// The administrator's address
    #[arg(long)]
    email: String,
    /// What the administrator is called; the user name if absent
    #[arg(long)]
    full_name: Option<String>,
    /// free, pro or enterprise; `plan.default` if absent
    #[arg(long, value_parser = parse_plan)]
    plan: Option<Plan>,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

fn parse_plan(text: &str) -> Result<Plan, String> {
    let plan = [Plan::Free, Plan::Pro, Plan::Enterprise].into_iter().find(|plan| plan.as_str() == text);
    plan.ok_or_else(|| "a plan is free, pro or enterprise".to_owned())
}

pub(super) fn run(args: Args, flags: &Flags) -> Outcome {
    let Verb::Create(new) = args.verb;
    let invalid = |error: tenure_kernel::Error| Failure::Usage(Failure::from(error).to_string());
    let username = Username::parse(&new.username, "/username").map_err(invalid)?;
    let email = Email::parse(&new.email, "/email").map_err(invalid)?;
    let name = parse_name(&new.name, "/name").map_err(invalid)?;
    let full_name = parse_name(new.full_name.as_deref().unwrap_or(&new.username), "/full_name").map_err(invalid)?;
    let names = [username.as_str(), email.as_str(), &name];
    let password = parse_password(&read_password()?, "/password", &names).map_err(invalid)?;

    let (user, organization) = on_platform(flags, async |platform: &Platform| {
        let app = &platform.app;
        let person = NewPerson { username, email, full_name, password_hash: app.passwords.hash(password).await? };
        let plan = new.plan.unwrap_or(app.config.default_plan);
        let reason = SystemReason::Authenticate;
        Ok(app.kernel.system(reason).run(async |tx| create_organization(tx, &person, &name, plan).await).await?)
    })?;
    if new.json {
        output::json(&serde_json::json!({"organization": organization, "user": user}));
    } else {
        output::line(format_args!(
            "created {} ({}, plan {}) with the administrator {}",
            organization.name,
            organization.slug,
            organization.plan.as_str(),
            user.username.0
        ));
    }
    Ok(())
}

/// Asked for twice on a terminal; otherwise standard input up to its first line end.
fn read_password() -> Result<Zeroizing<String>, Failure> {
    let failed = |error: std::io::Error| Failure::Usage(format!("the password cannot be read: {error}"));
    if std::io::stdin().is_terminal() {
        let first = Zeroizing::new(rpassword::prompt_password("Password: ").map_err(failed)?);
        let second = Zeroizing::new(rpassword::prompt_password("Once more: ").map_err(failed)?);
        if first != second {
            return Err(Failure::Usage("the two passwords differ; try again".to_owned()));
        }
        return Ok(first);
    }
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().take(4096).read_to_string(&mut text).map_err(failed)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}
