//! Drives one execution: starts what may start, journals what ended, ends it.
//!
//! The order that makes it durable: a step ends → what follows from it is worked out in memory → journal row and, if it
//! was the last one, the execution's end are committed together → only then does anything that follows begin. Whatever
//! goes wrong in between leaves the journal as it was, and whoever takes the execution up next goes on from there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tenure_kernel::event::Outcome as EventOutcome;
use tenure_kernel::{Audited, Error, Result, SystemReason, Timestamp};
use tenure_sandbox::Evaluation;
use tenure_workflow::ErrorClass;
use tenure_workflow::machine::{
    Entry, Machine, Outcome, Output, StepError, StepKey, StoredValue, Subject, Task, Work, Write,
};
use tenure_workflow::nodes::{Node, NodeKind};
use tenure_workflow::plan::{Condition, EdgeIndex, NodeIndex};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::document::Values;
use super::queue::{self, Claim};
use super::steps::{Done, Failure, Parking, Step, StepEnd};
use super::writer::{End, Request, Row};
use super::{Shared, Stop};
use crate::domain::executions::LiveStep;
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
    begun: Instant,
    next_seq: i32,
    /// Journal rows that are applied and not yet written.
    unwritten: Vec<Row>,
    steps: JoinSet<Done>,
    aborts: HashMap<StepKey, AbortHandle>,
    parked: HashMap<StepKey, Parking>,
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
    async fn open(shared: &Arc<Shared>, claim: &Arc<Claim>) -> Result<Self> {
        let (compiled, keys, entries) = shared
            .kernel
            .system(SystemReason::EngineBatch)
            .run(async |tx| {
                let compiled = shared.plans.get(&mut *tx, claim.tenant, claim.workflow, claim.version).await?;
                let keys = tx.keys_of(claim.tenant).await?;
                let entries = if claim.attempt > 1 {
                    sqlx::query_scalar!(
                        "select entry from execution_journal where tenant_id = $1 and execution_id = $2 order by seq",
                        claim.tenant.uuid(),
                        claim.execution.uuid()
                    )
                    .fetch_all(&mut *tx)
                    .await?
                } else {
                    Vec::new()
                };
                Ok(Audited::none("reads what an execution left", (compiled, keys, entries)))
            })
            .await?;
        let next_seq = i32::try_from(entries.len()).map_err(Error::internal)?;
        let entries = entries.iter().map(|entry| serde_json::from_str(entry)).collect::<Result<Vec<Entry>, _>>()?;
        let execution = Arc::new(json!({ "id": claim.execution, "environment": "dev", "attempt": 1 }));
        let machine = Machine::replay(Arc::clone(&compiled.plan), claim.input.clone(), execution, entries)
            .map_err(Error::internal)?;
        Ok(Self {
            values: Values::new(shared.objects.clone(), keys, claim.tenant),
            shared: Arc::clone(shared),
            claim: Arc::clone(claim),
            compiled,
            machine,
            begun: Instant::now(),
            next_seq,
            unwritten: Vec::new(),
            steps: JoinSet::new(),
            aborts: HashMap::new(),
            parked: HashMap::new(),
            shared_document: None,
        })
    }

    async fn run(mut self, mut stopped: watch::Receiver<Stop>) -> Result<()> {
        if self.claim.cancelled {
            return self.end(cancelled()).await;
        }
        if self.next_seq == 0 {
            self.begin().await?;
        }
        loop {
            self.advance().await?;
            if let Some(end) = self.ended().await? {
                return self.end(end).await;
            }
            if !self.write(None).await? {
                return Ok(());
            }
            self.tell();
            if self.steps.is_empty() && !self.due_soon() {
                return self.park().await;
            }
            let woken = self.wait(&mut stopped).await?;
            match woken {
                Woken::Done(done) => {
                    self.finish(*done).await?;
                    // Whatever else is over goes into the same commit.
                    while let Some(Ok(done)) = self.steps.try_join_next() {
                        self.finish(done).await?;
                    }
                }
                Woken::Due => self.release_due()?,
                Woken::TimedOut => {
                    let end = timed_out(self.limit());
                    return self.end(end).await;
                }
                Woken::Stopped(Stop::Cancelled) => return self.end(cancelled()).await,
                Woken::Stopped(_) => {
                    self.steps.abort_all();
                    return queue::park(&self.shared, &self.claim, Some(self.now()), self.ran_ms(), false).await;
                }
            }
        }
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

    /// Decides the edges out of `start`.
    async fn begin(&mut self) -> Result<()> {
        let document = self.machine.document_at_start();
        let taken = self.decide(Subject::Start, &document).await.map_err(|failure| Error::internal(failure.message));
        let taken = match taken {
            Ok(taken) => taken,
            // A condition on an edge out of `start` that cannot be evaluated: nothing can begin.
            Err(error) => {
                tracing::debug!(%error, "no edge out of start could be decided");
                Vec::new()
            }
        };
        self.journal(Entry::Begun { taken }, None)?;
        Ok(())
    }

    /// Starts what may start. What needs no step of its own (expanding and closing maps) is done at once.
    async fn advance(&mut self) -> Result<()> {
        loop {
            let mut at_once = false;
            for work in self.machine.ready() {
                match work.task.clone() {
                    Task::Run => self.start(work).await?,
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
                return Ok(());
            }
        }
    }

    async fn start(&mut self, work: Work) -> Result<()> {
        let node = self.body_of(work.node, &work.step);
        let instant = matches!(node.kind, NodeKind::Branch(_) | NodeKind::Note(_));
        self.machine.start(&work.step).map_err(Error::internal)?;
        if instant {
            let now = self.now();
            let done = Done {
                key: work.step,
                end: StepEnd::Output(Value::Null),
                attempts: 1,
                started_at: now,
                logs: None,
                usage: None,
            };
            // No task for what takes no time.
            return Box::pin(self.finish(done)).await;
        }
        let (document, locals) = match self.see(&work, &node).await {
            Ok(seen) => seen,
            Err(error) => {
                let now = self.now();
                let end = StepEnd::Failed(Failure::from(error));
                return Box::pin(self.finish(Done {
                    key: work.step,
                    end,
                    attempts: 1,
                    started_at: now,
                    logs: None,
                    usage: None,
                }))
                .await;
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
        };
        let abort = self.steps.spawn(step.run());
        self.aborts.insert(work.step, abort);
        Ok(())
    }

    /// The node that the step runs: of a map's item the map's body.
    fn body_of(&self, index: NodeIndex, step: &StepKey) -> Arc<Node> {
        let node = self.compiled.plan.node(index);
        match (&node.kind, step.item) {
            (NodeKind::Map(map), Some(_)) => Arc::new(Node::clone(&map.body)),
            _ => Arc::new(node.clone()),
        }
    }

    async fn see(&mut self, work: &Work, node: &Node) -> Result<(Arc<Value>, Option<Map<String, Value>>)> {
        let document = self.machine.document(&work.step).map_err(Error::internal)?;
        if work.step.item.is_none() {
            let (value, _) = self.values.document(&document).await?;
            return Ok((Arc::new(value), None));
        }
        // A plugin that asks for nothing is given its item alone: no need to make the rest.
        let item_alone =
            matches!(&node.kind, NodeKind::Plugin(plugin) if plugin.needs.is_none() && !plugin.config.is_templated());
        let known =
            self.shared_document.as_ref().filter(|(index, round, _)| *index == work.node && *round == work.step.round);
        if let Some((_, _, value)) = known {
            let value = Arc::clone(value);
            return Ok((value, self.values.locals(&document).await?));
        }
        let (value, locals) = if item_alone {
            (Value::Null, self.values.locals(&document).await?)
        } else {
            self.values.document(&document).await?
        };
        let value = Arc::new(value);
        self.shared_document = Some((work.node, work.step.round, Arc::clone(&value)));
        Ok((value, locals))
    }

    /// Evaluates a map's `over`.
    async fn expand(&mut self, work: &Work) -> Result<()> {
        let started_at = self.now();
        let node = self.compiled.plan.node(work.node);
        let program = format!("{}/over", node.pointer);
        let document = self.machine.document(&work.step).map_err(Error::internal)?;
        let (value, _) = self.values.document(&document).await?;
        let list = match self.evaluate(&[(program, None)], &value).await.map(|mut results| results.pop()) {
            Ok(Some(Value::Array(list))) => list,
            Ok(other) => {
                let kind = other.map_or("nothing", |value| kind_of(&value));
                return self
                    .fail(
                        work,
                        started_at,
                        Failure::new(ErrorClass::Expression, format!("`over` gave {kind}, not a list")),
                    )
                    .await;
            }
            Err(failure) => return self.fail(work, started_at, failure).await,
        };
        let Ok(count) = u32::try_from(list.len()) else {
            return self.fail(work, started_at, Failure::new(ErrorClass::Limit, "`over` gave too many items")).await;
        };
        let items = self.store(Value::Array(list)).await?;
        let row = self.row(&work.step, Some("expanded"), started_at, 1);
        self.journal(Entry::Expanded { step: work.step.clone(), items, count }, Some(row))
    }

    /// Assembles a map's list.
    async fn close(
        &mut self,
        work: &Work,
        parts: Result<Vec<tenure_workflow::machine::Part>, StepError>,
    ) -> Result<()> {
        let started_at = self.now();
        let batched = matches!(&self.compiled.plan.node(work.node).kind, NodeKind::Map(map) if map.batch.is_some());
        let end = match parts {
            Ok(parts) => StepEnd::Output(self.values.join(&parts, batched).await?),
            Err(error) => StepEnd::Failed(Failure { class: error.class, message: error.message }),
        };
        self.shared_document = None;
        self.finish(Done { key: work.step.clone(), end, attempts: 1, started_at, logs: None, usage: None }).await
    }

    async fn fail(&mut self, work: &Work, started_at: Timestamp, failure: Failure) -> Result<()> {
        let done = Done {
            key: work.step.clone(),
            end: StepEnd::Failed(failure),
            attempts: 1,
            started_at,
            logs: None,
            usage: None,
        };
        self.finish(done).await
    }

    /// Takes in what came of a step: works out what follows and puts it before the writer.
    async fn finish(&mut self, done: Done) -> Result<()> {
        self.aborts.remove(&done.key);
        let Some(index) = self.compiled.plan.find(&done.key.node) else {
            return Err(Error::internal("a step of no node ended"));
        };
        if !self.machine.in_flight().contains(&done.key) && done.key.item.is_some() {
            // The map it belongs to has failed meanwhile.
            return Ok(());
        }
        let (entry, state) = match done.end {
            StepEnd::Parked(parking) => {
                self.machine.park(&done.key).map_err(Error::internal)?;
                self.shared.live.started(self.claim.execution, self.waiting(&done.key, index));
                self.parked.insert(done.key, parking);
                return Ok(());
            }
            StepEnd::Output(value) => match self.succeed(index, &done.key, value).await? {
                Ok(outcome) => (outcome, "succeeded"),
                Err(failure) => (self.failed(index, &done.key, failure, done.attempts).await?, "failed"),
            },
            StepEnd::Failed(failure) => (self.failed(index, &done.key, failure, done.attempts).await?, "failed"),
        };
        self.shared.live.finished(self.claim.execution, &done.key.to_string());
        let mut row = self.row(&done.key, Some(state), done.started_at, done.attempts);
        row.logs = done.logs.map(|logs| logs.to_string());
        row.usage = done.usage.map(|usage| usage.to_string());
        self.journal(Entry::Finished { step: done.key, outcome: entry }, Some(row))
    }

    fn waiting(&self, key: &StepKey, index: NodeIndex) -> LiveStep {
        LiveStep {
            step: key.to_string(),
            node_type: self.compiled.plan.node(index).kind.name().to_owned(),
            state: "waiting",
            attempt: 1,
            started_at: self.now(),
        }
    }

    /// The outcome of a step with this output; or the failure of what belongs to it.
    async fn succeed(&mut self, index: NodeIndex, key: &StepKey, value: Value) -> Result<Result<Outcome, Failure>> {
        let plan = Arc::clone(&self.compiled.plan);
        let node = plan.node(index);
        let limit = if key.item.is_some() { self.body_of(index, key).limits.output } else { node.limits.output };
        if !matches!(node.kind, NodeKind::Map(_)) || key.item.is_some() {
            let size = serde_json::to_string(&value)?.len() as u64;
            if size > limit.0 {
                let message = format!("the output is {size} bytes of JSON; the node's limit is {}", limit.0);
                return Ok(Err(Failure::new(ErrorClass::Limit, message)));
            }
        }
        if key.item.is_some() {
            let output = self.store(value).await?;
            return Ok(Ok(Outcome::Succeeded { output, writes: Vec::new(), taken: Vec::new() }));
        }
        let writes = match self.writes(node, &value).await? {
            Ok(writes) => writes,
            Err(failure) => return Ok(Err(failure)),
        };
        let output = self.store(value).await?;
        let conditions = self.machine.conditions(Subject::Step(key));
        let taken = if conditions.is_empty() {
            conditions.decide::<Failure>(Vec::new())
        } else {
            let document = match node.kind {
                NodeKind::Branch(_) => self.machine.document(key),
                _ => self.machine.document_after(key, &output, &writes),
            };
            self.decide(Subject::Step(key), &document.map_err(Error::internal)?).await
        };
        Ok(taken.map(|taken| {
            let output = match node.kind {
                NodeKind::Branch(_) => StoredValue::from(plan.branch_output(index, &taken)),
                _ => output,
            };
            Outcome::Succeeded { output, writes, taken }
        }))
    }

    /// What `set` writes.
    async fn writes(&mut self, node: &Node, output: &Value) -> Result<Result<Vec<Write>, Failure>> {
        if node.set.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let programs: Vec<(String, Option<&Map<String, Value>>)> =
            node.set.iter().map(|set| (format!("{}/set/{}", node.pointer, set.key), None)).collect();
        let values = match self.evaluate(&programs, output).await {
            Ok(values) => values,
            Err(failure) => return Ok(Err(failure)),
        };
        let plan = Arc::clone(&self.compiled.plan);
        let mut writes = Vec::with_capacity(values.len());
        for (set, value) in node.set.iter().zip(values) {
            if let Some(declared) = plan.definition().state.iter().find(|declared| declared.name == set.key)
                && let Err(fault) = declared.reduce.check(&value)
            {
                return Ok(Err(Failure::new(ErrorClass::Expression, format!("`set.{}`: {fault}", set.key))));
            }
            writes.push(Write { key: set.key.clone(), value: self.store(value).await? });
        }
        Ok(Ok(writes))
    }

    /// The outcome of a step that failed for good.
    async fn failed(&mut self, index: NodeIndex, key: &StepKey, failure: Failure, attempts: u32) -> Result<Outcome> {
        let error = StepError { class: failure.class, message: failure.message, attempts };
        let plan = Arc::clone(&self.compiled.plan);
        let graph = plan.graph();
        let on_error = graph.node(index).outgoing.iter().any(|edge| graph.edge(*edge).condition == Condition::Error);
        if key.item.is_some() || on_error || !plan.node(index).continue_on_error {
            return Ok(Outcome::Failed { error, taken: Vec::new() });
        }
        let output = StoredValue::from(error.to_output());
        let document = self.machine.document_after(key, &output, &[]).map_err(Error::internal)?;
        let taken = self.decide(Subject::Step(key), &document).await.unwrap_or_default();
        Ok(Outcome::Failed { error, taken })
    }

    /// Evaluates the conditions of the edges and says which are taken.
    async fn decide(
        &mut self,
        subject: Subject<'_>,
        document: &tenure_workflow::machine::Document,
    ) -> Result<Vec<EdgeIndex>, Failure> {
        let conditions = self.machine.conditions(subject);
        let programs: Vec<(String, Option<&Map<String, Value>>)> =
            conditions.expressions().map(|pointer| (pointer.to_owned(), None)).collect();
        let mut results = Vec::with_capacity(programs.len());
        if !programs.is_empty() {
            let (value, _) = self.values.document(document).await?;
            let evaluations: Vec<Evaluation<'_>> =
                programs.iter().map(|(program, _)| Evaluation::new(program, &value)).collect();
            for result in self.shared.sandbox.expressions()?.evaluate(&self.compiled.programs, &evaluations).await? {
                results.push(match result {
                    Ok(Value::Bool(holds)) => Ok(holds),
                    Ok(other) => Err(Failure::new(
                        ErrorClass::Expression,
                        format!("a condition gave {}, not true or false", kind_of(&other)),
                    )),
                    Err(error) => Err(Failure::from(error)),
                });
            }
        }
        conditions.decide(results)
    }

    async fn evaluate(
        &self,
        programs: &[(String, Option<&Map<String, Value>>)],
        document: &Value,
    ) -> Result<Vec<Value>, Failure> {
        let evaluations: Vec<Evaluation<'_>> = programs
            .iter()
            .map(|(program, locals)| match locals {
                Some(locals) => Evaluation::new(program, document).with_locals(locals),
                None => Evaluation::new(program, document),
            })
            .collect();
        let results = self.shared.sandbox.expressions()?.evaluate(&self.compiled.programs, &evaluations).await?;
        results.into_iter().map(|result| result.map_err(Failure::from)).collect()
    }

    async fn store(&self, value: Value) -> Result<StoredValue> {
        self.shared.objects.store(self.values.keys(), self.claim.tenant, self.claim.execution, value).await
    }

    fn row(&self, step: &StepKey, state: Option<&'static str>, started_at: Timestamp, attempts: u32) -> Row {
        let node_type =
            self.compiled.plan.find(&step.node).map(|index| self.body_of(index, step).kind.name().to_owned());
        Row {
            seq: 0,
            step: Some(step.to_string()),
            node_type,
            state,
            attempts: i32::try_from(attempts).unwrap_or(i32::MAX),
            started_at,
            finished_at: self.now(),
            entry: String::new(),
            logs: None,
            usage: None,
        }
    }

    /// Applies an entry and puts its row, and those of the steps it skips, before the writer.
    fn journal(&mut self, entry: Entry, row: Option<Row>) -> Result<()> {
        let now = self.now();
        let text = serde_json::to_string(&entry)?;
        let change = self.machine.apply(entry).map_err(Error::internal)?;
        let row = row.unwrap_or(Row {
            seq: 0,
            step: None,
            node_type: None,
            state: None,
            attempts: 1,
            started_at: now,
            finished_at: now,
            entry: String::new(),
            logs: None,
            usage: None,
        });
        self.unwritten.push(Row { seq: self.next_seq, entry: text, ..row });
        self.next_seq += 1;
        for step in change.cancel {
            if let Some(abort) = self.aborts.remove(&step) {
                abort.abort();
            }
            self.parked.remove(&step);
            self.shared.live.finished(self.claim.execution, &step.to_string());
        }
        Ok(())
    }

    /// Commits what is unwritten; `false` if the execution is not this node's any more.
    async fn write(&mut self, end: Option<End>) -> Result<bool> {
        if self.unwritten.is_empty() && end.is_none() {
            return Ok(true);
        }
        let rows = std::mem::take(&mut self.unwritten);
        let request = Request { tenant: self.claim.tenant, execution: self.claim.execution, rows, end };
        let written = self.shared.writer.write(request).await.is_ok();
        if !written {
            self.steps.abort_all();
        }
        Ok(written)
    }

    fn tell(&self) {
        self.shared.tell_progress(self.claim.tenant, self.claim.execution);
    }

    /// How the execution ended, if it did.
    async fn ended(&mut self) -> Result<Option<End>> {
        match self.machine.status().clone() {
            tenure_workflow::machine::Status::Running => Ok(None),
            tenure_workflow::machine::Status::Failed { step, error } => {
                let reason = reason_of(error.class);
                Ok(Some(failed(
                    &json!({ "class": error.class, "message": error.message, "step": step.to_string() }),
                    reason,
                )))
            }
            tenure_workflow::machine::Status::Ended => match self.output().await? {
                Ok(output) => Ok(Some(End { output: Some(serde_json::to_string(&output)?), ..succeeded() })),
                Err(failure) => {
                    let error = json!({ "class": failure.class, "message": format!("the output could not be made: {}", failure.message), "step": null });
                    Ok(Some(failed(&error, reason_of(failure.class))))
                }
            },
        }
    }

    async fn output(&mut self) -> Result<Result<StoredValue, Failure>> {
        let value = match self.machine.output() {
            Output::Nothing => return Ok(Ok(StoredValue::null())),
            Output::Value(value) => return Ok(Ok(value)),
            Output::ByNode(outputs) => {
                let mut map = Map::new();
                for (node, stored) in outputs {
                    map.insert(node.to_string(), Value::clone(&*self.values.value(&stored).await?));
                }
                Value::Object(map)
            }
            Output::Mapping(mapping) => {
                let (document, _) = self.values.document(&self.machine.final_document()).await?;
                let programs: Vec<_> = mapping.iter().map(|(_, program)| (program.clone(), None)).collect();
                match self.evaluate(&programs, &document).await {
                    Ok(values) => Value::Object(mapping.into_iter().map(|(name, _)| name).zip(values).collect()),
                    Err(failure) => return Ok(Err(failure)),
                }
            }
        };
        self.store(value).await.map(Ok)
    }

    async fn end(mut self, end: End) -> Result<()> {
        self.steps.abort_all();
        let end = End { actor: self.claim.actor, workflow: self.claim.workflow.to_string(), ..end };
        if self.write(Some(end)).await? {
            self.tell();
        }
        Ok(())
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

    /// Nothing runs: gives the lease back until something is due or decided.
    async fn park(self) -> Result<()> {
        if self.parked.is_empty() {
            return Err(Error::internal("nothing runs, waits or is ready, and the execution has not ended"));
        }
        queue::park(&self.shared, &self.claim, self.next_due(), self.ran_ms(), true).await?;
        self.tell();
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
            changed = stopped.wait_for(|stop| *stop != Stop::No) => Ok(Woken::Stopped(changed.map_or(Stop::Abandoned, |stop| *stop))),
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

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn succeeded() -> End {
    end_as("succeeded", EventOutcome::Success, None)
}

fn end_as(state: &'static str, outcome: EventOutcome, reason: Option<&'static str>) -> End {
    let nobody = tenure_kernel::Actor::system(tenure_kernel::context::SystemPart::Engine);
    End { state, output: None, error: None, outcome, reason, actor: nobody, workflow: String::new() }
}

fn failed(error: &Value, reason: &'static str) -> End {
    End { error: Some(error.to_string()), ..end_as("failed", EventOutcome::Failure, Some(reason)) }
}

fn cancelled() -> End {
    let error = json!({ "class": "cancelled", "message": "the execution was cancelled", "step": null });
    End { error: Some(error.to_string()), ..end_as("cancelled", EventOutcome::Failure, Some("cancelled")) }
}

fn timed_out(limit: Option<Duration>) -> End {
    let limit = limit.map_or_else(String::new, |limit| format!(" of {limit:?}"));
    let error = json!({ "class": "timeout", "message": format!("the execution ran longer than its timeout{limit}"), "step": null });
    End { error: Some(error.to_string()), ..end_as("timed_out", EventOutcome::Failure, Some("timeout")) }
}

/// The class as events name it.
fn reason_of(class: ErrorClass) -> &'static str {
    class.as_str()
}
