//! `tenure migrate`.

use tenure_kernel::database::{self, Logins};

use super::{Failure, Outcome, block_on, settings};
use crate::config::{Config, Flags};
use crate::output;
use crate::platform::{Platform, Work};

/// Bring a database of your own up to date
///
/// The embedded PostgreSQL is brought up to date by `tenure serve` itself. A server of your own is named by
/// TENURE_OWNER_DATABASE_URL: a login that may become the role tenure_owner, or, with --create-roles, one that may create
/// roles. Run it before each new version is started.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    TENURE_OWNER_DATABASE_URL=postgresql://postgres:…@db/tenure tenure migrate --create-roles\n  \
    TENURE_OWNER_DATABASE_URL=postgresql://deploy:…@db/tenure tenure migrate")]
pub(super) struct Args {
    /// Make the roles first, give the two that log in new passwords, and print their URLs
    #[arg(long)]
    create_roles: bool,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, flags: &Flags) -> Outcome {
    let mut flags = flags.clone();
    flags.quiet = true;
    let config = settings(&flags)?;
    block_on(async {
        match &config.database.owner_url {
            Some(url) => own_server(args, url.expose()).await,
            None if config.database.url.is_some() => Err(Failure::Usage(
                "DATABASE_URL names a server of your own; pass a login that owns its schema in TENURE_OWNER_DATABASE_URL".to_owned(),
            )),
            None if args.create_roles => Err(Failure::Usage(
                "the embedded PostgreSQL makes its roles by itself; for a server of your own set TENURE_OWNER_DATABASE_URL".to_owned(),
            )),
            None => embedded(args, &config).await,
        }
    })
}

async fn embedded(args: &Args, config: &Config) -> Outcome {
    Platform::open_to(config, Work::Left).await?.close().await;
    if args.json {
        output::json(&serde_json::json!({"database": "embedded", "up_to_date": true}));
    } else {
        output::line(format_args!("the embedded database in {} is up to date", config.data_dir.display()));
    }
    Ok(())
}

async fn own_server(args: &Args, url: &str) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    let mut document = serde_json::Map::from_iter([("database".to_owned(), "server".into())]);
    if args.create_roles {
        let logins = Logins::random();
        database::ensure_roles(url, &logins).await.map_err(|error| failed(&error))?;
        let app = with_login(url, "tenure_app", &logins.app);
        let system = with_login(url, "tenure_system", &logins.system);
        if !args.json {
            output::note("keep these two; they are not shown again");
            output::line(format_args!("DATABASE_URL={app}\nTENURE_SYSTEM_DATABASE_URL={system}"));
        }
        document.insert("DATABASE_URL".to_owned(), app.into());
        document.insert("TENURE_SYSTEM_DATABASE_URL".to_owned(), system.into());
    }
    let pending = database::pending(url).await.map_err(|error| failed(&error))?;
    database::migrate(url).await.map_err(|error| failed(&error))?;
    if args.json {
        document.insert("applied".to_owned(), pending.into());
        output::json(&document.into());
    } else {
        output::note(format_args!("{pending} migrations applied; the schema is up to date"));
    }
    Ok(())
}

/// The same place with another login. A password of hexadecimal digits needs no encoding.
fn with_login(url: &str, user: &str, password: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgresql", url));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let mut query: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !["user", "password"].contains(&pair.split('=').next().unwrap_or(pair)))
        .map(str::to_owned)
        .collect();
    // Before an empty host (a unix socket, which the query names) a URL cannot hold a login.
    let login = if place.starts_with('/') {
        query.extend([format!("user={user}"), format!("password={password}")]);
        String::new()
    } else {
        format!("{user}:{password}@")
    };
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    format!("{scheme}://{login}{place}{query}")
}

#[cfg(test)]
mod tests {
    use super::with_login;

    #[test]
    fn the_login_is_replaced_wherever_it_stood() {
        assert_eq!(
            with_login("postgresql://me:p@db:1/t?sslmode=require", "a", "b"),
            "postgresql://a:b@db:1/t?sslmode=require"
        );
        assert_eq!(
            with_login("postgres:///t?host=/tmp&user=me&password=p", "a", "b"),
            "postgres:///t?host=/tmp&user=a&password=b"
        );
    }
}
