//! All SQL on `platform_admins`, and on `tenants` as the platform changes them.

use tenure_kernel::record::PLATFORM_TENANT;
use tenure_kernel::{Change, Page, PageQuery, Personal, Result, SystemTx, TenantId, Timestamp, UserId};

use super::admins::PlatformAdmin;
use crate::domain::identity::User;
use crate::domain::tenancy::{Organization, Plan};

/// Nothing if the person is one already.
pub(super) async fn insert_admin(tx: &mut SystemTx, person: User) -> Result<Option<Change<PlatformAdmin>>> {
    let now = tx.now();
    let done = sqlx::query!(
        "insert into platform_admins (user_id, created_at) values ($1, $2) on conflict (user_id) do nothing",
        person.id.uuid(),
        now
    )
    .execute(&mut *tx)
    .await?;
    let admin = PlatformAdmin { id: person.id, username: person.username, email: person.email, created_at: now };
    Ok((done.rows_affected() == 1).then_some(Change::Created(admin)))
}

/// Nothing if the person is none.
pub(super) async fn delete_admin(tx: &mut SystemTx, person: User) -> Result<Option<Change<PlatformAdmin>>> {
    let since = sqlx::query_scalar!(
        r#"delete from platform_admins where user_id = $1 returning created_at as "at: Timestamp""#,
        person.id.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(since.map(|created_at| {
        Change::Deleted(PlatformAdmin { id: person.id, username: person.username, email: person.email, created_at })
    }))
}

pub(super) async fn admins(tx: &mut SystemTx) -> Result<Vec<PlatformAdmin>> {
    let rows = sqlx::query!(
        r#"select u.id as "id: UserId", u.username, u.email, a.created_at as "created_at: Timestamp"
           from platform_admins a join users u on u.id = a.user_id order by lower(u.username)"#
    )
    .fetch_all(&mut *tx)
    .await?;
    let admin = |id, username, email, created_at| PlatformAdmin {
        id,
        username: Personal(username),
        email: Personal(email),
        created_at,
    };
    Ok(rows.into_iter().map(|row| admin(row.id, row.username, row.email, row.created_at)).collect())
}

/// Organisations by their short name; the platform's own is none.
pub(super) async fn organizations(
    tx: &mut SystemTx,
    status: Option<&str>,
    page: &PageQuery,
) -> Result<Page<Organization>> {
    let after = page.after::<String>()?;
    let rows = sqlx::query!(
        r#"select tenant_id as "id: TenantId", slug, name, plan, status, created_at from tenants
           where tenant_id <> $1 and ($2::text is null or status = $2) and ($3::text is null or slug > $3)
           order by slug limit $4"#,
        PLATFORM_TENANT.uuid(),
        status,
        after,
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    let organization = |id, slug, name, plan: String, status, created_at| Organization {
        id,
        slug,
        name,
        plan: Plan::parse(&plan),
        status,
        created_at,
    };
    let all =
        rows.into_iter().map(|row| organization(row.id, row.slug, row.name, row.plan, row.status, row.created_at));
    page.page(all.collect(), |last| last.slug.clone())
}

/// One organisation, locked until the transaction ends; never the platform's own.
pub(super) async fn organization(tx: &mut SystemTx, id: TenantId) -> Result<Option<Organization>> {
    let row = sqlx::query!(
        "select slug, name, plan, status, created_at from tenants where tenant_id = $1 and tenant_id <> $2 and status <> 'deleted' for update",
        id.uuid(),
        PLATFORM_TENANT.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Organization {
        id,
        slug: row.slug,
        name: row.name,
        plan: Plan::parse(&row.plan),
        status: row.status,
        created_at: row.created_at,
    }))
}

/// Writes plan and status.
pub(super) async fn update(
    tx: &mut SystemTx,
    before: Organization,
    plan: Plan,
    status: &str,
) -> Result<Change<Organization>> {
    let after = Organization { plan, status: status.to_owned(), ..before.clone() };
    sqlx::query!(
        "update tenants set plan = $2, status = $3 where tenant_id = $1",
        after.id.uuid(),
        after.plan.as_str(),
        after.status
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after })
}
