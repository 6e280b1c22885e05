//! The platform in this process, without HTTP: what `serve`, `run` and every verb that needs the database stand on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tenure_kernel::database::{self, ConnectError, Logins, MigrateError, PoolSizes};
use tenure_kernel::keys::Keys;
use tenure_kernel::{Clock, Kernel, KernelConfig};
use tenure_pgembed::{Cluster, ClusterConfig};
use tenure_platform::app::App;
use tenure_platform::config::{GuestPaths, PlatformConfig};
use tenure_platform::domain::audit::AuditConfig;
use tenure_platform::domain::engine::EngineConfig;
use tenure_platform::domain::identity::TokenConfig;
use tenure_platform::domain::mail::MailConfig;
use tenure_seal::{LocalKeyError, LocalKeys};
use tokio::task::JoinHandle;

use crate::config::{Auth, Config, Environment};
use crate::guests::{self, GuestsError};

/// Name of the database in the embedded cluster.
const DATABASE: &str = "tenure";
/// Below the data directory.
const CLUSTER_DIR: &str = "postgres";
/// Checkpoints and leaf hashes of every log, out of PostgreSQL's reach.
const AUDIT_DIR: &str = "audit";
const OBJECTS_DIR: &str = "objects";
const MASTER_KEY: &str = "master.key";
/// Both pools, the listener, and a few for an operator's look.
const SPARE_CONNECTIONS: u32 = 10;
/// Running steps are put away, and messages and imported lines in hand finished, within this.
const WORK_WITHIN: Duration = Duration::from_secs(3);
/// A request that was cut off may hold its connection until PostgreSQL ends it.
const POOLS_WITHIN: Duration = Duration::from_secs(5);

/// Why the platform could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("the data directory {path} cannot be made: {error}; choose another with --data-dir or TENURE_DATA_DIR", path = .path.display())]
    DataDir { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Cluster(#[from] tenure_pgembed::Error),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error(transparent)]
    Key(#[from] LocalKeyError),
    #[error("{data} holds data, but {key} is gone, and nothing in it can be opened without that key; bring the file back, or pass the key in TENURE_MASTER_KEY", data = .data.display(), key = .key.display())]
    KeyLost { data: PathBuf, key: PathBuf },
    #[error(transparent)]
    Guests(#[from] GuestsError),
    #[error("the platform did not start: {0}; if the schema is missing or old, run `tenure migrate`")]
    Start(#[from] tenure_kernel::Error),
}

/// What happens to what waits to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// It is taken up.
    Done,
    /// It stays as it is: whoever only looks must not run anything.
    Left,
}

/// The application on an open database. [`Platform::close`] it when done.
pub(crate) struct Platform {
    pub(crate) app: App,
    /// The embedded PostgreSQL; `None` with a server of the operator's own.
    pub(crate) cluster: Option<Cluster>,
    background: JoinHandle<()>,
}

impl Platform {
    /// Opens the database (the embedded one: makes it at first start, brings its schema up to date, and locks its
    /// superuser out again), starts the application and what runs beside it.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing is left running then.
    pub(crate) async fn open(config: &Config) -> Result<Self, OpenError> {
        Self::open_to(config, Work::Done).await
    }

    /// The same, and says whether what waits to be done (executions, messages, imports) is taken up.
    ///
    /// # Errors
    /// As [`Platform::open`].
    pub(crate) async fn open_to(config: &Config, work: Work) -> Result<Self, OpenError> {
        let dir = &config.data_dir;
        make_private_dir(dir).map_err(|error| OpenError::DataDir { path: dir.clone(), error })?;
        let keys = master_key(config)?;
        let guests = guests::locate(config)?;
        let sizes = PoolSizes { app: config.database.app_connections, system: config.database.system_connections };
        let (cluster, pools) = match (&config.database.url, &config.database.system_url) {
            (Some(app), Some(system)) => (None, database::connect(app.expose(), system.expose(), sizes).await?),
            _ => {
                let cluster = open_cluster(config).await?;
                match prepare(&cluster, sizes).await {
                    Ok(pools) => (Some(cluster), pools),
                    Err(error) => return Err(close_after(Some(cluster), error).await),
                }
            }
        };
        let kernel_config = KernelConfig {
            rates: config.rates,
            shared_limits: config.shared_limits.clone(),
            ..KernelConfig::default()
        };
        let kernel = Kernel::new(pools, Clock::system(), Keys::new(keys), kernel_config);
        match App::start(kernel.clone(), platform_config(config, guests)).await {
            Ok(app) => {
                if work == Work::Left {
                    app.stop(Duration::ZERO).await;
                }
                let running = app.clone();
                let background = tokio::spawn(async move { running.run().await });
                Ok(Self { app, cluster, background })
            }
            Err(error) => {
                kernel.close().await;
                Err(close_after(cluster, error.into()).await)
            }
        }
    }

    /// Ends what runs beside the requests, writes what is held back, closes the pools and stops PostgreSQL.
    pub(crate) async fn close(self) {
        // Executions are left where the next start goes on with them.
        self.app.stop(WORK_WITHIN).await;
        self.background.abort();
        // Cancelled is what it should be.
        let _ = self.background.await;
        if tokio::time::timeout(POOLS_WITHIN, self.app.kernel.close()).await.is_err() {
            tracing::warn!("connections were still in use and are cut off");
        }
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

async fn close_after(cluster: Option<Cluster>, error: OpenError) -> OpenError {
    if let Some(cluster) = cluster {
        cluster.stop().await;
    }
    error
}

async fn open_cluster(config: &Config) -> Result<Cluster, OpenError> {
    let connections = config.database.app_connections + config.database.system_connections + SPARE_CONNECTIONS;
    let cluster = ClusterConfig {
        bin: config.database.bin.clone(),
        cache: std::env::var_os("TENURE_CACHE").map(Into::into),
        settings: vec![("max_connections".to_owned(), connections.to_string())],
        ..ClusterConfig::new(config.data_dir.join(CLUSTER_DIR))
    };
    Ok(Cluster::open(cluster).await?)
}

/// As superuser makes what is missing, then logs in with no more rights than the work needs.
async fn prepare(cluster: &Cluster, sizes: PoolSizes) -> Result<database::Pools, OpenError> {
    let (endpoint, logins) = (cluster.endpoint(), Logins::random());
    database::ensure_database(&endpoint.superuser_url("postgres"), DATABASE).await?;
    let url = endpoint.superuser_url(DATABASE);
    database::ensure_roles(&url, &logins).await?;
    database::migrate(&url).await?;
    cluster.forget_superuser().await?;
    let login = |user, password: &str| endpoint.url(DATABASE, user, Some(password));
    let (app, system) = (login("tenure_app", &logins.app), login("tenure_system", &logins.system));
    Ok(database::connect(&app, &system, sizes).await?)
}

/// Others may pass through it (as root PostgreSQL's user must), not look into it.
fn make_private_dir(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    if !dir.is_dir() {
        std::fs::DirBuilder::new().recursive(true).mode(0o711).create(dir)?;
    }
    let mode = dir.metadata()?.permissions().mode();
    if mode & 0o066 != 0 {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode & !0o066))?;
    }
    Ok(())
}

fn master_key(config: &Config) -> Result<LocalKeys, OpenError> {
    if let Some(value) = &config.keys.master {
        return Ok(LocalKeys::from_value(value.expose())?);
    }
    let (key, data) = (config.data_dir.join(MASTER_KEY), config.data_dir.join(CLUSTER_DIR).join("data"));
    if !key.exists() && data.exists() {
        return Err(OpenError::KeyLost { data, key });
    }
    Ok(LocalKeys::open_or_create(&key)?)
}

fn platform_config(config: &Config, guests: GuestPaths) -> PlatformConfig {
    let issuer = config.server.public_url.clone().unwrap_or_else(|| format!("http://{}", config.server.listen));
    let mail = MailConfig {
        smtp: config.mail.smtp_url.clone(),
        from: config.mail.from.clone().unwrap_or_default(),
        authority: config.mail.authority.clone(),
        public_url: issuer.clone(),
        ..MailConfig::default()
    };
    PlatformConfig {
        mail,
        production: config.environment == Environment::Production,
        logins: config.auth == Auth::On,
        engine: EngineConfig { objects: config.data_dir.join(OBJECTS_DIR), ..EngineConfig::default() },
        audit: AuditConfig { directory: Some(config.data_dir.join(AUDIT_DIR)) },
        registration: config.registration,
        default_plan: config.default_plan,
        tokens: TokenConfig {
            issuer,
            access_ttl: config.sessions.access_token,
            refresh_ttl: config.sessions.unused,
            login_ttl: config.sessions.longest,
        },
        failed_login_takes: PlatformConfig::default().failed_login_takes,
        keep_executions: config.keep_executions,
        egress_allow: config.egress_allow.clone(),
        require_signed_plugins: config.require_signed_plugins,
        policy: config.policy.clone(),
        guests: Some(guests),
    }
}
