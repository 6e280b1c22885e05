//! Deletes keys some time after their end: until then a list says what became of them.

use std::time::Duration;

use tenure_kernel::{Kernel, Result, SystemReason, SystemTx};

/// So long a key is kept that was revoked or ran out.
const ENDED_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// One round. How many keys it deleted.
///
/// # Errors
/// PostgreSQL's; what was deleted before stays deleted.
pub async fn sweep(kernel: &Kernel) -> Result<u64> {
    let delete = async |tx: &mut SystemTx, most: i64| {
        // `least` leaves out what is null.
        let done = sqlx::query!(
            "delete from api_keys where (tenant_id, id) in (
                 select tenant_id, id from api_keys where least(revoked_at, expires_at, retires_at) < $1 limit $2)",
            tx.now().before(ENDED_FOR),
            most
        )
        .execute(&mut *tx)
        .await?;
        Ok(done.rows_affected())
    };
    kernel.sweep(SystemReason::Upkeep, delete).await
}
