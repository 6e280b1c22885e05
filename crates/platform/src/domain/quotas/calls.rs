//! Calls to providers: taken from PostgreSQL in blocks, so that a call costs no query.
//!
//! A block is counted as used when a node takes it, so that all nodes together never make more calls than there are. What
//! a node did not use it gives back after a while, at the end of the month, and when it stops. A node that dies keeps its
//! block: nobody knows how many calls it made of it, so they count as made. Near the limit blocks get smaller, down to
//! single calls; a call may be refused while another node holds a part of a block, for some seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenure_kernel::{Audited, Kernel, Result, SystemReason, SystemTx, TenantId, Timestamp};
use tokio::time::Instant;

use super::model::{Quota, QuotaUsage, day_of};
use super::store;

const QUOTA: Quota = Quota::ProviderCallsPerMonth;
/// The most calls that a node holds of one tenant.
const BLOCK: i64 = 64;
/// Who was refused is refused for so long without asking.
const REFUSED_FOR: Duration = Duration::from_secs(1);
/// What nobody has used for so long is given back.
const IDLE: Duration = Duration::from_secs(10);

/// What this node may still call, per tenant.
#[derive(Debug, Default)]
pub struct ProviderCalls {
    held: Mutex<HashMap<TenantId, Arc<tokio::sync::Mutex<Block>>>>,
}

#[derive(Debug)]
struct Block {
    left: i64,
    /// The month it is of.
    period_start: Timestamp,
    used_at: Instant,
    /// Until when nobody asks again, and with which figures they were refused.
    refused: Option<(Instant, QuotaUsage)>,
}

impl ProviderCalls {
    /// Counts one call.
    ///
    /// # Errors
    /// 403 `quota-exceeded` where none is left.
    pub async fn take(&self, kernel: &Kernel, tenant: TenantId) -> Result<()> {
        let block = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let empty =
                || Block { left: 0, period_start: Timestamp::from_micros(0), used_at: Instant::now(), refused: None };
            Arc::clone(held.entry(tenant).or_insert_with(|| Arc::new(tokio::sync::Mutex::new(empty()))))
        };
        // Whoever comes while a block is fetched waits for it instead of fetching another.
        let mut block = block.lock().await;
        let (now, period_start) = (Instant::now(), QUOTA.period_start(kernel.clock().now()));
        if block.left > 0 && block.period_start != period_start {
            give_back(kernel, tenant, &mut block).await?;
        }
        if block.left == 0 {
            if let Some((until, usage)) = &block.refused
                && now < *until
                && block.period_start == period_start
            {
                return Err(usage.exceeded().into());
            }
            block.period_start = period_start;
            match fetch(kernel, tenant).await? {
                Fetched::Calls(calls) => (block.left, block.refused) = (calls, None),
                Fetched::None(usage) => {
                    let problem = usage.exceeded();
                    block.refused = Some((now + REFUSED_FOR, usage));
                    return Err(problem.into());
                }
            }
        }
        block.left -= 1;
        block.used_at = now;
        Ok(())
    }

    /// Gives back what has lain idle; everything where the node stops.
    ///
    /// # Errors
    /// PostgreSQL's; what was not given back is held on to.
    pub async fn settle(&self, kernel: &Kernel, everything: bool) -> Result<()> {
        let held: Vec<_> = {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.iter().map(|(tenant, block)| (*tenant, Arc::clone(block))).collect()
        };
        for (tenant, block) in held {
            let mut block = block.lock().await;
            if block.left > 0 && (everything || block.used_at.elapsed() >= IDLE) {
                give_back(kernel, tenant, &mut block).await?;
            }
        }
        // An empty block that nobody waits for tells nothing.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, block| {
            Arc::strong_count(block) > 1
                || block.try_lock().map_or(true, |block| block.left > 0 || block.used_at.elapsed() < IDLE)
        });
        Ok(())
    }
}

async fn give_back(kernel: &Kernel, tenant: TenantId, block: &mut Block) -> Result<()> {
    let (start, left) = (block.period_start, block.left);
    kernel
        .system(SystemReason::EngineBatch)
        .run(async |tx| {
            store::lower(tx, QUOTA, &[tenant], &[start], &[left]).await?;
            Ok(Audited::none("calls that were counted and not made; each that was made has its step", ()))
        })
        .await?;
    block.left = 0;
    Ok(())
}

/// What came of asking for a block.
enum Fetched {
    Calls(i64),
    /// There is none; how the quota stands.
    None(QuotaUsage),
}

async fn fetch(kernel: &Kernel, tenant: TenantId) -> Result<Fetched> {
    kernel
        .system(SystemReason::EngineBatch)
        .run(async |tx| {
            let calls = lease(tx, tenant).await?;
            let fetched = if calls > 0 {
                Fetched::Calls(calls)
            } else {
                Fetched::None(store::usage_in(tx, tenant, QUOTA).await?)
            };
            Ok(Audited::none("a block of calls; each that is made has its step", fetched))
        })
        .await
}

/// A block: an eighth of what is left, and no more than [`BLOCK`].
async fn lease(tx: &mut SystemTx, tenant: TenantId) -> Result<i64> {
    let now = tx.now();
    let [free, pro, enterprise] = QUOTA.limits();
    let granted = sqlx::query_scalar!(
        r#"with allowed as (
               select quota_max(o.tenant_id is not null, o.max, t.plan, $5, $6, $7) as max
               from tenants t left join quota_overrides o on o.tenant_id = t.tenant_id and o.quota = $2
               where t.tenant_id = $1),
           taken as (
               insert into quota_usage as u (tenant_id, quota, period_start, used, granted)
               select $1, $2, $3, g.n, g.n
               from (select case when max is null then $4 else least($4, (max + 7) / 8) end as n from allowed) g
               on conflict (tenant_id, quota, period_start) do update set (used, granted) = (
                   select u.used + g.n, g.n
                   from (select case when max is null then $4 else greatest(least($4, (max - u.used + 7) / 8), 0) end as n
                         from allowed) g)
               returning used, granted),
           day as (
               insert into quota_days (tenant_id, quota, day, used) select $1, $2, $8, used from taken
               on conflict (tenant_id, quota, day) do update set used = excluded.used)
           select granted from taken"#,
        tenant.uuid(),
        QUOTA.as_str(),
        QUOTA.period_start(now),
        BLOCK,
        free,
        pro,
        enterprise,
        day_of(now)
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(granted.unwrap_or(0))
}
