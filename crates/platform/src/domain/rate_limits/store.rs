//! All SQL on `tenant_rate_limits` and `member_rate_limits`.

use sqlx::PgExecutor;
use tenure_kernel::bus::Message;
use tenure_kernel::limits::{OwnRates, Rates};
use tenure_kernel::{Audited, Change, Mode, Result, SystemTx, TenantId, TenantTx, UserId, Write};
use uuid::Uuid;

use super::event::RateLimitEvent;
use super::model::{Bounds, MemberLimit, RateLimit, TenantLimits};
use crate::domain::tenancy::Plan;

/// A limit as its three columns hold it.
pub fn limit(minute: Option<i32>, hour: Option<i32>, day: Option<i32>) -> RateLimit {
    let number = |stored: Option<i32>| stored.and_then(|stored| u32::try_from(stored).ok());
    RateLimit { per_minute: number(minute), per_hour: number(hour), per_day: number(day) }
}

/// A number of a limit as its column holds it.
pub fn stored(number: Option<u32>) -> Option<i32> {
    number.map(|number| i32::try_from(number).unwrap_or(i32::MAX))
}

async fn of_tenant<T>(tx: &mut T, tenant: TenantId) -> Result<TenantLimits>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let set = read(tx, &[tenant.uuid()]).await?.pop();
    Ok(set.unwrap_or_else(|| TenantLimits::none(tenant, Plan::Free)))
}

async fn read<T>(tx: &mut T, tenants: &[Uuid]) -> Result<Vec<TenantLimits>>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let rows = sqlx::query!(
        r#"select t.tenant_id as "tenant!: TenantId", t.plan as "plan!", l.per_minute as "per_minute?", l.per_hour as "per_hour?", l.per_day as "per_day?",
                  l.bound_per_minute as "bound_per_minute?", l.bound_per_hour as "bound_per_hour?", l.bound_per_day as "bound_per_day?"
           from tenants t left join tenant_rate_limits l on l.tenant_id = t.tenant_id
           where t.tenant_id = any($1)"#,
        tenants
    )
    .fetch_all(&mut *tx)
    .await?;
    let limits = rows.into_iter().map(|row| TenantLimits {
        tenant: row.tenant,
        plan: Plan::parse(&row.plan),
        own: limit(row.per_minute, row.per_hour, row.per_day),
        bounds: limit(row.bound_per_minute, row.bound_per_hour, row.bound_per_day),
    });
    Ok(limits.collect())
}

/// The organisation's own limit and its bounds.
///
/// # Errors
/// PostgreSQL's.
pub async fn current<M: Mode>(tx: &mut TenantTx<M>) -> Result<TenantLimits> {
    let tenant = tx.tenant();
    of_tenant(tx, tenant).await
}

/// What anybody in the organisation may set at most.
///
/// # Errors
/// PostgreSQL's.
pub async fn bounds<M: Mode>(tx: &mut TenantTx<M>, rates: &Rates) -> Result<Bounds> {
    Ok(current(tx).await?.most(rates))
}

/// The organisation's own limit from now on.
pub(super) async fn set(tx: &mut TenantTx<Write>, own: RateLimit) -> Result<Change<TenantLimits>> {
    let tenant = tx.tenant();
    let before = current(tx).await?;
    sqlx::query!(
        "insert into tenant_rate_limits (tenant_id, per_minute, per_hour, per_day, updated_at) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id) do update set per_minute = excluded.per_minute, per_hour = excluded.per_hour,
             per_day = excluded.per_day, updated_at = excluded.updated_at",
        tenant.uuid(),
        stored(own.per_minute),
        stored(own.per_hour),
        stored(own.per_day),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    tx.announce(Message::TenantChanged { tenant }).await?;
    Ok(Change::Updated { before, after: TenantLimits { own, ..before } })
}

/// What the platform lets an organisation have, and what that has set, for the platform's administrators.
///
/// # Errors
/// PostgreSQL's.
pub async fn standing(tx: &mut SystemTx, tenant: TenantId) -> Result<TenantLimits> {
    of_tenant(tx, tenant).await
}

/// The same of each of these organisations.
///
/// # Errors
/// PostgreSQL's.
pub async fn standings_of(tx: &mut SystemTx, tenants: &[TenantId]) -> Result<Vec<TenantLimits>> {
    let tenants: Vec<Uuid> = tenants.iter().map(|tenant| tenant.uuid()).collect();
    read(tx, &tenants).await
}

/// Sets what an organisation may have at most; null is what its plan gives. For the platform's
/// administrators, in a transaction of the platform's role.
///
/// # Errors
/// PostgreSQL's.
pub async fn set_bounds(tx: &mut SystemTx, tenant: TenantId, bounds: RateLimit) -> Result<Audited<()>> {
    tx.enter(tenant).await?;
    let before = of_tenant(tx, tenant).await?;
    if before.bounds == bounds {
        return Ok(Audited::none("it was set to the same before", ()));
    }
    sqlx::query!(
        "insert into tenant_rate_limits (tenant_id, bound_per_minute, bound_per_hour, bound_per_day, updated_at) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id) do update set bound_per_minute = excluded.bound_per_minute, bound_per_hour = excluded.bound_per_hour,
             bound_per_day = excluded.bound_per_day, updated_at = excluded.updated_at",
        tenant.uuid(),
        stored(bounds.per_minute),
        stored(bounds.per_hour),
        stored(bounds.per_day),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    tx.announce(Message::TenantChanged { tenant }).await?;
    let change = Change::Updated { before, after: TenantLimits { bounds, ..before } };
    Ok(change.audited(RateLimitEvent::BOUNDED).in_tenant(tenant).map(drop))
}

/// A member's limit.
///
/// # Errors
/// PostgreSQL's.
pub async fn of_member<M: Mode>(tx: &mut TenantTx<M>, user: UserId) -> Result<MemberLimit> {
    let row = sqlx::query!(
        "select per_minute, per_hour, per_day from member_rate_limits where tenant_id = $1 and user_id = $2",
        tx.tenant().uuid(),
        user.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let limit = row.map_or_else(RateLimit::default, |row| limit(row.per_minute, row.per_hour, row.per_day));
    Ok(MemberLimit::new(user, limit))
}

/// A member's limit from now on.
///
/// # Errors
/// PostgreSQL's.
pub async fn set_of_member(tx: &mut TenantTx<Write>, user: UserId, limit: RateLimit) -> Result<Change<MemberLimit>> {
    let before = of_member(tx, user).await?;
    sqlx::query!(
        "insert into member_rate_limits (tenant_id, user_id, per_minute, per_hour, per_day, updated_at) values ($1, $2, $3, $4, $5, $6)
         on conflict (tenant_id, user_id) do update set per_minute = excluded.per_minute, per_hour = excluded.per_hour,
             per_day = excluded.per_day, updated_at = excluded.updated_at",
        tx.tenant().uuid(),
        user.uuid(),
        stored(limit.per_minute),
        stored(limit.per_hour),
        stored(limit.per_day),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    tx.announce(Message::UserChanged { user }).await?;
    Ok(Change::Updated { before, after: MemberLimit::new(user, limit) })
}

/// What a caller of this tenant is limited to, but for their key: for whoever tells who they are, in the role that does.
///
/// # Errors
/// PostgreSQL's.
pub async fn of_caller(tx: &mut SystemTx, rates: &Rates, tenant: TenantId, user: Option<UserId>) -> Result<OwnRates> {
    let row = sqlx::query!(
        r#"select p.plan as "plan?", t.per_minute, t.per_hour, t.per_day, t.bound_per_minute, t.bound_per_hour, t.bound_per_day,
                  m.per_minute as user_per_minute, m.per_hour as user_per_hour, m.per_day as user_per_day
           from (select $1::uuid as tenant_id) c
               left join tenants p on p.tenant_id = c.tenant_id
               left join tenant_rate_limits t on t.tenant_id = c.tenant_id
               left join member_rate_limits m on m.tenant_id = c.tenant_id and m.user_id = $2"#,
        tenant.uuid(),
        user.map(UserId::uuid)
    )
    .fetch_one(&mut *tx)
    .await?;
    let of_tenant = TenantLimits {
        tenant,
        plan: Plan::parse(row.plan.as_deref().unwrap_or_default()),
        own: limit(row.per_minute, row.per_hour, row.per_day),
        bounds: limit(row.bound_per_minute, row.bound_per_hour, row.bound_per_day),
    };
    let user = limit(row.user_per_minute, row.user_per_hour, row.user_per_day).spans();
    Ok(OwnRates { user, tenant: of_tenant.in_force(rates), ..OwnRates::default() })
}
