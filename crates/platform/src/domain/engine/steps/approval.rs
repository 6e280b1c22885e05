//! `approval`: asks people, and waits for them. What they are shown is fixed when they are asked; the decision is bound
//! to its digest.

use serde_json::{Value, json};
use tenure_kernel::{Audited, SystemReason};
use tenure_workflow::ErrorClass;
use tenure_workflow::nodes::{Approval, OnReject};

use super::{Extras, Failure, Parking, Ran, Step, StepEnd};
use crate::domain::approvals::{self, ApprovalState, NewApproval};

pub(super) async fn run(step: &Step, approval: &Approval, extras: &mut Extras) -> Ran {
    let (tenant, execution, name) = (step.claim.tenant, step.claim.execution, step.key.to_string());
    let known = step
        .shared
        .kernel
        .system(SystemReason::EngineBatch)
        .by(step.claim.actor)
        .run(async |tx| {
            let expired = approvals::expire(tx, tenant, execution, &name).await?;
            let known = approvals::state_of(tx, tenant, execution, &name).await?;
            Ok(Audited::many(known, expired))
        })
        .await?;
    let Some(known) = known else {
        return ask(step, approval).await;
    };
    extras.began = Some(known.asked_at);
    match known.state {
        ApprovalState::Pending => Ok(StepEnd::Parked(Parking::People(known.expires_at))),
        ApprovalState::Approved => Ok(StepEnd::Output(decided("approve", &known))),
        ApprovalState::Rejected if approval.on_reject == OnReject::Continue => {
            Ok(StepEnd::Output(decided("reject", &known)))
        }
        ApprovalState::Rejected => {
            let comment = known.comment.as_deref().map(|comment| format!(": {comment}")).unwrap_or_default();
            Err(Failure::new(ErrorClass::Rejected, format!("the approval was rejected{comment}")))
        }
        ApprovalState::Expired => Err(Failure::new(ErrorClass::Expired, "nobody decided in time")),
        ApprovalState::Cancelled => Err(Failure::new(ErrorClass::Cancelled, "the request for approval was withdrawn")),
    }
}

fn decided(decision: &str, known: &approvals::ApprovalOutcome) -> Value {
    json!({ "decision": decision, "by": known.by, "at": known.at, "comment": known.comment })
}

async fn ask(step: &Step, approval: &Approval) -> Ran {
    let shown = match approval.show {
        // Approvers are people like others: what is sensitive is masked for them, too.
        Some(_) => step.sensitive.masked(&step.evaluate("show").await?, &[]),
        None => Value::Null,
    };
    let expires_at = approval.expires.map(|span| step.now().after(span.as_duration()));
    let name = step.key.to_string();
    let new = NewApproval {
        tenant: step.claim.tenant,
        execution: step.claim.execution,
        step: &name,
        workflow: step.claim.workflow,
        requested_by: step.claim.requested_by,
        shown: &shown,
        approvers: &approval.approvers,
        not_requester: approval.not_requester,
        expires_at,
    };
    let ask = step.shared.kernel.system(SystemReason::EngineBatch).by(step.claim.actor);
    ask.run(async |tx| Ok(Audited::many((), approvals::request(tx, &new).await?.event))).await?;
    Ok(StepEnd::Parked(Parking::People(expires_at)))
}
