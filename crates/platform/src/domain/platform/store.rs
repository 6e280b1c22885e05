//! All SQL on `platform_admins` and `setup_links`, and on `tenants` as the platform changes them.

use tenure_kernel::record::PLATFORM_TENANT;
use tenure_kernel::{Change, Page, PageQuery, Personal, Result, SystemTx, TenantId, Timestamp, UserId};

use super::admins::PlatformAdmin;
use super::setup::{LASTS, SetupLink};
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

/// Organisations by their short name, those that `search` is found in; the platform's own is none.
pub(super) async fn organizations(
    tx: &mut SystemTx,
    status: Option<&str>,
    search: Option<&str>,
    page: &PageQuery,
) -> Result<Page<Organization>> {
    let after = page.after::<String>()?;
    let rows = sqlx::query_as!(
        OrganizationRow,
        r#"select tenant_id as "id: TenantId", slug, name, plan, status, created_at from tenants
           where tenant_id <> $1 and ($2::text is null or status = $2) and ($3::text is null or slug > $3)
             and ($5::text is null or position(lower($5) in lower(name)) > 0 or position(lower($5) in slug) > 0)
           order by slug limit $4"#,
        PLATFORM_TENANT.uuid(),
        status,
        after,
        page.rows()?,
        search
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(rows.into_iter().map(Organization::from).collect(), |last| last.slug.clone())
}

/// An organisation as its row holds it.
struct OrganizationRow {
    id: TenantId,
    slug: String,
    name: String,
    plan: String,
    status: String,
    created_at: Timestamp,
}

impl From<OrganizationRow> for Organization {
    fn from(row: OrganizationRow) -> Self {
        let OrganizationRow { id, slug, name, plan, status, created_at } = row;
        Self { id, slug, name, plan: Plan::parse(&plan), status, created_at }
    }
}

/// One organisation, also one that is gone; never the platform's own.
pub(super) async fn organization(tx: &mut SystemTx, id: TenantId) -> Result<Option<Organization>> {
    let row = sqlx::query_as!(
        OrganizationRow,
        r#"select tenant_id as "id: TenantId", slug, name, plan, status, created_at from tenants
           where tenant_id = $1 and tenant_id <> $2"#,
        id.uuid(),
        PLATFORM_TENANT.uuid()
    );
    Ok(row.fetch_optional(&mut *tx).await?.map(Organization::from))
}

/// One that is to be changed, locked until the transaction ends; nothing where it is gone.
pub(super) async fn lock_organization(tx: &mut SystemTx, id: TenantId) -> Result<Option<Organization>> {
    sqlx::query!("select from tenants where tenant_id = $1 for update", id.uuid()).fetch_optional(&mut *tx).await?;
    Ok(organization(tx, id).await?.filter(|found| found.status != "deleted"))
}

/// Writes plan and status, and when it was resumed if it is.
pub(super) async fn update(
    tx: &mut SystemTx,
    before: Organization,
    plan: Plan,
    status: &str,
) -> Result<Change<Organization>> {
    let after = Organization { plan, status: status.to_owned(), ..before.clone() };
    sqlx::query!(
        "update tenants set plan = $2, status = $3,
                resumed_at = case when status = 'suspended' and $3 = 'active' then $4 else resumed_at end
         where tenant_id = $1",
        after.id.uuid(),
        after.plan.as_str(),
        after.status,
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after })
}

/// Whether anybody administers the platform.
pub(super) async fn has_admins(tx: &mut SystemTx) -> Result<bool> {
    let has = sqlx::query_scalar!(r#"select exists (select from platform_admins) as "has!""#);
    Ok(has.fetch_one(&mut *tx).await?)
}

/// A new link in the place of any other.
pub(super) async fn put_setup_link(tx: &mut SystemTx, digest: &[u8]) -> Result<Change<SetupLink>> {
    let link = SetupLink { created_at: tx.now(), expires_at: tx.now().after(LASTS) };
    sqlx::query!(
        "insert into setup_links (digest, created_at, expires_at) values ($1, $2, $3)
         on conflict (one) do update set digest = excluded.digest, created_at = excluded.created_at, expires_at = excluded.expires_at",
        digest,
        link.created_at,
        link.expires_at
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Created(link))
}

/// Whether the link opens anything now.
pub(super) async fn is_setup_link(tx: &mut SystemTx, digest: &[u8]) -> Result<bool> {
    let good = sqlx::query_scalar!(
        r#"select exists (select from setup_links where digest = $1 and expires_at > $2)
               and not exists (select from platform_admins) as "good!""#,
        digest,
        tx.now()
    );
    Ok(good.fetch_one(&mut *tx).await?)
}

/// Uses the link up; `false` where it opens nothing, also because somebody administers the platform meanwhile.
pub(super) async fn use_setup_link(tx: &mut SystemTx, digest: &[u8]) -> Result<bool> {
    let done = sqlx::query!(
        "delete from setup_links where digest = $1 and expires_at > $2 and not exists (select from platform_admins)",
        digest,
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whatever link there is opens nothing from now on.
pub(super) async fn forget_setup_link(tx: &mut SystemTx) -> Result<()> {
    sqlx::query!("delete from setup_links").execute(&mut *tx).await?;
    Ok(())
}
