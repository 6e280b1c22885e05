//! Tells an organisation that four fifths of a quota are used: once a period, and of what does not reset once until it is well
//! below again.

use tenure_kernel::{Audited, Kernel, NewEvent, Result, SystemReason, SystemTx, TenantId};

use super::connections;
use super::event::QuotaEvent;
use super::model::{Quota, WARN_AT, stored};

/// Counted elsewhere: see [`of_connections`].
const CONNECTIONS: Quota = Quota::ConcurrentConnections;

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
            for quota in Quota::ALL.into_iter().filter(|quota| *quota != CONNECTIONS) {
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
            let counted = rows.into_iter().map(|row| nearly_used(row.tenant, row.quota, row.used, row.max));
            let mut events: Vec<NewEvent> = counted.collect();
            events.extend(of_connections(tx).await?);
            Ok(Audited::many(events.len(), events))
        })
        .await
}

fn nearly_used(tenant: TenantId, quota: String, used: i64, max: Option<i64>) -> NewEvent {
    NewEvent::new(QuotaEvent::NEARLY_USED, quota).detail("used", used).detail("limit", max).in_tenant(tenant)
}

/// Of connections, by what nodes wrote down last: few organisations hold any, so that is all there is to look at. They are
/// counted there, and the row that remembers when somebody was told counts nothing.
async fn of_connections(tx: &mut SystemTx) -> Result<Vec<NewEvent>> {
    let quota = CONNECTIONS;
    let [free, pro, enterprise] = quota.limits();
    let now = tx.now();
    let rows = sqlx::query!(
        r#"with standing as (
               select c.tenant_id, c.used, quota_max(o.tenant_id is not null, o.max, t.plan, $3, $4, $5) as max
               from (select tenant_id, sum(open)::bigint as used from open_connections where seen_at > $2 group by tenant_id) c
                   join tenants t on t.tenant_id = c.tenant_id
                   left join quota_overrides o on o.tenant_id = c.tenant_id and o.quota = $1),
           forgotten as (
               update quota_usage u set warned_at = null
               where u.quota = $1 and u.period_start = 'epoch' and u.warned_at is not null
                 and not exists (select from standing s
                                 where s.tenant_id = u.tenant_id and s.used * 100 >= s.max * ($6::bigint - 20))),
           told as (
               insert into quota_usage as u (tenant_id, quota, period_start, used, warned_at)
               select tenant_id, $1, 'epoch', 0, $7 from standing where used > 0 and used * 100 >= max * $6::bigint
               on conflict (tenant_id, quota, period_start) do update set warned_at = excluded.warned_at
                   where u.warned_at is null
               returning tenant_id)
           select s.tenant_id as "tenant: TenantId", s.used as "used!", s.max from told join standing s using (tenant_id)"#,
        quota.as_str(),
        now.before(connections::BELIEVED_FOR),
        free,
        pro,
        enterprise,
        stored(WARN_AT),
        now
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().map(|row| nearly_used(row.tenant, quota.as_str().to_owned(), row.used, row.max)).collect())
}
