//! What the engine does with approvals, across tenants, as its own role. Each function that changes something gives the
//! event that tells of it.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tenure_kernel::{
    ApprovalId, Error, ExecutionId, NewEvent, Result, SystemTx, TenantId, Timestamp, UserId, WorkflowId,
};
use tenure_workflow::nodes::Approvers;

use super::event::ApprovalEvent;
use super::model::{ApprovalState, StoredApprovers, hex};
use crate::domain::executions::{PersonRef, RequestedBy};

/// What people are asked.
#[derive(Debug)]
pub struct NewApproval<'a> {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Which execution waits.
    pub execution: ExecutionId,
    /// At which step.
    pub step: &'a str,
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// Who started the execution.
    pub requested_by: RequestedBy,
    /// What the approver is shown.
    pub shown: &'a Value,
    /// Who may decide.
    pub approvers: &'a Approvers,
    /// Whether the requester may not.
    pub not_requester: bool,
    /// When it runs out.
    pub expires_at: Option<Timestamp>,
}

/// An approval that now is asked for.
#[derive(Debug)]
pub struct Requested {
    /// Which.
    pub id: ApprovalId,
    /// `approval.requested`; nothing where it was asked for before (the step was taken up again).
    pub event: Option<NewEvent>,
}

/// Asks for an approval, once per step: what was asked before stays as it was.
///
/// # Errors
/// PostgreSQL's.
pub async fn request(tx: &mut SystemTx, new: &NewApproval<'_>) -> Result<Requested> {
    let (id, now): (ApprovalId, _) = (tx.new_id(), tx.now());
    let shown = serde_json::to_string(new.shown)?;
    let digest: [u8; 32] = Sha256::digest(shown.as_bytes()).into();
    let approvers = StoredApprovers {
        roles: new.approvers.roles.clone(),
        teams: new.approvers.teams.clone(),
        users: new.approvers.users.clone(),
        at_least: new.approvers.at_least,
        not_requester: new.not_requester,
    };
    let inserted = sqlx::query!(
        "insert into approvals (tenant_id, id, execution_id, step, workflow_id, requested_by, state, shown, shown_digest,
                                approvers, expires_at, created_at, requested_by_kind, answerable)
         values ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, $9, $10, $11, $12, $13)
         on conflict (tenant_id, execution_id, step) do nothing",
        new.tenant.uuid(),
        id.uuid(),
        new.execution.uuid(),
        new.step,
        new.workflow.uuid(),
        new.requested_by.id(),
        shown,
        &digest[..],
        serde_json::to_value(&approvers)?,
        new.expires_at as Option<Timestamp>,
        now,
        new.requested_by.kind(),
        new.requested_by.answerable.map(UserId::uuid)
    )
    .execute(&mut *tx)
    .await?;
    if inserted.rows_affected() == 0 {
        let known = sqlx::query_scalar!(
            r#"select id as "id: ApprovalId" from approvals where tenant_id = $1 and execution_id = $2 and step = $3"#,
            new.tenant.uuid(),
            new.execution.uuid(),
            new.step
        )
        .fetch_one(&mut *tx)
        .await?;
        return Ok(Requested { id: known, event: None });
    }
    let event =
        event(ApprovalEvent::REQUESTED, new.tenant, id, new.execution, new.step).detail("shown_digest", hex(&digest));
    Ok(Requested { id, event: Some(event) })
}

fn event(
    action: tenure_kernel::Action<super::Approval>,
    tenant: TenantId,
    id: ApprovalId,
    execution: ExecutionId,
    step: &str,
) -> NewEvent {
    NewEvent::new(action, id.to_string()).in_tenant(tenant).detail("execution", execution).detail("step", step)
}

/// What came of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalOutcome {
    /// Which.
    pub id: ApprovalId,
    /// How it stands.
    pub state: ApprovalState,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When it runs out.
    pub expires_at: Option<Timestamp>,
    /// When it was decided, ran out or was cancelled.
    pub at: Option<Timestamp>,
    /// Whose decision was the last.
    pub by: Option<PersonRef>,
    /// What they said about it.
    pub comment: Option<String>,
}

/// What came of a step's approval; nothing where none was asked for.
///
/// # Errors
/// PostgreSQL's.
pub async fn state_of(
    tx: &mut SystemTx,
    tenant: TenantId,
    execution: ExecutionId,
    step: &str,
) -> Result<Option<ApprovalOutcome>> {
    let row = sqlx::query!(
        r#"select a.id as "id: ApprovalId", a.state, a.created_at, a.expires_at, a.decided_at, d.user_id as "by?: UserId", m.full_name as "name?",
                  d.comment as "comment?"
           from approvals a
           left join lateral (select user_id, comment from approval_decisions
                              where tenant_id = a.tenant_id and approval_id = a.id order by decided_at desc limit 1) d on true
           left join memberships m on m.tenant_id = a.tenant_id and m.user_id = d.user_id
           where a.tenant_id = $1 and a.execution_id = $2 and a.step = $3"#,
        tenant.uuid(),
        execution.uuid(),
        step
    )
    .fetch_optional(&mut *tx)
    .await?;
    row.map(|row| {
        let state = ApprovalState::parse(&row.state).ok_or_else(|| Error::internal("unknown state of an approval"))?;
        Ok(ApprovalOutcome {
            id: row.id,
            state,
            asked_at: row.created_at,
            expires_at: row.expires_at,
            at: row.decided_at,
            by: row.by.map(|by| PersonRef::new(by, row.name)),
            comment: row.comment,
        })
    })
    .transpose()
}

/// Closes a step's approval if its time is over; gives `approval.expired` if so.
///
/// # Errors
/// PostgreSQL's.
pub async fn expire(
    tx: &mut SystemTx,
    tenant: TenantId,
    execution: ExecutionId,
    step: &str,
) -> Result<Option<NewEvent>> {
    let expired = sqlx::query_scalar!(
        r#"update approvals set state = 'expired', decided_at = $4
           where tenant_id = $1 and execution_id = $2 and step = $3 and state = 'pending' and expires_at <= $4
           returning id as "id: ApprovalId""#,
        tenant.uuid(),
        execution.uuid(),
        step,
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(expired.map(|id| event(ApprovalEvent::EXPIRED, tenant, id, execution, step)))
}

/// Closes what an execution that ended leaves undecided; how many these were. Its end is the event that tells of it.
///
/// # Errors
/// PostgreSQL's.
pub async fn cancel_pending(tx: &mut SystemTx, tenant: TenantId, execution: ExecutionId) -> Result<u64> {
    let cancelled = sqlx::query!(
        "update approvals set state = 'cancelled', decided_at = $3 where tenant_id = $1 and execution_id = $2 and state = 'pending'",
        tenant.uuid(),
        execution.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(cancelled.rows_affected())
}
