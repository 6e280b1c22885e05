//! Slots: how many of a tenant's executions run at the same time.
//!
//! **Invariant**: at every commit, a tenant's count of slots equals the number of its executions in the state `running`.
//! It holds because whoever changes that state changes the count in the same transaction:
//!
//! - to `running` (from `queued`, or from `waiting` when a wait or an approval ends): [`claim_slots`] first, and only as
//!   many executions change as slots were granted; the others stay where they are;
//! - from `running` (ended, waiting, back to the queue): [`free_slots`] with as many as changed.
//!
//! A node that dies leaves its executions `running`: they keep their slots, and whoever takes over the expired lease takes
//! them over with it and changes no count. So nothing leaks, and nothing has to be remembered outside PostgreSQL.
//! [`recount_slots`] is for after a crash all the same: it puts a count that is wrong right, and says so.

use std::collections::BTreeMap;

use tenure_kernel::{Result, SystemTx, TenantId};

use super::model::{Quota, Share};
use super::store;

const SLOTS: Quota = Quota::ConcurrentExecutions;

/// Claims up to `n` slots for each tenant: as many as its limit leaves. Tenants stand at most once in `wanted`; the
/// answer has them in the same order.
///
/// # Errors
/// PostgreSQL's.
pub async fn claim_slots(tx: &mut SystemTx, wanted: &[Share]) -> Result<Vec<Share>> {
    store::grant(tx, SLOTS, wanted).await
}

/// Frees slots. A tenant may stand in it several times.
///
/// # Errors
/// PostgreSQL's.
pub async fn free_slots(tx: &mut SystemTx, freed: &[Share]) -> Result<()> {
    let mut counts = BTreeMap::<TenantId, i64>::new();
    for share in freed {
        *counts.entry(share.tenant).or_default() += i64::from(share.n);
    }
    let (tenants, counts): (Vec<TenantId>, Vec<i64>) = counts.into_iter().unzip();
    let starts = vec![SLOTS.period_start(tx.now()); tenants.len()];
    store::lower(tx, SLOTS, &tenants, &starts, &counts).await
}

/// A count of slots that was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotDrift {
    /// Whose.
    pub tenant: TenantId,
    /// What was counted.
    pub counted: i64,
    /// How many executions run.
    pub running: i64,
}

/// Sets every tenant's count to what `running` finds, and tells which were wrong (none, while the invariant holds).
///
/// Exact beside a working engine: all counts are locked before `running` reads, so a transaction that has changed a
/// count has committed by then and is seen; one that has changed only its executions waits for its count, is not seen,
/// and adds itself afterwards. Costs a lock on every tenant's count: for the start of a node, not for a loop.
///
/// # Errors
/// Those of `running`, and PostgreSQL's.
pub async fn recount_slots(
    tx: &mut SystemTx,
    running: impl AsyncFnOnce(&mut SystemTx) -> Result<Vec<Share>>,
) -> Result<Vec<SlotDrift>> {
    let counted: BTreeMap<TenantId, i64> = sqlx::query!(
        r#"select tenant_id as "tenant: TenantId", used from quota_usage where quota = $1 order by tenant_id for update"#,
        SLOTS.as_str()
    )
    .fetch_all(&mut *tx)
    .await?
    .into_iter()
    .map(|row| (row.tenant, row.used))
    .collect();
    let mut found = BTreeMap::<TenantId, i64>::new();
    for share in running(tx).await? {
        *found.entry(share.tenant).or_default() += i64::from(share.n);
    }
    let tenants = counted.keys().chain(found.keys()).copied().collect::<std::collections::BTreeSet<_>>();
    let drift: Vec<SlotDrift> = tenants
        .into_iter()
        .map(|tenant| SlotDrift {
            tenant,
            counted: counted.get(&tenant).copied().unwrap_or(0),
            running: found.get(&tenant).copied().unwrap_or(0),
        })
        .filter(|drift| drift.counted != drift.running)
        .collect();
    let (wrong, right): (Vec<TenantId>, Vec<i64>) = drift.iter().map(|drift| (drift.tenant, drift.running)).unzip();
    sqlx::query!(
        "insert into quota_usage (tenant_id, quota, period_start, used)
         select d.tenant_id, $1, $2, d.n from unnest($3::uuid[], $4::bigint[]) as d (tenant_id, n) order by d.tenant_id
         on conflict (tenant_id, quota, period_start) do update set used = excluded.used",
        SLOTS.as_str(),
        SLOTS.period_start(tx.now()),
        &wrong as &[TenantId],
        &right
    )
    .execute(&mut *tx)
    .await?;
    Ok(drift)
}
