//! `/api/v1/approvals`

use serde::Deserialize;
use tenure_kernel::bus::Message;
use tenure_kernel::permission::{ApprovalDecide, ApprovalRead};
use tenure_kernel::{
    ApprovalId, Audited, Authorized, ExecutionId, Json, NewEvent, Page, PageQuery, Path, Personal, Problem, Query,
    Result, Sample, TenantTx, Write,
};
use utoipa::{IntoParams, ToSchema};

use super::event::ApprovalEvent;
use super::model::{Approval, ApprovalState, Comment, ShownDigest, Verdict};
use super::store::{self, Filter};
use crate::app::Routes;
use crate::domain::executions;

const DECIDE: &str = "Approve or reject.\n\nBound to what you were shown: with another `shown_digest` than the approval's it is 409. One rejection rejects; as many approvals as `at_least` approve.";

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Approvals")
        .get("/approvals", list, "List approvals, newest first.")
        .get("/approvals/{id}", get, "See an approval, and whether you may decide.")
        .post("/approvals/{id}/decision", decide, DECIDE)
}

/// Which approvals to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// In this state.
    #[param(inline)]
    state: Option<ApprovalState>,
    /// Of this execution.
    #[param(value_type = Option<String>)]
    execution_id: Option<ExecutionId>,
    /// `true` for those that you may decide now.
    #[serde(default)]
    mine: bool,
    /// How many items at most, 1 to 200; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A decision to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDecision {
    /// Yes or no.
    decision: Verdict,
    /// At most 2,000 characters.
    comment: Option<String>,
    /// The approval's `shown_digest`, as it was when you looked.
    shown_digest: Option<String>,
}

impl Sample for NewDecision {
    fn sample() -> serde_json::Value {
        serde_json::json!({"decision": "approve", "comment": "Checked with the customer"})
    }
}

async fn list(cx: Authorized<ApprovalRead>, Query(query): Query<ListQuery>) -> Result<Json<Page<Approval>>> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let filter = Filter { id: None, state: query.state, execution: query.execution_id, mine: query.mine };
    cx.read(async |tx| store::list(tx, &filter, &page).await).await.map(Json)
}

async fn get(cx: Authorized<ApprovalRead>, Path(id): Path<ApprovalId>) -> Result<Json<Approval>> {
    cx.read(async |tx| Ok(tx.load::<Approval>(id).await?.into_inner())).await.map(Json)
}

async fn decide(
    cx: Authorized<ApprovalDecide>,
    Path(id): Path<ApprovalId>,
    Json(new): Json<NewDecision>,
) -> Result<Json<Approval>> {
    let comment = Comment::parse(new.comment)?;
    let seen = new.shown_digest.as_deref().map(ShownDigest::parse).transpose()?;
    let approval = cx.write(async |tx| decided(tx, id, new.decision, &comment, seen.as_ref()).await).await?;
    if approval.state != ApprovalState::Pending {
        cx.kernel().bus().wake(Message::WorkQueued);
    }
    let execution = approval.execution_id;
    cx.kernel().bus().wake(Message::ExecutionProgress { tenant: cx.tenant(), execution, over: false });
    Ok(Json(approval))
}

async fn decided(
    tx: &mut TenantTx<Write>,
    id: ApprovalId,
    verdict: Verdict,
    comment: &Comment,
    seen: Option<&ShownDigest>,
) -> Result<Audited<Approval>> {
    let approval = tx.load::<Approval>(id).await?;
    if let Some(refusal) = store::refused(tx, &approval).await? {
        return Err(refusal.problem().into());
    }
    if seen.is_some_and(|seen| !seen.is(&approval.shown_digest)) {
        let detail = "what is to be approved is not what you were shown; look at it again";
        return Err(Problem::conflict(detail).with("reason", "shown-changed").into());
    }
    let approval = store::decide(tx, approval, verdict, comment).await?;
    if approval.state != ApprovalState::Pending {
        executions::wake(tx, approval.execution_id).await?;
    }
    let action = match verdict {
        Verdict::Approve => ApprovalEvent::APPROVED,
        Verdict::Reject => ApprovalEvent::REJECTED,
    };
    let event = NewEvent::new(action, id.to_string())
        .detail("execution", approval.execution_id)
        .detail("step", &approval.step)
        .detail("state", approval.state)
        .detail("shown_digest", &approval.shown_digest);
    let event = match &comment.0 {
        Some(comment) => event.detail("comment", Personal(comment.clone())),
        None => event,
    };
    Ok(Audited::of(approval, event))
}
