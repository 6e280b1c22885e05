//! What was used by the end of each day, and the sweep of days long past.

use std::time::Duration;

use tenure_kernel::{Kernel, Mode, Result, SystemReason, SystemTx, TenantTx, Timestamp};

use super::model::{Quota, QuotaDay};

/// So long a day is kept: a year to look back on, and the month that it is compared with.
const KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The days of the calendar month (UTC) that `moment` lies in, in order; a day on which nothing was counted has none.
pub(super) async fn of_month<M: Mode>(tx: &mut TenantTx<M>, moment: Timestamp) -> Result<Vec<QuotaDay>> {
    let (from, to) = moment.month();
    let rows = sqlx::query!(
        r#"select quota, day as "day: Timestamp", used from quota_days
           where tenant_id = $1 and day >= $2 and day < $3 order by day, quota"#,
        tx.tenant().uuid(),
        from,
        to
    )
    .fetch_all(&mut *tx)
    .await?;
    // A quota that a newer node counts is none that this one can name.
    let known = rows.into_iter().filter_map(|row| {
        Some(QuotaDay { quota: Quota::parse(&row.quota)?, day: row.day, used: u64::try_from(row.used).ok()? })
    });
    Ok(known.collect())
}

/// Deletes days long past; how many rows.
///
/// # Errors
/// PostgreSQL's; what was deleted before stays deleted.
pub async fn sweep(kernel: &Kernel) -> Result<u64> {
    let delete = async |tx: &mut SystemTx, most: i64| {
        let done = sqlx::query!(
            "delete from quota_days where (tenant_id, quota, day) in (
                 select tenant_id, quota, day from quota_days where day < $1 limit $2)",
            tx.now().before(KEPT),
            most
        )
        .execute(&mut *tx)
        .await?;
        Ok(done.rows_affected())
    };
    kernel.sweep(SystemReason::Upkeep, delete).await
}
