//! Deletes what has run out: in batches, each a transaction of its own, and on one node at a time.

use crate::error::Result;
use crate::event::Audited;
use crate::kernel::Kernel;
use crate::system_tx::{SystemReason, SystemTx};

/// Rows of one transaction: few enough that nobody waits for their locks.
const BATCH: i64 = 1_000;

impl Kernel {
    /// Calls `delete` until it finds nothing more; it deletes at most as many rows as it is told, and says how many it did.
    /// Whoever finds another node at it leaves the rest to that one. How many rows were deleted.
    ///
    /// No event tells of it: what ran out had its own when it began and when it ended.
    ///
    /// # Errors
    /// PostgreSQL's; what was deleted before stays deleted.
    pub async fn sweep(
        &self,
        reason: SystemReason,
        delete: impl AsyncFn(&mut SystemTx, i64) -> Result<u64>,
    ) -> Result<u64> {
        let mut all = 0;
        loop {
            let deleted = self
                .system(reason)
                .run(async |tx| {
                    let deleted = if tx.alone("tenure upkeep").await? { delete(tx, BATCH).await? } else { 0 };
                    Ok(Audited::none("what ran out had its events before", deleted))
                })
                .await?;
            if deleted == 0 {
                return Ok(all);
            }
            all += deleted;
        }
    }
}
