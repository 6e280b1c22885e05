//! All SQL on `tenants`.

use tenure_kernel::{Change, Mode, Result, SystemTx, TenantId, TenantTx, Write};

use super::model::{Organization, Plan, Slug};
use super::security::{PasswordPolicy, SecurityChange, SecuritySettings};

/// The organisation of this transaction.
///
/// # Errors
/// PostgreSQL's.
pub async fn current<M: Mode>(tx: &mut TenantTx<M>) -> Result<Organization> {
    let row = sqlx::query!(
        "select tenant_id as \"id: TenantId\", slug, name, plan, status, created_at from tenants where tenant_id = $1",
        tx.tenant().uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(Organization {
        id: row.id,
        slug: row.slug,
        name: row.name,
        plan: Plan::parse(&row.plan),
        status: row.status,
        created_at: row.created_at,
    })
}

/// A new organisation, its keys and nothing else. The transaction is in it from then on. A slug that is taken gets a
/// number.
///
/// # Errors
/// PostgreSQL's.
pub async fn insert(tx: &mut SystemTx, name: &str, plan: Plan) -> Result<Change<Organization>> {
    let (id, created_at): (TenantId, _) = (tx.new_id(), tx.now());
    tx.enter(id).await?;
    let base = Slug::from_name(name);
    let slug = loop {
        let slug = free_slug(tx, &base).await?;
        // Somebody else may take it at this moment: then this waits for them, and looks again.
        let done = sqlx::query!(
            "insert into tenants (tenant_id, slug, name, plan, created_at) values ($1, $2, $3, $4, $5)
             on conflict (slug) do nothing",
            id.uuid(),
            slug.as_str(),
            name,
            plan.as_str(),
            created_at
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 1 {
            break slug.as_str().to_owned();
        }
    };
    let organization = Organization { id, slug, name: name.to_owned(), plan, status: "active".to_owned(), created_at };
    tx.create_tenant_keys(id).await?;
    Ok(Change::Created(organization))
}

/// The plain slug, or the first number that nobody has.
async fn free_slug(tx: &mut SystemTx, base: &Slug) -> Result<Slug> {
    let taken = sqlx::query_scalar!("select slug from tenants where slug = $1 or slug like $1 || '-%'", base.as_str())
        .fetch_all(&mut *tx)
        .await?;
    let mut candidates = std::iter::once(base.clone()).chain((2..).map(|number| base.numbered(number)));
    let free = candidates.find(|slug| !taken.iter().any(|other| other == slug.as_str()));
    Ok(free.unwrap_or_else(|| base.clone()))
}

/// What the organisation of this transaction asks of its members' logins.
pub(super) async fn security<M: Mode>(tx: &mut TenantTx<M>) -> Result<SecuritySettings> {
    let tenant = tx.tenant();
    let row = sqlx::query!(
        "select require_mfa, password_min_length, updated_at from tenant_security where tenant_id = $1",
        tenant.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(SecuritySettings {
        require_mfa: row.as_ref().is_some_and(|row| row.require_mfa),
        password_min_length: row.as_ref().and_then(|row| row.password_min_length),
        updated_at: row.map(|row| row.updated_at),
        tenant: Some(tenant),
    })
}

/// What is not named stays as it is.
pub(super) async fn put_security(
    tx: &mut TenantTx<Write>,
    change: &SecurityChange,
) -> Result<Change<SecuritySettings>> {
    let (before, now) = (security(tx).await?, tx.now());
    let after = sqlx::query!(
        "insert into tenant_security as s (tenant_id, require_mfa, password_min_length, updated_at)
         values ($1, coalesce($2, false), $4, $5)
         on conflict (tenant_id) do update
            set require_mfa = coalesce($2, s.require_mfa),
                password_min_length = case when $3 then $4 else s.password_min_length end,
                updated_at = $5
         returning require_mfa, password_min_length",
        tx.tenant().uuid(),
        change.require_mfa,
        change.password_min_length.is_some(),
        change.password_min_length.flatten(),
        now
    )
    .fetch_one(&mut *tx)
    .await?;
    let after = SecuritySettings {
        require_mfa: after.require_mfa,
        password_min_length: after.password_min_length,
        updated_at: Some(now),
        ..before.clone()
    };
    Ok(Change::Updated { before, after })
}

/// What this organisation asks of the passwords of those whom it adds or invites.
///
/// # Errors
/// PostgreSQL's.
pub async fn password_policy(tx: &mut SystemTx, tenant: TenantId) -> Result<PasswordPolicy> {
    let policy = sqlx::query_as!(
        PasswordPolicy,
        "select t.name, t.slug, s.password_min_length as min_length
         from tenants t left join tenant_security s on s.tenant_id = t.tenant_id where t.tenant_id = $1",
        tenant.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(policy)
}
