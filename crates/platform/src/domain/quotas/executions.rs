//! Executions, which count in an hour and in a month at once.

use tenure_kernel::{Result, SystemTx, TenantId, TenantTx, Timestamp, Write};

use super::model::{Quota, Share};
use super::store;

const BOTH: [Quota; 2] = [Quota::ExecutionsPerHour, Quota::ExecutionsPerMonth];

/// Counts an execution, in the transaction that queues it; the moment at which it was counted.
///
/// # Errors
/// As [`take`](super::take), naming the period that has none left.
pub async fn take_execution(tx: &mut TenantTx<Write>) -> Result<Timestamp> {
    store::take_each(tx, &BOTH, 1).await
}

/// Gives back an execution that was counted at `at` and then denied.
///
/// # Errors
/// PostgreSQL's.
pub async fn give_back_execution(tx: &mut TenantTx<Write>, at: Timestamp) -> Result<()> {
    for quota in BOTH {
        store::lower_at(tx, quota, at, 1).await?;
    }
    Ok(())
}

/// Counts up to `n` executions for each tenant: as many as this hour and this month leave. Tenants stand at most once in
/// `wanted`; the answer has them in the same order.
///
/// # Errors
/// PostgreSQL's.
pub async fn reserve_executions(tx: &mut SystemTx, wanted: &[Share]) -> Result<Vec<Share>> {
    let of_hour = store::grant(tx, Quota::ExecutionsPerHour, wanted).await?;
    let of_month = store::grant(tx, Quota::ExecutionsPerMonth, &of_hour).await?;
    let surplus = |(hour, month): (&Share, &Share)| (hour.tenant, i64::from(hour.n.saturating_sub(month.n)));
    let more = of_hour.iter().zip(&of_month).map(surplus).filter(|(_, n)| *n > 0);
    let (tenants, counts): (Vec<TenantId>, Vec<i64>) = more.unzip();
    let starts = vec![Quota::ExecutionsPerHour.period_start(tx.now()); tenants.len()];
    store::lower(tx, Quota::ExecutionsPerHour, &tenants, &starts, &counts).await?;
    Ok(of_month)
}

/// Gives back executions that were counted and then denied, or that died before their first step; each with the moment
/// at which it was counted, because it belongs to that moment's hour and month.
///
/// # Errors
/// PostgreSQL's.
pub async fn release_executions(tx: &mut SystemTx, counted: &[(TenantId, Timestamp)]) -> Result<()> {
    for quota in BOTH {
        let mut periods = std::collections::BTreeMap::<_, i64>::new();
        for (tenant, at) in counted {
            *periods.entry((*tenant, quota.period_start(*at))).or_default() += 1;
        }
        let (keys, counts): (Vec<(TenantId, Timestamp)>, Vec<i64>) = periods.into_iter().unzip();
        let (tenants, starts): (Vec<TenantId>, Vec<Timestamp>) = keys.into_iter().unzip();
        store::lower(tx, quota, &tenants, &starts, &counts).await?;
    }
    Ok(())
}
