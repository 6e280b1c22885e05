//! All SQL on `service_accounts`.

use tenure_kernel::{
    Change, Load, Mode, Page, PageQuery, Permitted, Result, ServiceAccountId, TenantTx, Timestamp, Write,
};

use super::model::{ServiceAccount, ServiceAccountStatus};

struct Row {
    id: ServiceAccountId,
    name: String,
    description: String,
    status: String,
    roles: Vec<String>,
    permissions: Vec<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Row> for ServiceAccount {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            status: ServiceAccountStatus::parse(&row.status),
            roles: row.roles,
            permissions: row.permissions,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl Load for ServiceAccount {
    type Id = ServiceAccountId;

    async fn load<M: Mode>(tx: &mut TenantTx<M>, id: ServiceAccountId, lock: bool) -> Result<Option<Self>> {
        let tenant = tx.tenant().uuid();
        if lock {
            sqlx::query!(
                "select 1 as one from service_accounts where tenant_id = $1 and id = $2 for update",
                tenant,
                id.uuid()
            )
            .fetch_optional(&mut *tx)
            .await?;
        }
        let row = sqlx::query_as!(
            Row,
            r#"select id as "id: ServiceAccountId", name, description, status, roles, permissions, created_at, updated_at
               from service_accounts where tenant_id = $1 and id = $2"#,
            tenant,
            id.uuid()
        )
        .fetch_optional(&mut *tx)
        .await?;
        Ok(row.map(Self::from))
    }
}

/// By name.
pub(super) async fn list<M: Mode>(tx: &mut TenantTx<M>, page: &PageQuery) -> Result<Page<ServiceAccount>> {
    let (name, id) = page.after::<(String, ServiceAccountId)>()?.unzip();
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id: ServiceAccountId", name, description, status, roles, permissions, created_at, updated_at
           from service_accounts
           where tenant_id = $1 and ($2::text is null or (lower(name), id) > ($2, $3::uuid))
           order by lower(name), id limit $4"#,
        tx.tenant().uuid(),
        name,
        id.map(ServiceAccountId::uuid),
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    let accounts = rows.into_iter().map(ServiceAccount::from).collect();
    page.page(accounts, |account: &ServiceAccount| (account.name.to_lowercase(), account.id))
}

pub(super) async fn insert(tx: &mut TenantTx<Write>, account: ServiceAccount) -> Result<Change<ServiceAccount>> {
    sqlx::query!(
        "insert into service_accounts (tenant_id, id, name, description, status, roles, permissions, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        tx.tenant().uuid(),
        account.id.uuid(),
        account.name,
        account.description,
        account.status.as_str(),
        &account.roles,
        &account.permissions,
        account.created_at
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Created(account))
}

pub(super) async fn update(
    tx: &mut TenantTx<Write>,
    account: Permitted<ServiceAccount>,
    after: ServiceAccount,
) -> Result<Change<ServiceAccount>> {
    let before = account.into_inner();
    let after = ServiceAccount { id: before.id, created_at: before.created_at, updated_at: tx.now(), ..after };
    sqlx::query!(
        "update service_accounts set name = $3, description = $4, status = $5, roles = $6, permissions = $7, updated_at = $8
         where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        after.id.uuid(),
        after.name,
        after.description,
        after.status.as_str(),
        &after.roles,
        &after.permissions,
        after.updated_at
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after })
}

/// Deletes it with what is left of its keys.
pub(super) async fn delete(
    tx: &mut TenantTx<Write>,
    account: Permitted<ServiceAccount>,
) -> Result<Change<ServiceAccount>> {
    let account = account.into_inner();
    sqlx::query!(
        "delete from service_accounts where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        account.id.uuid()
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Deleted(account))
}

/// Whether keys of it work, or would if it were active.
pub(super) async fn has_live_keys(tx: &mut TenantTx<Write>, account: &Permitted<ServiceAccount>) -> Result<bool> {
    let live = sqlx::query_scalar!(
        r#"select exists (
               select from api_keys
               where tenant_id = $1 and service_account_id = $2 and revoked_at is null
                 and (expires_at is null or expires_at > $3) and (retires_at is null or retires_at > $3)) as "live!""#,
        tx.tenant().uuid(),
        account.id.uuid(),
        tx.now()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(live)
}

/// What these service accounts are called.
///
/// # Errors
/// PostgreSQL's.
pub async fn names<M: Mode>(tx: &mut TenantTx<M>, ids: &[ServiceAccountId]) -> Result<Vec<(ServiceAccountId, String)>> {
    let ids: Vec<uuid::Uuid> = ids.iter().copied().map(ServiceAccountId::uuid).collect();
    let rows = sqlx::query!(
        r#"select id as "id: ServiceAccountId", name from service_accounts where tenant_id = $1 and id = any($2)"#,
        tx.tenant().uuid(),
        &ids
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}
