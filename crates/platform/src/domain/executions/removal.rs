//! All SQL that deletes executions: what hangs on them in whatever domain's table goes with them, in one transaction, and gives
//! back what it held. The audit log keeps its events. Their files go after the commit.

use sqlx::PgExecutor;
use tenure_kernel::{
    Audited, ExecutionId, NewEvent, Problem, Result, SystemTx, TenantId, TenantTx, Timestamp, WorkflowId, Write,
};
use uuid::Uuid;

use super::event::ExecutionEvent;
use super::model::ExecutionSummary;
use crate::domain::plugins;
use crate::domain::quotas::{self, Quota};

/// Deletes one that the actor may see.
///
/// # Errors
/// 404 where it is not there or out of sight, 409 while it is not over.
pub(super) async fn delete(tx: &mut TenantTx<Write>, id: ExecutionId) -> Result<Audited<()>> {
    let execution = tx.load::<ExecutionSummary>(id).await?.into_inner();
    let tenant = tx.tenant();
    // Of two who delete it, and of one who deletes and one who has it go on, the second sees here what the first did.
    let over = sqlx::query_scalar!(
        r#"select finished_at is not null as "over!" from executions where tenant_id = $1 and id = $2 for update"#,
        tenant.uuid(),
        id.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(Problem::not_found)?;
    if !over {
        let detail = "the execution is not over; cancel it first, and delete it when it has ended";
        return Err(Problem::conflict(detail).with("reason", "not-over").into());
    }
    let bytes = remove(tx, tenant, &[id.uuid()]).await?;
    if bytes > 0 {
        quotas::give_back(tx, Quota::StorageBytes, bytes).await?;
    }
    let event = NewEvent::new(ExecutionEvent::DELETED, id.to_string())
        .detail("workflow", execution.workflow.id)
        .detail("state", execution.state)
        .detail("finished_at", execution.finished_at)
        .detail("bytes", bytes);
    Ok(Audited::of((), event))
}

/// What a batch deleted.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) executions: Vec<Ended>,
    pub(super) bytes: u64,
}

/// An execution that was over.
pub(super) struct Ended {
    pub(super) id: ExecutionId,
    workflow: WorkflowId,
    state: String,
    finished_at: Option<Timestamp>,
    steps_done: i32,
}

impl Ended {
    /// What the log tells of it, as of one that somebody deletes.
    pub(super) fn deleted(&self) -> NewEvent {
        NewEvent::new(ExecutionEvent::DELETED, self.id.to_string())
            .detail("workflow", self.workflow)
            .detail("state", &self.state)
            .detail("finished_at", self.finished_at)
    }
}

/// Deletes some that ended before this moment, the oldest first: at most `most`, and no more after the one with which they
/// have `steps` steps. Those that somebody else is at are left to them.
///
/// # Errors
/// PostgreSQL's.
pub(super) async fn delete_ended(
    tx: &mut SystemTx,
    tenant: TenantId,
    before: Timestamp,
    most: i64,
    steps: i64,
) -> Result<Batch> {
    // What ended before then was asked for before then, and for that there is an index.
    let found = sqlx::query_as!(
        Ended,
        r#"select id as "id: ExecutionId", workflow_id as "workflow: WorkflowId", state, finished_at as "finished_at: Timestamp",
                  steps_done
           from executions
           where tenant_id = $1 and created_at < $2 and finished_at < $2
           order by created_at, id limit $3 for update skip locked"#,
        tenant.uuid(),
        before as Timestamp,
        most
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut left = steps;
    let mut fits = |steps_done: i32| {
        let fits = left > 0;
        left -= i64::from(steps_done);
        fits
    };
    let executions: Vec<Ended> = found.into_iter().take_while(|row| fits(row.steps_done)).collect();
    let ids: Vec<Uuid> = executions.iter().map(|ended| ended.id.uuid()).collect();
    let bytes = remove(tx, tenant, &ids).await?;
    if bytes > 0 {
        quotas::give_back_of(tx, tenant, Quota::StorageBytes, bytes).await?;
    }
    Ok(Batch { executions, bytes })
}

/// Deletes these, which are locked and over, and what hangs on them; how many bytes that frees.
async fn remove<T>(tx: &mut T, tenant: TenantId, ids: &[Uuid]) -> Result<u64>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    // What hangs on an execution can go as long as that is there and over, so it goes first.
    sqlx::query!(
        "delete from approval_decisions d using approvals a
         where d.tenant_id = $1 and a.tenant_id = $1 and a.id = d.approval_id and a.execution_id = any($2)",
        tenant.uuid(),
        ids
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("delete from approvals where tenant_id = $1 and execution_id = any($2)", tenant.uuid(), ids)
        .execute(&mut *tx)
        .await?;
    sqlx::query!("delete from execution_journal where tenant_id = $1 and execution_id = any($2)", tenant.uuid(), ids)
        .execute(&mut *tx)
        .await?;
    let of_plugins = plugins::let_go(tx, tenant, ids).await?;
    let of_values = quotas::strike_out(tx, tenant, ids).await?;
    sqlx::query!("delete from executions where tenant_id = $1 and id = any($2)", tenant.uuid(), ids)
        .execute(&mut *tx)
        .await?;
    Ok(of_plugins + of_values)
}
