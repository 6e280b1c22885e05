//! Migrations: one append-only history, run by the owner alone.

use sqlx::migrate::{Migrate as _, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};

use super::{ConnectError, Connection};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A migration failed, or the history differs from this program's.
    #[error("the database could not be migrated: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// PostgreSQL is gone.
    #[error("the database could not be migrated: {0}")]
    Database(#[from] sqlx::Error),
}

/// Brings the schema up to date, as `tenure_owner`. `url` names a login that may become that role.
///
/// # Errors
/// See [`MigrateError`]; each migration is applied whole or not at all.
pub async fn migrate(url: &str) -> Result<(), MigrateError> {
    let options: PgConnectOptions = url.parse().map_err(|_| ConnectError::Url)?;
    let mut connection: Connection = options.connect().await?;
    connection.execute("set role tenure_owner").await?;
    MIGRATIONS.run(&mut connection).await?;
    // This month and the next: an event finds its partition from the first moment on.
    connection
        .execute("select ensure_event_partition((now() at time zone 'utc')::date), ensure_event_partition(((now() at time zone 'utc') + interval '1 month')::date)")
        .await?;
    Ok(())
}

/// How many migrations of this program the database has not seen.
///
/// # Errors
/// See [`MigrateError`].
pub async fn pending(url: &str) -> Result<usize, MigrateError> {
    let options: PgConnectOptions = url.parse().map_err(|_| ConnectError::Url)?;
    let mut connection: Connection = options.connect().await?;
    connection.execute("set role tenure_owner").await?;
    connection.ensure_migrations_table(&MIGRATIONS.table_name).await?;
    let applied = connection.list_applied_migrations(&MIGRATIONS.table_name).await?;
    Ok(MIGRATIONS.iter().filter(|migration| !applied.iter().any(|done| done.version == migration.version)).count())
}
