//! `/api/v1/users/{id}/assets` and `/api/v1/users/{id}/offboard`

use serde::Deserialize;
use tenure_kernel::bus::Message;
use tenure_kernel::permission::{ApprovalDecide, Permission as _, RoleAssign, UserWrite};
use tenure_kernel::{
    All, Audited, Authorized, Json, NewEvent, Path, PermissionSet, Problem, Recent, Result, Sample, SystemReason,
    TenantTx, UserId, Write,
};
use utoipa::ToSchema;

use super::model::{ApprovalsLeft, Assets, LeftBecause, Offboarded};
use super::{approvals_store, store};
use crate::app::Routes;
use crate::domain::access;
use crate::domain::api_keys::ApiKeyEvent;
use crate::domain::approvals::ApprovalEvent;
use crate::domain::invitations::InvitationEvent;
use crate::domain::members::{self, Member, MemberEvent, MemberStatus};
use crate::domain::plugins::PluginEvent;
use crate::domain::roles::{self, Role};
use crate::domain::teams::TeamEvent;
use crate::domain::workflows::WorkflowEvent;

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Members")
        .get("/users/{id}/assets", assets, "See what a member owns and what acts in their name, before they are offboarded.")
        .post("/users/{id}/offboard", offboard, "Give what a member owns to somebody who stays, and end what acts in their name.\n\nIn one transaction: their workflows and plugins get the new owner, who also answers for what service accounts start with keys that they made, and is named where open requests for approval named them and the new owner may decide then (the others are counted, by reason; nobody makes themselves an approver), their own API keys are revoked and the invitations that they sent taken back, they leave every team, their membership is deactivated, and with it their sessions end within a second. Ownership is responsibility and gives no permission. What they did stays on the log.")
}

/// Who takes over.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Offboarding {
    /// An active member of the organisation.
    to: UserId,
}

impl Sample for Offboarding {
    fn sample() -> serde_json::Value {
        serde_json::json!({"to": "usr_01jd0000000000000000000000"})
    }
}

async fn assets(cx: Authorized<All<(UserWrite, RoleAssign)>>, Path(id): Path<UserId>) -> Result<Json<Assets>> {
    let (workflows, plugins, api_keys, service_account_keys, teams, invitations, (approvals, executions)) = cx
        .read(async |tx| {
            tx.load::<Member>(id).await?;
            Ok((
                store::workflows(tx, id).await?,
                store::plugins(tx, id).await?,
                store::keys(tx, id, false).await?,
                store::keys(tx, id, true).await?,
                store::teams(tx, id).await?,
                store::invitations(tx, id).await?,
                store::open_work(tx, id).await?,
            ))
        })
        .await?;
    let tenant = cx.tenant();
    let sessions = cx
        .kernel()
        .system(SystemReason::ManagePeople)
        .run(async |tx| Ok(Audited::none("counts sessions", store::sessions(tx, tenant, id).await?)))
        .await?;
    Ok(Json(Assets {
        workflows,
        plugins,
        api_keys,
        service_account_keys,
        teams,
        approvals,
        executions,
        invitations,
        sessions,
    }))
}

async fn offboard(
    cx: Authorized<Recent<All<(UserWrite, RoleAssign)>>>,
    Path(id): Path<UserId>,
    Json(Offboarding { to }): Json<Offboarding>,
) -> Result<Json<Offboarded>> {
    let held = cx.cx().identity.permissions;
    if cx.cx().actor().user() == Some(id) {
        return Err(Problem::conflict("somebody else has to offboard you; you can delete your own account").into());
    }
    if to == id {
        return Err(Problem::invalid("/to", "must be somebody else than who leaves").into());
    }
    cx.write(async |tx| {
        let deactivated = members::deactivate(tx, held, id, to).await?;
        let receiver = receives(tx, to).await?;
        let (workflows, plugins) = store::transfer(tx, id, to).await?;
        let handed_over = store::hand_over_keys(tx, id, to).await?;
        let never = decides_none(tx, &receiver).await?;
        let approvals = approvals_store::hand_over(tx, id, to, never).await?;
        let left = ApprovalsLeft::counted(&approvals.left);
        let (keys, teams) = (store::revoke_keys(tx, id).await?, store::leave_teams(tx, id).await?);
        let invitations = store::revoke_invitations(tx, id).await?;
        tx.announce(Message::UserChanged { user: id }).await?;
        let told = NewEvent::new(MemberEvent::OFFBOARDED, id.to_string())
            .detail("to", to)
            .detail("approvals_left", approvals.left.len())
            .detail("approvals_left_because", &left);
        let mut told = deactivated.audited(MemberEvent::UPDATED).also(told);
        for id in &workflows {
            told = told.also(NewEvent::new(WorkflowEvent::OWNER_CHANGED, id.to_string()).detail("owner_id", to));
        }
        for id in &plugins {
            told = told.also(NewEvent::new(PluginEvent::OWNER_CHANGED, id.to_string()).detail("owner_id", to));
        }
        for key in &handed_over {
            told = told.also(NewEvent::new(ApiKeyEvent::HANDED_OVER, key.to_string()).detail("answerable", to));
        }
        for approval in &approvals.handed_over {
            let named = NewEvent::new(ApprovalEvent::HANDED_OVER, approval.to_string());
            told = told.also(named.detail("from", id).detail("to", to));
        }
        for key in &keys {
            told = told.also(NewEvent::new(ApiKeyEvent::REVOKED, key.to_string()).detail("user", id));
        }
        for invitation in &invitations {
            let revoked = NewEvent::new(InvitationEvent::REVOKED, invitation.to_string());
            told = told.also(revoked.detail("invited_by", id));
        }
        for team in &teams {
            told = told.also(NewEvent::new(TeamEvent::MEMBER_REMOVED, team.to_string()).detail("user", id));
        }
        Ok(told.map(|member| Offboarded {
            member,
            workflows: workflows.len(),
            plugins: plugins.len(),
            service_account_keys: handed_over.len(),
            approvals: approvals.handed_over.len(),
            approvals_left: approvals.left.len(),
            approvals_left_because: left.clone(),
            revoked_keys: keys.len(),
            revoked_invitations: invitations.len(),
            left_teams: teams.len(),
        }))
    })
    .await
    .map(Json)
}

/// Whoever is to take over is there to do so.
async fn receives(tx: &mut TenantTx<Write>, to: UserId) -> Result<Member> {
    let wrong = || Problem::invalid("/to", "must be an active member of this organisation");
    let receiver = tx.load::<Member>(to).await.map_err(|error| match error.problem().code {
        tenure_kernel::Code::NotFound => wrong().into(),
        _ => error,
    })?;
    if receiver.status == MemberStatus::Active { Ok(receiver.into_inner()) } else { Err(wrong().into()) }
}

/// Why this member is named in no request for approval in another's place. Who leaves may have been the second pair of eyes on
/// what the caller wants, so the caller's are not put in their place.
async fn decides_none(tx: &mut TenantTx<Write>, to: &Member) -> Result<Option<LeftBecause>> {
    if tx.cx().actor().user() == Some(to.id) {
        return Ok(Some(LeftBecause::Yourself));
    }
    let tenant = tx.tenant();
    let roles = roles::of_names(&mut *tx, tenant, &to.roles).await?;
    let holds = roles.iter().map(Role::set).fold(access::effective(&[], &to.permissions), PermissionSet::union);
    Ok((!holds.contains(ApprovalDecide::NEEDS)).then_some(LeftBecause::NotPermitted))
}
