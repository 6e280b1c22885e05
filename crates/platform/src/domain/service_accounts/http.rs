//! `/api/v1/service-accounts`

use serde::Deserialize;
use tenure_kernel::bus::Message;
use tenure_kernel::permission::{RoleAssign, ServiceAccountRead, ServiceAccountWrite};
use tenure_kernel::{
    All, Authorized, Code, Created, Json, NoContent, OnConstraint as _, Page, PageQuery, Path, PermissionSet, Problem,
    Query, Result, Sample, ServiceAccountId,
};
use utoipa::ToSchema;

use super::event::ServiceAccountEvent;
use super::model::{ServiceAccount, ServiceAccountStatus, parse_description, parse_name, parse_permissions};
use super::store;
use crate::app::Routes;
use crate::domain::access::SystemRole;

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Service accounts")
        .get("/service-accounts", list, "List service accounts, by name.")
        .post("/service-accounts", create, "Create a service account.\n\nIt cannot log in; give it API keys. Nobody gives it a permission that they do not hold.")
        .get("/service-accounts/{id}", get, "See a service account.")
        .patch("/service-accounts/{id}", update, "Rename a service account, describe it anew, or change its status, roles or permissions.\n\nTakes effect on every node within a second. Nobody gives, or takes, a permission that they do not hold.")
        .delete("/service-accounts/{id}", delete, "Delete a service account.\n\nRefused while a key of it works; revoke its keys, or wait for their end, first.")
}

/// A service account to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewServiceAccount {
    /// 1 to 100 characters, unique in the organisation.
    name: String,
    /// What it is for; at most 1,000 characters.
    #[serde(default)]
    description: String,
    /// Its roles; `executor` unless roles or permissions are told.
    #[serde(default)]
    roles: Vec<SystemRole>,
    /// Single permissions beside the roles'.
    #[serde(default)]
    permissions: Vec<String>,
}

impl Sample for NewServiceAccount {
    fn sample() -> serde_json::Value {
        serde_json::json!({"name": "Nightly import", "description": "Runs what comes in over night", "roles": ["executor"]})
    }
}

/// What to change of a service account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountChange {
    /// Its new name.
    name: Option<String>,
    /// Its new description.
    description: Option<String>,
    /// Its new status.
    status: Option<ServiceAccountStatus>,
    /// Its new roles, all of them.
    roles: Option<Vec<SystemRole>>,
    /// Its new single permissions, all of them.
    permissions: Option<Vec<String>>,
}

impl Sample for ServiceAccountChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"description": "Runs what comes in by day"})
    }
}

async fn list(cx: Authorized<ServiceAccountRead>, Query(page): Query<PageQuery>) -> Result<Json<Page<ServiceAccount>>> {
    cx.read(async |tx| store::list(tx, &page).await).await.map(Json)
}

async fn get(cx: Authorized<ServiceAccountRead>, Path(id): Path<ServiceAccountId>) -> Result<Json<ServiceAccount>> {
    cx.read(async |tx| Ok(tx.load::<ServiceAccount>(id).await?.into_inner())).await.map(Json)
}

async fn create(
    cx: Authorized<All<(ServiceAccountWrite, RoleAssign)>>,
    Json(new): Json<NewServiceAccount>,
) -> Result<Created<ServiceAccount>> {
    let (name, description) = (parse_name(&new.name)?, parse_description(&new.description)?);
    let permissions = parse_permissions(&new.permissions)?;
    let nothing_told = new.roles.is_empty() && permissions.is_empty();
    let roles = names(if nothing_told { &[SystemRole::Executor] } else { &new.roles });
    let held = cx.cx().identity.permissions;
    let account = cx
        .write(async |tx| {
            let account = ServiceAccount {
                id: tx.new_id(),
                name,
                description,
                status: ServiceAccountStatus::Active,
                roles,
                permissions,
                created_at: tx.now(),
                updated_at: tx.now(),
            };
            within_own(held, &account)?;
            Ok(store::insert(tx, account).await?.audited(ServiceAccountEvent::CREATED))
        })
        .await;
    let account = account.on_constraint("service_accounts_name_key", name_taken)?;
    let location = format!("/api/v1/service-accounts/{}", account.id);
    Ok(Created(account, Some(location)))
}

async fn update(
    cx: Authorized<All<(ServiceAccountWrite, RoleAssign)>>,
    Path(id): Path<ServiceAccountId>,
    Json(change): Json<ServiceAccountChange>,
) -> Result<Json<ServiceAccount>> {
    let name = change.name.as_deref().map(parse_name).transpose()?;
    let description = change.description.as_deref().map(parse_description).transpose()?;
    let permissions = change.permissions.as_deref().map(parse_permissions).transpose()?;
    let held = cx.cx().identity.permissions;
    let account = cx
        .write(async |tx| {
            let account = tx.load::<ServiceAccount>(id).await?;
            let mut after = ServiceAccount { status: change.status.unwrap_or(account.status), ..account.clone() };
            after.name = name.unwrap_or(after.name);
            after.description = description.unwrap_or(after.description);
            after.roles = change.roles.as_deref().map_or(after.roles, names);
            after.permissions = permissions.unwrap_or(after.permissions);
            // Neither what is given nor what is taken away may go beyond what the actor holds.
            within_own(held, &account)?;
            within_own(held, &after)?;
            tx.announce(Message::ServiceAccountChanged { account: id }).await?;
            Ok(store::update(tx, account, after).await?.audited(ServiceAccountEvent::UPDATED))
        })
        .await;
    account.on_constraint("service_accounts_name_key", name_taken).map(Json)
}

async fn delete(
    cx: Authorized<All<(ServiceAccountWrite, RoleAssign)>>,
    Path(id): Path<ServiceAccountId>,
) -> Result<NoContent> {
    let held = cx.cx().identity.permissions;
    cx.write(async |tx| {
        let account = tx.load::<ServiceAccount>(id).await?;
        within_own(held, &account)?;
        if store::has_live_keys(tx, &account).await? {
            let detail = "a service account with keys that work cannot be deleted; revoke them first";
            return Err(Problem::conflict(detail).into());
        }
        tx.announce(Message::ServiceAccountChanged { account: id }).await?;
        Ok(store::delete(tx, account).await?.audited(ServiceAccountEvent::DELETED).map(drop))
    })
    .await?;
    Ok(NoContent)
}

fn names(roles: &[SystemRole]) -> Vec<String> {
    let mut names: Vec<String> = roles.iter().map(|role| role.as_str().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn within_own(held: PermissionSet, account: &ServiceAccount) -> Result<()> {
    let missing = account.effective().missing_from(held);
    if missing.is_empty() {
        return Ok(());
    }
    let detail = format!("this service account holds permissions that you do not hold: {missing}");
    Err(Problem::new(Code::PermissionDenied, detail).with("permission", missing.to_string()).into())
}

fn name_taken() -> Problem {
    Problem::conflict("a service account of this name exists already; choose another").field("/name", "is taken")
}
