//! All SQL on `execution_retention`, and on whose executions were kept long enough.

use std::time::Duration;

use tenure_kernel::{Change, Mode, Result, SystemTx, TenantId, TenantTx, Write};

use super::retention::Retention;

/// What the organisation says.
pub(super) async fn current<M: Mode>(tx: &mut TenantTx<M>) -> Result<Retention> {
    let tenant = tx.tenant();
    let days = sqlx::query_scalar!("select keep_days from execution_retention where tenant_id = $1", tenant.uuid())
        .fetch_optional(&mut *tx)
        .await?;
    Ok(Retention { tenant, keep_days: days.flatten().and_then(|days| u32::try_from(days).ok()) })
}

/// What it says from now on.
pub(super) async fn set(
    tx: &mut TenantTx<Write>,
    before: Retention,
    keep_days: Option<u32>,
) -> Result<Change<Retention>> {
    sqlx::query!(
        "insert into execution_retention (tenant_id, keep_days, updated_at) values ($1, $2, $3)
         on conflict (tenant_id) do update set keep_days = excluded.keep_days, updated_at = excluded.updated_at",
        before.tenant.uuid(),
        keep_days.map(|days| i32::try_from(days).unwrap_or(i32::MAX)),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after: Retention { keep_days, ..before } })
}

/// An organisation that has executions which were kept long enough, and how long that is.
pub(super) struct Due {
    pub(super) tenant: TenantId,
    pub(super) keep: Duration,
}

/// How long after an organisation was resumed nothing is deleted of what was kept long enough: time for its people to keep it
/// longer.
const GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Those after this one, in order, that are active and were not just resumed; at most `most`. `installation` is how long all are kept that say nothing, or more.
pub(super) async fn due(
    tx: &mut SystemTx,
    installation: Option<Duration>,
    after: Option<TenantId>,
    most: i64,
) -> Result<Vec<Due>> {
    let seconds = installation.map(|keep| i64::try_from(keep.as_secs()).unwrap_or(i64::MAX));
    let now = tx.now();
    // `least` takes no notice of null. One look into the index for each organisation, however much it keeps.
    let rows = sqlx::query!(
        r#"select t.tenant_id as "tenant: TenantId", k.seconds as "seconds!"
           from tenants t
               left join execution_retention r on r.tenant_id = t.tenant_id
               cross join lateral (select least(r.keep_days::bigint * 86400, $1::bigint) as seconds) k
               cross join lateral (
                   select from executions e
                   where e.tenant_id = t.tenant_id and e.created_at < $3::timestamptz - make_interval(secs => k.seconds)
                     and e.finished_at < $3::timestamptz - make_interval(secs => k.seconds)
                   order by e.created_at limit 1) e
           where k.seconds is not null and t.status = 'active' and (t.resumed_at is null or t.resumed_at <= $5)
             and ($2::uuid is null or t.tenant_id > $2)
           order by t.tenant_id limit $4"#,
        seconds,
        after.map(TenantId::uuid),
        now as tenure_kernel::Timestamp,
        most,
        now.before(GRACE) as tenure_kernel::Timestamp
    )
    .fetch_all(&mut *tx)
    .await?;
    let due =
        |tenant, seconds: i64| Due { tenant, keep: Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)) };
    Ok(rows.into_iter().map(|row| due(row.tenant, row.seconds)).collect())
}

/// Whether it may still be deleted from: between two batches an organisation may have been suspended.
pub(super) async fn may_delete(tx: &mut SystemTx, tenant: TenantId) -> Result<bool> {
    let may = sqlx::query_scalar!(
        r#"select status = 'active' and (resumed_at is null or resumed_at <= $2) as "may!" from tenants where tenant_id = $1"#,
        tenant.uuid(),
        tx.now().before(GRACE) as tenure_kernel::Timestamp
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(may.unwrap_or(false))
}
