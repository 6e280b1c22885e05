//! The queue: claims in batches, fairly; leases; parking.

use std::collections::HashMap;

use tenure_kernel::{
    Audited, ExecutionId, PermissionSet, Result, Statements, SystemReason, TenantId, Timestamp, UserId, WorkflowId,
};
use tenure_workflow::machine::StoredValue;

use super::Shared;
use crate::domain::executions::{LiveState, LiveStep, RequestedBy};
use crate::domain::quotas::Quota;
use crate::domain::tenancy::Plan;

/// An execution that this node holds the lease of.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) tenant: TenantId,
    pub(super) tenant_slug: String,
    pub(super) execution: ExecutionId,
    pub(super) workflow: WorkflowId,
    pub(super) workflow_name: String,
    pub(super) version: i32,
    pub(super) requested_by: RequestedBy,
    pub(super) actor: tenure_kernel::Actor,
    /// What the delegated token that it was started with could do.
    pub(super) scope: Option<PermissionSet>,
    pub(super) input: StoredValue,
    /// Which time this is that it is taken up, from 1.
    pub(super) attempt: i32,
    /// How long it has run so far, in milliseconds.
    pub(super) ran_ms: i64,
    pub(super) cancelled: bool,
    /// Somebody paused it while another node, which is gone, worked on it.
    pub(super) paused: bool,
    /// How often it was had to go on after its end.
    pub(super) retries: i32,
}

/// One claim of an execution. The number tells it from the claims before and after, so that what is left of an earlier
/// one on the same node can do nothing more.
///
/// They are ordered as their jobs are locked by whoever locks several: else two would wait for each other.
///
/// Where SQL asks for one it compares the owner by `is not distinct from`: `=` would let the planner take the index of leased
/// jobs instead of the primary key, and look through every dead entry that the tenant's earlier leases left there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Held {
    pub(super) tenant: TenantId,
    pub(super) execution: ExecutionId,
    pub(super) attempt: i32,
}

impl Claim {
    pub(super) fn held(&self) -> Held {
        Held { tenant: self.tenant, execution: self.execution, attempt: self.attempt }
    }
}

/// The most that one tenant gets out of one claim, so that the others' turn comes soon.
const PER_TENANT: i64 = 16;

/// Whether a tenant got as many as one claim gives it, so that there may be more of its work to be had at once.
pub(super) fn may_have_left_some(claims: &[Claim]) -> bool {
    let mut of = HashMap::<TenantId, i64>::new();
    claims.iter().any(|claim| {
        let got = of.entry(claim.tenant).or_default();
        *got += 1;
        *got == PER_TENANT
    })
}

/// Takes up to `most` executions that may run. Each tenant with work gets a share of each claim, whoever has how many
/// queued; none gets more than its slots.
pub(super) async fn claim(shared: &Shared, most: usize) -> Result<Vec<Claim>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let limit =
        |plan: Plan| Quota::ConcurrentExecutions.limit(plan).map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let (free, pro, enterprise) = (limit(Plan::Free), limit(Plan::Pro), limit(Plan::Enterprise));
    let rows = shared
        .kernel
        .system(SystemReason::EngineClaim)
        .run(async |tx| {
            let now = tx.now();
            let rows = sqlx::query!(
                r#"
                with recursive
                -- The tenants that have work, by a loose scan of the index: one probe for each, however much it has.
                ready (tenant_id) as (
                    (select tenant_id from jobs where lease_owner is null and run_at is not null order by tenant_id limit 1)
                    union all
                    select (select j.tenant_id from jobs j
                            where j.lease_owner is null and j.run_at is not null and j.tenant_id > ready.tenant_id
                            order by j.tenant_id limit 1)
                    from ready where ready.tenant_id is not null
                ),
                turns (tenant_id, id, turn) as (
                    select t.tenant_id, j.id, row_number() over (partition by t.tenant_id order by j.priority desc, j.run_at, j.id)
                    from ready
                    join tenants t on t.tenant_id = ready.tenant_id and t.status = 'active'
                    left join quota_overrides o on o.tenant_id = t.tenant_id and o.quota = 'concurrent_executions'
                    cross join lateral (
                        select count(*) as taken from jobs l where l.tenant_id = t.tenant_id and l.lease_owner is not null
                    ) slots
                    cross join lateral (
                        select id, priority, run_at from jobs j
                        where j.tenant_id = t.tenant_id and j.lease_owner is null and j.run_at <= $1
                        order by j.priority desc, j.run_at, j.id
                        limit greatest(0, least($3, coalesce(
                            case when o.tenant_id is not null then o.max
                                 else case t.plan when 'enterprise' then $6::bigint when 'pro' then $5::bigint else $4::bigint end
                            end, 1000000) - slots.taken))
                        for update skip locked
                    ) j
                ),
                chosen (tenant_id, id) as (select tenant_id, id from turns order by turn, random() limit $2),
                taken as (
                    update jobs j set lease_owner = $7, lease_until = $8, attempts = j.attempts + 1
                    from chosen c where j.tenant_id = c.tenant_id and j.id = c.id
                    returning j.tenant_id, j.id, j.attempts, j.ran_ms, j.cancel_requested, j.paused
                ),
                begun as (
                    update executions e set state = 'running', started_at = coalesce(e.started_at, $1)
                    from taken t where e.tenant_id = t.tenant_id and e.id = t.id
                    returning e.tenant_id, e.id, e.workflow_id, e.version, e.requested_by, e.requested_by_kind, e.answerable, e.scope, e.actor, e.input, e.retries,
                              t.attempts, t.ran_ms, t.cancel_requested, t.paused
                )
                select b.tenant_id as "tenant!: TenantId", b.id as "id!: ExecutionId", b.workflow_id as "workflow!: WorkflowId",
                       b.version as "version!", b.requested_by as "requested_by!", b.requested_by_kind as "requested_by_kind!",
                       b.answerable as "answerable: UserId", b.scope, b.actor as "actor!", b.input as "input!",
                       b.attempts as "attempts!", b.ran_ms as "ran_ms!", b.cancel_requested as "cancelled!", b.paused as "paused!", b.retries as "retries!",
                       w.name as "workflow_name!", n.slug as "slug!"
                from begun b
                join workflows w on w.tenant_id = b.tenant_id and w.id = b.workflow_id
                join tenants n on n.tenant_id = b.tenant_id
                "#,
                now,
                most,
                PER_TENANT,
                free,
                pro,
                enterprise,
                shared.node,
                now.after(shared.config.lease)
            )
            .fetch_all(&mut *tx)
            .await?;
            Ok(Audited::none("steps are journal rows; an execution's request and end are its events", rows))
        })
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Claim {
                tenant: row.tenant,
                tenant_slug: row.slug,
                execution: row.id,
                workflow: row.workflow,
                workflow_name: row.workflow_name,
                version: row.version,
                requested_by: RequestedBy::stored(&row.requested_by_kind, row.requested_by, row.answerable),
                scope: row.scope.map(|scope| PermissionSet::from_patterns(scope.iter().map(String::as_str))),
                actor: serde_json::from_str(&row.actor)?,
                input: serde_json::from_str(&row.input)?,
                attempt: row.attempts,
                ran_ms: row.ran_ms,
                cancelled: row.cancelled,
                paused: row.paused,
                retries: row.retries,
            })
        })
        .collect()
}

/// What came of a renewal.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// Somebody wants these to stop.
    pub(super) cancelled: Vec<Held>,
    /// Somebody wants these to begin nothing more.
    pub(super) paused: Vec<Held>,
    /// These are not this node's any more.
    pub(super) lost: Vec<Held>,
}

/// So many steps in flight of one execution are told to other nodes.
const TOLD: usize = 32;

/// What is written of the steps in flight.
fn told(live: &[LiveStep]) -> Result<Option<String>> {
    let first = live.get(..live.len().min(TOLD)).filter(|first| !first.is_empty());
    Ok(first.map(serde_json::to_string).transpose()?)
}

/// Keeps the leases of what this node drives, and says what of it runs.
pub(super) async fn renew(shared: &Shared, statements: &mut Statements, held: &[Held]) -> Result<Renewal> {
    struct Row {
        tenant_id: TenantId,
        id: ExecutionId,
        attempts: i32,
        cancel_requested: bool,
        paused: bool,
    }
    if held.is_empty() {
        return Ok(Renewal::default());
    }
    let mut held = held.to_vec();
    held.sort_unstable();
    let tenants: Vec<uuid::Uuid> = held.iter().map(|held| held.tenant.uuid()).collect();
    let ids: Vec<uuid::Uuid> = held.iter().map(|held| held.execution.uuid()).collect();
    let attempts: Vec<i32> = held.iter().map(|held| held.attempt).collect();
    let lives =
        held.iter().map(|held| told(&shared.live.of(held.execution))).collect::<Result<Vec<Option<String>>>>()?;
    let until = shared.kernel.clock().now().after(shared.config.lease);
    let rows = statements
        .run(async |statement| {
            let rows = sqlx::query_as!(
                Row,
                r#"with held as materialized (
                       select j.tenant_id, j.id, h.live from unnest($2::uuid[], $4::text[], $5::int[], $6::uuid[]) as h (id, live, attempt, tenant_id)
                       cross join lateral (
                           select j.tenant_id, j.id from jobs j
                           where j.tenant_id = h.tenant_id and j.id = h.id and j.attempts = h.attempt and j.lease_owner is not distinct from $1
                           for no key update) j)
                   update jobs j set lease_until = $3, live = h.live from held h where j.tenant_id = h.tenant_id and j.id = h.id
                   returning j.tenant_id as "tenant_id: TenantId", j.id as "id: ExecutionId", j.attempts, j.cancel_requested, j.paused"#,
                shared.node,
                &ids,
                until,
                &lives as &[Option<String>],
                &attempts,
                &tenants
            )
            .fetch_all(&mut *statement)
            .await?;
            Ok(rows)
        })
        .await?;
    let kept = |row: &Row| Held { tenant: row.tenant_id, execution: row.id, attempt: row.attempts };
    let cancelled = rows.iter().filter(|row| row.cancel_requested).map(kept).collect();
    let paused = rows.iter().filter(|row| row.paused && !row.cancel_requested).map(kept).collect();
    let lost = held.iter().copied().filter(|held| !rows.iter().any(|row| kept(row) == *held)).collect();
    Ok(Renewal { cancelled, paused, lost })
}

/// Puts what a dead node held back into the queue; whether there was any. What this node drives is left out: where its
/// lease ran out unseen, the next renewal notices, and nobody drives it twice.
pub(super) async fn bury(shared: &Shared, statements: &mut Statements, held: &[Held]) -> Result<bool> {
    let ids: Vec<uuid::Uuid> = held.iter().map(|held| held.execution.uuid()).collect();
    let now = shared.kernel.clock().now();
    let buried = statements
        .run(async |statement| {
            let buried = sqlx::query!(
                "with dead as materialized (
                     select tenant_id, id from jobs
                     where lease_owner is not null and lease_until < $1 and not (lease_owner = $2 and id = any($3))
                     for no key update skip locked)
                 update jobs j set lease_owner = null, lease_until = null, run_at = coalesce(j.run_at, $1) from dead d
                 where j.tenant_id = d.tenant_id and j.id = d.id",
                now,
                shared.node,
                &ids
            )
            .execute(&mut *statement)
            .await?;
            Ok(buried.rows_affected())
        })
        .await?;
    Ok(buried > 0)
}

/// Gives the lease back: the execution waits for a person (`None`) or until a moment.
pub(super) async fn park(
    shared: &Shared,
    claim: &Claim,
    wake_at: Option<Timestamp>,
    ran_ms: i64,
    waiting: bool,
) -> Result<()> {
    let state = if waiting { "waiting" } else { "queued" };
    // What waits is still told of, though nobody drives it.
    let waits: Vec<LiveStep> =
        shared.live.of(claim.execution).into_iter().filter(|step| step.state == LiveState::Waiting).collect();
    let live = told(&waits)?;
    shared
        .kernel
        .system(SystemReason::EngineBatch)
        .run(async |tx| {
            // A decision, a cancellation or a pause that came meanwhile is kept.
            sqlx::query!(
                "with job as (
                    update jobs set lease_owner = null, lease_until = null, live = $10, ran_ms = $5,
                        run_at = case when cancel_requested then $6::timestamptz when paused then null when $7 and exists (
                            select from approvals a where a.tenant_id = $1 and a.execution_id = $2 and a.state not in ('pending', 'cancelled')
                            and not exists (select from execution_journal x where x.tenant_id = $1 and x.execution_id = $2 and x.step = a.step))
                            then $6 else $4::timestamptz end
                    where tenant_id = $1 and id = $2 and lease_owner is not distinct from $3 and attempts = $9
                    returning id, paused and not cancel_requested as halted)
                 update executions set state = case when (select halted from job) then 'paused' else $8 end where tenant_id = $1 and id = $2 and exists (select from job)",
                claim.tenant.uuid(),
                claim.execution.uuid(),
                shared.node,
                wake_at,
                ran_ms,
                tx.now(),
                waiting,
                state,
                claim.attempt,
                live
            )
            .execute(&mut *tx)
            .await?;
            Ok(Audited::none("waiting is no event; what it waits for is", ()))
        })
        .await
}
