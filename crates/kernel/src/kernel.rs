//! What is shared by everything that runs in one process.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;

use crate::bus::Bus;
use crate::clock::Clock;
use crate::context::{Actor, Context, Identity, Origin};
use crate::database::{Pool, Pools};
use crate::error::{Error, Problem, Result};
use crate::id::TenantId;
use crate::keys::Keys;
use crate::limits::{Limiter, Rates};
use crate::permission::PermissionSet;
use crate::refusal::Refusals;

/// A credential that was not accepted.
#[derive(Debug)]
pub struct Rejected {
    /// What the caller is told.
    pub error: Error,
    /// Whose it is, where the token is one of ours all the same (ended, revoked, of a suspended tenant): the refusal is
    /// written to their tenant's stream.
    pub subject: Option<(TenantId, Actor)>,
}

impl From<Error> for Rejected {
    fn from(error: Error) -> Self {
        Self { error, subject: None }
    }
}

/// What a request proves itself with.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// `Authorization: Bearer …`: an access token or an API key.
    Bearer(&'a str),
    /// `X-API-Key: …`: an API key and nothing else.
    ApiKey(&'a str),
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// Tells who holds a credential, and what they may do at this moment.
///
/// Implemented by the identity domain; the kernel knows no domain.
pub trait Authenticator: Send + Sync + 'static {
    /// # Errors
    /// 401 for whatever is no valid credential now, or not from this address; 503 when that cannot be known.
    fn authenticate<'a>(
        &'a self,
        credential: Credential<'a>,
        address: Option<IpAddr>,
    ) -> BoxFuture<'a, Result<Arc<Identity>, Rejected>>;

    /// Who holds it, where this node knows that already and it is good now; nothing otherwise, and then it is to be
    /// authenticated. On the path of every request: it neither waits nor allocates.
    fn remembered(&self, credential: Credential<'_>, address: Option<IpAddr>) -> Option<Arc<Identity>>;
}

/// Settings that the kernel itself needs.
#[derive(Debug, Clone)]
pub struct KernelConfig {
    /// The region this process serves; stamped on every event.
    pub region: String,
    /// Rate limits.
    pub rates: Rates,
}

impl Default for KernelConfig {
    fn default() -> Self {
        Self { region: "local".to_owned(), rates: Rates::default() }
    }
}

struct Inner {
    pools: Pools,
    clock: Clock,
    config: KernelConfig,
    keys: Keys,
    bus: Bus,
    limiter: Limiter,
    refusals: Refusals,
    authenticator: OnceLock<Arc<dyn Authenticator>>,
}

/// A cheap handle on what one process shares: pools, clock, keys, limits.
#[derive(Clone)]
pub struct Kernel(Arc<Inner>);

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// A handle that does not keep the kernel alive: for what the kernel itself holds.
#[derive(Clone)]
pub struct WeakKernel(std::sync::Weak<Inner>);

impl std::fmt::Debug for WeakKernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WeakKernel")
    }
}

impl WeakKernel {
    /// The kernel, while it lives.
    ///
    /// # Errors
    /// 503 once the process is ending.
    pub fn upgrade(&self) -> Result<Kernel> {
        self.0.upgrade().map(Kernel).ok_or_else(|| Problem::unavailable("the server is stopping").into())
    }
}

impl Kernel {
    /// A handle that does not keep it alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakKernel {
        WeakKernel(Arc::downgrade(&self.0))
    }

    /// What [`crate::database::connect`] opened, with everything else that is shared.
    #[must_use]
    pub fn new(pools: Pools, clock: Clock, keys: Keys, config: KernelConfig) -> Self {
        Self(Arc::new(Inner {
            pools,
            clock,
            limiter: Limiter::new(config.rates),
            config,
            keys,
            bus: Bus::default(),
            refusals: Refusals::default(),
            authenticator: OnceLock::new(),
        }))
    }

    /// Sets who verifies tokens; once, at start.
    pub fn set_authenticator(&self, authenticator: Arc<dyn Authenticator>) {
        // A second call would be a fault in the wiring; the first one stands.
        let _ = self.0.authenticator.set(authenticator);
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The region this process serves.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.0.config.region
    }

    /// The tenants' keys.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// News between nodes.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// Rate limits.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    pub(crate) fn app_pool(&self) -> &Pool {
        &self.0.pools.app
    }

    pub(crate) fn system_pool(&self) -> &Pool {
        &self.0.pools.system
    }

    /// Who holds this credential, and what they may do now from this address.
    ///
    /// # Errors
    /// As [`Authenticator::authenticate`].
    pub async fn authenticate(&self, credential: Credential<'_>, address: Option<IpAddr>) -> Result<Arc<Identity>> {
        self.who(credential, address).await.map_err(|rejected| rejected.error)
    }

    /// The same, which tells whose a rejected credential is.
    pub(crate) async fn who(
        &self,
        credential: Credential<'_>,
        address: Option<IpAddr>,
    ) -> Result<Arc<Identity>, Rejected> {
        let authenticator =
            self.0.authenticator.get().ok_or_else(|| Error::from(Problem::unavailable("the server is starting")))?;
        match authenticator.remembered(credential, address) {
            Some(identity) => Ok(identity),
            None => authenticator.authenticate(credential, address).await,
        }
    }

    /// Who holds this credential, where this node knows that already; see [`Authenticator::remembered`].
    #[must_use]
    pub fn remembered(&self, credential: Credential<'_>, address: Option<IpAddr>) -> Option<Arc<Identity>> {
        self.0.authenticator.get()?.remembered(credential, address)
    }

    /// Makes the keys of the platform's own tenant at first start.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn ensure_platform_keys(&self) -> Result<()> {
        self.system(crate::SystemReason::Authenticate)
            .run(async |tx| {
                tx.enter(crate::record::PLATFORM_TENANT).await?;
                // Two nodes that start at once must not each make them.
                sqlx::query("select pg_advisory_xact_lock(hashtext('tenure platform keys'))").execute(&mut *tx).await?;
                let there: bool = sqlx::query_scalar("select exists (select from tenant_keys where tenant_id = $1)")
                    .bind(crate::record::PLATFORM_TENANT.uuid())
                    .fetch_one(&mut *tx)
                    .await?;
                if !there {
                    tx.create_tenant_keys(crate::record::PLATFORM_TENANT).await?;
                }
                Ok(crate::Audited::none("the platform's first keys are made with the installation", ()))
            })
            .await
    }

    /// Whether PostgreSQL answers.
    ///
    /// # Errors
    /// 503 if not.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("select 1").execute(&self.0.pools.app).await?;
        Ok(())
    }

    /// Throws away the connections that nobody uses: after PostgreSQL was started again they lead nowhere, and each would
    /// cost a request to find that out.
    pub fn drop_idle_connections(&self) {
        for pool in [&self.0.pools.app, &self.0.pools.system] {
            while let Some(connection) = pool.try_acquire() {
                drop(connection.detach());
            }
        }
    }

    /// Work on behalf of an identity that did not come with a request (an execution's stored actor). Refused where the
    /// identity lacks `P` now.
    ///
    /// # Errors
    /// 403 with the permission that is missing.
    pub fn act_as<P: crate::Permission>(
        &self,
        identity: Arc<Identity>,
        origin: Origin,
    ) -> Result<crate::Authorized<P>> {
        let missing = P::NEEDS.missing_from(identity.permissions);
        if missing != PermissionSet::NONE {
            return Err(crate::authorized::denied(missing).into());
        }
        Ok(crate::Authorized::prove(self.clone(), Arc::new(Context { identity, origin }), None))
    }

    /// Closes the pools, after what is folded has been written.
    pub async fn close(&self) {
        if let Err(error) = self.flush_refusals(true).await {
            tracing::warn!(%error, "counts of folded refusals were not written");
        }
        self.0.pools.app.close().await;
        self.0.pools.system.close().await;
    }
}
