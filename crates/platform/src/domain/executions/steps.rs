//! Steps, as the journal and the engine's live list tell of them.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use tenure_kernel::{Error, ExecutionId, Mode, Page, PageQuery, Permitted, Problem, Result, TenantTx, Timestamp};
use tenure_workflow::ErrorClass;
use tenure_workflow::machine::{Entry, Outcome, StepError, StepKey, StoredValue};

use super::live::{LiveState, LiveStep};
use super::model::{ExecutionError, ExecutionSummary, LogLine, Step, StepState, StepSummary, shown};

/// A step's newest row, without what it gave.
struct Row {
    seq: i32,
    step: String,
    node_type: Option<String>,
    state: Option<String>,
    attempts: i32,
    started_at: Timestamp,
    finished_at: Timestamp,
    /// The entry of a failed step.
    failure: Option<String>,
}

/// A line of the journal's logs.
#[derive(Deserialize)]
struct StoredLine {
    at: Option<Timestamp>,
    level: String,
    message: String,
}

/// A row of the journal for whoever follows.
pub(super) struct Written {
    pub(super) seq: i32,
    pub(super) step: StepSummary,
    pub(super) logs: Vec<LogLine>,
}

fn node_of(step: &str) -> String {
    step.parse::<StepKey>().map_or_else(|_| step.to_owned(), |key| key.node.to_string())
}

fn failure(entry: &str) -> Result<Option<StepError>> {
    match serde_json::from_str(entry)? {
        Entry::Finished { outcome: Outcome::Failed { error, .. }, .. } => Ok(Some(error)),
        Entry::Told { error, .. } => Ok(error),
        _ => Ok(None),
    }
}

impl TryFrom<Row> for StepSummary {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let error = row.failure.as_deref().map(failure).transpose()?.flatten();
        let state = match row.state.as_deref() {
            Some("succeeded") => StepState::Succeeded,
            Some("skipped") => StepState::Skipped,
            // Its list is known, its items run.
            Some("expanded") => StepState::Running,
            _ if error.as_ref().is_some_and(|error| error.class == ErrorClass::Cancelled) => StepState::Cancelled,
            _ => StepState::Failed,
        };
        let began = (state != StepState::Skipped).then_some(row.started_at);
        Ok(Self {
            node: node_of(&row.step),
            r#type: row.node_type.unwrap_or_default(),
            state,
            attempt: u32::try_from(row.attempts).unwrap_or(1),
            queued_at: row.started_at,
            started_at: began,
            finished_at: (state != StepState::Running).then_some(row.finished_at),
            error: error.map(|error| ExecutionError {
                class: error.class.as_str().to_owned(),
                message: error.message,
                step: Some(row.step.clone()),
                attempts: Some(error.attempts),
            }),
            name: row.step,
        })
    }
}

impl From<LiveStep> for StepSummary {
    fn from(step: LiveStep) -> Self {
        Self {
            node: node_of(&step.step),
            name: step.step,
            r#type: step.node_type,
            state: match step.state {
                LiveState::Waiting => StepState::Waiting,
                LiveState::Running => StepState::Running,
            },
            attempt: step.attempt,
            queued_at: step.started_at,
            started_at: Some(step.started_at),
            finished_at: None,
            error: None,
        }
    }
}

// In the statements below `forgotten` are the failures that a retry took back: such a row counts no more, its step is done
// again.

/// The steps, each as its newest row has it, in the order of the journal; on the last page what is in flight follows.
pub(super) async fn list<M: Mode>(
    tx: &mut TenantTx<M>,
    execution: &Permitted<ExecutionSummary>,
    live: Vec<LiveStep>,
    page: &PageQuery,
) -> Result<Page<StepSummary>> {
    let rows = sqlx::query_as!(
        Row,
        r#"with forgotten (step, seq) as materialized (
               select f.step, r.seq from execution_journal r
               cross join lateral jsonb_array_elements_text(r.entry::jsonb #> '{retried,forgotten}') as f (step)
               where r.tenant_id = $1 and r.execution_id = $2 and r.state = 'retried')
           select s.seq as "seq!", s.step as "step!", s.node_type, s.state, s.attempts as "attempts!",
                  s.started_at as "started_at!", s.finished_at as "finished_at!", s.failure
           from (select distinct on (j.step) j.seq, j.step, j.node_type, j.state, j.attempts, j.started_at, j.finished_at,
                        case when j.state = 'failed' then j.entry end as failure
                 from execution_journal j
                 where j.tenant_id = $1 and j.execution_id = $2 and j.step is not null
                   and not (j.state = 'failed' and exists (select from forgotten f where f.step = j.step and f.seq > j.seq))
                 order by j.step, j.seq desc) s
           where $3::integer is null or s.seq > $3
           order by s.seq limit $4"#,
        tx.tenant().uuid(),
        execution.id.uuid(),
        page.after::<i32>()?,
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    let page = page.page(rows, |last| last.seq)?;
    let mut items: Vec<StepSummary> = page.items.into_iter().map(StepSummary::try_from).collect::<Result<_>>()?;
    if page.next_cursor.is_none() && !execution.state.is_over() {
        items.extend(unwritten(tx, execution.id, live).await?);
    }
    Ok(Page { items, next_cursor: page.next_cursor })
}

/// What is in flight and has no row yet. To be asked after the rows were read: what got one meanwhile is among the next.
pub(super) async fn unwritten<M: Mode>(
    tx: &mut TenantTx<M>,
    execution: ExecutionId,
    live: Vec<LiveStep>,
) -> Result<Vec<StepSummary>> {
    let mut flying = in_flight(tx, execution, live).await?;
    if !flying.is_empty() {
        let journaled = over(tx, execution, &flying).await?;
        flying.retain(|step| !journaled.contains(&step.name));
    }
    Ok(flying)
}

/// What runs, and what waits for a person. Where nothing runs on this node, what another one said of it last.
async fn in_flight<M: Mode>(
    tx: &mut TenantTx<M>,
    execution: ExecutionId,
    live: Vec<LiveStep>,
) -> Result<Vec<StepSummary>> {
    // The one look into the table of approvals, which stand below executions: an execution that waits for a person runs
    // nowhere, so no live list tells of it.
    let waiting = sqlx::query!(
        "select step, created_at from approvals where tenant_id = $1 and execution_id = $2 and state = 'pending' order by created_at",
        tx.tenant().uuid(),
        execution.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    let live = if live.is_empty() { elsewhere(tx, execution).await? } else { live };
    let mut steps: Vec<StepSummary> = live.into_iter().map(StepSummary::from).collect();
    for row in waiting.into_iter().rev() {
        let waits = LiveStep {
            step: row.step,
            node_type: "approval".to_owned(),
            state: LiveState::Waiting,
            attempt: 1,
            started_at: row.created_at,
        };
        match steps.iter_mut().find(|step| step.name == waits.step) {
            Some(step) => step.state = StepState::Waiting,
            None => steps.push(waits.into()),
        }
    }
    Ok(steps)
}

async fn elsewhere<M: Mode>(tx: &mut TenantTx<M>, execution: ExecutionId) -> Result<Vec<LiveStep>> {
    let told = sqlx::query_scalar!(
        "select live from jobs where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        execution.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?
    .flatten();
    // A newer version's list that this one does not understand is none.
    Ok(told.and_then(|told| serde_json::from_str(&told).ok()).unwrap_or_default())
}

/// Which of these steps have a row already: the live list learns of an end a little later than the journal, and a map
/// that was expanded stands in both.
async fn over<M: Mode>(
    tx: &mut TenantTx<M>,
    execution: ExecutionId,
    steps: &[StepSummary],
) -> Result<BTreeSet<String>> {
    let names: Vec<String> = steps.iter().map(|step| step.name.clone()).collect();
    let known = sqlx::query_scalar!(
        r#"with forgotten (step, seq) as materialized (
               select f.step, r.seq from execution_journal r
               cross join lateral jsonb_array_elements_text(r.entry::jsonb #> '{retried,forgotten}') as f (step)
               where r.tenant_id = $1 and r.execution_id = $2 and r.state = 'retried')
           select j.step as "step!" from execution_journal j
           where j.tenant_id = $1 and j.execution_id = $2 and j.step = any($3)
             and not (j.state = 'failed' and exists (select from forgotten f where f.step = j.step and f.seq > j.seq))"#,
        tx.tenant().uuid(),
        execution.uuid(),
        &names
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(known.into_iter().collect())
}

fn lines(logs: Option<&str>, finished_at: Timestamp) -> Result<(Vec<LogLine>, bool)> {
    let Some(logs) = logs else { return Ok((Vec::new(), false)) };
    let stored: Vec<StoredLine> = serde_json::from_str(logs)?;
    let line =
        |line: StoredLine| LogLine { at: line.at.unwrap_or(finished_at), level: line.level, message: line.message };
    Ok((stored.into_iter().map(line).collect(), false))
}

/// A step's newest row, with what it gave.
struct Newest {
    node_type: Option<String>,
    state: Option<String>,
    attempts: i32,
    started_at: Timestamp,
    finished_at: Timestamp,
    entry: String,
    logs: Option<String>,
    usage: Option<String>,
}

impl Newest {
    async fn of<M: Mode>(tx: &mut TenantTx<M>, execution: ExecutionId, step: &str) -> Result<Option<Self>> {
        let row = sqlx::query_as!(
            Self,
            r#"with forgotten (step, seq) as materialized (
                   select f.step, r.seq from execution_journal r
                   cross join lateral jsonb_array_elements_text(r.entry::jsonb #> '{retried,forgotten}') as f (step)
                   where r.tenant_id = $1 and r.execution_id = $2 and r.state = 'retried')
               select j.node_type, j.state, j.attempts, j.started_at, j.finished_at, j.entry, j.logs, j.usage
               from execution_journal j
               where j.tenant_id = $1 and j.execution_id = $2 and j.step = $3
                 and not (j.state = 'failed' and exists (select from forgotten f where f.step = j.step and f.seq > j.seq))
               order by j.seq desc limit 1"#,
            tx.tenant().uuid(),
            execution.uuid(),
            step
        );
        Ok(row.fetch_optional(&mut *tx).await?)
    }

    fn output(&self) -> Result<Option<StoredValue>> {
        Ok(match serde_json::from_str(&self.entry)? {
            Entry::Finished { outcome: Outcome::Succeeded { output, .. }, .. } => Some(output),
            _ => None,
        })
    }
}

/// What a step gave, if it has ended with something.
pub(super) async fn output<M: Mode>(
    tx: &mut TenantTx<M>,
    execution: &Permitted<ExecutionSummary>,
    step: &StepKey,
) -> Result<Option<StoredValue>> {
    let row = Newest::of(tx, execution.id, &step.to_string()).await?;
    row.map(|row| row.output()).transpose().map(Option::flatten)
}

/// One step whole.
pub(super) async fn one<M: Mode>(
    tx: &mut TenantTx<M>,
    execution: &Permitted<ExecutionSummary>,
    live: Vec<LiveStep>,
    step: &StepKey,
) -> Result<Step> {
    let name = step.to_string();
    let row = Newest::of(tx, execution.id, &name).await?;
    let Some(row) = row else {
        let flying = in_flight(tx, execution.id, live).await?.into_iter().find(|flying| flying.name == name);
        return Ok(empty(flying.ok_or_else(Problem::not_found)?));
    };
    let (output, output_size) = row.output()?.as_ref().map(shown).transpose()?.unzip();
    let (logs, logs_truncated) = lines(row.logs.as_deref(), row.finished_at)?;
    let failure = (row.state.as_deref() == Some("failed")).then_some(row.entry);
    let summary = StepSummary::try_from(Row {
        seq: 0,
        step: name,
        node_type: row.node_type,
        state: row.state,
        attempts: row.attempts,
        started_at: row.started_at,
        finished_at: row.finished_at,
        failure,
    })?;
    let usage = row.usage.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default();
    Ok(Step { output: output.unwrap_or_default(), output_size, logs, logs_truncated, usage, ..empty(summary) })
}

fn empty(summary: StepSummary) -> Step {
    Step {
        summary,
        input: Value::Null,
        output: Value::Null,
        output_size: None,
        logs: Vec::new(),
        logs_truncated: false,
        usage: Value::Null,
    }
}

/// The rows of steps after `seq`, oldest first.
pub(super) async fn written_after<M: Mode>(
    tx: &mut TenantTx<M>,
    execution: ExecutionId,
    seq: i32,
    most: i64,
) -> Result<Vec<Written>> {
    let rows = sqlx::query!(
        r#"select seq, step as "step!", node_type, state, attempts, started_at, finished_at, logs,
                  case when state = 'failed' then entry end as failure
           from execution_journal
           where tenant_id = $1 and execution_id = $2 and seq > $3 and step is not null
           order by seq limit $4"#,
        tx.tenant().uuid(),
        execution.uuid(),
        seq,
        most
    )
    .fetch_all(&mut *tx)
    .await?;
    let written = rows.into_iter().map(|row| {
        let (logs, _) = lines(row.logs.as_deref(), row.finished_at)?;
        let step = StepSummary::try_from(Row {
            seq: row.seq,
            step: row.step,
            node_type: row.node_type,
            state: row.state,
            attempts: row.attempts,
            started_at: row.started_at,
            finished_at: row.finished_at,
            failure: row.failure,
        })?;
        Ok(Written { seq: row.seq, step, logs })
    });
    written.collect()
}
