//! `/api/v1/service-accounts`

use serde::Deserialize;
use tenure_kernel::bus::Message;
use tenure_kernel::permission::{RoleAssign, ServiceAccountRead, ServiceAccountWrite};
use tenure_kernel::{
    All, Authorized, Created, Json, NoContent, OnConstraint as _, Page, PageQuery, Path, PermissionSet, Problem, Query,
    Result, Sample, ServiceAccountId, TenantTx, Write,
};
use utoipa::ToSchema;

use super::event::ServiceAccountEvent;
use super::model::{ServiceAccount, ServiceAccountStatus, parse_name};
use super::store;
use crate::app::Routes;
use crate::domain::access::SystemRole;
use crate::domain::roles;

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
    roles: Vec<String>,
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
    roles: Option<Vec<String>>,
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
    let (name, description) = (parse_name(&new.name)?, roles::parse_description(&new.description)?.to_owned());
    let permissions = kept(&new.permissions)?;
    let mut roles = roles::parse_names(&new.roles, "/roles")?;
    if roles.is_empty() && permissions.is_empty() {
        roles.push(SystemRole::Executor.as_str().to_owned());
    }
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
            within_own(tx, held, &account).await?;
            Ok(store::insert(tx, account).await?.audited(ServiceAccountEvent::CREATED))
        })
        .await;
    let account = account
        .on_constraint("service_accounts_name_key", name_taken)
        .on_constraint("memberships_roles_exist", role_is_gone)?;
    let location = format!("/api/v1/service-accounts/{}", account.id);
    Ok(Created(account, Some(location)))
}

async fn update(
    cx: Authorized<All<(ServiceAccountWrite, RoleAssign)>>,
    Path(id): Path<ServiceAccountId>,
    Json(change): Json<ServiceAccountChange>,
) -> Result<Json<ServiceAccount>> {
    let name = change.name.as_deref().map(parse_name).transpose()?;
    let description = change.description.as_deref().map(roles::parse_description).transpose()?;
    let roles = change.roles.as_deref().map(|names| roles::parse_names(names, "/roles")).transpose()?;
    let permissions = change.permissions.as_deref().map(kept).transpose()?;
    let held = cx.cx().identity.permissions;
    let account = cx
        .write(async |tx| {
            let account = tx.load::<ServiceAccount>(id).await?;
            let mut after = ServiceAccount { status: change.status.unwrap_or(account.status), ..account.clone() };
            after.name = name.unwrap_or(after.name);
            after.description = description.map_or(after.description, str::to_owned);
            after.roles = roles.unwrap_or(after.roles);
            after.permissions = permissions.unwrap_or(after.permissions);
            // Neither what is given nor what is taken away may go beyond what the actor holds.
            within_own(tx, held, &account).await?;
            within_own(tx, held, &after).await?;
            tx.announce(Message::ServiceAccountChanged { account: id }).await?;
            Ok(store::update(tx, account, after).await?.audited(ServiceAccountEvent::UPDATED))
        })
        .await;
    account
        .on_constraint("service_accounts_name_key", name_taken)
        .on_constraint("memberships_roles_exist", role_is_gone)
        .map(Json)
}

async fn delete(
    cx: Authorized<All<(ServiceAccountWrite, RoleAssign)>>,
    Path(id): Path<ServiceAccountId>,
) -> Result<NoContent> {
    let held = cx.cx().identity.permissions;
    cx.write(async |tx| {
        let account = tx.load::<ServiceAccount>(id).await?;
        within_own(tx, held, &account).await?;
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

/// Single permissions: nobody looks after what no person is, and a later release must not widen it.
fn kept(permissions: &[String]) -> Result<Vec<String>> {
    let pointer = "/permissions";
    Ok(roles::names(roles::parse_permissions(permissions, pointer)?.single(pointer)?))
}

/// Nobody gives, or takes, a permission that they do not hold.
async fn within_own(tx: &mut TenantTx<Write>, held: PermissionSet, account: &ServiceAccount) -> Result<()> {
    let tenant = tx.tenant();
    roles::within_own(&mut *tx, tenant, held, &account.roles, &account.permissions, "/roles").await
}

fn role_is_gone() -> Problem {
    Problem::invalid("/roles", "one of them was deleted meanwhile")
}

fn name_taken() -> Problem {
    Problem::conflict("a service account of this name exists already; choose another").field("/name", "is taken")
}
