//! `/api/v1/roles` and `/api/v1/permissions`

use serde::{Deserialize, Serialize};
use tenure_kernel::bus::Message;
use tenure_kernel::extract::PathName;
use tenure_kernel::permission::{RoleRead, RoleWrite};
use tenure_kernel::{
    Access, Authorized, Created, Json, NoContent, OnConstraint as _, Page, Path, PermissionId, Permitted, Problem,
    Result, Sample,
};
use utoipa::ToSchema;

use super::event::RoleEvent;
use super::make::{in_use, name_taken, parse_kept, parse_new_name};
use super::model::{Role, RoleName, parse_description};
use super::store;
use crate::app::Routes;
use crate::domain::access;

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Roles")
        .get("/permissions", permissions, "List every permission there is, with what its holder may do.")
        .get("/roles", list, "List roles: the system's, then those of the organisation by name.")
        .post("/roles", create, "Make a role.\n\nTo clone one, give its permissions. Nobody makes a role that holds more than they hold.")
        .get("/roles/{name}", get, "See a role, and every permission that it stands for.")
        .patch("/roles/{name}", update, "Change what a role permits, or its description.\n\nHolds within a second for everybody who has it, on every node. A system role cannot be changed; clone it.")
        .delete("/roles/{name}", delete, "Delete a role that nobody has.")
}

/// A permission.
#[derive(Debug, Serialize, ToSchema)]
pub struct PermissionInfo {
    /// `resource:action`.
    name: &'static str,
    /// What its holder may do.
    description: &'static str,
    /// Whether it changes something.
    writes: bool,
}

/// A role to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    /// A lower-case letter, then up to 62 lower-case letters, digits and hyphens. It cannot be changed.
    name: String,
    /// What it is for; at most 1,000 characters.
    #[serde(default)]
    description: String,
    /// Permissions, `resource:*` for all of a resource, `*` for everything.
    permissions: Vec<String>,
}

impl Sample for NewRole {
    fn sample() -> serde_json::Value {
        serde_json::json!({"name": "night-shift", "description": "Keeps things running", "permissions": ["execution:*", "workflow:read"]})
    }
}

/// What to change of a role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleChange {
    /// Its new description.
    description: Option<String>,
    /// Its new permissions, all of them.
    permissions: Option<Vec<String>>,
}

impl Sample for RoleChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"permissions": ["execution:read"]})
    }
}

async fn permissions(_cx: Authorized<RoleRead>) -> Result<Json<Page<PermissionInfo>>> {
    let info = |id: &PermissionId| PermissionInfo {
        name: id.as_str(),
        description: id.description(),
        writes: id.access() == Access::Write,
    };
    Ok(Json(Page { items: PermissionId::ALL.iter().map(info).collect(), next_cursor: None }))
}

async fn list(cx: Authorized<RoleRead>) -> Result<Json<Page<Role>>> {
    let items = cx.read(async |tx| store::list(tx).await).await?;
    Ok(Json(Page { items, next_cursor: None }))
}

async fn get(cx: Authorized<RoleRead>, Path(name): Path<PathName>) -> Result<Json<Role>> {
    let name = existing(&name)?;
    cx.read(async |tx| Ok(tx.load::<Role>(name).await?.into_inner())).await.map(Json)
}

async fn create(cx: Authorized<RoleWrite>, Json(new): Json<NewRole>) -> Result<Created<Role>> {
    let name = parse_new_name(&new.name)?;
    let description = parse_description(&new.description)?;
    let permissions = parse_kept(&new.permissions)?;
    if let Err(error) = store::allow(access::effective(&[], &permissions), cx.cx().identity.permissions) {
        return Err(cx.refused(error).await);
    }
    let made = cx
        .write(async |tx| {
            let (tenant, now) = (tx.tenant(), tx.now());
            let made = store::insert(&mut *tx, tenant, now, &name, description, permissions.clone()).await?;
            Ok(made.audited(RoleEvent::CREATED))
        })
        .await;
    let role = made.on_constraint("roles_pkey", name_taken)?;
    let location = format!("/api/v1/roles/{}", role.name);
    Ok(Created(role, Some(location)))
}

async fn update(
    cx: Authorized<RoleWrite>,
    Path(name): Path<PathName>,
    Json(change): Json<RoleChange>,
) -> Result<Json<Role>> {
    let name = existing(&name)?;
    let description = change.description.as_deref().map(parse_description).transpose()?;
    let permissions = change.permissions.as_deref().map(parse_kept).transpose()?;
    let held = cx.cx().identity.permissions;
    let role = cx
        .write(async |tx| {
            let role = own(tx.load::<Role>(name.clone()).await?)?;
            // Neither what is given nor what is taken away may go beyond what the actor holds.
            store::allow(role.set(), held)?;
            if let Some(permissions) = &permissions {
                store::allow(access::effective(&[], permissions), held)?;
            }
            let change = store::update(tx, role, description, permissions.clone()).await?;
            tx.announce(Message::TenantChanged { tenant: tx.tenant() }).await?;
            Ok(change.audited(RoleEvent::UPDATED))
        })
        .await?;
    Ok(Json(role))
}

async fn delete(cx: Authorized<RoleWrite>, Path(name): Path<PathName>) -> Result<NoContent> {
    let name = existing(&name)?;
    let held = cx.cx().identity.permissions;
    let deleted = cx
        .write(async |tx| {
            let role = own(tx.load::<Role>(name.clone()).await?)?;
            store::allow(role.set(), held)?;
            Ok(store::delete(tx, role).await?.audited(RoleEvent::DELETED).map(drop))
        })
        .await;
    deleted.on_constraint("roles_unused", in_use)?;
    Ok(NoContent)
}

/// A name that no role can have is one that is not there.
fn existing(name: &PathName) -> Result<RoleName> {
    RoleName::parse(&name.0, "/name").map_err(|_| Problem::not_found().into())
}

/// Not one of the system's.
fn own(role: Permitted<Role>) -> Result<Permitted<Role>> {
    if role.system {
        return Err(Problem::conflict(
            "a system role cannot be changed or deleted; make one of your own with its permissions",
        )
        .into());
    }
    Ok(role)
}
