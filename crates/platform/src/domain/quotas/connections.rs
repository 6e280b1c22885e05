//! Connections that stay: streams of events, and calls that wait for an execution's end.
//!
//! Each node counts its own and lets an organisation have its share of them, the limit divided by the nodes that it sees and
//! at least one: opening one must not wait for the others. So all nodes together never have more than the limit (where it is
//! no less than the nodes), and one may refuse while another has some left. Every few seconds a node writes down how many it
//! holds, for who looks at the use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenure_kernel::{Audited, Authorized, Code, Kernel, Problem, Result, SystemReason, TenantId};
use uuid::Uuid;

use super::model::{Limit, Quota};
use super::store;
use crate::remembered::Remembered;

const QUOTA: Quota = Quota::ConcurrentConnections;
/// Another limit holds for what is opened so long after it was set.
const LIMIT_BELIEVED_FOR: Duration = Duration::from_secs(5);
/// What a node wrote down longer ago than this it holds no more: it is dead.
pub(super) const BELIEVED_FOR: Duration = Duration::from_secs(40);

/// What is open on this node.
#[derive(Debug, Clone)]
pub struct Connections {
    node: Uuid,
    open: Arc<Mutex<HashMap<TenantId, u32>>>,
    limits: Remembered<TenantId, Limit>,
}

impl Default for Connections {
    fn default() -> Self {
        let limits = Remembered::new(100_000, LIMIT_BELIEVED_FOR);
        Self { node: Uuid::new_v4(), open: Arc::default(), limits }
    }
}

/// One that is open; it is over when this is dropped.
#[derive(Debug)]
pub struct Connection {
    tenant: TenantId,
    open: Arc<Mutex<HashMap<TenantId, u32>>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.tenant);
            }
        }
    }
}

impl Connections {
    /// Counts one for the caller's organisation.
    ///
    /// # Errors
    /// 403 `quota-exceeded` where this node's share of them is open.
    pub async fn open<P>(&self, cx: &Authorized<P>) -> Result<Connection> {
        let tenant = cx.tenant();
        let limit = match self.limits.get(&tenant) {
            Some(limit) => limit,
            None => {
                let glance = self.limits.glance();
                let limit = cx.read(async |tx| Ok(store::usage_of(tx, QUOTA).await?.limit)).await?;
                self.limits.keep(glance, tenant, limit);
                limit
            }
        };
        match self.take(tenant, limit, cx.kernel().bus().nodes()) {
            Ok(connection) => Ok(connection),
            Err(problem) => Err(cx.refused(problem.into()).await),
        }
    }

    fn take(&self, tenant: TenantId, limit: Limit, nodes: u32) -> Result<Connection, Problem> {
        let share = limit.map(|limit| if limit == 0 { 0 } else { (limit / u64::from(nodes.max(1))).max(1) });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(tenant).or_default();
        if share.is_some_and(|share| u64::from(*count) >= share) {
            return Err(full(limit, *count));
        }
        *count = count.saturating_add(1);
        Ok(Connection { tenant, open: Arc::clone(&self.open) })
    }

    /// Writes down how many are open here, and forgets what dead nodes wrote.
    ///
    /// # Errors
    /// PostgreSQL's; the next round writes.
    pub async fn write_down(&self, kernel: &Kernel) -> Result<()> {
        let (tenants, counts): (Vec<Uuid>, Vec<i32>) = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.iter().map(|(tenant, count)| (tenant.uuid(), i32::try_from(*count).unwrap_or(i32::MAX))).unzip()
        };
        kernel
            .system(SystemReason::Upkeep)
            .run(async |tx| {
                let now = tx.now();
                sqlx::query!(
                    "with gone as (
                         delete from open_connections
                         where node = $1 and not tenant_id = any($2::uuid[]) or seen_at < $5)
                     insert into open_connections (tenant_id, node, open, seen_at)
                     select tenant_id, $1, open, $4 from unnest($2::uuid[], $3::int[]) as held (tenant_id, open)
                     on conflict (tenant_id, node) do update set open = excluded.open, seen_at = excluded.seen_at",
                    self.node,
                    &tenants,
                    &counts,
                    now,
                    now.before(BELIEVED_FOR)
                )
                .execute(&mut *tx)
                .await?;
                Ok(Audited::none("how many connections are open is no change of anything", ()))
            })
            .await
    }
}

/// 403: naming the quota, its limit, and what is open on this node.
fn full(limit: Limit, open: u32) -> Problem {
    let of = limit.unwrap_or_default();
    let detail = format!(
        "the quota {} is used up: {open} of {of} are open on this server, which is all of its share; close some, or ask the platform for more",
        QUOTA.as_str()
    );
    Problem::new(Code::QuotaExceeded, detail)
        .with("quota", QUOTA.as_str())
        .with("limit", limit)
        .with("used", open)
        .with("resets_at", serde_json::Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_lets_through_its_share_and_what_was_closed_can_be_opened_again() {
        let (here, tenant) = (Connections::default(), TenantId::new(tenure_kernel::Timestamp::from_micros(1)));
        let open = |limit, nodes| here.take(tenant, limit, nodes);
        let two: Vec<_> = (0..2).map(|_| open(Some(5), 2).unwrap()).collect();
        assert!(open(Some(5), 2).is_err(), "half of five, rounded down");
        let third = open(Some(5), 1).unwrap();
        drop(two);
        let again = open(Some(5), 2).unwrap();
        assert!(open(Some(5), 2).is_err());
        drop((third, again));
        assert!(open(Some(0), 1).is_err());
        let _one = open(Some(1), 8).unwrap();
        assert!(open(Some(1), 8).is_err(), "at least one");
        let _unlimited: Vec<_> = (0..1_000).map(|_| open(None, 8).unwrap()).collect();
    }

    /// From many threads at once there are never more than the limit.
    #[test]
    fn a_thousand_at_once_never_hold_more_than_there_are() {
        let (here, tenant) = (Connections::default(), TenantId::new(tenure_kernel::Timestamp::from_micros(1)));
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let take = || (0..125).filter_map(|_| here.take(tenant, Some(100), 1).ok()).collect::<Vec<_>>();
                    scope.spawn(take)
                })
                .collect();
            let held: Vec<Vec<Connection>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            held.iter().map(Vec::len).sum()
        });
        assert_eq!(admitted, 100);
        assert!(here.open.lock().unwrap().is_empty(), "all were dropped");
    }
}
