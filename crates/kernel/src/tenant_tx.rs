//! The only door to tenants' rows.
//!
//! A [`TenantTx`] opens with one round trip that begins the transaction and names the tenant; PostgreSQL's row-level
//! security does the rest. The setting is local to the transaction, so a pooled connection never carries a tenant to
//! its next user. The tenant's id is a parsed UUID, so nothing a caller wrote is ever part of the statement.

use std::marker::PhantomData;
use std::sync::Arc;

use sqlx::{Postgres, Transaction};

use crate::bus::Message;
use crate::clock::Timestamp;
use crate::context::Context;
use crate::error::Result;
use crate::executor::execute_through;
use crate::id::{Id, Kind, TenantId};
use crate::kernel::Kernel;
use crate::permission::{Access, Mode, Read, Write};

/// A transaction on the rows of one tenant, by one actor; read-only or read-write by its type.
///
/// It is a sqlx executor: `query!(…).fetch_one(&mut *tx)`.
pub struct TenantTx<M> {
    pub(crate) transaction: Transaction<'static, Postgres>,
    pub(crate) kernel: Kernel,
    pub(crate) cx: Arc<Context>,
    announced: Vec<Message>,
    mode: PhantomData<fn() -> M>,
}

execute_through!([M: Mode] TenantTx<M>, transaction);

impl<M> std::fmt::Debug for TenantTx<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantTx").field("cx", &self.cx).finish_non_exhaustive()
    }
}

impl<M: Mode> TenantTx<M> {
    pub(crate) async fn begin(kernel: &Kernel, cx: &Arc<Context>) -> Result<Self> {
        Self::begin_as(kernel, cx, M::ACCESS).await
    }

    /// `access` may be wider than `M`: [`crate::Authorized::read_audited`] writes its event, and nothing else can.
    pub(crate) async fn begin_as(kernel: &Kernel, cx: &Arc<Context>, access: Access) -> Result<Self> {
        let tenant = cx.tenant().uuid();
        let begin = match access {
            Access::Read => format!("begin read only; set local app.current_tenant_id = '{tenant}'"),
            Access::Write => format!("begin; set local app.current_tenant_id = '{tenant}'"),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the one statement that cannot take parameters; its only input is a UUID"
        )]
        let statement = sqlx::AssertSqlSafe(begin);
        let transaction = crate::database::begin(kernel.app_pool(), statement).await?;
        Ok(Self { transaction, kernel: kernel.clone(), cx: Arc::clone(cx), announced: Vec::new(), mode: PhantomData })
    }

    /// The tenant whose rows these are; for the `tenant_id` of an insert.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.cx.tenant()
    }

    /// Who acts, for whom, from where.
    #[must_use]
    pub fn cx(&self) -> &Context {
        &self.cx
    }

    /// The teams whose private resources the actor sees, for `in_reach(team_id, …)` in a query.
    #[must_use]
    pub fn own_teams(&self) -> Vec<uuid::Uuid> {
        self.cx.identity.teams.iter().map(|team| team.uuid()).collect()
    }

    /// What the actor wants to be private to this team: it must be one of theirs, or they would not see it again.
    ///
    /// # Errors
    /// 422 at `pointer`.
    pub fn own_team(&self, team: Option<crate::TeamId>, pointer: &'static str) -> Result<()> {
        match team {
            Some(team) if !self.cx.identity.teams.contains(&team) => {
                Err(crate::Problem::invalid(pointer, "is no team that you are in").into())
            }
            _ => Ok(()),
        }
    }

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

    /// The tenant's keys.
    ///
    /// # Errors
    /// When they do not open, or PostgreSQL is gone.
    pub async fn keys(&mut self) -> Result<Arc<crate::keys::TenantKeys>> {
        let (kernel, tenant) = (self.kernel.clone(), self.tenant());
        kernel.keys().of(&mut self.transaction, tenant).await
    }

    /// The resource of this id, if the actor may see it (and in a write: locked until the end).
    ///
    /// # Errors
    /// 404 where it is not there, is another tenant's, or is private to a team the actor is not in.
    pub async fn load<R: Load>(&mut self, id: R::Id) -> Result<Permitted<R>> {
        R::load(self, id, M::ACCESS == Access::Write)
            .await?
            .map(Permitted)
            .ok_or_else(|| crate::Problem::not_found().into())
    }
}

impl TenantTx<Write> {
    pub(crate) async fn commit(self) -> Result<()> {
        self.transaction.commit().await?;
        for message in self.announced {
            self.kernel.bus().tell_here(message);
        }
        Ok(())
    }

    /// Tells every node, when and only when this transaction commits.
    ///
    /// `NOTIFY` inside a transaction holds a database-wide lock until its commit: for rare things that must not be
    /// lost (revocations), never for the engine's wake-ups.
    ///
    /// # Errors
    /// When PostgreSQL is gone.
    pub async fn announce(&mut self, message: Message) -> Result<()> {
        crate::bus::announce(&mut self.transaction, &message).await?;
        self.announced.push(message);
        Ok(())
    }
}

impl TenantTx<Read> {
    /// Ends a read: its rollback travels with the connection's next use and costs no round trip.
    pub(crate) fn end(self) {
        drop(self);
    }
}

/// A resource that can be loaded by id; where team, environment and owner rules live.
pub trait Load: Sized + Send {
    /// Its identifier.
    type Id: Send;

    /// The row, or nothing if the actor may not see it; `lock` asks for `for update`.
    fn load<M: Mode>(
        tx: &mut TenantTx<M>,
        id: Self::Id,
        lock: bool,
    ) -> impl Future<Output = Result<Option<Self>>> + Send;
}

/// A resource that was loaded in this transaction, of this tenant, that this actor may touch. Store functions that
/// change a row take it instead of an id.
#[derive(Debug)]
pub struct Permitted<R>(R);

impl<R> Permitted<R> {
    /// The row as it was loaded.
    pub fn into_inner(self) -> R {
        self.0
    }
}

impl<R> std::ops::Deref for Permitted<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.0
    }
}
