//! `/api/v1/rate-limits`

use serde::{Deserialize, Serialize};
use tenure_kernel::limits::Rate;
use tenure_kernel::permission::{TenantRead, TenantUpdate};
use tenure_kernel::{Audited, Authorized, Json, Kernel, Result, Sample};
use utoipa::ToSchema;

use super::event::RateLimitEvent;
use super::model::{Bounds, RateLimit, TenantLimits, of_plan};
use super::store;
use crate::app::Routes;

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Rate limits")
        .get("/rate-limits", get, "See how many requests the organisation, a member and an API key may make.")
        .put("/rate-limits", set, "Set how many requests the whole organisation may make.\n\nNull is what the platform gives. Takes effect on every node within a second; more than the platform gives is refused with 422.")
}

/// An organisation's rate limits.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RateLimits {
    /// What the organisation set for itself.
    limit: RateLimit,
    /// The most that can be set, for it, its members and its keys.
    most: Bounds,
    /// What holds where nothing is set.
    defaults: DefaultRates,
}

/// What the installation limits everybody to, an organisation by its plan.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DefaultRates {
    /// An organisation.
    tenant: DefaultRate,
    /// A member.
    user: DefaultRate,
    /// An API key, for a while.
    key: DefaultRate,
    /// An API key, over a longer time.
    key_long: DefaultRate,
}

/// So many requests in so long.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DefaultRate {
    /// Requests.
    requests: u32,
    /// Seconds that they may be spread over.
    seconds: u32,
}

impl From<Rate> for DefaultRate {
    fn from(rate: Rate) -> Self {
        Self { requests: rate.requests, seconds: rate.seconds }
    }
}

impl RateLimits {
    fn new(limits: TenantLimits, kernel: &Kernel) -> Self {
        let rates = kernel.limiter().rates();
        let defaults = DefaultRates {
            tenant: of_plan(limits.plan, rates).into(),
            user: rates.user.into(),
            key: rates.key.into(),
            key_long: rates.key_long.into(),
        };
        Self { limit: limits.own, most: limits.most(rates), defaults }
    }
}

impl Sample for RateLimit {
    fn sample() -> serde_json::Value {
        serde_json::json!({"per_minute": 300, "per_hour": null, "per_day": 100_000})
    }
}

async fn get(cx: Authorized<TenantRead>) -> Result<Json<RateLimits>> {
    let limits = cx.read(async |tx| store::current(tx).await).await?;
    Ok(Json(RateLimits::new(limits, cx.kernel())))
}

async fn set(cx: Authorized<TenantUpdate>, Json(own): Json<RateLimit>) -> Result<Json<RateLimits>> {
    let limits = cx
        .write(async |tx| {
            let bounds = store::bounds(tx, cx.kernel().limiter().rates()).await?;
            let own = own.check(&bounds, "")?;
            let before = store::current(tx).await?;
            if before.own == own {
                return Ok(Audited::none("it was set to the same before", before));
            }
            Ok(store::set(tx, own).await?.audited(RateLimitEvent::SET))
        })
        .await?;
    Ok(Json(RateLimits::new(limits, cx.kernel())))
}
