//! What outlives a request: one queue for everything that is done later.
//!
//! A job is put into the queue by the transaction that asks for it, so there is none without its reason and no reason
//! without its job. It is durable, can be paused, cancelled and taken up again after a crash; what it is about (an
//! execution's input and state) stands in its domain's own table under the same identifier. The tenants' side of the queue
//! is here; each kind has one worker, which takes jobs off it under a lease (`platform/src/domain/engine/queue.rs`).

use uuid::Uuid;

use crate::error::Result;
use crate::permission::Write;
use crate::tenant_tx::TenantTx;

/// What is done; each kind has one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// A workflow's execution.
    Execution,
}

impl JobKind {
    /// As it stands in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Execution => "execution",
        }
    }
}

/// Something to be done later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    kind: JobKind,
    id: Uuid,
    taken_up: i32,
}

impl Job {
    /// As soon as its worker has room. `id` is that of what it is about.
    #[must_use]
    pub const fn new(kind: JobKind, id: Uuid) -> Self {
        Self { kind, id, taken_up: 0 }
    }

    /// It was begun before: whoever takes it up reads what was done.
    #[must_use]
    pub const fn begun_before(self) -> Self {
        Self { taken_up: 1, ..self }
    }
}

/// How a job stands in the queue, locked until the transaction ends: its worker can neither take it nor end it meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    id: Uuid,
    /// Somebody wants it to end.
    pub cancelling: bool,
    /// Somebody wants nothing more of it to begin.
    pub paused: bool,
    /// A worker is at it.
    pub leased: bool,
}

impl TenantTx<Write> {
    /// Puts a job into the queue. After the commit say so with [`Message::WorkQueued`](crate::bus::Message::WorkQueued):
    /// workers look by themselves, but later.
    ///
    /// # Errors
    /// PostgreSQL's; one with this identifier is there already.
    pub async fn enqueue(&mut self, job: Job) -> Result<()> {
        let now = self.now();
        sqlx::query(
            "insert into jobs (tenant_id, id, kind, run_at, attempts, created_at) values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(self.tenant().uuid())
        .bind(job.id)
        .bind(job.kind.as_str())
        .bind(now)
        .bind(job.taken_up)
        .bind(now)
        .execute(self)
        .await?;
        Ok(())
    }

    /// A job that is not over.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn queued(&mut self, id: Uuid) -> Result<Option<Queued>> {
        let found: Option<(bool, bool, bool)> = sqlx::query_as(
            "select cancel_requested, paused, lease_owner is not null from jobs where tenant_id = $1 and id = $2 for update",
        )
        .bind(self.tenant().uuid())
        .bind(id)
        .fetch_optional(self)
        .await?;
        Ok(found.map(|(cancelling, paused, leased)| Queued { id, cancelling, paused, leased }))
    }

    /// Has its worker end it: what waits or is paused is taken up at once, what runs is told.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn cancel_job(&mut self, job: &Queued) -> Result<()> {
        self.change_job("update jobs set cancel_requested = true, run_at = $3 where tenant_id = $1 and id = $2", job.id)
            .await
    }

    /// Has nothing more of it begin: at once where nobody is at it, otherwise when what is in flight is over.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn pause_job(&mut self, job: &Queued) -> Result<()> {
        // Without a lease nobody is to take it up; with one it keeps its place for who goes on after a crash.
        sqlx::query("update jobs set paused = true, run_at = case when lease_owner is null then null else run_at end where tenant_id = $1 and id = $2")
            .bind(self.tenant().uuid())
            .bind(job.id)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Lifts the pause.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn resume_job(&mut self, job: &Queued) -> Result<()> {
        self.change_job(
            "update jobs set paused = false, run_at = case when lease_owner is null then $3 else run_at end
             where tenant_id = $1 and id = $2",
            job.id,
        )
        .await
    }

    /// Has its worker look at a job that waits, unless it is paused.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn wake_job(&mut self, id: Uuid) -> Result<()> {
        self.change_job("update jobs set run_at = $3 where tenant_id = $1 and id = $2 and not paused", id).await
    }

    /// `$1` is the tenant, `$2` the job, `$3` the time now.
    async fn change_job(&mut self, statement: &'static str, id: Uuid) -> Result<()> {
        let now = self.now();
        sqlx::query(statement).bind(self.tenant().uuid()).bind(id).bind(now).execute(self).await?;
        Ok(())
    }
}
