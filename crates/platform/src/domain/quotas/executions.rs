//! Executions, which count in an hour and in a month at once, and the queue in which they wait.

use tenure_kernel::{Code, Problem, Result, SystemTx, TenantId, TenantTx, Timestamp, Write};

use super::model::{Quota, Share};
use super::store;

const BOTH: [Quota; 2] = [Quota::ExecutionsPerHour, Quota::ExecutionsPerMonth];
const QUEUE: Quota = Quota::QueuedExecutions;

/// Counts an execution, in the transaction that queues it; the moment at which it was counted.
///
/// # Errors
/// As [`take`](super::take), naming the period that has none left.
pub async fn take_execution(tx: &mut TenantTx<Write>) -> Result<Timestamp> {
    store::take_each(tx, &BOTH, 1).await
}

/// Whether one more finds room in the organisation's queue. Its length is not counted: it is the queue's own rows.
///
/// # Errors
/// 403 `quota-exceeded` where it does not.
pub async fn find_room_in_queue(tx: &mut TenantTx<Write>) -> Result<()> {
    let [free, pro, enterprise] = QUEUE.limits();
    let queue = sqlx::query!(
        r#"with limited as (
               select quota_max(o.tenant_id is not null, o.max, t.plan, $3, $4, $5) as max
               from tenants t left join quota_overrides o on o.tenant_id = t.tenant_id and o.quota = $2
               where t.tenant_id = $1)
           select max, max is not null and (max = 0 or exists (
                      select from jobs where tenant_id = $1 offset (select greatest(max - 1, 0) from limited))) as "full!"
           from limited"#,
        tx.tenant().uuid(),
        QUEUE.as_str(),
        free,
        pro,
        enterprise
    )
    .fetch_one(&mut *tx)
    .await?;
    if !queue.full {
        return Ok(());
    }
    let limit = queue.max.unwrap_or_default();
    let detail = format!(
        "the queue of executions is full ({limit}); wait until some have ended, cancel some, or ask the platform for more"
    );
    let problem = Problem::new(Code::QuotaExceeded, detail).with("quota", QUEUE.as_str()).with("limit", limit);
    Err(problem.with("used", limit).with("resets_at", serde_json::Value::Null).into())
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
