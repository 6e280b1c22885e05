//! The gate: whether an execution may begin. Permission and the tenant's status were asked before the handler ran.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenure_kernel::decision::{Decision, DecisionInput, DecisionPoint};
use tenure_kernel::permission::WorkflowExecute;
use tenure_kernel::{
    Audited, Authorized, Code, Error, ExecutionId, Load as _, Mode, NewEvent, Problem, Result, TenantTx, WorkflowId,
    Write,
};
use tenure_workflow::definition::InputSchema;
use tenure_workflow::machine::StoredValue;

use super::control;
use super::event::ExecutionEvent;
use super::model::{ExecutionSummary, RequestedBy};
use super::store::{self, Starter};
use crate::app::App;
use crate::domain::api_keys;
use crate::domain::plugins;
use crate::domain::policies;
use crate::domain::quotas;
use crate::domain::tenancy;
use crate::domain::workflows::{CompiledWorkflow, Workflow};

/// What the gate said.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Admission {
    /// Go on.
    Queued(Box<ExecutionSummary>),
    /// The policy refuses. Not an error, because the logged decision must be committed.
    Denied(Decision),
}

impl Admission {
    /// # Errors
    /// 403 with the policy's reasons.
    pub(super) fn into_result(self) -> Result<ExecutionSummary> {
        match self {
            Self::Queued(execution) => Ok(*execution),
            Self::Denied(decision) => Err(denied(decision).into()),
        }
    }
}

/// What a caller wants to run.
#[derive(Debug)]
pub(super) struct Wanted {
    /// What it will be called.
    pub(super) id: ExecutionId,
    pub(super) workflow: WorkflowId,
    /// The newest unless told.
    pub(super) version: Option<i32>,
    pub(super) input: Input,
}

/// What it is to be run with.
#[derive(Debug)]
pub(super) enum Input {
    /// As it came.
    Held(Value),
    /// Checked, and put into the object store.
    Put(StoredValue),
}

/// A large input is checked and put into the object store before the transaction that queues its execution: nothing slow
/// happens in that one.
pub(super) async fn prepare(cx: &Authorized<WorkflowExecute>, app: &App, wanted: Wanted) -> Result<Wanted> {
    let value = match wanted.input {
        Input::Held(value) if !app.engine.keeps_inline(&value)? => value,
        input => return Ok(Wanted { input, ..wanted }),
    };
    let (version, compiled, keys) = cx
        .read(async |tx| {
            let (_, version, compiled) = runnable(tx, app, wanted.workflow, wanted.version).await?;
            Ok((version, compiled, tx.keys().await?))
        })
        .await?;
    // Megabytes against an intricate schema: on no thread that serves others, and with no transaction open.
    let judge = move || {
        check(compiled.input_schema.as_ref(), &value)?;
        Ok::<_, Error>((sensitive_parts(&compiled, &value), value))
    };
    let (parts, value) = tokio::task::spawn_blocking(judge).await.map_err(Error::internal)??;
    let stored = app.engine.objects().store_input(&keys, cx.tenant(), wanted.id, value, parts).await?;
    Ok(Wanted { version: Some(version), input: Input::Put(stored), ..wanted })
}

/// Queues the execution if it may begin. Whatever refuses it gives back what was taken for it.
pub(super) async fn admit(tx: &mut TenantTx<Write>, app: &App, wanted: &Wanted) -> Result<Audited<Admission>> {
    let starter = starter(tx).await?;
    let (workflow, version, compiled) = runnable(tx, app, wanted.workflow, wanted.version).await?;
    let (tenant, now) = (tx.tenant(), tx.now());
    let stored = match &wanted.input {
        Input::Put(stored) => stored.clone(),
        Input::Held(value) => {
            check(compiled.input_schema.as_ref(), value)?;
            let parts = sensitive_parts(&compiled, value);
            let keys = tx.keys().await?;
            app.engine.objects().store_input(&keys, tenant, wanted.id, value.clone(), parts).await?
        }
    };
    let asked = asked(tx, &workflow).await?;
    // From here on the tenant's other requests wait: nothing slow follows.
    let counted_at = quotas::take_execution(tx).await?;
    quotas::keep(tx, wanted.id, &stored).await?;
    quotas::find_room_in_queue(tx).await?;
    let decision = policies::decide(&*app.policy, &mut *tx, now, &asked).await?;
    if !decision.allowed {
        quotas::give_back_execution(tx, counted_at).await?;
        quotas::forget(tx, wanted.id).await?;
        return Ok(Audited::none(
            "its refusal is an event of its own, folded with its repeats",
            Admission::Denied(decision),
        ));
    }
    let execution = store::insert(tx, wanted.id, workflow.id, version, &starter, &stored).await?;
    plugins::pin(tx, execution.id, workflow.team_id, &compiled.plugins).await?;
    let event = NewEvent::new(ExecutionEvent::REQUESTED, execution.id.to_string())
        .detail("workflow", workflow.id)
        .detail("version", version);
    Ok(Audited::of(Admission::Queued(Box::new(execution)), event))
}

/// Whom its steps are checked against; and the person who answers for it, whom its approvals must not ask.
async fn starter(tx: &mut TenantTx<Write>) -> Result<Starter> {
    let identity = Arc::clone(&tx.cx().identity);
    let actor = identity.actor;
    let answerable = match (actor.on_behalf_of, actor.counted_key()) {
        (None, Some(key)) if actor.user().is_none() => api_keys::answerable(tx, key).await?,
        (person, _) => person,
    };
    let nobody = || Problem::new(Code::PermissionDenied, "only people and service accounts start executions");
    let requested_by = RequestedBy::of(actor.principal, answerable).ok_or_else(nobody)?;
    let names = || identity.permissions.iter().map(|id| id.as_str().to_owned()).collect();
    Ok(Starter { requested_by, scope: actor.delegation.map(|_| names()) })
}

/// The version of a workflow that is to be run.
async fn runnable<M: Mode>(
    tx: &mut TenantTx<M>,
    app: &App,
    workflow: WorkflowId,
    wanted: Option<i32>,
) -> Result<(Workflow, i32, Arc<CompiledWorkflow>)> {
    // Not locked: executions of one workflow would wait for one another.
    let workflow = Workflow::load(tx, workflow, false).await?.ok_or_else(Problem::not_found)?;
    let version = version(&workflow, wanted)?;
    let tenant = tx.tenant();
    let compiled = app.plans.get(&mut *tx, tenant, workflow.id, version).await?;
    Ok((workflow, version, compiled))
}

fn sensitive_parts(compiled: &CompiledWorkflow, input: &Value) -> Vec<String> {
    compiled.input_schema.as_ref().map(|schema| schema.sensitive().parts(input)).unwrap_or_default()
}

/// What the policy is asked.
async fn asked(tx: &mut TenantTx<Write>, workflow: &Workflow) -> Result<DecisionInput> {
    let organization = tenancy::store::current(tx).await?;
    Ok(DecisionInput {
        point: DecisionPoint::WorkflowExecute,
        tenant: tx.tenant(),
        tenant_slug: organization.slug,
        principal: tx.cx().actor().principal.to_string(),
        workflow: Some((workflow.id.to_string(), workflow.name.clone())),
        step: None,
        host: None,
    })
}

/// Queues an execution again that has ended without success, if it may go on: the month's quota was taken when it was
/// started, all else is asked as then.
pub(super) async fn admit_again(tx: &mut TenantTx<Write>, app: &App, id: ExecutionId) -> Result<Audited<Admission>> {
    let execution = tx.load::<ExecutionSummary>(id).await?;
    control::can_retry(&execution)?;
    let workflow =
        Workflow::load(tx, execution.workflow.id, false).await?.ok_or_else(|| Error::from(Problem::not_found()))?;
    quotas::find_room_in_queue(tx).await?;
    let (input, now) = (asked(tx, &workflow).await?, tx.now());
    let decision = policies::decide(&*app.policy, &mut *tx, now, &input).await?;
    if !decision.allowed {
        return Ok(Audited::none(
            "its refusal is an event of its own, folded with its repeats",
            Admission::Denied(decision),
        ));
    }
    control::retry(tx, &execution).await?;
    let event = NewEvent::new(ExecutionEvent::RETRIED, id.to_string())
        .detail("workflow", execution.workflow.id)
        .detail("was", execution.state);
    let execution = tx.load::<ExecutionSummary>(id).await?.into_inner();
    Ok(Audited::of(Admission::Queued(Box::new(execution)), event))
}

fn version(workflow: &Workflow, wanted: Option<i32>) -> Result<i32> {
    let version = wanted.unwrap_or(workflow.version);
    if !(1..=workflow.version).contains(&version) {
        let detail = format!("must be a version of the workflow, 1 to {}", workflow.version);
        return Err(Problem::invalid("/version", detail).into());
    }
    Ok(version)
}

fn check(schema: Option<&InputSchema>, input: &Value) -> Result<()> {
    let faults = schema.map(|schema| schema.check(input)).unwrap_or_default();
    if faults.is_empty() {
        return Ok(());
    }
    let problem = Problem::new(Code::Invalid, "the input is not what the workflow asks for; see errors");
    let problem = faults
        .into_iter()
        .fold(problem, |problem, fault| problem.field(format!("/input{}", fault.pointer), fault.message));
    Err(problem.into())
}

fn denied(decision: Decision) -> Problem {
    let detail = format!("a policy refuses this execution: {}", decision.reasons.join("; "));
    Problem::new(Code::Denied, detail).with("reasons", decision.reasons).with("policy_version", decision.policy_version)
}
