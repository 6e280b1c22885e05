//! What executions that go give back of plugins: the versions that they were the last to keep.

use sqlx::PgExecutor;
use tenure_kernel::{OnConstraint as _, Problem, Result, TenantId};
use uuid::Uuid;

/// Lets go of the versions that these executions of a tenant keep. How many bytes that frees, which the caller gives back in the
/// same transaction: of versions that no other execution keeps, and whose plugin was deleted.
///
/// # Errors
/// PostgreSQL's.
pub async fn let_go<T>(tx: &mut T, tenant: TenantId, executions: &[Uuid]) -> Result<u64>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let kept = sqlx::query_scalar!(
        "delete from execution_plugins where tenant_id = $1 and execution_id = any($2) returning plugin_id",
        tenant.uuid(),
        executions
    )
    .fetch_all(&mut *tx)
    .await?;
    if kept.is_empty() {
        return Ok(0);
    }
    // Of two that let go of the same version, or of one that lets go while the plugin is deleted, the second waits here, and the
    // next statement sees what the first did. Live plugins too: one may be about to be deleted.
    let plugins = sqlx::query!(
        r#"select id, deleted_at is not null as "deleted!" from plugins where tenant_id = $1 and id = any($2)
           order by id for no key update"#,
        tenant.uuid(),
        &kept
    )
    .fetch_all(&mut *tx)
    .await?;
    let deleted: Vec<Uuid> = plugins.into_iter().filter(|plugin| plugin.deleted).map(|plugin| plugin.id).collect();
    if deleted.is_empty() {
        return Ok(0);
    }
    let sizes: Result<Vec<i32>> = sqlx::query_scalar!(
        r#"delete from plugin_versions v where tenant_id = $1 and plugin_id = any($2)
             and not exists (select from execution_plugins e
                             where e.tenant_id = v.tenant_id and e.plugin_id = v.plugin_id and e.version = v.version)
           returning octet_length(manifest) + octet_length(source) as "bytes!""#,
        tenant.uuid(),
        &deleted
    )
    .fetch_all(&mut *tx)
    .await
    .on_constraint("execution_plugins_tenant_id_plugin_id_version_fkey", || {
        Problem::conflict("an execution that keeps the same plugin began at the same time; try again")
    });
    Ok(sizes?.into_iter().filter_map(|bytes| u64::try_from(bytes).ok()).sum())
}
