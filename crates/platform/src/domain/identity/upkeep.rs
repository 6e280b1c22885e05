//! Deletes what has run out: sessions, used refresh tokens, failures of logins, delegated tokens.
//!
//! In batches, each a transaction of its own, and on one node at a time: whoever finds another at it leaves it to them.

use std::time::Duration;

use tenure_kernel::{Audited, Kernel, Result, SystemReason, SystemTx};

use super::{delegated_store, link_store, lockout};

/// Rows of one transaction: few enough that nobody waits for their locks.
pub(super) const BATCH: i64 = 1_000;
/// An ended session is kept so long: it says who was logged in, and a refresh token of it that comes back is recognised.
const ENDED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// One round. How many rows it deleted.
///
/// # Errors
/// PostgreSQL's; what was deleted before stays deleted.
pub async fn sweep(kernel: &Kernel) -> Result<u64> {
    Ok(in_batches(kernel, sessions).await?
        + in_batches(kernel, refresh_tokens).await?
        + in_batches(kernel, login_failures).await?
        + in_batches(kernel, challenges).await?
        + in_batches(kernel, devices).await?
        + in_batches(kernel, delegated_store::sweep).await?
        + in_batches(kernel, link_store::sweep_tokens).await?)
}

async fn in_batches(kernel: &Kernel, delete: impl AsyncFn(&mut SystemTx) -> Result<u64>) -> Result<u64> {
    let mut all = 0;
    loop {
        let batch = kernel
            .system(SystemReason::Upkeep)
            .run(async |tx| {
                let deleted = if tx.alone("tenure upkeep").await? { delete(tx).await? } else { 0 };
                Ok(Audited::none("what ran out had its event when it ended", deleted))
            })
            .await?;
        all += batch;
        if i64::try_from(batch).is_ok_and(|batch| batch < BATCH) {
            return Ok(all);
        }
    }
}

/// With their refresh tokens.
async fn sessions(tx: &mut SystemTx) -> Result<u64> {
    let done = sqlx::query!(
        "delete from sessions where id in (
             select id from sessions where expires_at < $1 or revoked_at < $1 limit $2)",
        tx.now().before(ENDED_FOR),
        BATCH
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}

/// Those of logins that go on. One that was used so long ago is from then on unknown, and no longer ends its login.
async fn refresh_tokens(tx: &mut SystemTx) -> Result<u64> {
    let done = sqlx::query!(
        "delete from refresh_tokens where digest in (select digest from refresh_tokens where used_at < $1 limit $2)",
        tx.now().before(ENDED_FOR),
        BATCH
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}

async fn login_failures(tx: &mut SystemTx) -> Result<u64> {
    let now = tx.now();
    let done = sqlx::query!(
        "delete from login_failures where subject in (
             select subject from login_failures where last_at < $1 and locked_until < $2 limit $3)",
        now.before(lockout::FORGET_AFTER),
        now,
        BATCH
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}

/// Questions that nobody answered.
async fn challenges(tx: &mut SystemTx) -> Result<u64> {
    let done = sqlx::query!(
        "delete from auth_challenges where digest in (select digest from auth_challenges where expires_at < $1 limit $2)",
        tx.now(),
        BATCH
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}

/// Devices that are trusted no more.
async fn devices(tx: &mut SystemTx) -> Result<u64> {
    let done = sqlx::query!(
        "delete from trusted_devices where id in (select id from trusted_devices where expires_at < $1 limit $2)",
        tx.now(),
        BATCH
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}
