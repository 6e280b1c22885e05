//! All SQL on `quota_usage` and `quota_overrides`, but for slots.

use std::collections::HashMap;

use sqlx::PgExecutor;
use tenure_kernel::event::Action;
use tenure_kernel::{Audited, Mode, NewEvent, Result, SystemTx, TenantId, TenantTx, Timestamp, Write};
use uuid::Uuid;

use super::connections;
use super::event::QuotaEvent;
use super::model::{Limit, Quota, QuotaStanding, QuotaUsage, Share, day_of, stored};
use crate::domain::tenancy::Plan;

/// Counts `n` more, in the transaction of what is counted: if that rolls back, nothing was taken.
///
/// Transactions that take from the same quota of the same tenant wait for one another from here to their end, so this
/// comes late in a transaction.
///
/// # Errors
/// 403 `quota-exceeded` with `quota`, `limit`, `used` and `resets_at` where less than `n` is left; then nothing was
/// taken.
pub async fn take(tx: &mut TenantTx<Write>, quota: Quota, n: u64) -> Result<()> {
    take_each(tx, &[quota], n).await.map(drop)
}

/// Counts `n` more of each of these; the moment at which they were counted.
///
/// # Errors
/// As [`take`], for the first that leaves less; then the transaction is to be rolled back.
pub(super) async fn take_each(tx: &mut TenantTx<Write>, quotas: &[Quota], n: u64) -> Result<Timestamp> {
    let (tenant, now) = (tx.tenant(), tx.now());
    match count(tx, tenant, now, quotas, n).await? {
        None => Ok(now),
        Some(missing) => Err(usage_of(tx, missing).await?.exceeded().into()),
    }
}

/// The same in a transaction across tenants.
///
/// # Errors
/// As [`take`].
pub(super) async fn take_of(tx: &mut SystemTx, tenant: TenantId, quota: Quota, n: u64) -> Result<()> {
    let now = tx.now();
    match count(tx, tenant, now, &[quota], n).await? {
        None => Ok(()),
        Some(missing) => Err(usage_in(tx, tenant, missing).await?.exceeded().into()),
    }
}

/// Counts what an organisation is made with, in the transaction that makes it.
///
/// # Errors
/// PostgreSQL's.
pub async fn begin_with(tx: &mut SystemTx, tenant: TenantId, quota: Quota, n: u64) -> Result<()> {
    let now = tx.now();
    sqlx::query!(
        "with used as (insert into quota_usage (tenant_id, quota, period_start, used) values ($1, $2, $3, $4))
         insert into quota_days (tenant_id, quota, day, used) values ($1, $2, $5, $4)",
        tenant.uuid(),
        quota.as_str(),
        quota.period_start(now),
        stored(n),
        day_of(now)
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// How a quota of a tenant stands.
pub(super) async fn usage_in(tx: &mut SystemTx, tenant: TenantId, quota: Quota) -> Result<QuotaUsage> {
    let now = tx.now();
    let (plan, all) = read_one(tx, tenant, now).await?;
    let found = all.into_iter().map(|standing| standing.usage).find(|usage| usage.name == quota);
    Ok(found.unwrap_or_else(|| QuotaUsage::new(quota, quota.limit(plan), 0, now)))
}

/// Counts `n` more of each, in one statement; the first that leaves less, if one does. Then the others may have been counted,
/// and the transaction is to be rolled back.
async fn count<T>(tx: &mut T, tenant: TenantId, now: Timestamp, quotas: &[Quota], n: u64) -> Result<Option<Quota>>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let names: Vec<String> = quotas.iter().map(|quota| quota.as_str().to_owned()).collect();
    let starts: Vec<Timestamp> = quotas.iter().map(|quota| quota.period_start(now)).collect();
    let of_plan = |plan| quotas.iter().map(|quota| quota.limit(plan).map(stored)).collect::<Vec<Option<i64>>>();
    let days: Vec<bool> = quotas.iter().map(|quota| quota.has_days()).collect();
    // The conflicting row is locked and its newest version compared: a statement's own snapshot plays no part. The day's
    // row is written under that lock. In the order of the names, so that two statements never wait for each other in a circle.
    let taken = sqlx::query_scalar!(
        r#"with allowed as (
               select q.name, q.period_start, q.has_days,
                      quota_max(o.tenant_id is not null, o.max, t.plan, q.free, q.pro, q.enterprise) as max
               from unnest($2::text[], $3::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bool[])
                        as q (name, period_start, free, pro, enterprise, has_days)
                   join tenants t on t.tenant_id = $1
                   left join quota_overrides o on o.tenant_id = t.tenant_id and o.quota = q.name),
           taken as (
               insert into quota_usage as u (tenant_id, quota, period_start, used)
               select $1, name, period_start, $4 from allowed where max is null or $4 <= max order by name
               on conflict (tenant_id, quota, period_start) do update set used = u.used + excluded.used
                   where (select max is null or u.used + excluded.used <= max from allowed a where a.name = u.quota)
               returning quota, used),
           day as (
               insert into quota_days (tenant_id, quota, day, used)
               select $1, t.quota, $9, t.used from taken t join allowed a on a.name = t.quota where a.has_days
               on conflict (tenant_id, quota, day) do update set used = excluded.used)
           select quota from taken"#,
        tenant.uuid(),
        &names,
        &starts as &[Timestamp],
        stored(n),
        &of_plan(Plan::Free) as &[Option<i64>],
        &of_plan(Plan::Pro) as &[Option<i64>],
        &of_plan(Plan::Enterprise) as &[Option<i64>],
        &days,
        day_of(now)
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(quotas.iter().copied().find(|quota| !taken.iter().any(|name| name == quota.as_str())))
}

/// Counts `n` less, in the transaction that removes what was counted. For executions see
/// [`give_back_execution`](super::give_back_execution).
///
/// # Errors
/// PostgreSQL's.
pub async fn give_back(tx: &mut TenantTx<Write>, quota: Quota, n: u64) -> Result<()> {
    let now = tx.now();
    lower_at(tx, quota, now, n).await
}

/// The same of any tenant, in a transaction across tenants.
///
/// # Errors
/// PostgreSQL's.
pub async fn give_back_of(tx: &mut SystemTx, tenant: TenantId, quota: Quota, n: u64) -> Result<()> {
    let start = quota.period_start(tx.now());
    lower(tx, quota, &[tenant], &[start], &[stored(n)]).await
}

/// Counts `n` less of the period of `at`.
pub(super) async fn lower_at(tx: &mut TenantTx<Write>, quota: Quota, at: Timestamp, n: u64) -> Result<()> {
    sqlx::query!(
        "with less as (
             update quota_usage set used = greatest(used - $4, 0) where tenant_id = $1 and quota = $2 and period_start = $3
             returning used)
         insert into quota_days (tenant_id, quota, day, used) select $1, $2, $5, used from less where $6
         on conflict (tenant_id, quota, day) do update set used = excluded.used",
        tx.tenant().uuid(),
        quota.as_str(),
        quota.period_start(at),
        stored(n),
        day_of(at),
        quota.has_days()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The tenant's plan, and every quota with its limit and use.
///
/// # Errors
/// PostgreSQL's.
pub async fn usage<M: Mode>(tx: &mut TenantTx<M>) -> Result<(Plan, Vec<QuotaUsage>)> {
    let (tenant, now) = (tx.tenant(), tx.now());
    let (plan, standings) = read_one(tx, tenant, now).await?;
    Ok((plan, standings.into_iter().map(|standing| standing.usage).collect()))
}

/// The same of any tenant, for the platform's administrators.
///
/// # Errors
/// PostgreSQL's.
pub async fn standings(tx: &mut SystemTx, tenant: TenantId) -> Result<(Plan, Vec<QuotaStanding>)> {
    let now = tx.now();
    read_one(tx, tenant, now).await
}

/// The same of each of these tenants.
///
/// # Errors
/// PostgreSQL's.
pub async fn standings_of(tx: &mut SystemTx, tenants: &[TenantId]) -> Result<HashMap<TenantId, Vec<QuotaStanding>>> {
    let now = tx.now();
    let all = read(tx, tenants, now).await?;
    Ok(all.into_iter().map(|(tenant, (_, standings))| (tenant, standings)).collect())
}

async fn read_one<T>(tx: &mut T, tenant: TenantId, now: Timestamp) -> Result<(Plan, Vec<QuotaStanding>)>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let found = read(tx, &[tenant], now).await?.remove(&tenant);
    Ok(found.unwrap_or((Plan::Free, Vec::new())))
}

/// What runs now is counted by nobody: a slot is a leased row of the queue, so these are counted when somebody asks. What is
/// open each node has told a while ago.
async fn read<T>(
    tx: &mut T,
    tenants: &[TenantId],
    now: Timestamp,
) -> Result<HashMap<TenantId, (Plan, Vec<QuotaStanding>)>>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let tenants: Vec<Uuid> = tenants.iter().map(|tenant| tenant.uuid()).collect();
    let (names, starts): (Vec<String>, Vec<Timestamp>) =
        Quota::ALL.iter().map(|quota| (quota.as_str().to_owned(), quota.period_start(now))).unzip();
    let rows = sqlx::query!(
        r#"select t.tenant_id as "tenant!: TenantId", t.plan as "plan!", q.name as "name!", o.tenant_id is not null as "overridden!", o.max as "max?",
                  case q.name
                      when 'concurrent_executions'
                      then (select count(*) from jobs j where j.tenant_id = t.tenant_id and j.lease_owner is not null)
                      when 'queued_executions' then (select count(*) from jobs j where j.tenant_id = t.tenant_id)
                      when 'concurrent_connections'
                      then (select coalesce(sum(c.open), 0) from open_connections c where c.tenant_id = t.tenant_id and c.seen_at > $4)
                      else u.used end as "used?"
           from tenants t cross join unnest($2::text[], $3::timestamptz[]) as q (name, period_start)
               left join quota_overrides o on o.tenant_id = t.tenant_id and o.quota = q.name
               left join quota_usage u on u.tenant_id = t.tenant_id and u.quota = q.name and u.period_start = q.period_start
           where t.tenant_id = any($1)"#,
        &tenants,
        &names,
        &starts as &[Timestamp],
        now.before(connections::BELIEVED_FOR)
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut all: HashMap<TenantId, (Plan, Vec<QuotaStanding>)> = HashMap::new();
    for row in rows {
        let Some(quota) = Quota::ALL.into_iter().find(|quota| quota.as_str() == row.name) else { continue };
        let plan = Plan::parse(&row.plan);
        let plan_limit = quota.limit(plan);
        let set = row.max.map(|max| u64::try_from(max).unwrap_or(0));
        let limit = if row.overridden { set } else { plan_limit };
        let used = row.used.and_then(|used| u64::try_from(used).ok()).unwrap_or(0);
        let usage = QuotaUsage::new(quota, limit, used, now);
        let (_, standings) = all.entry(row.tenant).or_insert_with(|| (plan, Vec::with_capacity(Quota::ALL.len())));
        standings.push(QuotaStanding { usage, plan_limit, overridden: row.overridden });
    }
    for (_, standings) in all.values_mut() {
        standings.sort_unstable_by_key(|standing| Quota::ALL.iter().position(|quota| *quota == standing.usage.name));
    }
    Ok(all)
}

pub(super) async fn usage_of<M: Mode>(tx: &mut TenantTx<M>, quota: Quota) -> Result<QuotaUsage> {
    let now = tx.now();
    let (plan, all) = usage(tx).await?;
    let found = all.into_iter().find(|usage| usage.name == quota);
    Ok(found.unwrap_or_else(|| QuotaUsage::new(quota, quota.limit(plan), 0, now)))
}

/// As many of a quota as each tenant's limit leaves, up to what is wanted.
pub(super) async fn grant(tx: &mut SystemTx, quota: Quota, wanted: &[Share]) -> Result<Vec<Share>> {
    let period_start = quota.period_start(tx.now());
    let tenants: Vec<Uuid> = wanted.iter().map(|share| share.tenant.uuid()).collect();
    let counts: Vec<i64> = wanted.iter().map(|share| i64::from(share.n)).collect();
    let [free, pro, enterprise] = quota.limits();
    // In the tenants' order, so that two batches never wait for each other in a circle. `granted` is there because
    // RETURNING sees the new row alone.
    let rows = sqlx::query!(
        r#"with allowed as (
               select t.tenant_id, w.n,
                   quota_max(o.tenant_id is not null, o.max, t.plan, $5, $6, $7) as max
               from unnest($3::uuid[], $4::bigint[]) as w (tenant_id, n) join tenants t on t.tenant_id = w.tenant_id
                   left join quota_overrides o on o.tenant_id = t.tenant_id and o.quota = $1),
           taken as (
               insert into quota_usage as u (tenant_id, quota, period_start, used, granted)
               select a.tenant_id, $1, $2, least(a.n, a.max), least(a.n, a.max) from allowed a order by a.tenant_id
               on conflict (tenant_id, quota, period_start) do update set (used, granted) = (
                   select u.used + g.n, g.n
                   from (select case when a.max is null then a.n else least(a.n, greatest(a.max - u.used, 0)) end as n
                         from allowed a where a.tenant_id = u.tenant_id) g)
               returning tenant_id, used, granted),
           day as (
               insert into quota_days (tenant_id, quota, day, used) select tenant_id, $1, $8, used from taken where $9
               on conflict (tenant_id, quota, day) do update set used = excluded.used)
           select tenant_id as "tenant: TenantId", granted from taken"#,
        quota.as_str(),
        period_start,
        &tenants,
        &counts,
        free,
        pro,
        enterprise,
        day_of(tx.now()),
        quota.has_days()
    )
    .fetch_all(&mut *tx)
    .await?;
    let granted = |share: &Share| {
        let row = rows.iter().find(|row| row.tenant == share.tenant);
        let n = row.and_then(|row| u32::try_from(row.granted).ok()).unwrap_or(0);
        Share { n, ..*share }
    };
    Ok(wanted.iter().map(granted).collect())
}

/// Counts less. `tenants`, `starts` and `counts` belong together and name each row once.
pub(super) async fn lower(
    tx: &mut SystemTx,
    quota: Quota,
    tenants: &[TenantId],
    starts: &[Timestamp],
    counts: &[i64],
) -> Result<()> {
    // Locked in order before they change: an UPDATE alone would take its rows as the plan meets them.
    sqlx::query!(
        "with less as (
             select u.tenant_id, u.period_start, l.n
             from unnest($2::uuid[], $3::timestamptz[], $4::bigint[]) as l (tenant_id, period_start, n)
                 join quota_usage u on u.tenant_id = l.tenant_id and u.quota = $1 and u.period_start = l.period_start
             order by u.tenant_id, u.period_start for update of u),
         lowered as (
             update quota_usage u set used = greatest(u.used - l.n, 0)
             from less l where u.tenant_id = l.tenant_id and u.quota = $1 and u.period_start = l.period_start
             returning u.tenant_id, u.period_start, u.used)
         insert into quota_days (tenant_id, quota, day, used)
         select tenant_id, $1, $6, used from lowered where period_start = $5 and $7
         on conflict (tenant_id, quota, day) do update set used = excluded.used",
        quota.as_str(),
        tenants as &[TenantId],
        starts as &[Timestamp],
        counts,
        quota.period_start(tx.now()),
        day_of(tx.now()),
        quota.has_days()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Gives a tenant another limit than its plan's; `None` is unlimited. For the platform's administrators, in a
/// transaction of the platform's role.
///
/// # Errors
/// PostgreSQL's.
pub async fn set_override(tx: &mut SystemTx, tenant: TenantId, quota: Quota, limit: Limit) -> Result<Audited<()>> {
    let before = standing(tx, tenant, quota).await?;
    if before.as_ref().is_some_and(|before| before.overridden && before.usage.limit == limit) {
        return Ok(Audited::none("it was set to the same before", ()));
    }
    sqlx::query!(
        "insert into quota_overrides (tenant_id, quota, max, updated_at) values ($1, $2, $3, $4)
         on conflict (tenant_id, quota) do update set max = excluded.max, updated_at = excluded.updated_at",
        tenant.uuid(),
        quota.as_str(),
        limit.map(stored),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    let action = if limit.is_some() { QuotaEvent::LIMITED } else { QuotaEvent::UNLIMITED };
    Ok(Audited::of((), changed(action, tenant, quota, before, limit)))
}

/// The plan's limit again.
///
/// # Errors
/// PostgreSQL's.
pub async fn clear_override(tx: &mut SystemTx, tenant: TenantId, quota: Quota) -> Result<Audited<()>> {
    let before = standing(tx, tenant, quota).await?;
    let Some(before) = before.filter(|before| before.overridden) else {
        return Ok(Audited::none("the plan's limit was in force already", ()));
    };
    sqlx::query!("delete from quota_overrides where tenant_id = $1 and quota = $2", tenant.uuid(), quota.as_str())
        .execute(&mut *tx)
        .await?;
    let new = before.plan_limit;
    Ok(Audited::of((), changed(QuotaEvent::RESTORED, tenant, quota, Some(before), new)))
}

/// As it is before a change. Another change of the same quota waits for this one's end.
async fn standing(tx: &mut SystemTx, tenant: TenantId, quota: Quota) -> Result<Option<QuotaStanding>> {
    tx.enter(tenant).await?;
    sqlx::query!(
        "select from quota_overrides where tenant_id = $1 and quota = $2 for update",
        tenant.uuid(),
        quota.as_str()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let (_, all) = standings(tx, tenant).await?;
    Ok(all.into_iter().find(|standing| standing.usage.name == quota))
}

/// The event, with the limit before and after; null is unlimited.
fn changed(
    action: Action<QuotaUsage>,
    tenant: TenantId,
    quota: Quota,
    before: Option<QuotaStanding>,
    new: Limit,
) -> NewEvent {
    let old = before.and_then(|before| before.usage.limit);
    NewEvent::new(action, quota.as_str().to_owned()).detail("old", old).detail("new", new).in_tenant(tenant)
}
