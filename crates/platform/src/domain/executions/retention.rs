//! `/api/v1/executions/retention`: how long an organisation keeps executions that are over.

use std::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use tenure_kernel::permission::{ExecutionDelete, TenantRead, TenantUpdate};
use tenure_kernel::{All, Audited, Authorized, Json, Problem, Recent, Resource, Result, Sample, TenantId};
use utoipa::ToSchema;

use super::retention_store as store;
use crate::app::{App, Routes};

const DAY: u64 = 24 * 60 * 60;
/// A hundred years.
const MOST_DAYS: u32 = 36_500;

const GET: &str = "See how long executions that are over are kept.";
const PUT: &str = "Say how long the organisation keeps executions that are over.\n\nWhat ended longer ago is deleted within the hour, with all that it holds, also what is private to teams; the audit log keeps its events. More than the installation keeps is refused with 422. Null is as the installation says.";

/// The routes.
pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/executions/retention", get, GET).put("/executions/retention", put, PUT)
}

/// How long an organisation keeps executions that are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecutionRetention {
    /// Days after their end, as the organisation says; null where it says nothing.
    pub keep_days: Option<u32>,
    /// Days, as the installation says; null is forever.
    pub installation_days: Option<u32>,
    /// What is in force: the less of the two; null is forever.
    pub in_force_days: Option<u32>,
}

impl ExecutionRetention {
    pub(super) fn new(keep_days: Option<u32>, installation: Option<Duration>) -> Self {
        let installation_days = installation.map(|keep| u32::try_from(keep.as_secs() / DAY).unwrap_or(MOST_DAYS));
        let in_force_days = [keep_days, installation_days].into_iter().flatten().min();
        Self { keep_days, installation_days, in_force_days }
    }
}

/// The same with whose it is, as the log tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Whose.
    pub(super) tenant: TenantId,
    /// Days; null is as the installation says.
    pub(super) keep_days: Option<u32>,
}

impl Resource for Retention {
    fn resource_id(&self) -> String {
        self.tenant.to_string()
    }
}

tenure_kernel::actions! {
    /// What happens to how long executions are kept.
    pub RetentionEvent on Retention = "execution-retention" {
        SET = "set", "The organisation said how long it keeps executions that are over.";
        APPLIED = "applied", "Executions were deleted because they had been over for as long as they are kept; told once for each batch, beside `execution.deleted` for each of them.";
    }
}

/// How long to keep executions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionChange {
    /// Days after their end, 1 to 36,500; null is as the installation says.
    #[schema(minimum = 1, maximum = 36500)]
    keep_days: Option<u32>,
}

impl Sample for RetentionChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"keep_days": 36_500})
    }
}

async fn get(cx: Authorized<TenantRead>, State(app): State<App>) -> Result<Json<ExecutionRetention>> {
    let set = cx.read(async |tx| store::current(tx).await).await?;
    Ok(Json(ExecutionRetention::new(set.keep_days, app.config.keep_executions)))
}

async fn put(
    cx: Authorized<Recent<All<(TenantUpdate, ExecutionDelete)>>>,
    State(app): State<App>,
    Json(RetentionChange { keep_days }): Json<RetentionChange>,
) -> Result<Json<ExecutionRetention>> {
    let installation = app.config.keep_executions;
    let most = ExecutionRetention::new(None, installation).installation_days.unwrap_or(MOST_DAYS);
    if keep_days.is_some_and(|days| !(1..=most).contains(&days)) {
        let detail = if installation.is_some() {
            format!("must be 1 to {most}, which is as long as the installation keeps executions; null is as it says")
        } else {
            format!("must be 1 to {most} days; null keeps them forever")
        };
        return Err(Problem::invalid("/keep_days", detail).into());
    }
    let set = cx
        .write(async |tx| {
            let before = store::current(tx).await?;
            if before.keep_days == keep_days {
                return Ok(Audited::none("it was set to the same before", before));
            }
            Ok(store::set(tx, before, keep_days).await?.audited(RetentionEvent::SET))
        })
        .await?;
    Ok(Json(ExecutionRetention::new(set.keep_days, installation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_less_of_the_two_is_in_force() {
        let days = |days: u64| Some(Duration::from_secs(days * DAY));
        for (own, installation, in_force) in
            [(None, None, None), (Some(3), None, Some(3)), (None, days(7), Some(7)), (Some(9), days(7), Some(7))]
        {
            assert_eq!(ExecutionRetention::new(own, installation).in_force_days, in_force);
        }
    }
}
