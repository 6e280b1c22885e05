//! `/api/v1/platform/*`: for platform administrators. To everybody else nothing is here.

use serde::{Deserialize, Serialize};
use tenure_kernel::bus::Message;
use tenure_kernel::event::Action;
use tenure_kernel::platform::PlatformAuthorized;
use tenure_kernel::platform::platform_permission::{
    OrganizationPlan, OrganizationQuota, OrganizationRead, OrganizationSuspend,
};
use tenure_kernel::{
    Audited, Json, Page, PageQuery, Path, Problem, Query, Result, Sample, SystemTx, TenantId, Timestamp,
};
use utoipa::{IntoParams, ToSchema};

use super::store;
use crate::app::Routes;
use crate::domain::quotas::{self, Quota, QuotaUsage};
use crate::domain::tenancy::{Organization, OrganizationEvent, Plan};

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Platform")
        .get("/platform/organizations", list, "List all organisations, by short name, with plan, status and use.\n\nNothing of what is in them.")
        .get("/platform/organizations/{id}", get, "See an organisation with plan, status and use.")
        .patch("/platform/organizations/{id}", update, "Change an organisation's plan.\n\nWhat a smaller plan does not allow stays, and nothing is added to it.")
        .post("/platform/organizations/{id}/suspend", suspend, "Suspend an organisation.\n\nIts members are refused, and its executions take no further step that acts, on every node within a second. Nothing of it is lost.")
        .post("/platform/organizations/{id}/resume", resume, "Let a suspended organisation go on.")
        .put("/platform/organizations/{id}/quota", set_quota, "Give an organisation another limit than its plan's, no limit, or its plan's again.")
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

/// A limit of an organisation's own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaChange {
    /// Which quota.
    quota: Quota,
    /// The limit from now on; null is unlimited. Absent with `plan_default`.
    limit: Option<u64>,
    /// The plan's limit again.
    #[serde(default)]
    plan_default: bool,
}

impl Sample for QuotaChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"quota": "workflows", "limit": 500})
    }
}

async fn whole(tx: &mut SystemTx, organization: Organization) -> Result<PlatformOrganization> {
    let (_, standings) = quotas::standings(tx, organization.id).await?;
    let quota = |standing: quotas::QuotaStanding| PlatformQuota {
        usage: standing.usage,
        plan_limit: standing.plan_limit,
        overridden: standing.overridden,
    };
    let Organization { id, slug, name, plan, status, created_at } = organization;
    let quotas = standings.into_iter().map(quota).collect();
    Ok(PlatformOrganization { id, slug, name, plan, status, created_at, quotas })
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
    let listed = cx
        .run(async |tx| {
            let Page { items, next_cursor } = store::organizations(tx, status, &page).await?;
            let mut all = Vec::with_capacity(items.len());
            for organization in items {
                all.push(whole(tx, organization).await?);
            }
            Ok(Audited::none(
                "the platform looks at plans and use, not at what is in them",
                Page { items: all, next_cursor },
            ))
        })
        .await?;
    Ok(Json(listed))
}

async fn get(cx: PlatformAuthorized<OrganizationRead>, Path(id): Path<TenantId>) -> Result<Json<PlatformOrganization>> {
    let found = cx
        .run(async |tx| {
            let organization = store::organization(tx, id).await?.ok_or_else(Problem::not_found)?;
            let organization = whole(tx, organization).await?;
            Ok(Audited::none("the platform looks at plan and use, not at what is in it", organization))
        })
        .await?;
    Ok(Json(found))
}

async fn update(
    cx: PlatformAuthorized<OrganizationPlan>,
    Path(id): Path<TenantId>,
    Json(change): Json<PlanChange>,
) -> Result<Json<PlatformOrganization>> {
    let changed = cx
        .run(async |tx| {
            let before = store::organization(tx, id).await?.ok_or_else(Problem::not_found)?;
            let status = before.status.clone();
            put(tx, before, change.plan, &status, OrganizationEvent::PLAN_CHANGED).await
        })
        .await?;
    Ok(Json(changed))
}

async fn suspend(
    cx: PlatformAuthorized<OrganizationSuspend>,
    Path(id): Path<TenantId>,
) -> Result<Json<PlatformOrganization>> {
    cx.run(async |tx| {
        let before = store::organization(tx, id).await?.ok_or_else(Problem::not_found)?;
        let plan = before.plan;
        put(tx, before, plan, "suspended", OrganizationEvent::SUSPENDED).await
    })
    .await
    .map(Json)
}

async fn resume(
    cx: PlatformAuthorized<OrganizationSuspend>,
    Path(id): Path<TenantId>,
) -> Result<Json<PlatformOrganization>> {
    cx.run(async |tx| {
        let before = store::organization(tx, id).await?.ok_or_else(Problem::not_found)?;
        let plan = before.plan;
        put(tx, before, plan, "active", OrganizationEvent::RESUMED).await
    })
    .await
    .map(Json)
}

/// Writes it, tells every node, and the organisation's own log.
async fn put(
    tx: &mut SystemTx,
    before: Organization,
    plan: Plan,
    status: &str,
    action: Action<Organization>,
) -> Result<Audited<PlatformOrganization>> {
    let tenant = before.id;
    if before.plan == plan && before.status == status {
        let organization = whole(tx, before).await?;
        return Ok(Audited::none("it was so before", organization));
    }
    tx.announce(Message::TenantChanged { tenant }).await?;
    let changed = store::update(tx, before, plan, status).await?.audited(action).in_tenant(tenant);
    let organization = whole(tx, changed.value().clone()).await?;
    Ok(changed.map(|_| organization))
}

async fn set_quota(
    cx: PlatformAuthorized<OrganizationQuota>,
    Path(id): Path<TenantId>,
    Json(change): Json<QuotaChange>,
) -> Result<Json<PlatformOrganization>> {
    if change.plan_default && change.limit.is_some() {
        return Err(Problem::invalid("/limit", "is of no use with plan_default; send one of the two").into());
    }
    let changed = cx
        .run(async |tx| {
            let organization = store::organization(tx, id).await?.ok_or_else(Problem::not_found)?;
            let changed = if change.plan_default {
                quotas::clear_override(tx, id, change.quota).await?
            } else {
                quotas::set_override(tx, id, change.quota, change.limit).await?
            };
            let organization = whole(tx, organization).await?;
            Ok(changed.map(|()| organization))
        })
        .await?;
    Ok(Json(changed))
}
