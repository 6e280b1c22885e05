//! `/api/v1/quotas`

use serde::{Deserialize, Serialize};
use tenure_kernel::permission::TenantRead;
use tenure_kernel::{Authorized, Json, Page, Problem, Query, Result, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::model::{QuotaDay, QuotaUsage};
use super::{days, store};
use crate::app::Routes;
use crate::domain::tenancy::Plan;

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Quotas")
        .get("/quotas", list, "See the organisation's plan, its quotas and what is used of them.")
        .get("/quotas/days", month, "See what was used of each quota by the end of each day of a month.\n\nA day on which nothing changed is left out.")
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

/// Which month.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MonthQuery {
    /// A calendar month in UTC, as `2026-11`; the present one unless told.
    #[param(pattern = "^[0-9]{4}-[0-9]{2}$")]
    month: Option<String>,
}

async fn month(cx: Authorized<TenantRead>, Query(query): Query<MonthQuery>) -> Result<Json<Page<QuotaDay>>> {
    let moment = match query.month.as_deref().map(parse_month) {
        None => cx.kernel().clock().now(),
        Some(Some(moment)) => moment,
        Some(None) => return Err(Problem::invalid("#query/month", "must be a month, like 2026-11").into()),
    };
    let items = cx.read(async |tx| days::of_month(tx, moment).await).await?;
    Ok(Json(Page { items, next_cursor: None }))
}

/// The first moment of `2026-11`.
fn parse_month(text: &str) -> Option<Timestamp> {
    let form = text.len() == 7
        && text.bytes().enumerate().all(|(at, byte)| if at == 4 { byte == b'-' } else { byte.is_ascii_digit() });
    if form { format!("{text}-01T00:00:00Z").parse().ok() } else { None }
}
