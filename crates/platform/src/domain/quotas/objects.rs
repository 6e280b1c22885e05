//! Values in the object store, counted in the transaction that writes them down. One that was put there twice under the
//! same name, because a step ran again, is there once and counts once.

use sqlx::PgExecutor;
use tenure_kernel::{ExecutionId, Result, SystemTx, TenantId, TenantTx, Timestamp, Write};
use tenure_workflow::machine::{ObjectRef, StoredValue};

use super::model::{Quota, stored};
use super::store;

/// The object behind a value, unless the value stands in its row.
fn object(value: &StoredValue) -> Option<&ObjectRef> {
    value.object().map(|object| &**object).filter(|object| !object.key.is_empty())
}

/// Counts what an execution that begins put away.
///
/// # Errors
/// 403 `quota-exceeded` where the organisation's storage does not hold it.
pub async fn keep(tx: &mut TenantTx<Write>, execution: ExecutionId, value: &StoredValue) -> Result<()> {
    let Some(object) = object(value) else { return Ok(()) };
    let (tenant, now) = (tx.tenant(), tx.now());
    if write_down(tx, tenant, execution, object, now).await? {
        store::take(tx, Quota::StorageBytes, object.size).await?;
    }
    Ok(())
}

/// The same for what a step put away, in a transaction of the engine's.
///
/// # Errors
/// As [`keep`].
pub async fn keep_of(tx: &mut SystemTx, tenant: TenantId, execution: ExecutionId, value: &StoredValue) -> Result<()> {
    let Some(object) = object(value) else { return Ok(()) };
    let now = tx.now();
    if write_down(tx, tenant, execution, object, now).await? {
        store::take_of(tx, tenant, Quota::StorageBytes, object.size).await?;
    }
    Ok(())
}

/// Gives back what was counted for an execution that does not come about, or goes.
///
/// # Errors
/// PostgreSQL's.
pub async fn forget(tx: &mut TenantTx<Write>, execution: ExecutionId) -> Result<()> {
    let sizes = sqlx::query_scalar!(
        "delete from stored_objects where tenant_id = $1 and execution_id = $2 returning bytes",
        tx.tenant().uuid(),
        execution.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    if sizes.is_empty() {
        return Ok(());
    }
    let bytes = sizes.into_iter().filter_map(|bytes| u64::try_from(bytes).ok()).sum();
    store::give_back(tx, Quota::StorageBytes, bytes).await
}

/// Whether it was not there yet.
async fn write_down<T>(
    tx: &mut T,
    tenant: TenantId,
    execution: ExecutionId,
    object: &ObjectRef,
    now: Timestamp,
) -> Result<bool>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let done = sqlx::query!(
        "insert into stored_objects (tenant_id, execution_id, key, bytes, stored_at) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, execution_id, key) do nothing",
        tenant.uuid(),
        execution.uuid(),
        object.key,
        stored(object.size),
        now
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected() == 1)
}
