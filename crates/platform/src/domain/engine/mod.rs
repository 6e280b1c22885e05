//! The engine: takes executions off the queue and drives them to their end, durably.
//!
//! - `queue.rs` claims work, fairly across tenants, and keeps leases alive. Whoever holds the lease works; a lease that
//!   is not renewed (the node died) runs out, and another node goes on from the journal.
//! - `drive.rs` drives one execution: a [`Machine`](tenure_workflow::machine::Machine) says what may start, steps run,
//!   what they end with is journaled before anything that follows begins.
//! - `writer.rs` writes the journal of all executions of this node in common transactions: one commit carries what many
//!   executions finished at the same time.
//! - `steps/` runs a step by its node's type; `document.rs` makes what it sees; `objects.rs` keeps what is too large for
//!   a row, and `sweep.rs` removes there what a crash left.
//!
//! Owns `jobs`, `execution_journal` and `execution_timers`, and moves `executions` on. Concurrency slots are not counted
//! anywhere: a slot *is* a leased row of `jobs`, so none can leak.

mod document;
mod drive;
pub mod objects;
mod queue;
mod standing;
mod steps;
mod sweep;
mod writer;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenure_egress::EgressClient;
use tenure_kernel::bus::Message;
use tenure_kernel::decision::Policy;
use tenure_kernel::{ExecutionId, Kernel, SystemReason, TenantId};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use objects::ObjectStore;
use queue::{Claim, Held};
use standing::Standings;
use writer::Writer;

use crate::domain::executions::LiveSteps;
use crate::domain::quotas::ProviderCalls;
use crate::domain::workflows::PlanCache;
use crate::sandbox::Sandbox;

/// How a node works.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Executions that this node drives at the same time.
    pub capacity: usize,
    /// How long a lease lasts without being renewed: what a crash costs before another node goes on.
    pub lease: Duration,
    /// Where values too large for a row are kept.
    pub objects: PathBuf,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { capacity: 256, lease: Duration::from_secs(6), objects: std::env::temp_dir().join("tenure-objects") }
    }
}

/// How often leases are renewed and cancellations looked for.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long it may take to give leases back; what is late runs out by itself.
const GIVING_BACK: Duration = Duration::from_secs(1);
/// Two claims begin at least so far apart. On an idle node none waits for it; on a busy one a claim then takes what came
/// meanwhile in one go, instead of one transaction for each execution.
const BETWEEN_CLAIMS: Duration = Duration::from_millis(1);
/// How often the queue is looked at although nobody said that there is work.
const POLL: Duration = Duration::from_millis(500);

/// Why an execution is to stop, the more pressing reasons last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    /// It goes on.
    No,
    /// What runs may end, nothing more begins: somebody paused it, or this node shuts down.
    Winding,
    /// Somebody cancelled it.
    Cancelled,
    /// This node lost its lease, or shuts down: another one goes on.
    Abandoned,
}

/// What the parts of the engine share.
struct Shared {
    node: Uuid,
    kernel: Kernel,
    plans: PlanCache,
    sandbox: Sandbox,
    egress: EgressClient,
    policy: Arc<dyn Policy>,
    /// Of the month's calls to providers those that this node holds.
    calls: ProviderCalls,
    objects: ObjectStore,
    standings: Standings,
    writer: Writer,
    live: Arc<LiveSteps>,
    config: EngineConfig,
    /// Executions that this node drives now, with the way to stop them.
    running: Mutex<HashMap<Held, watch::Sender<Stop>>>,
    work: Notify,
    stopping: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("node", &self.node).finish_non_exhaustive()
    }
}

/// A handle on this node's engine.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Shared>);

/// What an engine is made of.
pub struct Parts {
    /// Pools, clock, keys.
    pub kernel: Kernel,
    /// Compiled workflow versions.
    pub plans: PlanCache,
    /// Runs what tenants write.
    pub sandbox: Sandbox,
    /// Makes outbound calls.
    pub egress: EgressClient,
    /// What may happen.
    pub policy: Arc<dyn Policy>,
    /// Where it says what runs at this moment.
    pub live: Arc<LiveSteps>,
    /// How this node works.
    pub config: EngineConfig,
}

impl Engine {
    /// An engine that does nothing yet. [`Engine::run`] sets it going.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { kernel, plans, sandbox, egress, policy, live, config } = parts;
        let node = Uuid::new_v4();
        let shared = Arc::new(Shared {
            node,
            writer: Writer::new(kernel.clone(), node),
            standings: Standings::new(&kernel),
            calls: ProviderCalls::default(),
            objects: ObjectStore::new(config.objects.clone()),
            live,
            kernel,
            plans,
            sandbox,
            egress,
            policy,
            config,
            running: Mutex::default(),
            work: Notify::new(),
            stopping: AtomicBool::new(false),
        });
        let this = Arc::downgrade(&shared);
        shared.kernel.bus().on_news(move |message| {
            let Some(this) = this.upgrade() else { return };
            match message {
                Message::WorkQueued | Message::NewsLost => this.work.notify_one(),
                Message::ExecutionCancelled { execution } => this.stop_execution(*execution, Stop::Cancelled),
                _ => {}
            }
        });
        Self(shared)
    }

    /// Values too large for a row.
    #[must_use]
    pub fn objects(&self) -> &ObjectStore {
        &self.0.objects
    }

    /// Whether a value is so small that it stands in its row.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn keeps_inline(&self, value: &serde_json::Value) -> tenure_kernel::Result<bool> {
        ObjectStore::keeps_inline(value)
    }

    /// Works until the future is dropped; leases then run out and others go on.
    pub async fn run(&self) {
        tokio::join!(self.0.writer.run(), self.renew(), self.take());
    }

    /// Takes no new work, gives running steps `grace` to end, then leaves what is left to be resumed.
    pub async fn stop(&self, grace: Duration) {
        self.0.stopping.store(true, Ordering::Release);
        self.0.stop_all(Stop::Winding);
        if !self.drained(grace).await {
            self.0.stop_all(Stop::Abandoned);
            self.drained(GIVING_BACK).await;
        }
        self.settle_calls(true).await;
    }

    /// Gives back calls to providers that this node holds and does not use; all of them where it stops.
    pub async fn settle_calls(&self, everything: bool) {
        if let Err(error) = self.0.calls.settle(&self.0.kernel, everything).await {
            tracing::warn!(%error, "calls to providers that were not made are still counted");
        }
    }

    /// Whether nothing runs here any more, by then.
    async fn drained(&self, patience: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + patience;
        while !self.0.running.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            if tokio::time::Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }

    async fn take(&self) {
        let mut executions = JoinSet::new();
        loop {
            let begun = tokio::time::Instant::now();
            let stopping = self.0.stopping.load(Ordering::Acquire);
            let free = if stopping { 0 } else { self.0.config.capacity.saturating_sub(executions.len()) };
            let claimed = if free == 0 { Ok(Vec::new()) } else { queue::claim(&self.0, free).await };
            let claimed = claimed.unwrap_or_else(|error| {
                tracing::warn!(%error, "the queue could not be read");
                Vec::new()
            });
            let more = queue::may_have_left_some(&claimed);
            claimed.into_iter().for_each(|claim| self.set_going(&mut executions, claim));
            let took = begun.elapsed();
            // A timer of no time is a millisecond all the same.
            if took < BETWEEN_CLAIMS {
                tokio::time::sleep_until(begun + BETWEEN_CLAIMS).await;
            }
            if more && executions.len() < self.0.config.capacity {
                continue;
            }
            tokio::select! {
                () = self.0.work.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                // Its slot is free, so another of the tenant's may begin: together with those whose slots come free while the
                // machine rests from the last claim, twice as long as that took. New work does not wait for it.
                Some(_) = executions.join_next() => {
                    let _ = tokio::time::timeout_at(begun + 3 * took, self.0.work.notified()).await;
                }
            }
            while executions.try_join_next().is_some() {}
        }
    }

    fn set_going(&self, executions: &mut JoinSet<()>, claim: Claim) {
        let (stop, stopped) = watch::channel(Stop::No);
        let held = claim.held();
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner).insert(held, stop);
        let shared = Arc::clone(&self.0);
        executions.spawn(async move {
            drive::drive(&shared, claim, stopped).await;
            shared.live.forget(held.execution);
            shared.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&held);
        });
    }

    async fn renew(&self) {
        let mut beat = tokio::time::interval(HEARTBEAT);
        let mut renewed = tokio::time::Instant::now();
        let mut statements = self.0.kernel.statements(SystemReason::EngineBatch, "a node's sign of life");
        loop {
            beat.tick().await;
            let held = self.0.held();
            match queue::renew(&self.0, &mut statements, &held).await {
                Ok(renewal) => {
                    renewed = tokio::time::Instant::now();
                    renewal.paused.into_iter().for_each(|held| self.0.stop(held, Stop::Winding));
                    renewal.cancelled.into_iter().for_each(|held| self.0.stop(held, Stop::Cancelled));
                    renewal.lost.into_iter().for_each(|held| self.0.stop(held, Stop::Abandoned));
                }
                Err(error) => {
                    tracing::warn!(%error, "leases could not be renewed");
                    if renewed.elapsed() >= self.0.config.lease {
                        held.into_iter().for_each(|held| self.0.stop(held, Stop::Abandoned));
                    }
                }
            }
            match queue::bury(&self.0, &mut statements, &self.0.held()).await {
                Ok(true) => self.0.work.notify_one(),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "what dead nodes left could not be looked for"),
            }
        }
    }
}

impl Shared {
    /// Wakes who watches on this node; those on others look again by themselves.
    fn tell_progress(&self, tenant: TenantId, execution: ExecutionId, over: bool) {
        self.kernel.bus().tell_here(Message::ExecutionProgress { tenant, execution, over });
    }

    /// What this node drives.
    fn held(&self) -> Vec<Held> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    fn stop(&self, held: Held, why: Stop) {
        if let Some(stop) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&held) {
            press(stop, why);
        }
    }

    fn stop_execution(&self, execution: ExecutionId, why: Stop) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().filter(|(held, _)| held.execution == execution).for_each(|(_, stop)| press(stop, why));
    }

    fn stop_all(&self, why: Stop) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).values().for_each(|stop| press(stop, why));
    }
}

/// A more pressing reason replaces a lesser one.
fn press(stop: &watch::Sender<Stop>, why: Stop) {
    stop.send_if_modified(|stop| {
        *stop < why && {
            *stop = why;
            true
        }
    });
}
