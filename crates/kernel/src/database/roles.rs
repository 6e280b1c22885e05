//! The database roles. Made once by whoever may create roles; migrations grant them what they need.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use super::{ConnectError, Connection};

/// Fresh passwords of the two roles that may log in: 32 lower-case hexadecimal characters each.
#[derive(Clone)]
pub struct Logins {
    /// Of `tenure_app`.
    pub app: String,
    /// Of `tenure_system`.
    pub system: String,
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Logins(…)")
    }
}

impl Logins {
    /// New random ones.
    #[must_use]
    pub fn random() -> Self {
        let password = || uuid::Uuid::new_v4().simple().to_string();
        Self { app: password(), system: password() }
    }
}

const NARROW: [&str; 4] = ["tenure_auth", "tenure_engine", "tenure_sealer", "tenure_platform"];

/// Makes the roles that are missing and sets the passwords of those that log in.
///
/// `url` names a login that may create roles, and the database that Tenure will live in. Roles belong to the whole
/// cluster, so this waits for others that do the same.
///
/// # Errors
/// When the login may not create roles, or PostgreSQL is gone.
#[expect(
    clippy::disallowed_methods,
    reason = "role statements take no parameters; names are constants, passwords are hexadecimal"
)]
pub async fn ensure_roles(url: &str, logins: &Logins) -> Result<(), ConnectError> {
    let options: PgConnectOptions = url.parse().map_err(|_| ConnectError::Url)?;
    // The statements hold passwords: no log line may quote them.
    let mut connection: Connection = options.disable_statement_logging().connect().await?;
    // One transaction: all or nothing, and one flush to disk at each start instead of thirty.
    connection.execute("begin; select pg_advisory_xact_lock(hashtext('tenure roles'))").await?;
    let mut statements = vec![create("tenure_owner", "nologin")];
    statements.extend(NARROW.iter().map(|role| create(role, "nologin")));
    statements.push(create("tenure_app", "login"));
    statements.push(create("tenure_system", "login noinherit"));
    statements.push(format!("alter role tenure_app password '{}'", logins.app));
    statements.push(format!("alter role tenure_system password '{}'", logins.system));
    for role in ["tenure_app", "tenure_system"] {
        statements.push(format!("alter role {role} set statement_timeout = '30s'"));
        statements.push(format!("alter role {role} set idle_in_transaction_session_timeout = '60s'"));
    }
    statements.extend(NARROW.iter().map(|role| format!("grant {role} to tenure_system")));
    let database =
        sqlx::query_scalar::<_, String>("select quote_ident(current_database())").fetch_one(&mut connection).await?;
    statements.push("grant tenure_owner to current_user".to_owned());
    statements.push(format!("revoke all on database {database} from public"));
    statements.push(format!("grant connect on database {database} to tenure_app, tenure_system"));
    statements.push(format!("grant create, connect on database {database} to tenure_owner"));
    statements.push("alter schema public owner to tenure_owner".to_owned());
    for statement in statements {
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    connection.execute("commit").await?;
    Ok(())
}

/// Makes the database `name` unless it is there. `url` names a login that may do so, on another database of the cluster.
///
/// # Errors
/// When it may not, or PostgreSQL is gone.
#[expect(clippy::disallowed_methods, reason = "the statement takes no parameters; PostgreSQL quotes the name itself")]
pub async fn ensure_database(url: &str, name: &str) -> Result<(), ConnectError> {
    let options: PgConnectOptions = url.parse().map_err(|_| ConnectError::Url)?;
    let mut connection: Connection = options.connect().await?;
    let statement: Option<String> = sqlx::query_scalar(
        "select format('create database %I', $1) where not exists (select from pg_database where datname = $1)",
    )
    .bind(name)
    .fetch_optional(&mut connection)
    .await?;
    if let Some(statement) = statement {
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    Ok(())
}

fn create(role: &str, attributes: &str) -> String {
    format!(
        "do $$ begin if not exists (select from pg_roles where rolname = '{role}') then create role {role} {attributes}; end if; end $$"
    )
}
