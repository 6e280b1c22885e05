//! `tenure organization create`, `quota` and `rate-limit`.

use std::io::{IsTerminal as _, Read as _};

use tenure_kernel::{Audited, SystemReason};
use tenure_platform::domain::audit;
use tenure_platform::domain::identity::{Email, NewPerson, PasswordRules, Username, create_organization, parse_name};
use tenure_platform::domain::quotas::{self, Limit, Quota, QuotaStanding};
use tenure_platform::domain::rate_limits::{self, RateLimit};
use tenure_platform::domain::tenancy::Plan;
use zeroize::Zeroizing;

use super::audit::named;
use super::{Failure, Outcome, on_platform};
use crate::config::Flags;
use crate::output;
use crate::platform::Platform;

/// Create organisations and set their quotas
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
    /// Show an organisation's quotas, or give it another limit than its plan's
    ///
    /// A change is an event in the organisation's audit log. It counts at once, also for a server that runs; with the
    /// embedded PostgreSQL the server must be stopped. Lowering a limit takes nothing away that is in use.
    #[command(after_help = "Examples:\n  \
        tenure organization quota acme\n  \
        tenure organization quota acme executions_per_month --max 50000\n  \
        tenure organization quota acme concurrent_executions --default --json")]
    Quota(QuotaArgs),
    /// Show how many requests an organisation may make, or set the most that it may have
    ///
    /// Its administrators can set less for it, its members and its keys, and no more. A change is an event in the
    /// organisation's audit log, and holds on every node within a second; with the embedded PostgreSQL the server must be
    /// stopped.
    #[command(after_help = "Examples:\n  \
        tenure organization rate-limit acme\n  \
        tenure organization rate-limit acme --per-minute 2000 --per-day 500000\n  \
        tenure organization rate-limit acme --default --json")]
    RateLimit(RateLimitArgs),
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

#[derive(Debug, clap::Args)]
struct QuotaArgs {
    /// The organisation, by its short name
    slug: String,
    /// workflows, teams, executions_per_hour, executions_per_month, concurrent_executions, queued_executions,
    /// concurrent_connections, storage_bytes or provider_calls_per_month; all are shown if absent
    #[arg(value_parser = parse_quota)]
    quota: Option<Quota>,
    /// The limit from now on
    #[arg(long, value_name = "N", requires = "quota", group = "limit")]
    max: Option<u64>,
    /// No limit from now on
    #[arg(long, requires = "quota", group = "limit")]
    unlimited: bool,
    /// The plan's limit again
    #[arg(long, requires = "quota", group = "limit")]
    default: bool,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RateLimitArgs {
    /// The organisation, by its short name
    slug: String,
    /// The most requests in a minute
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    per_minute: Option<u32>,
    /// The most requests in an hour
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    per_hour: Option<u32>,
    /// The most requests in a day
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    per_day: Option<u32>,
    /// What the plan gives
    #[arg(long, conflicts_with_all = ["per_minute", "per_hour", "per_day"])]
    default: bool,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

impl RateLimitArgs {
    /// What is to be set: what is named, and all else as it was.
    fn bounds(&self, before: RateLimit) -> RateLimit {
        if self.default {
            return RateLimit::default();
        }
        RateLimit {
            per_minute: self.per_minute.or(before.per_minute),
            per_hour: self.per_hour.or(before.per_hour),
            per_day: self.per_day.or(before.per_day),
        }
    }
}

fn parse_quota(text: &str) -> Result<Quota, String> {
    Quota::parse(text).ok_or_else(|| {
        let names = Quota::ALL.map(Quota::as_str).join(", ");
        format!("a quota is one of {names}")
    })
}

fn parse_plan(text: &str) -> Result<Plan, String> {
    let plan = [Plan::Free, Plan::Pro, Plan::Enterprise].into_iter().find(|plan| plan.as_str() == text);
    plan.ok_or_else(|| "a plan is free, pro or enterprise".to_owned())
}

pub(super) fn run(args: Args, flags: &Flags) -> Outcome {
    match args.verb {
        Verb::Create(new) => create(new, flags),
        Verb::Quota(args) => quota(&args, flags),
        Verb::RateLimit(args) => rate_limit(&args, flags),
    }
}

fn rate_limit(args: &RateLimitArgs, flags: &Flags) -> Outcome {
    let (bounds, limits) = on_platform(flags, async |platform: &Platform| {
        let kernel = &platform.app.kernel;
        let (tenant, _) = named(audit::tenants(kernel).await?, &args.slug)?;
        let changed = kernel.system(SystemReason::Administer).run(async |tx| {
            let before = rate_limits::store::standing(tx, tenant).await?;
            let changed = rate_limits::store::set_bounds(tx, tenant, args.bounds(before.bounds)).await?;
            let limits = rate_limits::store::standing(tx, tenant).await?;
            Ok(changed.map(|()| limits))
        });
        let limits = changed.await?;
        Ok((limits.most(kernel.limiter().rates()), limits))
    })?;
    if args.json {
        output::json(&serde_json::json!({"organization": args.slug, "most": bounds, "limit": limits.own}));
        return Ok(());
    }
    output::line(format_args!("{:<12} {:>14} {:>14}", "requests", "at most", "its own"));
    let told = |limit: Option<u32>| limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
    for (span, most, own) in [
        ("per minute", Some(bounds.per_minute), limits.own.per_minute),
        ("per hour", bounds.per_hour, limits.own.per_hour),
        ("per day", bounds.per_day, limits.own.per_day),
    ] {
        output::line(format_args!("{span:<12} {:>14} {:>14}", told(most), told(own)));
    }
    Ok(())
}

fn quota(args: &QuotaArgs, flags: &Flags) -> Outcome {
    let (plan, mut standings) = on_platform(flags, async |platform: &Platform| {
        let kernel = &platform.app.kernel;
        let (tenant, _) = named(audit::tenants(kernel).await?, &args.slug)?;
        let changed = kernel.system(SystemReason::Administer).run(async |tx| {
            let changed = match args.quota {
                Some(quota) if args.default => quotas::clear_override(tx, tenant, quota).await?,
                // No number is no limit.
                Some(quota) if args.unlimited || args.max.is_some() => {
                    quotas::set_override(tx, tenant, quota, args.max).await?
                }
                _ => Audited::none("the operator's look leaves quotas as they are", ()),
            };
            let standings = quotas::standings(tx, tenant).await?;
            Ok(changed.map(|()| standings))
        });
        Ok(changed.await?)
    })?;
    standings.retain(|standing| args.quota.is_none_or(|quota| standing.usage.name == quota));
    if args.json {
        output::json(&serde_json::json!({"organization": args.slug, "plan": plan, "items": standings}));
        return Ok(());
    }
    output::line(format_args!("{:<24} {:>12} {:>12} {:>12}", "quota", plan.as_str(), "set to", "used"));
    let told = |limit: Limit| limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    for QuotaStanding { usage, plan_limit, overridden } in standings {
        let set = if overridden { told(usage.limit) } else { "-".to_owned() };
        output::line(format_args!("{:<24} {:>12} {set:>12} {:>12}", usage.name.as_str(), told(plan_limit), usage.used));
    }
    Ok(())
}

fn create(new: Create, flags: &Flags) -> Outcome {
    let invalid = |error: tenure_kernel::Error| Failure::Usage(Failure::from(error).to_string());
    let username = Username::parse(&new.username, "/username").map_err(invalid)?;
    let email = Email::parse(&new.email, "/email").map_err(invalid)?;
    let name = parse_name(&new.name, "/name").map_err(invalid)?;
    let full_name = parse_name(new.full_name.as_deref().unwrap_or(&new.username), "/full_name").map_err(invalid)?;
    let rules = PasswordRules::new(username.as_str(), email.as_str(), &full_name).in_new(&name);
    let password = rules.parse(&read_password()?, "/password").map_err(invalid)?;

    let (user, organization) = on_platform(flags, async |platform: &Platform| {
        let app = &platform.app;
        let person = NewPerson {
            username,
            email,
            full_name,
            password_hash: app.passwords.hash(password).await?,
            must_change: false,
        };
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
pub(super) fn read_password() -> Result<Zeroizing<String>, Failure> {
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
