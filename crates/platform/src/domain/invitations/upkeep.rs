//! Deletes invitations some time after their end, and with them the addresses of people who never came.

use std::time::Duration;

use tenure_kernel::{Audited, Kernel, Result, SystemReason};

/// Invitations of one transaction.
const BATCH: i64 = 1_000;
/// So long a list says what became of one that was accepted, taken back or ran out.
const ENDED_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// One round. How many invitations it deleted.
///
/// # Errors
/// PostgreSQL's; what was deleted before stays deleted.
pub async fn sweep(kernel: &Kernel) -> Result<u64> {
    let mut all = 0;
    loop {
        let batch = kernel
            .system(SystemReason::Upkeep)
            .run(async |tx| {
                // A link lasts a week, so that one which was used or taken back is kept a little longer.
                let done = sqlx::query!(
                    "delete from invitations where (tenant_id, id) in (
                         select tenant_id, id from invitations where greatest(updated_at, expires_at) < $1 limit $2)",
                    tx.now().before(ENDED_FOR),
                    BATCH
                )
                .execute(&mut *tx)
                .await?;
                Ok(Audited::none("an invitation had its events while it stood for something", done.rows_affected()))
            })
            .await?;
        all += batch;
        if i64::try_from(batch).is_ok_and(|batch| batch < BATCH) {
            return Ok(all);
        }
    }
}
