//! Puts the slices together: one state, one router, one list of events.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use tenure_egress::{AllowList, EgressClient, EgressPolicy};
use tenure_kernel::decision::Policy;
use tenure_kernel::event::ActionInfo;
use tenure_kernel::{Error, Kernel, Result, RouteInfo};
use tokio::sync::watch;

use crate::config::{GuestPaths, PlatformConfig};
use crate::domain::api_keys::CredentialAuthenticator;
use crate::domain::engine::{Engine, Parts};
use crate::domain::executions::LiveSteps;
use crate::domain::identity::{Passkeys, Passwords, TokenAuthenticator, Tokens};
use crate::domain::policies::ConfiguredPolicy;
use crate::domain::workflows::PlanCache;
use crate::domain::{
    account, api_keys, approvals, audit, executions, identity, imports, invitations, mail, members, oauth, offboarding,
    platform, plugins, quotas, rate_limits, roles, secrets, service_accounts, teams, tenancy, workflows,
};
use crate::sandbox::Sandbox;

/// Routes on [`App`].
pub type Routes = tenure_kernel::Routes<App>;

/// When the object store is looked through for the first time, and then.
const OBJECTS_FIRST: Duration = Duration::from_secs(15 * 60);
const OBJECTS_EVERY: Duration = Duration::from_secs(6 * 60 * 60);
/// No request lasts so long: what is this old and has no execution gets none.
const OBJECTS_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// When executions are looked for that were kept long enough, for the first time and then.
const EXPIRY_FIRST: Duration = Duration::from_secs(60);
const EXPIRY_EVERY: Duration = Duration::from_secs(10 * 60);

/// What handlers share. One handle on all of it: axum clones it several times for each request, and each counter that all
/// processors write to costs.
#[derive(Debug, Clone)]
pub struct App(Arc<Services>);

/// The parts of an [`App`].
#[derive(Debug)]
pub struct Services {
    /// Pools, clock, keys, limits.
    pub kernel: Kernel,
    /// Settings of the domains.
    pub config: Arc<PlatformConfig>,
    /// Signs and verifies access tokens.
    pub tokens: Arc<Tokens>,
    /// Tells who holds a token or an API key.
    pub credentials: Arc<CredentialAuthenticator>,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Checks passkeys.
    pub passkeys: Passkeys,
    /// Delivers messages.
    pub mail: mail::Mailer,
    /// Runs what tenants write.
    pub sandbox: Sandbox,
    /// Compiled workflow versions.
    pub plans: PlanCache,
    /// What may not happen although a permission allows it.
    pub policy: Arc<dyn Policy>,
    /// What runs on this node at this moment.
    pub live: Arc<LiveSteps>,
    /// Which connections stay open on it.
    pub connections: quotas::Connections,
    /// Who verifies a log at this moment.
    pub verifications: audit::Verifications,
    /// Goes through imports of people.
    pub importer: imports::Importer,
    /// Drives executions.
    pub engine: Engine,
    /// Whether what works beside the requests is to stop.
    stopping: watch::Sender<bool>,
}

impl Deref for App {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}

impl FromRef<App> for Kernel {
    fn from_ref(app: &App) -> Self {
        app.kernel.clone()
    }
}

impl App {
    /// Loads what is stored and connects the parts. Nothing runs in the background until [`App::run`].
    ///
    /// # Errors
    /// When PostgreSQL is gone, stored keys do not open under the master key, or the configured policy or the list of
    /// allowed hosts is not understood.
    pub async fn start(kernel: Kernel, config: PlatformConfig) -> Result<Self> {
        kernel.ensure_platform_keys().await?;
        let tokens = Arc::new(Tokens::load(&kernel, config.tokens.clone()).await?);
        let of_tokens = Arc::new(TokenAuthenticator::new(&kernel, Arc::clone(&tokens)));
        let credentials = Arc::new(CredentialAuthenticator::new(&kernel, of_tokens));
        credentials.follow(&kernel);
        kernel.set_authenticator(Arc::<CredentialAuthenticator>::clone(&credentials));
        let passwords = Passwords::start()?;
        let passkeys = Passkeys::new(&config.tokens.issuer)?;
        let sandbox = open_sandbox(config.guests.clone()).await?.signed_only(config.require_signed_plugins);
        let policy: Arc<dyn Policy> = Arc::new(ConfiguredPolicy::parse(&config.policy).map_err(Error::internal)?);
        let allowed = AllowList::new(&config.egress_allow).map_err(Error::internal)?;
        let egress = EgressClient::new(EgressPolicy { allowed, ..EgressPolicy::default() }).map_err(Error::internal)?;
        let (plans, live) = (PlanCache::default(), Arc::<LiveSteps>::default());
        let engine = Engine::new(Parts {
            kernel: kernel.clone(),
            plans: plans.clone(),
            sandbox: sandbox.clone(),
            egress,
            policy: Arc::clone(&policy),
            live: Arc::clone(&live),
            config: config.engine.clone(),
        });
        let mail = mail::Mailer::new(kernel.clone(), config.mail.clone(), config.production)?;
        let verifications = audit::Verifications::default();
        let importer = imports::Importer::new(kernel.clone(), passwords.clone());
        Ok(Self(Arc::new(Services {
            kernel,
            config: Arc::new(config),
            tokens,
            credentials,
            passwords,
            passkeys,
            mail,
            sandbox,
            plans,
            policy,
            live,
            connections: quotas::Connections::default(),
            verifications,
            importer,
            engine,
            stopping: watch::Sender::default(),
        })))
    }

    /// What runs beside the requests; ends only when dropped.
    pub async fn run(&self) {
        let upkeep =
            async { tokio::join!(self.keep_up(), self.keep_clean(), self.keep_objects(), self.keep_executions()) };
        let stop = || self.stopping.subscribe();
        let work = async { tokio::join!(self.engine.run(), self.mail.run(stop()), self.importer.run(stop())) };
        let beside = async { tokio::join!(self.kernel.limiter().run(), self.sealer().run()) };
        tokio::join!(self.kernel.run_bus(), upkeep, beside, work);
    }

    /// Takes up no more executions, messages and imports, and lets those in hand come to an end, or for as long as `grace`.
    /// What is left undone is left for the next start, or another node.
    pub async fn stop(&self, grace: Duration) {
        self.stopping.send_replace(true);
        // All that still works holds a receiver.
        let worked = tokio::time::timeout(grace, self.stopping.closed());
        let _ = tokio::join!(self.engine.stop(grace), worked);
    }

    /// What seals events; [`App::run`] runs one.
    #[must_use]
    pub fn sealer(&self) -> audit::Sealer {
        audit::Sealer::new(self.kernel.clone(), self.config.audit.directory.clone().map(audit::Outside::new))
    }

    /// Upkeep once every few seconds.
    async fn keep_up(&self) {
        let mut often = tokio::time::interval(std::time::Duration::from_secs(10));
        let mut ahead_of = None;
        loop {
            often.tick().await;
            if let Err(error) = self.kernel.flush_refusals(false).await {
                tracing::warn!(%error, "counts of folded refusals were not written");
            }
            if let Err(error) = self.credentials.write_uses().await {
                tracing::warn!(%error, "when API keys were last used was not written; the next round tries again");
            }
            self.engine.settle_calls(false).await;
            if let Err(error) = self.connections.write_down(&self.kernel).await {
                tracing::warn!(%error, "how many connections are open was not written; the next round tries again");
            }
            if let Err(error) = quotas::warn(&self.kernel).await {
                tracing::warn!(%error, "organisations were not told of quotas that are nearly used; the next round tries again");
            }
            if let Err(error) = self.tokens.renew(&self.kernel).await {
                tracing::warn!(%error, "the keys that sign tokens were not looked at; the next round tries again");
            }
            let month = self.kernel.clock().now().month().0;
            if ahead_of != Some(month) {
                match self.kernel.make_event_partitions().await {
                    Ok(()) => ahead_of = Some(month),
                    Err(error) => tracing::warn!(%error, "the partitions of the coming months were not made"),
                }
            }
        }
    }

    /// Deletes what has run out, every few minutes.
    async fn keep_clean(&self) {
        let mut seldom = tokio::time::interval(std::time::Duration::from_secs(600));
        loop {
            seldom.tick().await;
            match self.sweep().await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "deleted what had run out"),
                Err(error) => tracing::warn!(%error, "what has run out was not deleted; the next round tries again"),
            }
        }
    }

    /// Removes what a crash left in the object store, a few times a day: it reads the whole directory. Not at the start,
    /// since commands that only look at something start this too.
    async fn keep_objects(&self) {
        let mut rarely = tokio::time::interval_at(tokio::time::Instant::now() + OBJECTS_FIRST, OBJECTS_EVERY);
        loop {
            rarely.tick().await;
            match self.engine.sweep_objects(OBJECTS_AGE).await {
                Ok(0) => {}
                Ok(executions) => tracing::info!(executions, "removed values of executions that never came about"),
                Err(error) => {
                    tracing::warn!(%error, "what a crash left in the object store was not removed; the next round tries again")
                }
            }
        }
    }

    /// Deletes executions that were kept long enough, a few times an hour. Not at the start, as above, and not where nothing
    /// that waits is taken up.
    async fn keep_executions(&self) {
        let mut now_and_then = tokio::time::interval_at(tokio::time::Instant::now() + EXPIRY_FIRST, EXPIRY_EVERY);
        loop {
            now_and_then.tick().await;
            if *self.stopping.borrow() {
                return;
            }
            match executions::expire(self).await {
                Ok(0) => {}
                Ok(executions) => tracing::info!(executions, "deleted executions that were kept long enough"),
                Err(error) => {
                    tracing::warn!(%error, "executions that were kept long enough were not deleted; the next round tries again")
                }
            }
        }
    }

    /// Deletes what has run out: replayed answers after a day, ended sessions, used tokens, old failures of logins, API
    /// keys and invitations long ended, figures of days long past. How many rows.
    ///
    /// # Errors
    /// PostgreSQL's; what was deleted before stays deleted.
    pub async fn sweep(&self) -> Result<u64> {
        let kernel = &self.kernel;
        let of_people = identity::sweep(kernel).await?
            + api_keys::sweep(kernel).await?
            + imports::sweep(kernel).await?
            + invitations::sweep(kernel).await?;
        let of_others = mail::sweep(kernel).await? + quotas::sweep(kernel).await? + oauth::sweep(kernel).await?;
        Ok(kernel.sweep_idempotency_keys().await? + of_people + of_others)
    }

    /// The router of everything under `/api/v1`, the well-known paths, and the table of all routes.
    pub fn router(&self) -> (Router, Arc<[RouteInfo]>) {
        let (router, table) = routes().finish();
        (router.with_state(self.clone()), table)
    }
}

/// Verifies and maps some 40 MB of images: not on a thread that serves others.
async fn open_sandbox(paths: Option<GuestPaths>) -> Result<Sandbox> {
    let Some(paths) = paths else { return Ok(Sandbox::absent()) };
    let open = move || Sandbox::open(&paths.modules, &paths.images);
    tokio::task::spawn_blocking(open).await.map_err(Error::internal)
}

/// Every slice's routes.
#[must_use]
pub fn routes() -> Routes {
    let slices = Routes::new("")
        .merge(identity::instance_routes())
        .merge(identity::routes())
        .merge(tenancy::routes())
        .merge(mail::routes())
        .merge(members::routes())
        .merge(roles::routes())
        .merge(service_accounts::routes())
        .merge(api_keys::routes())
        .merge(oauth::routes())
        .merge(teams::routes())
        .merge(invitations::routes())
        .merge(imports::routes())
        .merge(secrets::routes())
        .merge(quotas::routes())
        .merge(rate_limits::routes())
        .merge(audit::routes())
        .merge(plugins::routes())
        .merge(workflows::routes())
        .merge(executions::routes())
        .merge(approvals::routes())
        .merge(platform::routes())
        .merge(offboarding::routes())
        .merge(account::routes());
    slices.below("/api/v1").merge(identity::well_known())
}

/// Every action that events tell of: the event catalogue.
#[must_use]
pub fn events() -> Vec<&'static ActionInfo> {
    let slices = [
        tenure_kernel::refusal::RequestEvent::ALL,
        tenancy::OrganizationEvent::ALL,
        tenancy::SecurityEvent::ALL,
        mail::MailEvent::ALL,
        identity::UserEvent::ALL,
        identity::SessionEvent::ALL,
        identity::SigningKeyEvent::ALL,
        members::MemberEvent::ALL,
        roles::RoleEvent::ALL,
        service_accounts::ServiceAccountEvent::ALL,
        api_keys::ApiKeyEvent::ALL,
        oauth::DelegationEvent::ALL,
        oauth::DeviceLoginEvent::ALL,
        teams::TeamEvent::ALL,
        invitations::InvitationEvent::ALL,
        imports::ImportEvent::ALL,
        imports::RoleImportEvent::ALL,
        imports::KeyImportEvent::ALL,
        secrets::SecretEvent::ALL,
        quotas::QuotaEvent::ALL,
        rate_limits::RateLimitEvent::ALL,
        rate_limits::MemberLimitEvent::ALL,
        audit::AuditEvent::ALL,
        plugins::PluginEvent::ALL,
        plugins::PluginVersionEvent::ALL,
        workflows::WorkflowEvent::ALL,
        executions::ExecutionEvent::ALL,
        executions::RetentionEvent::ALL,
        approvals::ApprovalEvent::ALL,
        platform::PlatformAdminEvent::ALL,
        platform::SetupLinkEvent::ALL,
    ];
    slices.concat()
}

/// The OpenAPI 3.1 document of all routes.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, table) = routes().finish();
    let description = "Runs AI-agent workflows and data queries for many tenants, and proves afterwards that every one of them was allowed.";
    tenure_kernel::routes::openapi("Tenure", env!("CARGO_PKG_VERSION"), description, &table)
}
