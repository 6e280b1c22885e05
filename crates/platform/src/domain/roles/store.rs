//! All SQL on `roles`.

use sqlx::PgExecutor;
use tenure_kernel::{
    Change, Code, Load, Mode, PermissionSet, Permitted, Problem, Result, TenantId, TenantTx, Timestamp, Write,
};

use super::model::{Role, RoleName};
use super::permissions::names;
use crate::domain::access::{self, SystemRole};

/// How many roles an organisation can make.
const MAX_ROLES: i64 = 200;

struct Row {
    name: String,
    description: String,
    permissions: Vec<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Row> for Role {
    fn from(row: Row) -> Self {
        let permits = names(PermissionSet::from_patterns(row.permissions.iter().map(String::as_str)));
        Self {
            name: row.name,
            description: row.description,
            permissions: row.permissions,
            permits,
            system: false,
            created_at: Some(row.created_at),
            updated_at: Some(row.updated_at),
        }
    }
}

impl Load for Role {
    type Id = RoleName;

    async fn load<M: Mode>(tx: &mut TenantTx<M>, name: RoleName, lock: bool) -> Result<Option<Self>> {
        if let Some(role) = name.system() {
            return Ok(Some(Self::system(role)));
        }
        let tenant = tx.tenant().uuid();
        if lock {
            sqlx::query!(
                "select 1 as one from roles where tenant_id = $1 and name = $2 for update",
                tenant,
                name.as_str()
            )
            .fetch_optional(&mut *tx)
            .await?;
        }
        let row = sqlx::query_as!(
            Row,
            "select name, description, permissions, created_at, updated_at from roles where tenant_id = $1 and name = $2",
            tenant,
            name.as_str()
        )
        .fetch_optional(&mut *tx)
        .await?;
        Ok(row.map(Self::from))
    }
}

/// The system roles, then those of the organisation by name.
pub(super) async fn list<M: Mode>(tx: &mut TenantTx<M>) -> Result<Vec<Role>> {
    let rows = sqlx::query_as!(
        Row,
        "select name, description, permissions, created_at, updated_at from roles where tenant_id = $1 order by name",
        tx.tenant().uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(SystemRole::ALL.into_iter().map(Role::system).chain(rows.into_iter().map(Role::from)).collect())
}

/// The roles of these names that are there, in no order.
///
/// # Errors
/// PostgreSQL's.
pub async fn of_names<'c>(executor: impl PgExecutor<'c>, tenant: TenantId, wanted: &[String]) -> Result<Vec<Role>> {
    let rows = sqlx::query_as!(
        Row,
        "select name, description, permissions, created_at, updated_at from roles where tenant_id = $1 and name = any($2)",
        tenant.uuid(),
        wanted
    )
    .fetch_all(executor)
    .await?;
    let system = wanted.iter().filter_map(|name| SystemRole::parse(name)).map(Role::system);
    Ok(system.chain(rows.into_iter().map(Role::from)).collect())
}

/// That these roles are there, and that they and these permissions hold nothing beyond what the actor holds: nobody gives, or
/// takes, a permission that they do not have. `pointer` is where the names of the roles were asked for.
///
/// # Errors
/// 422 at `pointer` for a role that is not there, 403 for what goes beyond; PostgreSQL's.
pub async fn within_own<'c>(
    executor: impl PgExecutor<'c>,
    tenant: TenantId,
    held: PermissionSet,
    roles: &[String],
    permissions: &[String],
    pointer: &str,
) -> Result<()> {
    let found = of_names(executor, tenant, roles).await?;
    if let Some(name) = roles.iter().find(|name| !found.iter().any(|role| role.name == **name)) {
        return Err(Problem::invalid(pointer, format!("`{name}` is no role of this organisation")).into());
    }
    let of_roles = found.iter().map(Role::set).fold(access::effective(&[], permissions), PermissionSet::union);
    allow(of_roles, held)
}

/// Nobody gives, or takes, a permission that they do not have.
///
/// # Errors
/// 403 with what is in `wanted` and not in `held`.
pub fn allow(wanted: PermissionSet, held: PermissionSet) -> Result<()> {
    let missing = wanted.missing_from(held);
    if missing.is_empty() {
        return Ok(());
    }
    let detail = format!("nobody gives or takes what they do not hold; you do not hold {missing}");
    Err(Problem::new(Code::PermissionDenied, detail).with("permission", missing.to_string()).into())
}

/// Makes a role, where the organisation has not too many.
pub(super) async fn insert<'c>(
    executor: impl PgExecutor<'c>,
    tenant: TenantId,
    now: Timestamp,
    name: &RoleName,
    description: &str,
    permissions: Vec<String>,
) -> Result<Change<Role>> {
    let row = Row {
        name: name.as_str().to_owned(),
        description: description.to_owned(),
        permissions,
        created_at: now,
        updated_at: now,
    };
    let made = sqlx::query!(
        "insert into roles (tenant_id, name, description, permissions, created_at, updated_at)
         select $1, $2, $3, $4, $5, $5 where (select count(*) from roles where tenant_id = $1) < $6",
        tenant.uuid(),
        row.name,
        row.description,
        &row.permissions,
        now,
        MAX_ROLES
    )
    .execute(executor)
    .await?;
    if made.rows_affected() == 0 {
        let detail = format!("an organisation has at most {MAX_ROLES} roles of its own; delete one first");
        return Err(Problem::conflict(detail).into());
    }
    Ok(Change::Created(row.into()))
}

pub(super) async fn update(
    tx: &mut TenantTx<Write>,
    role: Permitted<Role>,
    description: Option<&str>,
    permissions: Option<Vec<String>>,
) -> Result<Change<Role>> {
    let before = role.into_inner();
    let now = tx.now();
    let row = Row {
        name: before.name.clone(),
        description: description.unwrap_or(&before.description).to_owned(),
        permissions: permissions.unwrap_or_else(|| before.permissions.clone()),
        created_at: before.created_at.unwrap_or(now),
        updated_at: now,
    };
    sqlx::query!(
        "update roles set description = $3, permissions = $4, updated_at = $5 where tenant_id = $1 and name = $2",
        tx.tenant().uuid(),
        row.name,
        row.description,
        &row.permissions,
        now
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after: row.into() })
}

pub(super) async fn delete(tx: &mut TenantTx<Write>, role: Permitted<Role>) -> Result<Change<Role>> {
    let role = role.into_inner();
    sqlx::query!("delete from roles where tenant_id = $1 and name = $2", tx.tenant().uuid(), role.name)
        .execute(&mut *tx)
        .await?;
    Ok(Change::Deleted(role))
}

/// Deletes a role that is as it was read; nothing where it is not any more.
pub(super) async fn delete_unchanged<'c>(
    executor: impl PgExecutor<'c>,
    tenant: TenantId,
    role: Role,
) -> Result<Option<Change<Role>>> {
    let done = sqlx::query!(
        "delete from roles where tenant_id = $1 and name = $2 and updated_at = $3",
        tenant.uuid(),
        role.name,
        role.updated_at as Option<Timestamp>
    )
    .execute(executor)
    .await?;
    Ok((done.rows_affected() == 1).then_some(Change::Deleted(role)))
}
