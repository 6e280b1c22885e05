//! All SQL on `memberships` but the first row at registration.

use std::collections::HashMap;

use sqlx::types::Json;
use tenure_kernel::{
    Change, Load, Mode, Permitted, Personal, Result, SystemTx, TenantId, TenantTx, Timestamp, UserId, Write,
};

use super::model::{Attributes, Member, MemberStatus};

pub(super) struct Row {
    pub(super) id: UserId,
    pub(super) username: String,
    pub(super) email: String,
    pub(super) full_name: String,
    pub(super) status: String,
    pub(super) roles: Vec<String>,
    pub(super) permissions: Vec<String>,
    pub(super) attributes: Json<Attributes>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) mfa: bool,
    pub(super) accepted: bool,
    pub(super) last_login_at: Option<Timestamp>,
    pub(super) last_active_at: Option<Timestamp>,
}

impl From<Row> for Member {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            username: Personal(row.username),
            email: Personal(row.email),
            full_name: Personal(row.full_name),
            status: MemberStatus::parse(&row.status),
            roles: row.roles,
            permissions: row.permissions,
            attributes: Personal(row.attributes.0),
            mfa: row.mfa,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_login_at: row.last_login_at,
            last_active_at: row.last_active_at,
            accepted: row.accepted,
        }
    }
}

impl Load for Member {
    type Id = UserId;

    async fn load<M: Mode>(tx: &mut TenantTx<M>, id: UserId, lock: bool) -> Result<Option<Self>> {
        let tenant = tx.tenant().uuid();
        if lock {
            sqlx::query!(
                "select 1 as one from memberships where tenant_id = $1 and user_id = $2 for update",
                tenant,
                id.uuid()
            )
            .fetch_optional(&mut *tx)
            .await?;
        }
        let row = sqlx::query_as!(
            Row,
            r#"select user_id as "id: UserId", username, email, full_name, status, roles, permissions,
                  attributes as "attributes: Json<Attributes>", created_at, updated_at, accepted_at is not null as "accepted!",
                  mfa and accepted_at is not null as "mfa!",
                  last_login_at, last_active_at
               from memberships where tenant_id = $1 and user_id = $2"#,
            tenant,
            id.uuid()
        )
        .fetch_optional(&mut *tx)
        .await?;
        Ok(row.map(Member::from))
    }
}

/// What becomes of a membership; what is not there stays.
#[derive(Debug, Clone, Default)]
pub(super) struct NewStanding {
    pub(super) status: Option<MemberStatus>,
    pub(super) roles: Option<Vec<String>>,
    pub(super) permissions: Option<Vec<String>>,
    pub(super) attributes: Option<Attributes>,
}

pub(super) async fn update(
    tx: &mut TenantTx<Write>,
    member: Permitted<Member>,
    new: NewStanding,
) -> Result<Change<Member>> {
    let before = member.into_inner();
    let after = Member {
        status: new.status.unwrap_or(before.status),
        roles: new.roles.unwrap_or_else(|| before.roles.clone()),
        permissions: new.permissions.unwrap_or_else(|| before.permissions.clone()),
        attributes: new.attributes.map_or_else(|| before.attributes.clone(), Personal),
        updated_at: tx.now(),
        ..before.clone()
    };
    sqlx::query!(
        "update memberships set status = $3, roles = $4, permissions = $5, attributes = $6, updated_at = $7
         where tenant_id = $1 and user_id = $2",
        tx.tenant().uuid(),
        after.id.uuid(),
        after.status.as_str(),
        &after.roles,
        &after.permissions,
        Json(&*after.attributes) as _,
        after.updated_at
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after })
}

/// What these people are called in this organisation; those who are no members of it are left out.
///
/// # Errors
/// When PostgreSQL is gone.
pub async fn names<M: Mode>(tx: &mut TenantTx<M>, ids: &[UserId]) -> Result<HashMap<UserId, String>> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query!(
        r#"select user_id as "id: UserId", case when full_name = '' then username else full_name end as "name!"
           from memberships where tenant_id = $1 and user_id = any($2)"#,
        tx.tenant().uuid(),
        &ids
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// Locks these members and the active administrators, in one order, and says who the latter are.
pub(super) async fn lock_with_admins(tx: &mut TenantTx<Write>, users: &[UserId]) -> Result<Vec<UserId>> {
    let users: Vec<uuid::Uuid> = users.iter().map(|user| user.uuid()).collect();
    let rows = sqlx::query!(
        r#"select user_id as "id: UserId", status = 'active' and 'admin' = any(roles) as "admin!" from memberships
           where tenant_id = $1 and user_id in (
               select unnest($2::uuid[]) union all
               select user_id from memberships where tenant_id = $1 and status = 'active' and 'admin' = any(roles))
           order by user_id for update"#,
        tx.tenant().uuid(),
        &users
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().filter(|row| row.admin).map(|row| row.id).collect())
}

/// How many active administrators the organisation has. Locks their rows, so that two cannot remove each other.
pub(super) async fn active_admins(tx: &mut TenantTx<Write>) -> Result<Vec<UserId>> {
    let rows = sqlx::query_scalar!(
        r#"select user_id as "id: UserId" from memberships
           where tenant_id = $1 and status = 'active' and 'admin' = any(roles) order by user_id for update"#,
        tx.tenant().uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows)
}

/// Sets what else is known of somebody who was just added.
pub(super) async fn set_attributes(
    tx: &mut SystemTx,
    tenant: TenantId,
    user: UserId,
    attributes: &Attributes,
) -> Result<()> {
    sqlx::query!(
        "update memberships set attributes = $3 where tenant_id = $1 and user_id = $2",
        tenant.uuid(),
        user.uuid(),
        Json(attributes) as _
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// A member, locked until the transaction ends.
pub(super) async fn lock_member(tx: &mut SystemTx, tenant: TenantId, user: UserId) -> Result<Option<Member>> {
    let row = sqlx::query_as!(
        Row,
        r#"select user_id as "id: UserId", username, email, full_name, status, roles, permissions,
                  attributes as "attributes: Json<Attributes>", created_at, updated_at, accepted_at is not null as "accepted!",
                  mfa and accepted_at is not null as "mfa!", last_login_at, last_active_at
           from memberships where tenant_id = $1 and user_id = $2 for update"#,
        tenant.uuid(),
        user.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(Member::from))
}

/// Deletes a membership that nobody agreed to.
pub(super) async fn delete_pending(tx: &mut SystemTx, tenant: TenantId, member: Member) -> Result<Change<Member>> {
    sqlx::query!(
        "delete from memberships where tenant_id = $1 and user_id = $2 and accepted_at is null",
        tenant.uuid(),
        member.id.uuid()
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Deleted(member))
}

/// The roles and single permissions of whoever agreed to be a member of this organisation, whatever their status. Somebody who
/// is only asked to be one has a login that is none of its business.
pub(super) async fn given(
    tx: &mut SystemTx,
    tenant: TenantId,
    user: UserId,
) -> Result<Option<(Vec<String>, Vec<String>)>> {
    let row = sqlx::query!(
        "select roles, permissions from memberships
         where tenant_id = $1 and user_id = $2 and accepted_at is not null",
        tenant.uuid(),
        user.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| (row.roles, row.permissions)))
}
