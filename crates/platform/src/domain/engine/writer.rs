//! Writes the journal of all executions of this node in common transactions.
//!
//! An execution hands over what it has to write and waits. Whatever came while the last commit was under way goes into
//! the next one, so nothing waits for a timer, and under load one commit carries many executions' steps.

use std::sync::Arc;

use tenure_kernel::event::Outcome;
use tenure_kernel::{
    Actor, Audited, Error, ExecutionId, Kernel, NewEvent, Problem, Result, SystemReason, SystemTx, TenantId, Timestamp,
};
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

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
}

/// What one execution has to write.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) tenant: TenantId,
    pub(super) execution: ExecutionId,
    pub(super) rows: Vec<Row>,
    pub(super) end: Option<End>,
}

type Written = oneshot::Sender<Result<(), Lost>>;

/// The lease was lost, or PostgreSQL is gone: the execution is to be left to whoever takes it up next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost;

/// The most requests that one transaction carries.
const BATCH: usize = 256;
/// Transactions under way at the same time: while one waits for the disk the next one is filled.
const WRITERS: usize = 2;

/// See the module.
pub(super) struct Writer {
    kernel: Kernel,
    node: Uuid,
    queue: mpsc::Sender<(Request, Written)>,
    requests: Arc<Mutex<mpsc::Receiver<(Request, Written)>>>,
}

impl Writer {
    pub(super) fn new(kernel: Kernel, node: Uuid) -> Self {
        let (queue, requests) = mpsc::channel(4 * BATCH);
        Self { kernel, node, queue, requests: Arc::new(Mutex::new(requests)) }
    }

    /// Returns once it is durable.
    pub(super) async fn write(&self, request: Request) -> Result<(), Lost> {
        let (written, done) = oneshot::channel();
        self.queue.send((request, written)).await.map_err(|_| Lost)?;
        done.await.unwrap_or(Err(Lost))
    }

    pub(super) async fn run(&self) {
        futures::future::join_all((0..WRITERS).map(|_| self.work())).await;
    }

    async fn work(&self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            // Held only while waiting for the first request and taking what is there with it.
            let taken = self.requests.lock().await.recv_many(&mut batch, BATCH).await;
            if taken == 0 {
                return;
            }
            let (requests, waiting): (Vec<Request>, Vec<Written>) = batch.drain(..).unzip();
            let kept = match self.commit(&requests).await {
                Ok(kept) => kept,
                Err(error) => {
                    tracing::warn!(%error, "the journal could not be written");
                    Vec::new()
                }
            };
            for (request, written) in requests.iter().zip(waiting) {
                let result = if kept.contains(&request.execution) { Ok(()) } else { Err(Lost) };
                // The execution was dropped meanwhile: nobody waits.
                let _ = written.send(result);
            }
        }
    }

    /// Writes what still belongs to this node; gives back whose.
    async fn commit(&self, requests: &[Request]) -> Result<Vec<ExecutionId>> {
        self.kernel
            .system(SystemReason::EngineBatch)
            .run(async |tx| {
                let kept = self.held(tx, requests).await?;
                let of: Vec<&Request> = requests.iter().filter(|request| kept.contains(&request.execution)).collect();
                insert_rows(tx, &of).await?;
                let ended: Vec<(&Request, &End)> =
                    of.iter().filter_map(|request| Some((*request, request.end.as_ref()?))).collect();
                if ended.is_empty() {
                    return Ok(Audited::none("steps are journal rows, not events", kept));
                }
                end(tx, &ended).await?;
                Ok(Audited::many(kept, ended.iter().map(|(request, end)| event(request, end))))
            })
            .await
    }

    /// Locks the leases against being taken over while this is written.
    async fn held(&self, tx: &mut SystemTx, requests: &[Request]) -> Result<Vec<ExecutionId>> {
        let ids: Vec<Uuid> = requests.iter().map(|request| request.execution.uuid()).collect();
        let tenants: Vec<Uuid> = requests.iter().map(|request| request.tenant.uuid()).collect();
        let held = sqlx::query_scalar!(
            r#"select j.id as "id: ExecutionId" from jobs j
               join unnest($1::uuid[], $2::uuid[]) as r (tenant_id, id) on j.tenant_id = r.tenant_id and j.id = r.id
               where j.lease_owner = $3 order by j.tenant_id, j.id for update of j"#,
            &tenants,
            &ids,
            self.node
        )
        .fetch_all(&mut *tx)
        .await?;
        Ok(held)
    }
}

async fn insert_rows(tx: &mut SystemTx, requests: &[&Request]) -> Result<()> {
    let rows: Vec<(&Request, &Row)> =
        requests.iter().flat_map(|request| request.rows.iter().map(move |row| (*request, row))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let column = |f: fn(&(&Request, &Row)) -> Uuid| rows.iter().map(f).collect::<Vec<_>>();
    let (tenants, executions) =
        (column(|(request, _)| request.tenant.uuid()), column(|(request, _)| request.execution.uuid()));
    let seqs: Vec<i32> = rows.iter().map(|(_, row)| row.seq).collect();
    let steps: Vec<Option<String>> = rows.iter().map(|(_, row)| row.step.clone()).collect();
    let types: Vec<Option<String>> = rows.iter().map(|(_, row)| row.node_type.clone()).collect();
    let states: Vec<Option<String>> = rows.iter().map(|(_, row)| row.state.map(str::to_owned)).collect();
    let attempts: Vec<i32> = rows.iter().map(|(_, row)| row.attempts).collect();
    let started: Vec<Timestamp> = rows.iter().map(|(_, row)| row.started_at).collect();
    let finished: Vec<Timestamp> = rows.iter().map(|(_, row)| row.finished_at).collect();
    let entries: Vec<String> = rows.iter().map(|(_, row)| row.entry.clone()).collect();
    let logs: Vec<Option<String>> = rows.iter().map(|(_, row)| row.logs.clone()).collect();
    let usages: Vec<Option<String>> = rows.iter().map(|(_, row)| row.usage.clone()).collect();
    sqlx::query!(
        "insert into execution_journal (tenant_id, execution_id, seq, step, node_type, state, attempts, started_at, finished_at, entry, logs, usage)
         select * from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::int[], $8::timestamptz[],
                              $9::timestamptz[], $10::text[], $11::text[], $12::text[])",
        &tenants,
        &executions,
        &seqs,
        &steps as &[Option<String>],
        &types as &[Option<String>],
        &states as &[Option<String>],
        &attempts,
        &started as &[Timestamp],
        &finished as &[Timestamp],
        &entries,
        &logs as &[Option<String>],
        &usages as &[Option<String>]
    )
    .execute(&mut *tx)
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
