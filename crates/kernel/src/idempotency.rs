//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a repeated request gets the first one's answer.
//!
//! The answer is stored in the transaction that it tells of. A concurrent repeat waits on the key's row.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::Uri;
use futures::TryStreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::context::Principal;
use crate::database::Connection;
use crate::error::{Code, Error, Problem, Result};
use crate::id::TenantId;
use crate::kernel::Kernel;
use crate::keys::TenantKeys;
use crate::system_tx::{SystemReason, SystemTx};

/// How long an answer is replayed.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

impl Kernel {
    /// Deletes the answers that are not replayed any more. How many.
    ///
    /// # Errors
    /// PostgreSQL's; what was deleted before stays deleted.
    pub async fn sweep_idempotency_keys(&self) -> Result<u64> {
        let delete = async |tx: &mut SystemTx, most: i64| {
            let deleted = sqlx::query(
                "delete from idempotency_keys where (tenant_id, principal, route, key) in (
                     select tenant_id, principal, route, key from idempotency_keys where created_at < $1 limit $2)",
            )
            .bind(tx.now().before(KEPT_FOR))
            .bind(most)
            .execute(&mut *tx)
            .await?;
            Ok(deleted.rows_affected())
        };
        self.sweep(SystemReason::Upkeep, delete).await
    }
}

/// What the request said about itself.
#[derive(Debug, Clone)]
pub(crate) struct IdempotencyKey {
    /// The header's value, 1 to 255 visible characters.
    pub(crate) key: Arc<str>,
    /// Method and route template: a key belongs to one of them.
    pub(crate) route: Arc<str>,
    /// Path, query and as much of the body as the handler has read.
    content: Content,
}

/// SHA-256 of what has come so far. Grows as the handler reads: nothing is read, or held, before the guard let the
/// caller in, and each route's own limit is the only one.
#[derive(Clone)]
struct Content(Arc<Mutex<Sha256>>);

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Content(…)")
    }
}

impl IdempotencyKey {
    /// The key of a request, and its body under watch.
    pub(crate) fn watch(key: Arc<str>, route: Arc<str>, uri: &Uri, body: Body) -> (Self, Body) {
        let content = Content(Arc::new(Mutex::new(Sha256::new().chain_update(uri.to_string()).chain_update([0]))));
        let seen = content.clone();
        let body = body.into_data_stream().inspect_ok(move |bytes| {
            seen.0.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
        });
        (Self { key, route, content }, Body::from_stream(body))
    }

    /// What stands for the request's content in the table: under the tenant's key, because a body may hold a password,
    /// and a plain hash of one is a way to guess it.
    fn digest(&self, keys: &TenantKeys) -> [u8; 32] {
        let seen = self.content.0.lock().unwrap_or_else(PoisonError::into_inner).clone().finalize();
        // No leaf begins like this: leaves are JSON objects.
        let message: Vec<u8> = b"idempotency-key\0".iter().copied().chain(seen).collect();
        keys.audit().event(&message)
    }
}

/// Whose key it is, and where the transaction stands.
pub(crate) struct Scope<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) principal: Principal,
    pub(crate) now: Timestamp,
    pub(crate) keys: &'a TenantKeys,
}

/// Whether this request came before.
pub(crate) enum Claim {
    /// No: go on, and store the answer.
    Fresh,
    /// Yes, and this was the answer; `None` where it held a secret and was not kept.
    Answered(Option<Value>),
}

pub(crate) async fn claim(tx: &mut Connection, scope: &Scope<'_>, key: &IdempotencyKey) -> Result<Claim> {
    let (tenant, principal) = (scope.tenant.uuid(), scope.principal.to_string());
    let digest = key.digest(scope.keys);
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
    .bind(digest.as_slice())
    .bind(scope.now)
    .bind(scope.now.before(KEPT_FOR))
    .execute(&mut *tx)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(Claim::Fresh);
    }
    let (known, response): (Vec<u8>, Option<Value>) = sqlx::query_as(
        "select body_digest, response from idempotency_keys where tenant_id = $1 and principal = $2 and route = $3 and key = $4",
    )
    .bind(tenant)
    .bind(&principal)
    .bind(key.route.as_ref())
    .bind(key.key.as_ref())
    .fetch_one(&mut *tx)
    .await?;
    if known != digest {
        let detail =
            "this Idempotency-Key was used within the last 24 hours for a request with another content; use a new key";
        return Err(Problem::new(Code::IdempotencyMismatch, detail).into());
    }
    Ok(Claim::Answered(response))
}

pub(crate) async fn store<T: Serialize>(
    tx: &mut Connection,
    scope: &Scope<'_>,
    key: &IdempotencyKey,
    answer: &T,
) -> Result<()> {
    sqlx::query(
        "update idempotency_keys set response = $5 where tenant_id = $1 and principal = $2 and route = $3 and key = $4",
    )
    .bind(scope.tenant.uuid())
    .bind(scope.principal.to_string())
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
