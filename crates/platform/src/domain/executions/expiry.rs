//! Deletes executions that were kept long enough: in small batches with a rest after each, so that the engine notices nothing,
//! on one node at a time. Each batch is a transaction of its own; whoever comes next goes on after it.

use std::time::{Duration, Instant};

use tenure_kernel::{Audited, ExecutionId, NewEvent, Result, SystemReason};

use super::removal::{self, Batch};
use super::retention::RetentionEvent;
use super::retention_store::{self, Due};
use crate::app::App;

/// Executions of one transaction, and about as many steps: its locks last some milliseconds.
const BATCH: i64 = 50;
const BATCH_STEPS: i64 = 5_000;
/// Organisations that are looked for at once.
const TENANTS: i64 = 100;
/// A batch is followed by a rest as long as it took, and no shorter than this.
const REST: Duration = Duration::from_millis(20);

/// Deletes all that were kept long enough; how many. What stands in the way of one organisation's holds up no other's.
///
/// # Errors
/// PostgreSQL's, where it cannot be asked whose there are.
pub async fn expire(app: &App) -> Result<u64> {
    let (mut deleted, mut after) = (0, None);
    loop {
        let system = app.kernel.system(SystemReason::EngineBatch);
        let found = system.run(async |tx| {
            let due = retention_store::due(tx, app.config.keep_executions, after, TENANTS).await?;
            Ok(Audited::none("looks for what was kept long enough; no row changes", due))
        });
        let found = found.await?;
        for due in &found {
            deleted += of_one(app, due).await;
        }
        match found.last() {
            Some(last) => after = Some(last.tenant),
            None => return Ok(deleted),
        }
    }
}

async fn of_one(app: &App, due: &Due) -> u64 {
    let mut deleted = 0;
    loop {
        match batch(app, due).await {
            Ok(Some(executions)) => deleted += executions,
            Ok(None) => return deleted,
            Err(error) => {
                tracing::warn!(%error, tenant = %due.tenant, "some of its executions were not deleted; the next round tries again");
                return deleted;
            }
        }
    }
}

/// One batch of one organisation, and the rest; nothing where there are no more, or another node is at it.
async fn batch(app: &App, due: &Due) -> Result<Option<u64>> {
    let begun = Instant::now();
    let batch = app.kernel.system(SystemReason::EngineBatch).run(async |tx| {
        if !tx.alone("tenure execution retention").await? {
            return Ok(Audited::none("another node does it", Batch::default()));
        }
        if !retention_store::may_delete(tx, due.tenant).await? {
            return Ok(Audited::none("it was suspended meanwhile", Batch::default()));
        }
        let before = tx.now().before(due.keep);
        let batch = removal::delete_ended(tx, due.tenant, before, BATCH, BATCH_STEPS).await?;
        if batch.executions.is_empty() {
            return Ok(Audited::none("nothing was left to delete", batch));
        }
        let applied = NewEvent::new(RetentionEvent::APPLIED, due.tenant.to_string())
            .detail("executions", batch.executions.len())
            .detail("ended_before", before)
            .detail("bytes", batch.bytes);
        // One each: the log is asked for what became of an execution by its identifier.
        let told = batch.executions.iter().map(|ended| ended.deleted().detail("ended_before", before));
        let told: Vec<NewEvent> = told.chain([applied]).collect();
        Ok(Audited::many(batch, told).in_tenant(due.tenant))
    });
    let executions: Vec<ExecutionId> = batch.await?.executions.iter().map(|ended| ended.id).collect();
    if executions.is_empty() {
        return Ok(None);
    }
    app.engine.objects().remove_all(due.tenant, &executions).await;
    tokio::time::sleep(begun.elapsed().max(REST)).await;
    Ok(Some(u64::try_from(executions.len()).unwrap_or(u64::MAX)))
}
