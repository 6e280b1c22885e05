//! What people want of an execution that exists: cancel, pause, resume, retry. Each writes its wish into the execution's
//! row of `jobs`; the engine carries it out.

use tenure_kernel::{ExecutionId, Permitted, Problem, Result, TenantTx, Write};

use super::model::{ExecutionState, ExecutionSummary};

/// What a wish changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// It is written down.
    Taken,
    /// It was before.
    TakenBefore,
}

struct Job {
    cancelling: bool,
    paused: bool,
}

/// The execution's job, locked; 409 in these words where the execution is over.
async fn job(tx: &mut TenantTx<Write>, execution: ExecutionId, over: &'static str) -> Result<Job> {
    let job = sqlx::query_as!(
        Job,
        "select cancel_requested as cancelling, paused from jobs where tenant_id = $1 and id = $2 for update",
        tx.tenant().uuid(),
        execution.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    job.ok_or_else(|| Problem::conflict(over).with("reason", "over").into())
}

/// Has the engine end it: what waits or is paused is taken up at once, what runs is told.
pub(super) async fn cancel(tx: &mut TenantTx<Write>, execution: &Permitted<ExecutionSummary>) -> Result<Wish> {
    if job(tx, execution.id, "the execution is over; there is nothing to cancel").await?.cancelling {
        return Ok(Wish::TakenBefore);
    }
    sqlx::query!(
        "update jobs set cancel_requested = true, run_at = $3 where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        execution.id.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(Wish::Taken)
}

/// Has nothing more begin: at once where nobody works on it, otherwise when the steps in flight are over.
pub(super) async fn pause(tx: &mut TenantTx<Write>, execution: &Permitted<ExecutionSummary>) -> Result<Wish> {
    let job = job(tx, execution.id, "the execution is over; there is nothing to pause").await?;
    if job.cancelling {
        return Err(Problem::conflict("the execution is being cancelled; it cannot be paused any more").into());
    }
    if job.paused {
        return Ok(Wish::TakenBefore);
    }
    sqlx::query!(
        "with job as (
            update jobs set paused = true, run_at = case when lease_owner is null then null else run_at end
            where tenant_id = $1 and id = $2 returning lease_owner)
         update executions set state = 'paused' where tenant_id = $1 and id = $2 and (select lease_owner is null from job)",
        tx.tenant().uuid(),
        execution.id.uuid()
    )
    .execute(&mut *tx)
    .await?;
    Ok(Wish::Taken)
}

/// Lifts the pause: it is queued again, and goes on where it was.
pub(super) async fn resume(tx: &mut TenantTx<Write>, execution: &Permitted<ExecutionSummary>) -> Result<()> {
    let over = "the execution is over; one that did not succeed can go on after `POST …/retry`";
    if !job(tx, execution.id, over).await?.paused {
        let detail = "the execution is not paused; it goes on by itself";
        return Err(Problem::conflict(detail).with("reason", "not-paused").into());
    }
    sqlx::query!(
        "with job as (
            update jobs set paused = false, run_at = case when lease_owner is null then $3 else run_at end
            where tenant_id = $1 and id = $2 returning lease_owner)
         update executions set state = 'queued' where tenant_id = $1 and id = $2 and (select lease_owner is null from job)",
        tx.tenant().uuid(),
        execution.id.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Whether what has ended can go on; 409 where it cannot.
pub(super) fn can_retry(execution: &ExecutionSummary) -> Result<()> {
    let refused = |detail: &'static str, reason: &str| Err(Problem::conflict(detail).with("reason", reason).into());
    match (execution.state, execution.error.as_ref().map(|error| error.class.as_str())) {
        (ExecutionState::Succeeded, _) => {
            refused("the execution succeeded; start another one to do it again", "succeeded")
        }
        (state, _) if !state.is_over() => {
            refused("the execution is not over; retry it when it has failed, or resume it if it is paused", "not-over")
        }
        (_, Some("rejected")) => refused(
            "somebody rejected the step; a rejection stands, so start another execution to ask again",
            "rejected",
        ),
        (_, Some("recursion-limit")) => refused(
            "it ran into the bound of a loop and would again; raise `limits.recursion` in a new version and start that",
            "recursion-limit",
        ),
        _ => Ok(()),
    }
}

/// Queues it again. What finished is kept, what failed or was stopped is done again; an approval that ran out or was
/// withdrawn with it is asked for anew, and what people have decided about it stands.
pub(super) async fn retry(tx: &mut TenantTx<Write>, execution: &Permitted<ExecutionSummary>) -> Result<()> {
    let (tenant, id, now) = (tx.tenant().uuid(), execution.id.uuid(), tx.now());
    let reopened = sqlx::query!(
        "update executions set state = 'queued', retries = retries + 1, output = null, error = null, finished_at = null
         where tenant_id = $1 and id = $2 and state in ('failed', 'cancelled', 'timed_out')",
        tenant,
        id
    )
    .execute(&mut *tx)
    .await?;
    if reopened.rows_affected() == 0 {
        return Err(Problem::conflict("somebody else had the execution go on at the same time").into());
    }
    // Not its first attempt: there is a journal to be read.
    sqlx::query!(
        "insert into jobs (tenant_id, id, kind, run_at, attempts, created_at) values ($1, $2, 'execution', $3, 1, $3)",
        tenant,
        id,
        now
    )
    .execute(&mut *tx)
    .await?;
    let failed_at = execution.error.as_ref().and_then(|error| error.step.as_deref());
    // Approvals stand below executions; their state is changed here because it is this execution's.
    sqlx::query!(
        "update approvals a set state = 'pending', decided_at = null, created_at = $4,
                expires_at = $4::timestamptz + (a.expires_at - a.created_at)
         where a.tenant_id = $1 and a.execution_id = $2 and a.state in ('expired', 'cancelled')
           and (split_part(a.step, '[', 1) = $3 or not exists (
                select from execution_journal j where j.tenant_id = $1 and j.execution_id = $2 and j.step = a.step))",
        tenant,
        id,
        failed_at,
        now
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Has the engine look at an execution that waits for a person, unless it is paused; after the commit say so with
/// [`Message::WorkQueued`](tenure_kernel::bus::Message::WorkQueued).
///
/// # Errors
/// PostgreSQL's.
pub async fn wake(tx: &mut TenantTx<Write>, execution: ExecutionId) -> Result<()> {
    sqlx::query!(
        "update jobs set run_at = $3 where tenant_id = $1 and id = $2 and not paused",
        tx.tenant().uuid(),
        execution.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}
