//! Drives one execution: starts what may start, journals what ended, ends it.
//!
//! The order that makes it durable: a step ends → what follows from it is worked out in memory → journal row and, if it
//! was the last one, the execution's end are committed together → only then does anything that follows begin. Whatever
//! goes wrong in between leaves the journal as it was, and whoever takes the execution up next goes on from there.
//!
//! `open.rs` takes an execution up from its journal, `maps.rs` makes what a step sees and opens and closes maps,
//! `outcome.rs` works out what follows from a step's end, `rows.rs` writes it down, `end.rs` ends the execution.

mod end;
mod maps;
mod open;
mod outcome;
mod rows;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tenure_kernel::{Error, Result, Timestamp};
use tenure_workflow::machine::{Entry, Machine, StepKey, Subject, Task, Work};
use tenure_workflow::nodes::NodeKind;
use tenure_workflow::plan::{Condition, NodeIndex};
use tenure_workflow::sensitive::SensitiveValues;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::document::Values;
use super::queue::{self, Claim};
use super::steps::{Attempts, Done, Failure, Parking, Step, StepEnd};
use super::writer::{End, Row};
use super::{Shared, Stop};
use crate::domain::executions::{LiveState, LiveStep};
use crate::domain::workflows::CompiledWorkflow;

/// How long an execution that could not be taken up is left alone.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// A step that waits for people is looked at so often while others of its execution run.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Drives it until it ends, waits, or is not this node's any more.
pub(super) async fn drive(shared: &Arc<Shared>, claim: Claim, stopped: watch::Receiver<Stop>) {
    let claim = Arc::new(claim);
    let driven = match Drive::open(shared, &claim).await {
        Ok(drive) => drive.run(stopped).await,
        // What cannot be read cannot be driven, but it can be ended: else a cancellation would come back for ever.
        Err(error) if claim.cancelled => {
            tracing::warn!(execution = %claim.execution, %error, "a cancelled execution is ended without its journal");
            end::unopened(shared, &claim).await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    if let Err(error) = driven {
        tracing::warn!(execution = %claim.execution, %error, "an execution was left to be taken up again");
        let again = shared.kernel.clock().now().after(TRY_AGAIN_AFTER);
        if let Err(error) = queue::park(shared, &claim, Some(again), claim.ran_ms, false).await {
            tracing::warn!(execution = %claim.execution, %error, "its lease runs out by itself");
        }
    }
}

struct Drive {
    shared: Arc<Shared>,
    claim: Arc<Claim>,
    compiled: Arc<CompiledWorkflow>,
    machine: Machine,
    values: Values,
    /// What is sensitive in the input and in what plugins gave.
    sensitive: Arc<SensitiveValues>,
    begun: Instant,
    next_seq: i32,
    /// Journal rows that are applied and not yet written.
    unwritten: Vec<Row>,
    steps: JoinSet<Done>,
    aborts: HashMap<StepKey, AbortHandle>,
    parked: HashMap<StepKey, Parking>,
    /// Steps that failed and are tried again: how often they did, and not before when.
    failed: HashMap<StepKey, Attempts>,
    /// Nothing more is begun: somebody paused it, or this node is about to stop.
    winding: bool,
    /// The document of the map whose items are being started: the same for all of them.
    shared_document: Option<(NodeIndex, u32, Arc<Value>)>,
}

/// What ended the waiting.
enum Woken {
    Done(Box<Done>),
    Stopped(Stop),
    TimedOut,
    Due,
}

impl Drive {
    async fn run(mut self, mut stopped: watch::Receiver<Stop>) -> Result<()> {
        if self.claim.cancelled {
            return self.end(end::cancelled()).await;
        }
        self.winding = self.claim.paused;
        if !self.winding
            && !self.machine.has_begun()
            && let Some(end) = self.begin().await?
        {
            return self.end(end).await;
        }
        loop {
            if !self.winding && !self.advance().await? {
                return Ok(());
            }
            if let Some(end) = self.ended().await? {
                return self.end(end).await;
            }
            if !self.write(None).await? {
                return Ok(());
            }
            self.tell(false);
            if self.steps.is_empty() && (self.winding || !self.due_soon()) {
                return self.park().await;
            }
            match self.wait(&mut stopped).await? {
                Woken::Done(done) => self.take_in(*done).await?,
                Woken::Due => self.release_due()?,
                Woken::TimedOut => {
                    let end = end::timed_out(self.limit());
                    return self.end(end).await;
                }
                Woken::Stopped(Stop::Winding) => self.winding = true,
                Woken::Stopped(Stop::Cancelled) => return self.end(end::cancelled()).await,
                Woken::Stopped(_) => {
                    self.steps.abort_all();
                    return queue::park(&self.shared, &self.claim, Some(self.now()), self.ran_ms(), false).await;
                }
            }
        }
    }

    /// A step that is over, and whatever else is over by now: all of it goes into the same commit. What ended well comes
    /// first, for nothing is taken in after a failure that ends the execution, and what finished is kept.
    async fn take_in(&mut self, done: Done) -> Result<()> {
        let mut all = vec![done];
        while let Some(Ok(done)) = self.steps.try_join_next() {
            all.push(done);
        }
        all.sort_by_key(|done| matches!(done.end, StepEnd::Failed(_)));
        for done in all {
            self.finish(done).await?;
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.shared.kernel.clock().now()
    }

    /// How long it has run, the waits left out.
    fn ran_ms(&self) -> i64 {
        self.claim.ran_ms.saturating_add(i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    fn limit(&self) -> Option<Duration> {
        self.compiled.plan.definition().limits.timeout.map(tenure_workflow::Timespan::as_duration)
    }

    /// Decides the edges out of `start`. Where a condition there cannot be evaluated nothing can begin: that is a failure.
    async fn begin(&mut self) -> Result<Option<End>> {
        let document = self.machine.document_at_start();
        match self.decide(Subject::Start, &document).await {
            Ok(taken) => {
                self.journal(Entry::Begun { taken }, None)?;
                Ok(None)
            }
            Err(failure) => Ok(Some(end::not_begun(&self.masked(failure)))),
        }
    }

    /// Starts what may start. What needs no step of its own (expanding and closing maps) is done at once. `false` if the
    /// execution is not this node's any more.
    async fn advance(&mut self) -> Result<bool> {
        loop {
            let mut at_once = false;
            for work in self.machine.ready() {
                match work.task.clone() {
                    // What it builds on is durable before it begins: were that lost, it would have acted on what never was.
                    Task::Run if !self.is_instant(&work) && !self.builds_on_nothing() && !self.write(None).await? => {
                        return Ok(false);
                    }
                    Task::Run if self.winding => return Ok(true),
                    Task::Run => at_once = self.start(work).await?,
                    Task::Expand => {
                        self.expand(&work).await?;
                        at_once = true;
                    }
                    Task::Close(parts) => {
                        self.close(&work, parts).await?;
                        at_once = true;
                    }
                }
                if at_once {
                    break;
                }
            }
            if !at_once {
                return Ok(true);
            }
        }
    }

    /// Whether all that is unwritten is that the execution has begun, and it can begin in one way only: were that lost,
    /// whoever takes it up next would begin the same steps.
    fn builds_on_nothing(&self) -> bool {
        let graph = self.compiled.plan.graph();
        let only_begun = self.next_seq == 1 && self.unwritten.len() == 1;
        only_begun && graph.start().iter().all(|edge| graph.edge(*edge).condition == Condition::Always)
    }

    /// Whether it takes no time and has no effect, so that no task is needed.
    fn is_instant(&self, work: &Work) -> bool {
        let kind = match (&self.compiled.plan.node(work.node).kind, work.step.item) {
            (NodeKind::Map(map), Some(_)) => &map.body.kind,
            (kind, _) => kind,
        };
        matches!(kind, NodeKind::Branch(_) | NodeKind::Note(_))
    }

    /// Starts a step; whether it is over already, so that what is ready must be asked anew.
    async fn start(&mut self, work: Work) -> Result<bool> {
        let node = self.body_of(work.node, &work.step);
        self.machine.start(&work.step).map_err(Error::internal)?;
        if matches!(node.kind, NodeKind::Branch(_) | NodeKind::Note(_)) {
            let done = Done::at_once(work.step, StepEnd::Output(Value::Null), self.now());
            Box::pin(self.finish(done)).await?;
            return Ok(true);
        }
        let (document, locals) = match self.see(&work, &node).await {
            Ok(seen) => seen,
            Err(error) => {
                let done = Done::at_once(work.step, StepEnd::Failed(Failure::from(error)), self.now());
                Box::pin(self.finish(done)).await?;
                return Ok(true);
            }
        };
        let step = Step {
            shared: Arc::clone(&self.shared),
            claim: Arc::clone(&self.claim),
            compiled: Arc::clone(&self.compiled),
            key: work.step.clone(),
            node,
            document,
            locals: locals.map(Arc::new),
            attempts: self.failed.get(&work.step).copied().unwrap_or_default(),
            sensitive: Arc::clone(&self.sensitive),
        };
        let abort = self.steps.spawn(step.run());
        self.aborts.insert(work.step, abort);
        Ok(false)
    }

    /// Takes in what came of a step: works out what follows and puts it before the writer.
    async fn finish(&mut self, done: Done) -> Result<()> {
        self.aborts.remove(&done.key);
        let Some(index) = self.compiled.plan.find(&done.key.node) else {
            return Err(Error::internal("a step of no node ended"));
        };
        // The map it belongs to, or the execution, has failed meanwhile.
        if !self.machine.takes_in(&done.key) {
            return Ok(());
        }
        let (entry, state) = match done.end {
            StepEnd::Parked(parking) => {
                self.machine.park(&done.key).map_err(Error::internal)?;
                self.shared.live.started(self.claim.execution, self.waiting(&done.key, index));
                if let Some(attempts) = done.again {
                    self.failed.insert(done.key.clone(), attempts);
                }
                self.parked.insert(done.key, parking);
                return Ok(());
            }
            StepEnd::Output(value) => match self.succeed(index, &done.key, value, done.sensitive).await? {
                Ok(outcome) => (outcome, "succeeded"),
                Err(failure) => (self.failed(index, &done.key, failure, done.attempts).await?, "failed"),
            },
            StepEnd::Failed(failure) => (self.failed(index, &done.key, failure, done.attempts).await?, "failed"),
        };
        self.shared.live.finished(self.claim.execution, &done.key.to_string());
        let mut row = self.row(&done.key, Some(state), done.started_at, done.attempts);
        row.logs = done.logs.map(|logs| self.sensitive.masked(&logs, &[]).to_string());
        row.usage = done.usage.map(|usage| usage.to_string());
        self.journal(Entry::Finished { step: done.key, outcome: entry }, Some(row))
    }

    fn waiting(&self, key: &StepKey, index: NodeIndex) -> LiveStep {
        LiveStep {
            step: key.to_string(),
            node_type: self.body_of(index, key).kind.name().to_owned(),
            state: LiveState::Waiting,
            attempt: self.failed.get(key).map_or(1, |attempts| attempts.failed + 1),
            started_at: self.now(),
        }
    }

    fn tell(&self, over: bool) {
        self.shared.tell_progress(self.claim.tenant, self.claim.execution, over);
    }

    /// Whether something parked is over so soon that the lease is kept.
    fn due_soon(&self) -> bool {
        self.next_due().is_some_and(|due| due <= self.now())
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.parked
            .values()
            .filter_map(|parking| match parking {
                Parking::Until(at) => Some(*at),
                Parking::People(expires) => *expires,
            })
            .min()
    }

    fn release_due(&mut self) -> Result<()> {
        let now = self.now();
        let due: Vec<StepKey> = self
            .parked
            .iter()
            .filter(|(_, parking)| match parking {
                Parking::Until(at) => *at <= now,
                Parking::People(_) => true,
            })
            .map(|(step, _)| step.clone())
            .collect();
        for step in due {
            self.parked.remove(&step);
            self.machine.release(&step).map_err(Error::internal)?;
        }
        Ok(())
    }

    /// Nothing runs: gives the lease back until something is due or decided, or, where nothing more was to be begun, until
    /// whoever takes it up next goes on at once.
    async fn park(self) -> Result<()> {
        let ready = !self.machine.has_begun() || !self.machine.ready().is_empty();
        if self.parked.is_empty() && !ready {
            return Err(Error::internal("nothing runs, waits or is ready, and the execution has not ended"));
        }
        let (wake_at, waiting) = if ready { (Some(self.now()), false) } else { (self.next_due(), true) };
        queue::park(&self.shared, &self.claim, wake_at, self.ran_ms(), waiting).await?;
        self.tell(false);
        Ok(())
    }

    async fn wait(&mut self, stopped: &mut watch::Receiver<Stop>) -> Result<Woken> {
        let left = self
            .limit()
            .map(|limit| limit.saturating_sub(Duration::from_millis(u64::try_from(self.ran_ms()).unwrap_or(0))));
        let out_of_time = async {
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        let heeded = if self.winding { Stop::Winding } else { Stop::No };
        let people = self.parked.values().any(|parking| matches!(parking, Parking::People(_)));
        let due = self.next_due().map(|due| due.since(self.now()));
        let due = if people { Some(due.map_or(ASK_AGAIN_AFTER, |due| due.min(ASK_AGAIN_AFTER))) } else { due };
        let due = async {
            match due {
                Some(due) => tokio::time::sleep(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = stopped.wait_for(|stop| *stop > heeded) => Ok(Woken::Stopped(changed.map_or(Stop::Abandoned, |stop| *stop))),
            () = out_of_time => Ok(Woken::TimedOut),
            Some(done) = self.steps.join_next() => match done {
                Ok(done) => Ok(Woken::Done(Box::new(done))),
                // Aborted, because its map or execution is over: there is nothing to take in.
                Err(error) if error.is_cancelled() => Ok(Woken::Due),
                Err(error) => Err(Error::internal(error)),
            },
            () = due => Ok(Woken::Due),
        }
    }
}
