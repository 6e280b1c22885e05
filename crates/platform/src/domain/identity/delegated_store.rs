//! All SQL on `delegated_tokens`: which of them are out, and whether one was revoked.

use serde::Serialize;
use tenure_kernel::bus::Message;
use tenure_kernel::{
    Page, PageQuery, Result, ServiceAccountId, SystemTx, TenantId, Timestamp, TokenId, UserId, WorkflowId,
};
use utoipa::ToSchema;

use super::delegated::{DelegatedClaims, Subject};

/// A delegated token that is good, as its subject sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DelegatedToken {
    /// Identifier; the token's `jti`, and what the log calls it.
    pub id: TokenId,
    /// The permissions that it is cut down to, with spaces between.
    pub scope: String,
    /// The one workflow that it is for.
    pub workflow: Option<WorkflowId>,
    /// The service account that acts by it; null where it is the person's own.
    pub acting: Option<ServiceAccountId>,
    /// The token that it was cut out of; null where it was a login or a key.
    pub parent: Option<TokenId>,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Writes down a token that is given out; `false` where the token that it is cut out of has been revoked meanwhile.
///
/// # Errors
/// PostgreSQL's.
pub async fn insert(tx: &mut SystemTx, claims: &DelegatedClaims, parent: Option<TokenId>) -> Result<bool> {
    if let Some(parent) = parent {
        // Whoever revokes it waits for this transaction, and then finds what was cut out of it.
        let good = sqlx::query!(
            "select 1 as one from delegated_tokens where tenant_id = $1 and id = $2 and revoked_at is null for share",
            claims.tid.uuid(),
            parent.uuid()
        )
        .fetch_optional(&mut *tx)
        .await?;
        if good.is_none() {
            return Ok(false);
        }
    }
    let (user, account) = match claims.sub {
        Subject::User(user) => (Some(user.uuid()), None),
        Subject::ServiceAccount(account) => (None, Some(account.uuid())),
    };
    sqlx::query!(
        "insert into delegated_tokens (tenant_id, id, user_id, service_account_id, acting_id, scope, workflow_id, parent_id,
                                       created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        claims.tid.uuid(),
        claims.jti.uuid(),
        user,
        account,
        claims.actors().next().map(|acting| acting.account.uuid()),
        claims.scope,
        claims.workflow.map(WorkflowId::uuid),
        parent.map(TokenId::uuid),
        tx.now(),
        Timestamp::from_micros(claims.exp.saturating_mul(1_000_000))
    )
    .execute(&mut *tx)
    .await?;
    Ok(true)
}

/// Whether the token was given out here and has not been revoked. When it ends by itself it says itself.
///
/// # Errors
/// PostgreSQL's.
pub async fn is_out(tx: &mut SystemTx, tenant: TenantId, token: TokenId) -> Result<bool> {
    let out = sqlx::query_scalar!(
        r#"select exists (select from delegated_tokens where tenant_id = $1 and id = $2 and revoked_at is null) as "out!""#,
        tenant.uuid(),
        token.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(out)
}

/// Revokes a token, of this person if one is named, with all that was cut out of it, and tells every node. Which ones; none where
/// there is no such token, or it is over.
///
/// # Errors
/// PostgreSQL's.
pub async fn revoke(tx: &mut SystemTx, tenant: TenantId, token: TokenId, of: Option<UserId>) -> Result<Vec<TokenId>> {
    let now = tx.now();
    let mut revoked = sqlx::query_scalar!(
        r#"update delegated_tokens set revoked_at = $3
           where tenant_id = $1 and id = $2 and revoked_at is null and expires_at > $3 and ($4::uuid is null or user_id = $4)
           returning id as "id: TokenId""#,
        tenant.uuid(),
        token.uuid(),
        now,
        of.map(UserId::uuid)
    )
    .fetch_all(&mut *tx)
    .await?;
    // Level by level, each in a statement of its own: it sees what was being cut out while the one before waited.
    let mut parents: Vec<uuid::Uuid> = revoked.iter().map(|id| id.uuid()).collect();
    while !parents.is_empty() {
        let children = sqlx::query_scalar!(
            r#"update delegated_tokens set revoked_at = $3
               where tenant_id = $1 and parent_id = any($2) and revoked_at is null and expires_at > $3
               returning id as "id: TokenId""#,
            tenant.uuid(),
            &parents,
            now
        )
        .fetch_all(&mut *tx)
        .await?;
        parents = children.iter().map(|id| id.uuid()).collect();
        revoked.extend(children);
    }
    for token in &revoked {
        tx.announce(Message::TokenRevoked { token: *token }).await?;
    }
    Ok(revoked)
}

/// The person's tokens in this organisation that are good, newest first.
///
/// # Errors
/// PostgreSQL's; 422 for a cursor that is none.
pub async fn list(tx: &mut SystemTx, tenant: TenantId, user: UserId, page: &PageQuery) -> Result<Page<DelegatedToken>> {
    let before = page.after::<TokenId>()?;
    let rows = sqlx::query_as!(
        DelegatedToken,
        r#"select id as "id: TokenId", scope, workflow_id as "workflow: WorkflowId", acting_id as "acting: ServiceAccountId",
                  parent_id as "parent: TokenId", created_at, expires_at
           from delegated_tokens
           where tenant_id = $1 and user_id = $2 and revoked_at is null and expires_at > $3 and ($4::uuid is null or id < $4)
           order by id desc limit $5"#,
        tenant.uuid(),
        user.uuid(),
        tx.now(),
        before.map(TokenId::uuid),
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(rows, |last| last.id)
}

/// Deletes those that have run out; how many, at most `most`.
///
/// # Errors
/// PostgreSQL's.
pub(super) async fn sweep(tx: &mut SystemTx, most: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from delegated_tokens where (tenant_id, id) in (
             select tenant_id, id from delegated_tokens where expires_at < $1 limit $2)",
        tx.now(),
        most
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}
