//! Tells an organisation, once a period, that four fifths of a quota are used.

use tenure_kernel::{Audited, Kernel, NewEvent, Result, SystemReason, TenantId};

use super::event::QuotaEvent;
use super::model::{Quota, WARN_AT, stored};

/// Quotas of which this node has something to tell; how many. Beside the requests: nobody waits for a warning.
///
/// # Errors
/// PostgreSQL's; then the next round tells.
pub async fn warn(kernel: &Kernel) -> Result<usize> {
    kernel
        .system(SystemReason::Administer)
        .run(async |tx| {
            if !tx.alone("tenure quota warnings").await? {
                return Ok(Audited::none("another node does it", 0));
            }
            let now = tx.now();
            let (mut names, mut starts, mut limits) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
            for quota in Quota::ALL {
                names.push(quota.as_str().to_owned());
                starts.push(quota.period_start(now));
                for (of_plan, limit) in limits.iter_mut().zip(quota.limits()) {
                    of_plan.push(limit);
                }
            }
            let [free, pro, enterprise] = limits;
            // The row remembers that it was told of. What does not reset may fill up again after it was emptied: there
            // the row forgets once a fifth less is used.
            let rows = sqlx::query!(
                r#"with standing as (
                       select u.tenant_id, u.quota, u.period_start, u.used, u.warned_at,
                           quota_max(o.tenant_id is not null, o.max, t.plan, q.free, q.pro, q.enterprise) as max
                       from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[])
                                as q (name, period_start, free, pro, enterprise)
                           join quota_usage u on u.quota = q.name and u.period_start = q.period_start
                           join tenants t on t.tenant_id = u.tenant_id
                           left join quota_overrides o on o.tenant_id = u.tenant_id and o.quota = u.quota),
                   forgotten as (
                       update quota_usage u set warned_at = null from standing s
                       where u.tenant_id = s.tenant_id and u.quota = s.quota and u.period_start = s.period_start
                         and s.period_start = 'epoch' and s.warned_at is not null
                         and (s.max is null or s.used * 100 < s.max * ($6::bigint - 20)))
                   update quota_usage u set warned_at = $7 from standing s
                   where u.tenant_id = s.tenant_id and u.quota = s.quota and u.period_start = s.period_start
                     and u.warned_at is null and s.warned_at is null and s.max is not null and s.used > 0
                     and s.used * 100 >= s.max * $6::bigint
                   returning u.tenant_id as "tenant: TenantId", u.quota, s.used, s.max"#,
                &names,
                &starts as &[tenure_kernel::Timestamp],
                &free as &[Option<i64>],
                &pro as &[Option<i64>],
                &enterprise as &[Option<i64>],
                stored(WARN_AT),
                now
            )
            .fetch_all(&mut *tx)
            .await?;
            let events: Vec<NewEvent> = rows
                .into_iter()
                .map(|row| {
                    NewEvent::new(QuotaEvent::NEARLY_USED, row.quota)
                        .detail("used", row.used)
                        .detail("limit", row.max)
                        .in_tenant(row.tenant)
                })
                .collect();
            Ok(Audited::many(events.len(), events))
        })
        .await
}
