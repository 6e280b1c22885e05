//! Deletes what has run out: sessions, used refresh tokens, failures of logins, questions, devices, links,
//! delegated tokens.

use std::time::Duration;

use tenure_kernel::{Kernel, Result, SystemReason, SystemTx};

use super::{delegated_store, link_store, lockout};

/// An ended session is kept so long: it says who was logged in, and a refresh token of it that comes back is recognised.
const ENDED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// One round. How many rows it deleted.
///
/// # Errors
/// PostgreSQL's; what was deleted before stays deleted.
pub async fn sweep(kernel: &Kernel) -> Result<u64> {
    Ok(kernel.sweep(SystemReason::Upkeep, sessions).await?
        + kernel.sweep(SystemReason::Upkeep, refresh_tokens).await?
        + kernel.sweep(SystemReason::Upkeep, login_failures).await?
        + kernel.sweep(SystemReason::Upkeep, challenges).await?
        + kernel.sweep(SystemReason::Upkeep, devices).await?
        + kernel.sweep(SystemReason::Upkeep, delegated_store::sweep).await?
        + kernel.sweep(SystemReason::Upkeep, link_store::sweep_tokens).await?)
}

/// With their refresh tokens.
async fn sessions(tx: &mut SystemTx, most: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from sessions where id in (
             select id from sessions where expires_at < $1 or revoked_at < $1 limit $2)",
        tx.now().before(ENDED_FOR),
        most
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}

/// Those of logins that go on. One that was used so long ago is from then on unknown, and no longer ends its login.
async fn refresh_tokens(tx: &mut SystemTx, most: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from refresh_tokens where digest in (select digest from refresh_tokens where used_at < $1 limit $2)",
        tx.now().before(ENDED_FOR),
        most
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}

async fn login_failures(tx: &mut SystemTx, most: i64) -> Result<u64> {
    let now = tx.now();
    let done = sqlx::query!(
        "delete from login_failures where subject in (
             select subject from login_failures where last_at < $1 and locked_until < $2 limit $3)",
        now.before(lockout::FORGET_AFTER),
        now,
        most
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}

/// Questions that nobody answered.
async fn challenges(tx: &mut SystemTx, most: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from auth_challenges where digest in (select digest from auth_challenges where expires_at < $1 limit $2)",
        tx.now(),
        most
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}

/// Devices that are trusted no more.
async fn devices(tx: &mut SystemTx, most: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from trusted_devices where id in (select id from trusted_devices where expires_at < $1 limit $2)",
        tx.now(),
        most
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}
