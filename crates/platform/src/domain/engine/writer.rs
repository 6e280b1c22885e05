//! Writes the journal of all executions of this node in common transactions.
//!
//! An execution hands over what it has to write and waits. Whatever came while the last commit was under way goes into
//! the next one, so nothing waits for a timer, and under load one commit carries many executions' steps.
//!
//! Steps are one statement, which is its own transaction: check and lock the leases, write the rows. What ends executions
//! has events and takes a transaction of several statements, so it waits in a queue of its own and holds no step up.

use std::collections::HashMap;

use tenure_kernel::event::Outcome;
use tenure_kernel::{
    Actor, Audited, Error, ExecutionId, Kernel, NewEvent, Problem, Result, Statements, SystemReason, SystemTx,
    TenantId, Timestamp,
};
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

use super::queue::Held;
use crate::domain::executions::ExecutionEvent;

/// One row of the journal.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) seq: i32,
    pub(super) step: Option<String>,
    pub(super) node_type: Option<String>,
    pub(super) state: Option<&'static str>,
    pub(super) attempts: i32,
    pub(super) started_at: Timestamp,
    pub(super) finished_at: Timestamp,
    /// `machine::Entry` as JSON.
    pub(super) entry: String,
    pub(super) logs: Option<String>,
    pub(super) usage: Option<String>,
}

/// How an execution ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) state: &'static str,
    pub(super) output: Option<String>,
    pub(super) error: Option<String>,
    pub(super) outcome: Outcome,
    pub(super) reason: Option<&'static str>,
    pub(super) actor: Actor,
    pub(super) workflow: String,
    /// Approvals of it may be open.
    pub(super) asked: bool,
}

/// What one execution has to write.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) tenant: TenantId,
    pub(super) execution: ExecutionId,
    /// Which claim of it this is.
    pub(super) attempt: i32,
    pub(super) rows: Vec<Row>,
    pub(super) end: Option<End>,
}

impl Request {
    fn held(&self) -> Held {
        Held { tenant: self.tenant, execution: self.execution, attempt: self.attempt }
    }
}

type Written = oneshot::Sender<Result<Wish, Lost>>;

/// What people want of an execution, as the commit that wrote its rows saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nobody asked for anything.
    GoOn,
    /// It was paused or cancelled: nothing more is to begin.
    Halt,
}

/// What was written, of a lease that is still this node's.
struct Kept {
    tenant: TenantId,
    execution: ExecutionId,
    attempt: i32,
    halted: bool,
}

impl Kept {
    fn held(&self) -> Held {
        Held { tenant: self.tenant, execution: self.execution, attempt: self.attempt }
    }

    fn wish(&self) -> Wish {
        if self.halted { Wish::Halt } else { Wish::GoOn }
    }
}

/// The lease was lost, or PostgreSQL is gone: the execution is to be left to whoever takes it up next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost;

/// The most requests that one transaction carries.
const BATCH: usize = 256;
/// Steps' statements under way at the same time: while one waits for the disk the next one is filled. Ends go one transaction
/// after the other: nobody waits for them but who looks at the execution, and fuller transactions leave the machine to steps.
const WRITERS: usize = 2;

/// What waits to be written, taken by several in turn.
struct Queue {
    sender: mpsc::Sender<(Request, Written)>,
    waiting: Mutex<mpsc::Receiver<(Request, Written)>>,
}

impl Queue {
    fn new() -> Self {
        let (sender, waiting) = mpsc::channel(4 * BATCH);
        Self { sender, waiting: Mutex::new(waiting) }
    }

    /// Waits for the first and takes what is there with it, in the order in which leases are locked.
    async fn take(&self) -> (Vec<Request>, Vec<Written>) {
        let mut batch = Vec::new();
        self.waiting.lock().await.recv_many(&mut batch, BATCH).await;
        batch.sort_unstable_by_key(|(request, _)| request.held());
        batch.into_iter().unzip()
    }
}

/// How the requests of a queue are written.
enum How {
    Steps(Statements),
    Ends,
}

/// See the module.
pub(super) struct Writer {
    kernel: Kernel,
    node: Uuid,
    steps: Queue,
    ends: Queue,
}

impl Writer {
    pub(super) fn new(kernel: Kernel, node: Uuid) -> Self {
        Self { kernel, node, steps: Queue::new(), ends: Queue::new() }
    }

    /// Returns once it is durable.
    pub(super) async fn write(&self, request: Request) -> Result<Wish, Lost> {
        let (written, done) = oneshot::channel();
        let queue = if request.end.is_some() { &self.ends } else { &self.steps };
        queue.sender.send((request, written)).await.map_err(|_| Lost)?;
        done.await.unwrap_or(Err(Lost))
    }

    pub(super) async fn run(&self) {
        let steps = || {
            let without_event = "steps are journal rows, not events";
            self.work(&self.steps, How::Steps(self.kernel.statements(SystemReason::EngineBatch, without_event)))
        };
        let steps = futures::future::join_all((0..WRITERS).map(|_| steps()));
        futures::join!(steps, self.work(&self.ends, How::Ends));
    }

    async fn work(&self, queue: &Queue, mut how: How) {
        loop {
            let (requests, waiting) = queue.take().await;
            let kept = self.write_all(&mut how, &requests).await;
            let kept: HashMap<Held, Wish> = kept.iter().map(|kept| (kept.held(), kept.wish())).collect();
            for (request, written) in requests.iter().zip(waiting) {
                let result = kept.get(&request.held()).copied().ok_or(Lost);
                // The execution was dropped meanwhile: nobody waits.
                let _ = written.send(result);
            }
        }
    }

    /// Writes all in one transaction; where that fails each in its own, so that what ails one does not set back the others.
    async fn write_all(&self, how: &mut How, requests: &[Request]) -> Vec<Kept> {
        match self.commit(how, requests).await {
            Ok(kept) => return kept,
            Err(error) => tracing::warn!(%error, requests = requests.len(), "the journal could not be written"),
        }
        if requests.len() < 2 {
            return Vec::new();
        }
        let mut kept = Vec::new();
        for request in requests {
            match self.commit(how, std::slice::from_ref(request)).await {
                Ok(one) => kept.extend(one),
                Err(error) => {
                    tracing::warn!(%error, execution = %request.execution, "its journal could not be written");
                }
            }
        }
        kept
    }

    /// Writes what still belongs to this node, in one transaction; gives back whose.
    async fn commit(&self, how: &mut How, requests: &[Request]) -> Result<Vec<Kept>> {
        match how {
            How::Steps(statements) => self.write_steps(statements, requests).await,
            How::Ends => self.write_ends(requests).await,
        }
    }

    async fn write_steps(&self, statements: &mut Statements, requests: &[Request]) -> Result<Vec<Kept>> {
        statements.run(async |statement| write_rows(&mut *statement, self.node, requests).await).await
    }

    async fn write_ends(&self, requests: &[Request]) -> Result<Vec<Kept>> {
        self.kernel
            .system(SystemReason::EngineBatch)
            .run(async |tx| {
                lock_approvals(tx, requests).await?;
                let kept = write_rows(&mut *tx, self.node, requests).await?;
                let of = requests.iter().filter(|request| kept.iter().any(|kept| kept.held() == request.held()));
                let ended: Vec<(&Request, &End)> =
                    of.filter_map(|request| Some((request, request.end.as_ref()?))).collect();
                end(tx, &ended).await?;
                Ok(Audited::many(kept, ended.iter().map(|(request, end)| event(request, end))))
            })
            .await
    }
}

/// Locks the leases against being taken over and writes the rows of those that are still this node's, in one statement;
/// gives back whose, and whether somebody halted them: a pause that was answered before is seen here, long before the next
/// renewal, and what builds on these rows does not begin.
async fn write_rows<'c>(executor: impl sqlx::PgExecutor<'c>, node: Uuid, requests: &[Request]) -> Result<Vec<Kept>> {
    let leases = Leases::of(requests);
    let rows = Columns::of(requests);
    let held = sqlx::query_as!(
        Kept,
        r#"with held as materialized (
               select j.tenant_id, j.id, j.attempts, j.halted from unnest($1::uuid[], $2::uuid[], $3::int[]) as r (tenant_id, id, attempt)
               cross join lateral (
                   select j.tenant_id, j.id, j.attempts, j.paused or j.cancel_requested as halted from jobs j
                   where j.tenant_id = r.tenant_id and j.id = r.id and j.attempts = r.attempt and j.lease_owner is not distinct from $4
                   for no key update) j),
           written as (
               insert into execution_journal (tenant_id, execution_id, seq, step, node_type, state, attempts, started_at, finished_at, entry, logs, usage)
               select r.* from unnest($5::uuid[], $6::uuid[], $7::int[], $8::text[], $9::text[], $10::text[], $11::int[], $12::timestamptz[],
                                      $13::timestamptz[], $14::text[], $15::text[], $16::text[])
                          as r (tenant_id, execution_id, seq, step, node_type, state, attempts, started_at, finished_at, entry, logs, usage)
               join held h on h.tenant_id = r.tenant_id and h.id = r.execution_id)
           select tenant_id as "tenant!: TenantId", id as "execution!: ExecutionId", attempts as "attempt!", halted as "halted!" from held"#,
        &leases.tenants,
        &leases.executions,
        &leases.attempts,
        node,
        &rows.tenants,
        &rows.executions,
        &rows.seqs,
        &rows.steps as &[Option<&str>],
        &rows.types as &[Option<&str>],
        &rows.states as &[Option<&str>],
        &rows.attempts,
        &rows.started as &[Timestamp],
        &rows.finished as &[Timestamp],
        &rows.entries as &[&str],
        &rows.logs as &[Option<&str>],
        &rows.usages as &[Option<&str>]
    )
    .fetch_all(executor)
    .await?;
    Ok(held)
}

/// Which claims the requests are of, column by column.
struct Leases {
    tenants: Vec<Uuid>,
    executions: Vec<Uuid>,
    attempts: Vec<i32>,
}

impl Leases {
    fn of<'r>(requests: impl IntoIterator<Item = &'r Request>) -> Self {
        let mut leases = Self { tenants: Vec::new(), executions: Vec::new(), attempts: Vec::new() };
        for request in requests {
            leases.tenants.push(request.tenant.uuid());
            leases.executions.push(request.execution.uuid());
            leases.attempts.push(request.attempt);
        }
        leases
    }
}

/// The rows, column by column.
struct Columns<'r> {
    tenants: Vec<Uuid>,
    executions: Vec<Uuid>,
    seqs: Vec<i32>,
    steps: Vec<Option<&'r str>>,
    types: Vec<Option<&'r str>>,
    states: Vec<Option<&'r str>>,
    attempts: Vec<i32>,
    started: Vec<Timestamp>,
    finished: Vec<Timestamp>,
    entries: Vec<&'r str>,
    logs: Vec<Option<&'r str>>,
    usages: Vec<Option<&'r str>>,
}

impl<'r> Columns<'r> {
    fn of(requests: &'r [Request]) -> Self {
        let rows: Vec<(&Request, &Row)> =
            requests.iter().flat_map(|request| request.rows.iter().map(move |row| (request, row))).collect();
        Self {
            tenants: rows.iter().map(|(request, _)| request.tenant.uuid()).collect(),
            executions: rows.iter().map(|(request, _)| request.execution.uuid()).collect(),
            seqs: rows.iter().map(|(_, row)| row.seq).collect(),
            steps: rows.iter().map(|(_, row)| row.step.as_deref()).collect(),
            types: rows.iter().map(|(_, row)| row.node_type.as_deref()).collect(),
            states: rows.iter().map(|(_, row)| row.state).collect(),
            attempts: rows.iter().map(|(_, row)| row.attempts).collect(),
            started: rows.iter().map(|(_, row)| row.started_at).collect(),
            finished: rows.iter().map(|(_, row)| row.finished_at).collect(),
            entries: rows.iter().map(|(_, row)| row.entry.as_str()).collect(),
            logs: rows.iter().map(|(_, row)| row.logs.as_deref()).collect(),
            usages: rows.iter().map(|(_, row)| row.usage.as_deref()).collect(),
        }
    }
}

/// Locks the open approvals of what ends, which whoever decides one locks before the job: the same order here, or each
/// would wait for the other.
async fn lock_approvals(tx: &mut SystemTx, requests: &[Request]) -> Result<()> {
    let asked = |request: &&Request| request.end.as_ref().is_some_and(|end| end.asked);
    let ending: Vec<&Request> = requests.iter().filter(asked).collect();
    if ending.is_empty() {
        return Ok(());
    }
    let ending = Leases::of(ending);
    sqlx::query!(
        "select a.id from approvals a join unnest($1::uuid[], $2::uuid[]) as r (tenant_id, id)
             on a.tenant_id = r.tenant_id and a.execution_id = r.id
         where a.state = 'pending' order by a.tenant_id, a.id for update of a",
        &ending.tenants,
        &ending.executions
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(())
}

async fn end(tx: &mut SystemTx, ended: &[(&Request, &End)]) -> Result<()> {
    let tenants: Vec<Uuid> = ended.iter().map(|(request, _)| request.tenant.uuid()).collect();
    let ids: Vec<Uuid> = ended.iter().map(|(request, _)| request.execution.uuid()).collect();
    let states: Vec<String> = ended.iter().map(|(_, end)| end.state.to_owned()).collect();
    let outputs: Vec<Option<String>> = ended.iter().map(|(_, end)| end.output.clone()).collect();
    let errors: Vec<Option<String>> = ended.iter().map(|(_, end)| end.error.clone()).collect();
    sqlx::query!(
        "with ended as (select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[]) as e (tenant_id, id, state, output, error)),
              over as (delete from jobs j using ended e where j.tenant_id = e.tenant_id and j.id = e.id),
              unasked as (update approvals a set state = 'cancelled', decided_at = $6 from ended e
                          where a.tenant_id = e.tenant_id and a.execution_id = e.id and a.state = 'pending'),
              unwaited as (delete from execution_timers t using ended e where t.tenant_id = e.tenant_id and t.execution_id = e.id),
              untried as (delete from execution_attempts t using ended e where t.tenant_id = e.tenant_id and t.execution_id = e.id)
         update executions x set state = e.state, output = e.output, error = e.error, finished_at = $6,
                steps_done = (select count(distinct j.step) from execution_journal j where j.tenant_id = x.tenant_id and j.execution_id = x.id and j.step is not null)
         from ended e where x.tenant_id = e.tenant_id and x.id = e.id",
        &tenants,
        &ids,
        &states,
        &outputs as &[Option<String>],
        &errors as &[Option<String>],
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

fn event(request: &Request, end: &End) -> NewEvent {
    let action = match end.state {
        "succeeded" => ExecutionEvent::SUCCEEDED,
        "cancelled" => ExecutionEvent::CANCELLED,
        "timed_out" => ExecutionEvent::TIMED_OUT,
        _ => ExecutionEvent::FAILED,
    };
    let event = NewEvent::new(action, request.execution.to_string())
        .in_tenant(request.tenant)
        .by(end.actor)
        .detail("workflow", &end.workflow);
    match end.reason {
        Some(reason) => event.outcome(end.outcome, reason),
        None => event,
    }
}

impl From<Lost> for Error {
    fn from(_: Lost) -> Self {
        Problem::unavailable("the execution is not this node's any more").into()
    }
}
