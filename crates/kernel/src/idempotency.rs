//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a repeated request gets the first one's answer.
//!
//! The answer is stored in the transaction that it tells of. A concurrent repeat waits on the key's row.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Code, Error, Problem, Result};
use crate::permission::Write;
use crate::tenant_tx::TenantTx;

/// How long an answer is replayed.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What the request said about itself.
#[derive(Debug, Clone)]
pub(crate) struct IdempotencyKey {
    /// The header's value, 1 to 255 visible characters.
    pub(crate) key: Arc<str>,
    /// Method and route template: a key belongs to one of them.
    pub(crate) route: Arc<str>,
    /// SHA-256 of path, query and body.
    pub(crate) digest: [u8; 32],
}

/// Whether this request came before.
pub(crate) enum Claim {
    /// No: go on, and store the answer.
    Fresh,
    /// Yes, and this was the answer; `None` where it held a secret and was not kept.
    Answered(Option<Value>),
}

pub(crate) async fn claim(tx: &mut TenantTx<Write>, key: &IdempotencyKey) -> Result<Claim> {
    let (tenant, principal, now) = (tx.tenant().uuid(), tx.cx().actor().principal.to_string(), tx.now());
    let claimed = sqlx::query(
        "insert into idempotency_keys as k (tenant_id, principal, route, key, body_digest, created_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (tenant_id, principal, route, key) do update
            set body_digest = excluded.body_digest, created_at = excluded.created_at, response = null
            where k.created_at < $7",
    )
    .bind(tenant)
    .bind(&principal)
    .bind(key.route.as_ref())
    .bind(key.key.as_ref())
    .bind(key.digest.as_slice())
    .bind(now)
    .bind(now.before(KEPT_FOR))
    .execute(&mut *tx)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(Claim::Fresh);
    }
    let (digest, response): (Vec<u8>, Option<Value>) = sqlx::query_as(
        "select body_digest, response from idempotency_keys where tenant_id = $1 and principal = $2 and route = $3 and key = $4",
    )
    .bind(tenant)
    .bind(&principal)
    .bind(key.route.as_ref())
    .bind(key.key.as_ref())
    .fetch_one(&mut *tx)
    .await?;
    if digest != key.digest {
        let detail =
            "this Idempotency-Key was used within the last 24 hours for a request with another content; use a new key";
        return Err(Problem::new(Code::IdempotencyMismatch, detail).into());
    }
    Ok(Claim::Answered(response))
}

pub(crate) async fn store<T: Serialize>(tx: &mut TenantTx<Write>, key: &IdempotencyKey, answer: &T) -> Result<()> {
    sqlx::query(
        "update idempotency_keys set response = $5 where tenant_id = $1 and principal = $2 and route = $3 and key = $4",
    )
    .bind(tx.tenant().uuid())
    .bind(tx.cx().actor().principal.to_string())
    .bind(key.route.as_ref())
    .bind(key.key.as_ref())
    .bind(serde_json::to_value(answer)?)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

pub(crate) fn replay<T: DeserializeOwned>(answer: Value) -> Result<T> {
    Ok(serde_json::from_value(answer)?)
}

pub(crate) fn not_kept() -> Error {
    let detail =
        "this request was carried out before; its answer held a secret and was not kept, so it cannot be repeated";
    Problem::conflict(detail).into()
}
