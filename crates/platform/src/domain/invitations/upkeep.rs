//! Deletes invitations some time after their end, and with them the addresses of people who never came.

use std::time::Duration;

use tenure_kernel::{Kernel, Result, SystemReason, SystemTx};

/// So long a list says what became of one that was accepted, taken back or ran out.
const ENDED_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// One round. How many invitations it deleted.
///
/// # Errors
/// PostgreSQL's; what was deleted before stays deleted.
pub async fn sweep(kernel: &Kernel) -> Result<u64> {
    let delete = async |tx: &mut SystemTx, most: i64| {
        // A link lasts a week: one that was used or taken back before is kept a little longer.
        let done = sqlx::query!(
            "delete from invitations where (tenant_id, id) in (
                 select tenant_id, id from invitations where expires_at < $1 and updated_at < $1 limit $2)",
            tx.now().before(ENDED_FOR),
            most
        )
        .execute(&mut *tx)
        .await?;
        Ok(done.rows_affected())
    };
    kernel.sweep(SystemReason::Upkeep, delete).await
}
