//! SQL of the token endpoint.

use tenure_kernel::{Result, SystemTx, TenantId};

/// The short name of an organisation.
pub(super) async fn slug(tx: &mut SystemTx, tenant: TenantId) -> Result<String> {
    let slug =
        sqlx::query_scalar!("select slug from tenants where tenant_id = $1", tenant.uuid()).fetch_one(&mut *tx).await?;
    Ok(slug)
}
