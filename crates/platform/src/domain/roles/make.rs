//! A role is made, or taken back before anybody has it, by an import: what the routes do, outside of a request.

use tenure_kernel::{Audited, OnConstraint as _, PermissionSet, Problem, Result, SystemTx, TenantId, Timestamp};

use super::event::RoleEvent;
use super::model::{Role, RoleName};
use super::permissions::parse_permissions;
use super::store;
use crate::domain::access;

/// A role to be made.
#[derive(Debug)]
pub struct Wanted {
    /// Its name; none of the system's.
    pub name: RoleName,
    /// What it is for.
    pub description: String,
    /// Permissions and wildcards, sorted, each once.
    pub permissions: Vec<String>,
}

/// The name of a role to be made.
///
/// # Errors
/// 422 at `/name` for what can be none, 409 for one of the system's.
pub fn parse_new_name(text: &str) -> Result<RoleName> {
    let name = RoleName::parse(text, "/name")?;
    if name.system().is_some() {
        return Err(name_taken().into());
    }
    Ok(name)
}

/// What is kept of a role's permissions: it grows with its wildcards.
///
/// # Errors
/// 422 below `/permissions` at what stands for nothing.
pub fn parse_kept(permissions: &[String]) -> Result<Vec<String>> {
    Ok(parse_permissions(permissions, "/permissions")?.as_written())
}

pub(super) fn name_taken() -> Problem {
    Problem::conflict("there is a role of this name already").field("/name", "is taken")
}

pub(super) fn in_use() -> Problem {
    Problem::conflict(
        "members or service accounts have this role, or somebody is invited with it; take it from them, or the invitation back, first (`GET /api/v1/users?role=…` lists the members)",
    )
}

/// Makes a role, for who holds `held`.
///
/// # Errors
/// 403 for what goes beyond that, 409 for a name that is taken and for one role too many; PostgreSQL's.
pub async fn make(tx: &mut SystemTx, tenant: TenantId, held: PermissionSet, role: Wanted) -> Result<Audited<Role>> {
    store::allow(access::effective(&[], &role.permissions), held)?;
    let now = tx.now();
    let made = store::insert(&mut *tx, tenant, now, &role.name, &role.description, role.permissions).await;
    Ok(made.on_constraint("roles_pkey", name_taken)?.audited(RoleEvent::CREATED).in_tenant(tenant))
}

/// Takes back the role that was made at this moment; whether it was there still.
///
/// # Errors
/// 403 where it holds more than `held`: nobody takes what they do not have; 409 where somebody has it; PostgreSQL's.
pub async fn take_back(
    tx: &mut SystemTx,
    tenant: TenantId,
    held: PermissionSet,
    name: &str,
    made_at: Timestamp,
) -> Result<Audited<bool>> {
    let found = store::of_names(&mut *tx, tenant, &[name.to_owned()]).await?;
    let Some(role) = found.into_iter().find(|role| role.created_at == Some(made_at)) else {
        return Ok(Audited::many(false, []));
    };
    store::allow(role.set(), held)?;
    let deleted = store::delete_unchanged(&mut *tx, tenant, role).await.on_constraint("roles_unused", in_use)?;
    let changed = || Problem::unavailable("this role was changed at this very moment; ask again");
    Ok(deleted.ok_or_else(changed)?.audited(RoleEvent::DELETED).in_tenant(tenant).map(|_| true))
}
