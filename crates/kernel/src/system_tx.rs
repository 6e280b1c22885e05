//! The cross-tenant door: named reasons, narrow database roles, a small pool of its own.

use sqlx::{Postgres, Transaction};

use crate::bus::Message;
use crate::clock::Timestamp;
use crate::context::{Actor, Origin, SystemPart};
use crate::error::Result;
use crate::event::Audited;
use crate::executor::execute_through;
use crate::id::{Id, Kind, TenantId};
use crate::kernel::Kernel;

/// Why something crosses tenants. Each reason stands for one database role and nothing more; a test counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemReason {
    /// Prove who somebody is: register, login, refresh, sessions.
    Authenticate,
    /// Create people and add them to tenants.
    ManagePeople,
    /// Deliver mail, and write down what came of it.
    DeliverMail,
    /// Journal and finish executions in batches.
    EngineBatch,
    /// Take executions off the queue, one node at a time: two that claim at once could both take a tenant's last slot.
    EngineClaim,
    /// Seal events.
    Seal,
    /// Refusals and other events that have no tenant of their own.
    PlatformEvent,
    /// Upkeep: partitions, expired rows.
    Upkeep,
    /// What an operator decides about a tenant: its quotas.
    Administer,
}

/// How a connection takes on a role: for a transaction, or for good.
struct Role {
    begin: &'static str,
    stay: &'static str,
}

/// The role, what the planner is told in it, and what its transactions begin with.
macro_rules! role {
    ($role:literal $(, $setting:literal)* $(; $first:literal)?) => {
        Role {
            begin: concat!("begin; set local role ", $role $(, "; set local ", $setting)* $(, "; ", $first)?),
            stay: concat!("set role ", $role $(, "; set ", $setting)*),
        }
    };
}

impl SystemReason {
    /// Every reason, for the test that counts them.
    pub const ALL: &'static [Self] = &[
        Self::Authenticate,
        Self::ManagePeople,
        Self::DeliverMail,
        Self::EngineBatch,
        Self::EngineClaim,
        Self::Seal,
        Self::PlatformEvent,
        Self::Upkeep,
        Self::Administer,
    ];

    /// What the engine asks it finds by key. Its tables are empty at one moment and hold ten thousand rows at the next, so the
    /// planner's picture of them is often wrong, and a plan that reads them whole would cost more with every execution that
    /// is queued; a bitmap scan never forgets the entries of rows that are gone.
    const fn role(self) -> Role {
        match self {
            Self::Authenticate | Self::ManagePeople | Self::DeliverMail => role!("tenure_auth"),
            Self::EngineBatch => role!(
                "tenure_engine",
                "plan_cache_mode = force_generic_plan",
                "enable_seqscan = off",
                "enable_bitmapscan = off"
            ),
            // The lock first, and the statement that counts slots after it: it sees what the claim before has taken.
            Self::EngineClaim => role!(
                "tenure_engine", "plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_bitmapscan = off",
                "enable_hashjoin = off", "enable_mergejoin = off"; "select pg_advisory_xact_lock(hashtext('tenure claim'))"
            ),
            Self::Seal => role!("tenure_sealer"),
            Self::PlatformEvent | Self::Upkeep | Self::Administer => role!("tenure_platform"),
        }
    }

    /// How a connection takes on the role for good.
    pub(crate) const fn stay(self) -> &'static str {
        self.role().stay
    }

    const fn part(self) -> SystemPart {
        match self {
            Self::Authenticate | Self::ManagePeople | Self::DeliverMail => SystemPart::Identity,
            Self::EngineBatch | Self::EngineClaim => SystemPart::Engine,
            Self::Seal => SystemPart::Sealer,
            Self::PlatformEvent | Self::Upkeep | Self::Administer => SystemPart::Operator,
        }
    }
}

/// A transaction in one of the narrow roles. It is a sqlx executor.
pub struct SystemTx {
    pub(crate) transaction: Transaction<'static, Postgres>,
    pub(crate) kernel: Kernel,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) actor: Actor,
    pub(crate) origin: Origin,
    announced: Vec<Message>,
}

execute_through!([] SystemTx, transaction);

impl std::fmt::Debug for SystemTx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemTx").field("tenant", &self.tenant).field("actor", &self.actor).finish_non_exhaustive()
    }
}

impl SystemTx {
    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.kernel.clock().now()
    }

    /// A new identifier.
    #[must_use]
    pub fn new_id<K: Kind>(&self) -> Id<K> {
        Id::new(self.now())
    }

    /// Where the request came from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Makes the keys of a tenant that this transaction has just made.
    ///
    /// # Errors
    /// PostgreSQL's, and when the system gives no randomness.
    pub async fn create_tenant_keys(&mut self, tenant: TenantId) -> Result<()> {
        let (kernel, now) = (self.kernel.clone(), self.now());
        kernel.keys().create(&mut self.transaction, tenant, now).await
    }

    /// The keys of a tenant that this role may work for.
    ///
    /// # Errors
    /// When they do not open, or PostgreSQL is gone.
    pub async fn keys_of(&mut self, tenant: TenantId) -> Result<std::sync::Arc<crate::keys::TenantKeys>> {
        let kernel = self.kernel.clone();
        kernel.keys().of(&mut self.transaction, tenant).await
    }

    /// From here on, rows of this tenant are within reach where the role may touch such rows at all.
    ///
    /// # Errors
    /// When PostgreSQL is gone.
    pub async fn enter(&mut self, tenant: TenantId) -> Result<()> {
        sqlx::query("select set_config('app.current_tenant_id', $1, true)")
            .bind(tenant.uuid().to_string())
            .execute(&mut *self.transaction)
            .await?;
        self.tenant = Some(tenant);
        Ok(())
    }

    /// Whether no other transaction of the installation does this work now; none begins it until this one ends.
    ///
    /// # Errors
    /// When PostgreSQL is gone.
    pub async fn alone(&mut self, work: &str) -> Result<bool> {
        let alone = sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtext($1))").bind(work);
        Ok(alone.fetch_one(&mut *self.transaction).await?)
    }

    /// See [`crate::TenantTx::announce`].
    ///
    /// # Errors
    /// When PostgreSQL is gone.
    pub async fn announce(&mut self, message: Message) -> Result<()> {
        crate::bus::announce(&mut self.transaction, &message).await?;
        self.announced.push(message);
        Ok(())
    }
}

/// A system transaction that is about to begin: who asks for it, and from where.
#[derive(Debug)]
pub struct System<'k> {
    kernel: &'k Kernel,
    reason: SystemReason,
    actor: Actor,
    origin: Origin,
}

impl Kernel {
    /// Work across tenants, for this reason.
    #[must_use]
    pub fn system(&self, reason: SystemReason) -> System<'_> {
        System { kernel: self, reason, actor: Actor::system(reason.part()), origin: Origin::default() }
    }
}

impl System<'_> {
    /// The person on whose request this happens; otherwise a part of Tenure itself is the actor.
    #[must_use]
    pub fn by(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    /// Where the request came from.
    #[must_use]
    pub fn from(mut self, origin: &Origin) -> Self {
        self.origin = origin.clone();
        self
    }

    /// The keys of a tenant that this role may work for, where this process has opened them before.
    #[must_use]
    pub fn known_keys(&self, tenant: TenantId) -> Option<std::sync::Arc<crate::keys::TenantKeys>> {
        self.kernel.keys().cached(tenant)
    }

    /// Runs `f` in one transaction, writes its events, commits.
    ///
    /// # Errors
    /// Those of `f`, and PostgreSQL's; then nothing was written.
    pub async fn run<T>(self, f: impl AsyncFnOnce(&mut SystemTx) -> Result<Audited<T>>) -> Result<T> {
        let transaction = crate::database::begin(self.kernel.system_pool(), self.reason.role().begin).await?;
        let mut tx = SystemTx {
            transaction,
            kernel: self.kernel.clone(),
            tenant: None,
            actor: self.actor,
            origin: self.origin,
            announced: Vec::new(),
        };
        let audited = f(&mut tx).await?;
        crate::record::system(&mut tx, audited.events).await?;
        tx.transaction.commit().await?;
        for message in tx.announced {
            self.kernel.bus().tell_here(message);
        }
        Ok(audited.value)
    }
}
