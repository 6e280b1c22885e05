//! Values in the object store, counted in the transaction that writes them down. One that was put there twice under the
//! same name, because a step ran again, is there once and counts once.

use sqlx::PgExecutor;
use tenure_kernel::{ExecutionId, Result, SystemTx, TenantId, TenantTx, Timestamp, Write};
use tenure_workflow::machine::{ObjectRef, StoredValue};
use uuid::Uuid;

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
    // A step of a node that lost its lease may end after its execution was deleted: nothing is counted for what is gone, and
    // no execution goes while something is counted for it.
    let there = sqlx::query_scalar!(
        r#"select 1 as "one!" from executions where tenant_id = $1 and id = $2 for key share"#,
        tenant.uuid(),
        execution.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let now = tx.now();
    if there.is_some() && write_down(tx, tenant, execution, object, now).await? {
        store::take_of(tx, tenant, Quota::StorageBytes, object.size).await?;
    }
    Ok(())
}

/// Gives back what was counted for an execution that does not come about.
///
/// # Errors
/// PostgreSQL's.
pub async fn forget(tx: &mut TenantTx<Write>, execution: ExecutionId) -> Result<()> {
    let tenant = tx.tenant();
    match strike_out(tx, tenant, &[execution.uuid()]).await? {
        0 => Ok(()),
        bytes => store::give_back(tx, Quota::StorageBytes, bytes).await,
    }
}

/// Strikes out what was written down for these executions of a tenant; how many bytes that was, which the caller gives back
/// in the same transaction. Of two that strike out the same, one finds it.
///
/// # Errors
/// PostgreSQL's.
pub async fn strike_out<T>(tx: &mut T, tenant: TenantId, executions: &[Uuid]) -> Result<u64>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let sizes = sqlx::query_scalar!(
        "delete from stored_objects where tenant_id = $1 and execution_id = any($2) returning bytes",
        tenant.uuid(),
        executions
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(sizes.into_iter().filter_map(|bytes| u64::try_from(bytes).ok()).sum())
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
