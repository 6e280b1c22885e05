//! `/api/v1/quotas`

use serde::Serialize;
use tenure_kernel::permission::TenantRead;
use tenure_kernel::{Authorized, Json, Result};
use utoipa::ToSchema;

use super::model::QuotaUsage;
use super::store;
use crate::app::Routes;
use crate::domain::tenancy::Plan;

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Quotas").get("/quotas", list, "See the organisation's plan, its quotas and what is used of them.")
}

/// What the organisation may use, and uses.
#[derive(Debug, Serialize, ToSchema)]
pub struct Quotas {
    /// The plan that limits come from, unless the platform set others.
    plan: Plan,
    /// Every quota.
    items: Vec<QuotaUsage>,
    /// As in every list; null, because this one comes whole.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

async fn list(cx: Authorized<TenantRead>) -> Result<Json<Quotas>> {
    let (plan, items) = cx.read(async |tx| store::usage(tx).await).await?;
    Ok(Json(Quotas { plan, items, next_cursor: None }))
}
