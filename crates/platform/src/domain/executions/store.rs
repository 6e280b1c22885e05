//! All SQL on `executions`.

use serde_json::Value;
use serde_json::value::RawValue;
use tenure_kernel::{
    Error, ExecutionId, Job, JobKind, Load, Mode, Page, PageQuery, Permitted, Problem, Result, TenantTx, Timestamp,
    UserId, WorkflowId, Write,
};
use tenure_workflow::machine::{Entry, Outcome, StoredValue};
use uuid::Uuid;

use super::filter::Filter;
use super::model::{Execution, ExecutionError, ExecutionState, ExecutionSummary, RequestedBy, WorkflowRef, shown};
use super::values::MAX_SENSITIVE;
use crate::domain::plugins;

struct Row {
    id: ExecutionId,
    workflow_id: WorkflowId,
    workflow_name: String,
    version: i32,
    state: String,
    requested_by: Uuid,
    requested_by_kind: String,
    requester: Option<String>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    error: Option<String>,
    steps_done: i32,
    node_count: i32,
}

impl TryFrom<Row> for ExecutionSummary {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let state =
            ExecutionState::parse(&row.state).ok_or_else(|| Error::internal("unknown state of an execution"))?;
        let done = u32::try_from(row.steps_done).unwrap_or(0);
        let nodes = u32::try_from(row.node_count).unwrap_or(0);
        Ok(Self {
            id: row.id,
            workflow: WorkflowRef { id: row.workflow_id, name: row.workflow_name },
            version: row.version,
            state,
            requested_by: RequestedBy::stored(&row.requested_by_kind, row.requested_by, None).named(row.requester),
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            error: row.error.as_deref().map(serde_json::from_str::<ExecutionError>).transpose()?,
            steps_total: if state.is_over() { done } else { done.max(nodes) },
            steps_finished: done,
        })
    }
}

/// The executions that the actor may see: of everybody's workflows, and of those of their own teams; with a token of one
/// workflow those of that one.
async fn select<M: Mode>(
    tx: &mut TenantTx<M>,
    filter: &Filter,
    after: Option<(Timestamp, ExecutionId)>,
    rows: i64,
) -> Result<Vec<ExecutionSummary>> {
    let teams = tx.own_teams();
    let (at, id) = after.unzip();
    let rows = sqlx::query_as!(
        Row,
        r#"select e.id as "id: ExecutionId", e.workflow_id as "workflow_id: WorkflowId", w.name as workflow_name, e.version,
                  e.state, e.requested_by, e.requested_by_kind, coalesce(m.full_name, s.name) as requester, e.created_at, e.started_at,
                  e.finished_at, e.error, e.steps_done, v.node_count
           from executions e
           join workflows w on w.tenant_id = e.tenant_id and w.id = e.workflow_id
           join workflow_versions v on v.tenant_id = e.tenant_id and v.workflow_id = e.workflow_id and v.version = e.version
           left join memberships m on m.tenant_id = e.tenant_id and m.user_id = e.requested_by
           left join service_accounts s on s.tenant_id = e.tenant_id and s.id = e.requested_by
           where e.tenant_id = $1 and in_reach(w.team_id, $2)
             and ($3::uuid is null or e.id = $3)
             and ($4::uuid is null or e.workflow_id = $4)
             and ($5::text[] is null or e.state = any($5))
             and ($6::uuid is null or e.requested_by = $6)
             and ($7::timestamptz is null or e.created_at >= $7)
             and ($8::timestamptz is null or e.created_at < $8)
             and ($9::timestamptz is null or (e.created_at, e.id) < ($9, $10::uuid))
             and ($12::uuid is null or e.workflow_id = $12)
           order by e.created_at desc, e.id desc limit $11"#,
        tx.tenant().uuid(),
        &teams,
        filter.id.map(ExecutionId::uuid),
        filter.workflow.map(WorkflowId::uuid),
        filter.states.as_deref(),
        filter.requested_by,
        filter.from as Option<Timestamp>,
        filter.to as Option<Timestamp>,
        at as Option<Timestamp>,
        id.map(ExecutionId::uuid),
        rows,
        tx.cx().identity.workflow.map(WorkflowId::uuid)
    )
    .fetch_all(&mut *tx)
    .await?;
    rows.into_iter().map(ExecutionSummary::try_from).collect()
}

impl Load for ExecutionSummary {
    type Id = ExecutionId;

    /// Never locked: the engine alone changes the row; what people want of an execution goes through its job.
    async fn load<M: Mode>(tx: &mut TenantTx<M>, id: ExecutionId, _lock: bool) -> Result<Option<Self>> {
        let filter = Filter { id: Some(id), ..Filter::default() };
        Ok(select(tx, &filter, None, 1).await?.into_iter().next())
    }
}

pub(super) async fn list<M: Mode>(
    tx: &mut TenantTx<M>,
    filter: &Filter,
    page: &PageQuery,
) -> Result<Page<ExecutionSummary>> {
    let found = select(tx, filter, page.after()?, page.rows()?).await?;
    page.page(found, |last| (last.created_at, last.id))
}

/// With definition, input and output.
pub(super) async fn whole<M: Mode>(tx: &mut TenantTx<M>, execution: Permitted<ExecutionSummary>) -> Result<Execution> {
    let row = sqlx::query!(
        "select e.input, e.output, v.definition
         from executions e
         join workflow_versions v on v.tenant_id = e.tenant_id and v.workflow_id = e.workflow_id and v.version = e.version
         where e.tenant_id = $1 and e.id = $2",
        tx.tenant().uuid(),
        execution.id.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    let stored = |text: &str| -> Result<(Value, u64)> { Ok(shown(&serde_json::from_str(text)?)?) };
    let (input, input_size) = stored(&row.input)?;
    let output = row.output.as_deref().map(stored).transpose()?;
    let (output, output_size) = output.unzip();
    let plugins = plugins::pins(tx, execution.id).await?;
    Ok(Execution {
        plugins,
        summary: execution.into_inner(),
        definition: RawValue::from_string(row.definition)?,
        input,
        input_size,
        output: output.unwrap_or_default(),
        output_size,
    })
}

/// The input and, once there is one, the output, as they are stored. Whether the actor may see them was asked before.
pub(super) async fn ends<M: Mode>(
    tx: &mut TenantTx<M>,
    execution: &Permitted<ExecutionSummary>,
) -> Result<(StoredValue, Option<StoredValue>)> {
    let row = sqlx::query!(
        "select input, output from executions where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        execution.id.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    let output = row.output.as_deref().map(serde_json::from_str).transpose()?;
    Ok((serde_json::from_str(&row.input)?, output))
}

/// The execution's input and what its steps gave, where schemas declare parts of it to be sensitive; nothing where these
/// may be more than [`MAX_SENSITIVE`].
pub(super) async fn sensitive<M: Mode>(tx: &mut TenantTx<M>, id: ExecutionId) -> Result<Option<Vec<StoredValue>>> {
    // The pattern finds all of them, and perhaps a value that reads like one, which is told apart once it is read.
    let rows = sqlx::query!(
        r#"select e.input as "input?", null as "entry?" from executions e where e.tenant_id = $1 and e.id = $2
           union all
           (select null, j.entry from execution_journal j
            where j.tenant_id = $1 and j.execution_id = $2 and j.state = 'succeeded' and j.entry like '%"parts":["%'
            limit $3)"#,
        tx.tenant().uuid(),
        id.uuid(),
        MAX_SENSITIVE
    )
    .fetch_all(&mut *tx)
    .await?;
    if i64::try_from(rows.len()).is_ok_and(|rows| rows > MAX_SENSITIVE) {
        return Ok(None);
    }
    let mut values = Vec::new();
    for row in rows {
        if let Some(input) = row.input {
            values.push(serde_json::from_str(&input)?);
        }
        let entry = row.entry.as_deref().map(serde_json::from_str).transpose()?;
        if let Some(Entry::Finished { outcome: Outcome::Succeeded { output, .. }, .. }) = entry {
            values.push(output);
        }
    }
    values.retain(|value: &StoredValue| {
        let sensitive = value.object().and_then(|object| object.sensitive.as_ref());
        sensitive.is_some_and(|sensitive| !sensitive.parts.is_empty())
    });
    Ok(Some(values))
}

/// How it stands, and nothing else: for whoever waits. Whether the actor may see it was asked before.
pub(super) async fn state<M: Mode>(tx: &mut TenantTx<M>, id: ExecutionId) -> Result<ExecutionState> {
    let state = sqlx::query_scalar!(
        "select state from executions where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        id.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(Problem::not_found)?;
    ExecutionState::parse(&state).ok_or_else(|| Error::internal("unknown state of an execution"))
}

/// Who starts an execution, and by what.
pub(super) struct Starter {
    pub(super) requested_by: RequestedBy,
    /// What a delegated token could do: the execution does no more.
    pub(super) scope: Option<Vec<String>>,
}

/// A new execution, queued.
pub(super) async fn insert(
    tx: &mut TenantTx<Write>,
    id: ExecutionId,
    workflow: WorkflowId,
    version: i32,
    starter: &Starter,
    input: &StoredValue,
) -> Result<ExecutionSummary> {
    let row = sqlx::query_as!(
        Row,
        r#"with e as (
               insert into executions (tenant_id, id, workflow_id, version, state, requested_by, actor, input, created_at,
                                       requested_by_kind, answerable, scope)
               values ($1, $2, $3, $4, 'queued', $5, $6, $7, $8, $9, $10, $11) returning *)
           select e.id as "id!: ExecutionId", e.workflow_id as "workflow_id!: WorkflowId", w.name as workflow_name, e.version as "version!",
                  e.state as "state!", e.requested_by as "requested_by!", e.requested_by_kind as "requested_by_kind!",
                  coalesce(m.full_name, s.name) as requester, e.created_at as "created_at!: Timestamp",
                  e.started_at, e.finished_at, e.error, e.steps_done as "steps_done!", v.node_count
           from e
           join workflows w on w.tenant_id = e.tenant_id and w.id = e.workflow_id
           join workflow_versions v on v.tenant_id = e.tenant_id and v.workflow_id = e.workflow_id and v.version = e.version
           left join memberships m on m.tenant_id = e.tenant_id and m.user_id = e.requested_by
           left join service_accounts s on s.tenant_id = e.tenant_id and s.id = e.requested_by"#,
        tx.tenant().uuid(),
        id.uuid(),
        workflow.uuid(),
        version,
        starter.requested_by.id(),
        serde_json::to_string(tx.cx().actor())?,
        serde_json::to_string(input)?,
        tx.now() as Timestamp,
        starter.requested_by.kind(),
        starter.requested_by.answerable.map(UserId::uuid),
        starter.scope.as_deref()
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.enqueue(Job::new(JobKind::Execution, id.uuid())).await?;
    row.try_into()
}
