//! What was used by the end of each day, and the sweep of days and hours long past.

use std::time::Duration;

use tenure_kernel::{Kernel, Mode, Result, SystemReason, SystemTx, TenantTx, Timestamp};

use super::model::{Quota, QuotaDay};

/// So long a day is kept: a year to look back on, and the month that it is compared with.
const KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// What an hour counted is of no use once it is over, but to who gives an execution back that was counted in it.
const HOURS_KEPT: Duration = Duration::from_secs(2 * 24 * 60 * 60);

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

/// Deletes days and hours long past; about how many rows.
///
/// # Errors
/// PostgreSQL's; what was deleted before stays deleted.
pub async fn sweep(kernel: &Kernel) -> Result<u64> {
    Ok(kernel.sweep(SystemReason::Upkeep, days).await? + kernel.sweep(SystemReason::Upkeep, periods).await?)
}

async fn days(tx: &mut SystemTx, most: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from quota_days where (tenant_id, quota, day) in (
             select tenant_id, quota, day from quota_days where day < $1 limit $2)",
        tx.now().before(KEPT),
        most
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}

/// Months and hours; what is counted without a period began with the epoch, and stays.
async fn periods(tx: &mut SystemTx, most: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from quota_usage where (tenant_id, quota, period_start) in (
             select tenant_id, quota, period_start from quota_usage
             where period_start <> 'epoch'
               and period_start < case quota when 'executions_per_hour' then $1::timestamptz else $2 end
             limit $3)",
        tx.now().before(HOURS_KEPT),
        tx.now().before(KEPT),
        most
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}
