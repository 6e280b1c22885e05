//! `/api/v1/platform/*`: for platform administrators. To everybody else nothing is here.

use serde::{Deserialize, Serialize};
use tenure_kernel::bus::Message;
use tenure_kernel::event::Action;
use tenure_kernel::platform::platform_permission::{
    OrganizationPlan, OrganizationQuota, OrganizationRead, OrganizationSuspend,
};
use tenure_kernel::platform::{PlatformAuthorized, PlatformRight};
use tenure_kernel::{
    Audited, Json, Kernel, Page, PageQuery, Path, Problem, Query, Recent, Result, Sample, SystemTx, TenantId,
    Timestamp, text,
};
use utoipa::{IntoParams, ToSchema};

use super::{events, people, setup, store};
use crate::app::Routes;
use crate::domain::quotas::{self, Quota, QuotaUsage};
use crate::domain::rate_limits::{self, Bounds, RateLimit, TenantLimits};
use crate::domain::tenancy::{Organization, OrganizationEvent, Plan};

pub(super) const MAX_REASON: usize = 500;
/// What every reader of JSON keeps exactly (RFC 8259, section 6).
const MAX_LIMIT: u64 = (1 << 53) - 1;
/// More than the name of an organisation has.
const MAX_SEARCH: usize = 100;

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Platform")
        .get("/platform/organizations", list, "List all organisations, by short name, with plan, status and use.\n\nNothing of what is in them.")
        .get("/platform/organizations/{id}", get, "See an organisation with plan, status and use.")
        .patch("/platform/organizations/{id}", update, "Change an organisation's plan.\n\nWhat a smaller plan does not allow stays, and nothing is added to it.")
        .post("/platform/organizations/{id}/suspend", suspend, "Suspend an organisation.\n\nIts members are refused, and its executions take no further step that acts, on every node within a second. Nothing of it is lost. The reason stands in its audit log.")
        .post("/platform/organizations/{id}/resume", resume, "Let a suspended organisation go on.\n\nThe reason stands in its audit log.")
        .put("/platform/organizations/{id}/quota", set_quota, "Give an organisation another limit than its plan's, no limit, or its plan's again.")
        .put("/platform/organizations/{id}/rate-limit", set_rate_limit, "Set how many requests an organisation may make at most.\n\nIts administrators set less for it, its members and its keys, and no more. Null is what its plan gives. Takes effect on every node within a second.")
        .merge(people::routes())
        .merge(events::routes())
        .merge(setup::routes())
}

/// An organisation as the platform sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlatformOrganization {
    /// Identifier.
    id: TenantId,
    /// Short name.
    slug: String,
    /// Name.
    name: String,
    /// Which quotas it has.
    plan: Plan,
    /// `active`, `suspended` or `deleted`.
    status: String,
    /// When it was created.
    created_at: Timestamp,
    /// Its quotas, and how much of them is used.
    quotas: Vec<PlatformQuota>,
    /// How many requests it may make.
    rate_limits: PlatformRateLimits,
}

/// The rate limits of an organisation as the platform sees them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlatformRateLimits {
    /// What the platform set for it; null is what the installation gives every organisation.
    bounds: RateLimit,
    /// The most that it can have by that.
    most: Bounds,
    /// What it set for itself.
    own: RateLimit,
}

/// A quota of an organisation as the platform sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlatformQuota {
    /// The quota with its use.
    #[serde(flatten)]
    usage: QuotaUsage,
    /// What the plan gives; null is unlimited.
    plan_limit: Option<u64>,
    /// Whether the platform gave another limit.
    overridden: bool,
}

/// Which organisations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrganizationQuery {
    /// In this status.
    #[param(inline)]
    status: Option<OrganizationStatus>,
    /// With this in the name or short name, whatever the case; at most 100 characters.
    search: Option<String>,
    /// How many items at most, 1 to 200; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// How an organisation stands.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrganizationStatus {
    /// It works.
    Active,
    /// The platform has suspended it.
    Suspended,
    /// It is gone.
    Deleted,
}

/// What to change of an organisation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanChange {
    /// Its new plan.
    plan: Plan,
}

impl Sample for PlanChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"plan": "pro"})
    }
}

/// Why an organisation is suspended, or goes on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusReason {
    /// 1 to 500 characters; the organisation reads it in its audit log.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

impl Sample for StatusReason {
    fn sample() -> serde_json::Value {
        serde_json::json!({"reason": "two invoices are open"})
    }
}

impl StatusReason {
    fn parse(&self) -> Result<String> {
        text::line(&self.reason, "/reason", MAX_REASON).map(str::to_owned)
    }
}

/// A limit of an organisation's own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaChange {
    /// Which quota.
    quota: Quota,
    /// The limit from now on, at most 2^53 - 1; null is unlimited. Absent with `plan_default`, and only then.
    #[serde(default, deserialize_with = "given")]
    #[schema(maximum = 9_007_199_254_740_991_i64)]
    limit: Option<Option<u64>>,
    /// The plan's limit again.
    #[serde(default)]
    plan_default: bool,
}

/// Null is something that was given; what is absent is not.
fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl Sample for QuotaChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"quota": "workflows", "limit": 500})
    }
}

/// With what stands beside each, in the same order.
async fn whole(
    tx: &mut SystemTx,
    kernel: &Kernel,
    organizations: Vec<Organization>,
) -> Result<Vec<PlatformOrganization>> {
    let ids: Vec<TenantId> = organizations.iter().map(|organization| organization.id).collect();
    let mut standings = quotas::standings_of(tx, &ids).await?;
    let set = rate_limits::store::standings_of(tx, &ids).await?;
    let quota = |standing: quotas::QuotaStanding| PlatformQuota {
        usage: standing.usage,
        plan_limit: standing.plan_limit,
        overridden: standing.overridden,
    };
    let whole = |Organization { id, slug, name, plan, status, created_at }| {
        let limits = set.iter().find(|limits| limits.tenant == id).copied();
        let limits = limits.unwrap_or_else(|| TenantLimits::none(id, plan));
        let most = limits.most(kernel.limiter().rates());
        let rate_limits = PlatformRateLimits { bounds: limits.bounds, most, own: limits.own };
        let quotas = standings.remove(&id).unwrap_or_default().into_iter().map(quota).collect();
        PlatformOrganization { id, slug, name, plan, status, created_at, quotas, rate_limits }
    };
    Ok(organizations.into_iter().map(whole).collect())
}

/// The same of one.
async fn one(tx: &mut SystemTx, kernel: &Kernel, organization: Organization) -> Result<PlatformOrganization> {
    whole(tx, kernel, vec![organization]).await?.pop().ok_or_else(|| Problem::not_found().into())
}

async fn list(
    cx: PlatformAuthorized<OrganizationRead>,
    Query(query): Query<OrganizationQuery>,
) -> Result<Json<Page<PlatformOrganization>>> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let status = query.status.map(|status| match status {
        OrganizationStatus::Active => "active",
        OrganizationStatus::Suspended => "suspended",
        OrganizationStatus::Deleted => "deleted",
    });
    let search = query.search.as_deref().map(str::trim).filter(|search| !search.is_empty());
    if search.is_some_and(|search| search.chars().count() > MAX_SEARCH) {
        return Err(Problem::invalid("/search", "must be at most 100 characters").into());
    }
    let listed = cx
        .run(async |tx| {
            let Page { items, next_cursor } = store::organizations(tx, status, search, &page).await?;
            let items = whole(tx, cx.kernel(), items).await?;
            Ok(Audited::none(
                "the platform looks at plans and use, not at what is in them",
                Page { items, next_cursor },
            ))
        })
        .await?;
    Ok(Json(listed))
}

async fn get(cx: PlatformAuthorized<OrganizationRead>, Path(id): Path<TenantId>) -> Result<Json<PlatformOrganization>> {
    let found = cx
        .run(async |tx| {
            let organization = store::organization(tx, id).await?.ok_or_else(Problem::not_found)?;
            let organization = one(tx, cx.kernel(), organization).await?;
            Ok(Audited::none("the platform looks at plan and use, not at what is in it", organization))
        })
        .await?;
    Ok(Json(found))
}

async fn update(
    cx: PlatformAuthorized<Recent<OrganizationPlan>>,
    Path(id): Path<TenantId>,
    Json(change): Json<PlanChange>,
) -> Result<Json<PlatformOrganization>> {
    let become_so = |before: &Organization| (change.plan, before.status.clone());
    put(&cx, id, OrganizationEvent::PLAN_CHANGED, become_so, None).await
}

async fn suspend(
    cx: PlatformAuthorized<Recent<OrganizationSuspend>>,
    Path(id): Path<TenantId>,
    Json(why): Json<StatusReason>,
) -> Result<Json<PlatformOrganization>> {
    if cx.tenant() == id {
        let detail =
            "this login is for that organisation, and would end with it; log in to another one to suspend this";
        return Err(cx.refused(Problem::conflict(detail).into()).await);
    }
    let become_so = |before: &Organization| (before.plan, "suspended".to_owned());
    put(&cx, id, OrganizationEvent::SUSPENDED, become_so, Some(why.parse()?)).await
}

async fn resume(
    cx: PlatformAuthorized<Recent<OrganizationSuspend>>,
    Path(id): Path<TenantId>,
    Json(why): Json<StatusReason>,
) -> Result<Json<PlatformOrganization>> {
    let become_so = |before: &Organization| (before.plan, "active".to_owned());
    put(&cx, id, OrganizationEvent::RESUMED, become_so, Some(why.parse()?)).await
}

/// Writes plan and status, tells every node, and the organisation's own log.
async fn put<R: PlatformRight>(
    cx: &PlatformAuthorized<R>,
    tenant: TenantId,
    action: Action<Organization>,
    become_so: impl Fn(&Organization) -> (Plan, String),
    reason: Option<String>,
) -> Result<Json<PlatformOrganization>> {
    let changed = cx.run(async |tx| {
        let before = store::lock_organization(tx, tenant).await?.ok_or_else(Problem::not_found)?;
        let (plan, status) = become_so(&before);
        if before.plan == plan && before.status == status {
            let organization = one(tx, cx.kernel(), before).await?;
            return Ok(Audited::none("it was so before", organization));
        }
        tx.announce(Message::TenantChanged { tenant }).await?;
        let changed = store::update(tx, before, plan, &status).await?.audited(action).in_tenant(tenant);
        let organization = one(tx, cx.kernel(), changed.value().clone()).await?;
        let changed = match reason {
            Some(reason) => changed.detail("reason", reason),
            None => changed,
        };
        Ok(changed.map(|_| organization))
    });
    changed.await.map(Json)
}

async fn set_quota(
    cx: PlatformAuthorized<Recent<OrganizationQuota>>,
    Path(id): Path<TenantId>,
    Json(change): Json<QuotaChange>,
) -> Result<Json<PlatformOrganization>> {
    match change.limit {
        Some(_) if change.plan_default => {
            return Err(Problem::invalid("/limit", "is of no use with plan_default; send one of the two").into());
        }
        None if !change.plan_default => {
            return Err(Problem::invalid("/limit", "is missing; null is unlimited").into());
        }
        Some(Some(limit)) if limit > MAX_LIMIT => {
            return Err(Problem::invalid("/limit", format!("must be at most {MAX_LIMIT}; null is unlimited")).into());
        }
        _ => {}
    }
    let changed = cx
        .run(async |tx| {
            let organization = store::lock_organization(tx, id).await?.ok_or_else(Problem::not_found)?;
            let changed = match change.limit {
                Some(limit) => quotas::set_override(tx, id, change.quota, limit).await?,
                None => quotas::clear_override(tx, id, change.quota).await?,
            };
            let organization = one(tx, cx.kernel(), organization).await?;
            Ok(changed.map(|()| organization))
        })
        .await?;
    Ok(Json(changed))
}

async fn set_rate_limit(
    cx: PlatformAuthorized<Recent<OrganizationQuota>>,
    Path(id): Path<TenantId>,
    Json(limit): Json<RateLimit>,
) -> Result<Json<PlatformOrganization>> {
    // The platform itself is bound by what a figure can be, and by nothing else.
    let limit = limit.check(&Bounds::NONE, "")?;
    let changed = cx
        .run(async |tx| {
            let organization = store::lock_organization(tx, id).await?.ok_or_else(Problem::not_found)?;
            let changed = rate_limits::store::set_bounds(tx, id, limit).await?;
            let organization = one(tx, cx.kernel(), organization).await?;
            Ok(changed.map(|()| organization))
        })
        .await?;
    Ok(Json(changed))
}
