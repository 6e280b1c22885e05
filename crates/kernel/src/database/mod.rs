//! Connections, roles and migrations: how a process gets at PostgreSQL with no more rights than it needs.

mod migrate;
mod roles;

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

pub use migrate::{MigrateError, migrate, pending};
pub use roles::{Logins, ensure_database, ensure_roles};

#[expect(clippy::disallowed_types, reason = "made here, owned by the kernel, named by nobody else")]
mod types {
    pub(crate) type Pool = sqlx::PgPool;
    pub(crate) type Connection = sqlx::PgConnection;
}
pub(crate) use types::{Connection, Pool};

/// The two pools of a process.
#[derive(Debug, Clone)]
pub struct Pools {
    pub(crate) app: Pool,
    pub(crate) system: Pool,
}

/// How many connections a process holds.
#[derive(Debug, Clone, Copy)]
pub struct PoolSizes {
    /// For tenants' work.
    pub app: u32,
    /// For work across tenants.
    pub system: u32,
}

impl Default for PoolSizes {
    fn default() -> Self {
        Self { app: 24, system: 12 }
    }
}

/// Why a process will not work with a database.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It is not there.
    #[error("cannot connect to PostgreSQL: {0}")]
    Unreachable(#[from] sqlx::Error),
    /// The URL is none.
    #[error("the database URL cannot be read; it should look like postgresql://user:password@host/database")]
    Url,
    /// The login could read past row-level security.
    #[error(
        "the login {login} {fault}: row-level security would not bind it; use the logins that `tenure migrate --create-roles` makes"
    )]
    TooPowerful {
        /// Which.
        login: String,
        /// What makes it so.
        fault: &'static str,
    },
    /// Too old.
    #[error("PostgreSQL {found} is too old; 15 or newer is needed")]
    Version {
        /// Its version number as PostgreSQL tells it.
        found: String,
    },
}

/// Begins a transaction, in a task of its own: where the caller goes away while `begin` is under way, sqlx 0.9 has not yet
/// counted it and rolls nothing back, and the connection would come to its next user inside somebody else's transaction.
pub(crate) async fn begin(
    pool: &Pool,
    statement: impl sqlx::SqlSafeStr + Send + 'static,
) -> crate::Result<sqlx::Transaction<'static, sqlx::Postgres>> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(statement).await });
    Ok(begun.await.map_err(crate::Error::internal)??)
}

/// Opens both pools, and refuses logins that row-level security would not bind.
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect(app_url: &str, system_url: &str, sizes: PoolSizes) -> Result<Pools, ConnectError> {
    let app = pool(app_url, sizes.app).await?;
    let system = pool(system_url, sizes.system).await?;
    for pool in [&app, &system] {
        refuse_power(pool).await?;
    }
    Ok(Pools { app, system })
}

async fn pool(url: &str, size: u32) -> Result<Pool, ConnectError> {
    let options: PgConnectOptions = url.parse().map_err(|_| ConnectError::Url)?;
    let options = options.application_name("tenure").statement_cache_capacity(500);
    Ok(PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(5))
        // A ping before every use would cost a round trip; a broken connection shows itself at `begin`.
        .test_before_acquire(false)
        .max_lifetime(Duration::from_secs(3600))
        .connect_with(options)
        .await?)
}

async fn refuse_power(pool: &Pool) -> Result<(), ConnectError> {
    // A power that can be taken on (`set role`) counts like one that is held.
    let row = sqlx::query(
        "select current_user::text,
                exists (select from pg_roles p where p.rolsuper and pg_has_role(current_user, p.oid, 'member')) as rolsuper,
                exists (select from pg_roles p where p.rolbypassrls and pg_has_role(current_user, p.oid, 'member')) as rolbypassrls, current_setting('server_version') as version,
                current_setting('server_version_num')::int as number,
                exists (select from pg_class c where c.relkind in ('r', 'p', 'v', 'm') and pg_has_role(current_user, c.relowner, 'member')) as owns",
    )
    .fetch_one(pool)
    .await?;
    let login: String = row.try_get("current_user")?;
    if row.try_get::<i32, _>("number")? < 150_000 {
        return Err(ConnectError::Version { found: row.try_get("version")? });
    }
    let powers = [
        ("rolsuper", "is a superuser, or may become one"),
        ("rolbypassrls", "has BYPASSRLS, or may become a role that has"),
        ("owns", "owns tables, or may become a role that does"),
    ];
    for (column, fault) in powers {
        if row.try_get::<bool, _>(column)? {
            return Err(ConnectError::TooPowerful { login, fault });
        }
    }
    Ok(())
}
