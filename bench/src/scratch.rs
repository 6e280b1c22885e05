//! A scratch PostgreSQL with the product's schema, and a superuser's look at it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sqlx::Connection as _;
use tenure_kernel::database::{self, Logins};
use tenure_pgembed::{Binaries, Cluster, ClusterConfig};

const DATABASE: &str = "tenure";

/// Above the keys of every scratch installation: 32 bytes that protect nothing.
pub const MASTER_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

#[expect(clippy::disallowed_types, reason = "a superuser's look at the tables, and the bare handler's own pool")]
mod types {
    /// The superuser's connection.
    pub type Admin = sqlx::PgConnection;
    /// What the bare handler reads through.
    pub type BarePool = sqlx::PgPool;
}
pub use types::{Admin, BarePool};

/// A directory that is removed when dropped. Others may pass through it: as root PostgreSQL runs as a user of its own.
///
/// # Errors
/// If it cannot be made.
pub fn directory(parent: &Path) -> Result<tempfile::TempDir> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    let made = tempfile::Builder::new().prefix("tenure-bench-").permissions(mode).tempdir_in(parent);
    made.with_context(|| format!("cannot create a directory in {}", parent.display()))
}

/// A durable cluster in a directory of its own, migrated.
#[derive(Debug)]
pub struct Scratch {
    cluster: Cluster,
    bin: PathBuf,
    logins: Logins,
}

impl Scratch {
    /// Makes it below `directory`, on the disk that is to be measured.
    ///
    /// # Errors
    /// If PostgreSQL is not found or does not start.
    pub async fn open(directory: &Path) -> Result<Self> {
        let bin = Binaries::find(None, None)?.bin().to_owned();
        let settings = vec![("max_connections".to_owned(), "140".to_owned())];
        let config = ClusterConfig { settings, ..ClusterConfig::new(directory.join("postgres")) };
        let cluster = Cluster::open(config).await?;
        let logins = Logins::random();
        let this = Self { cluster, bin, logins };
        let superuser = this.cluster.endpoint().superuser_url("postgres");
        database::ensure_database(&superuser, DATABASE).await?;
        database::ensure_roles(&this.superuser_url(), &this.logins).await?;
        database::migrate(&this.superuser_url()).await?;
        Ok(this)
    }

    /// Directory of PostgreSQL's programs.
    #[must_use]
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The superuser's URL of the database.
    #[must_use]
    pub fn superuser_url(&self) -> String {
        self.cluster.endpoint().superuser_url(DATABASE)
    }

    /// URLs of the two logins that the server uses: tenants' work, work across tenants.
    #[must_use]
    pub fn urls(&self) -> (String, String) {
        let url = |user, password: &str| self.cluster.endpoint().url(DATABASE, user, Some(password));
        (url("tenure_app", &self.logins.app), url("tenure_system", &self.logins.system))
    }

    /// What a server needs to work with this database.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 3] {
        let (app, system) = self.urls();
        let key = MASTER_KEY.to_owned();
        [("DATABASE_URL", app), ("TENURE_SYSTEM_DATABASE_URL", system), ("TENURE_MASTER_KEY", key)]
    }

    /// A superuser's connection.
    ///
    /// # Errors
    /// If PostgreSQL is gone.
    pub async fn admin(&self) -> Result<Admin> {
        Admin::connect(&self.superuser_url()).await.context("cannot connect to the scratch database")
    }

    /// Runs statements as superuser.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn execute(&self, sql: &'static str) -> Result<()> {
        let mut admin = self.admin().await?;
        sqlx::raw_sql(sql).execute(&mut admin).await.with_context(|| format!("cannot run {sql}"))?;
        Ok(())
    }

    /// One number.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn count(&self, sql: &'static str) -> Result<u64> {
        let mut admin = self.admin().await?;
        let count: i64 =
            sqlx::query_scalar(sql).fetch_one(&mut admin).await.with_context(|| format!("cannot run {sql}"))?;
        ensure!(count >= 0, "{sql} gave {count}");
        Ok(u64::try_from(count)?)
    }

    /// Stops the server.
    pub async fn close(self) {
        self.cluster.stop().await;
    }
}
