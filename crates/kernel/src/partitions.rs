//! Partitions of the event log, made ahead.

use crate::error::Result;
use crate::event::Audited;
use crate::kernel::Kernel;
use crate::system_tx::SystemReason;

impl Kernel {
    /// Makes the partitions of this month and the two that follow, where they are missing. An event of a month without one
    /// is not lost (there is a default), but then that month cannot get one any more: so this is done in time.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn make_event_partitions(&self) -> Result<()> {
        let (this, next) = self.clock().now().month();
        let (_, after_next) = next.month();
        let months = vec![this, next, after_next];
        self.system(SystemReason::Upkeep)
            .run(async |tx| {
                sqlx::query("select ensure_event_partition((month at time zone 'utc')::date) from unnest($1::timestamptz[]) as month")
                    .bind(months)
                    .execute(&mut *tx)
                    .await?;
                Ok(Audited::none("room for events is no event", ()))
            })
            .await
    }
}
