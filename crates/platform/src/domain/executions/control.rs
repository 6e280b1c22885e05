//! What people want of an execution that exists: cancel, pause, resume, retry. Each writes its wish into the execution's
//! job; the engine carries it out.

use tenure_kernel::job::Queued;
use tenure_kernel::{ExecutionId, Job, JobKind, Permitted, Problem, Result, TenantTx, Write};

use super::model::{ExecutionState, ExecutionSummary};

/// What a wish changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// It is written down.
    Taken,
    /// It was before.
    TakenBefore,
}

/// The execution's job, locked; 409 in these words where the execution is over.
async fn job(tx: &mut TenantTx<Write>, execution: ExecutionId, over: &'static str) -> Result<Queued> {
    let job = tx.queued(execution.uuid()).await?;
    job.ok_or_else(|| Problem::conflict(over).with("reason", "over").into())
}

/// Has the engine end it: what waits or is paused is taken up at once, what runs is told.
pub(super) async fn cancel(tx: &mut TenantTx<Write>, execution: &Permitted<ExecutionSummary>) -> Result<Wish> {
    let job = job(tx, execution.id, "the execution is over; there is nothing to cancel").await?;
    if job.cancelling {
        return Ok(Wish::TakenBefore);
    }
    tx.cancel_job(&job).await?;
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
    tx.pause_job(&job).await?;
    if !job.leased {
        move_to(tx, execution.id, ExecutionState::Paused).await?;
    }
    Ok(Wish::Taken)
}

/// Lifts the pause: it is queued again, and goes on where it was.
pub(super) async fn resume(tx: &mut TenantTx<Write>, execution: &Permitted<ExecutionSummary>) -> Result<()> {
    let over = "the execution is over; one that did not succeed can go on after `POST …/retry`";
    let job = job(tx, execution.id, over).await?;
    if !job.paused {
        let detail = "the execution is not paused; it goes on by itself";
        return Err(Problem::conflict(detail).with("reason", "not-paused").into());
    }
    tx.resume_job(&job).await?;
    if !job.leased {
        move_to(tx, execution.id, ExecutionState::Queued).await?;
    }
    Ok(())
}

/// Shows at once what no worker is there to show.
async fn move_to(tx: &mut TenantTx<Write>, execution: ExecutionId, state: ExecutionState) -> Result<()> {
    sqlx::query!(
        "update executions set state = $3 where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        execution.uuid(),
        state.as_str()
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
    tx.enqueue(Job::new(JobKind::Execution, id).begun_before()).await?;
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
    tx.wake_job(execution.uuid()).await
}
