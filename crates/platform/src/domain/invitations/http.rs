//! `/api/v1/invitations`

use axum::extract::State;
use serde::Deserialize;
use tenure_kernel::permission::UserRead;
use tenure_kernel::{
    Audited, Authorized, Code, Created, Error, InvitationId, Json, NoContent, OnConstraint as _, Page, PageQuery, Path,
    Problem, Query, Result, Sample, SystemReason, SystemTx, TeamId, TenantId, UserId,
};
use utoipa::{IntoParams, ToSchema};

use super::event::InvitationEvent;
use super::given::{MayInvite, within_own};
use super::letter::letter;
use super::model::{Invitation, InvitationState, parse_teams};
use super::store::{self, NewInvitation};
use crate::app::{App, Routes};
use crate::domain::access::{Asker, SystemRole};
use crate::domain::identity::{Email, Registration};
use crate::domain::mail::{self, LinkToken};
use crate::domain::roles;

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Invitations")
        .get("/invitations", list, "List invitations, newest first.")
        .post("/invitations", create, "Invite somebody by mail.\n\nA link goes to the address and works once, for 7 days; whoever opens it becomes a member with these roles, as a new person or with the account that they have. The answer does not tell which. Nobody invites with a role that holds more than they hold; into teams only with `team:write`.")
        .get("/invitations/{id}", get, "See an invitation.")
        .post("/invitations/{id}/resend", resend, "Send an invitation again.\n\nWith another link, which works for 7 days from now; the one before opens nothing. Who sends it again invites from then on: the link opens nothing once they may not.")
        .delete("/invitations/{id}", revoke, "Take an invitation back.\n\nIts link opens nothing from then on.")
        .merge(super::accept::routes())
}

/// Which invitations to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InvitationFilter {
    /// Only of this state.
    state: Option<InvitationState>,
    /// How many at most, 1 to 200.
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Whom to invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvite {
    /// Their address.
    email: String,
    /// Names of roles; `viewer` unless told.
    #[serde(default)]
    roles: Vec<String>,
    /// Teams that they are put into.
    #[serde(default)]
    teams: Vec<TeamId>,
}

impl Sample for NewInvite {
    fn sample() -> serde_json::Value {
        serde_json::json!({"email": "grace@example.com", "roles": ["viewer"]})
    }
}

async fn list(cx: Authorized<UserRead>, Query(filter): Query<InvitationFilter>) -> Result<Json<Page<Invitation>>> {
    let page = PageQuery { limit: filter.limit, cursor: filter.cursor };
    cx.read(async |tx| store::list(tx, &page, filter.state).await).await.map(Json)
}

async fn get(cx: Authorized<UserRead>, Path(id): Path<InvitationId>) -> Result<Json<Invitation>> {
    cx.read(async |tx| Ok(tx.load::<Invitation>(id).await?.into_inner())).await.map(Json)
}

async fn create(
    cx: Authorized<MayInvite>,
    State(app): State<App>,
    Json(new): Json<NewInvite>,
) -> Result<Created<Invitation>> {
    let inviter = may_send(&cx, &app).await?;
    let email = Email::parse(&new.email, "/email")?;
    let roles = roles::parse_names(&new.roles, "/roles")?;
    let roles = if roles.is_empty() { vec![SystemRole::Viewer.as_str().to_owned()] } else { roles };
    let teams = parse_teams(&new.teams)?;
    let (tenant, asker, token) = (cx.tenant(), Asker::of(cx.cx()), LinkToken::random()?);
    let created = cx.write_across(SystemReason::ManagePeople, async |tx| {
        within_own(tx, tenant, asker.held, &roles, &teams).await?;
        if let Some(missing) = store::missing_team(tx, tenant, &teams).await? {
            return Err(Problem::invalid("/teams", format!("`{missing}` is no team of this organisation")).into());
        }
        if store::is_known(tx, tenant, email.as_str()).await? {
            return Err(Problem::conflict("somebody of this address is a member already; see GET /api/v1/users")
                .field("/email", "is a member's")
                .into());
        }
        limited(tx, email.as_str(), inviter).await?;
        let new =
            NewInvitation { email: email.as_str().to_owned(), roles, teams, invited_by: inviter, asker: asker.clone() };
        let created = store::insert(tx, tenant, new, &token).await.on_constraint("invitations_open_key", invited)?;
        let created = created.audited(InvitationEvent::CREATED);
        send(tx, &app, tenant, created.value(), inviter, &token).await?;
        Ok(created)
    });
    let invitation = created.await.on_constraint("memberships_roles_exist", role_is_gone)?;
    app.mail.wake();
    let location = format!("/api/v1/invitations/{}", invitation.id);
    Ok(Created(invitation, Some(location)))
}

async fn resend(
    cx: Authorized<MayInvite>,
    State(app): State<App>,
    Path(id): Path<InvitationId>,
) -> Result<Json<Invitation>> {
    let inviter = may_send(&cx, &app).await?;
    let (tenant, asker, token) = (cx.tenant(), Asker::of(cx.cx()), LinkToken::random()?);
    let sent = cx.write_across(SystemReason::ManagePeople, async |tx| {
        let invitation = store::locked(tx, tenant, id).await?.ok_or_else(Problem::not_found)?;
        if !matches!(invitation.state, InvitationState::Open | InvitationState::Expired) {
            return Err(Problem::conflict("this invitation was accepted or taken back; make another").into());
        }
        // Whoever sends it again gives what it gives, and answers for it from now on. A team that is gone is nobody's to give.
        within_own(tx, tenant, asker.held, &invitation.roles, &invitation.teams).await.map_err(role_was_deleted)?;
        limited(tx, &invitation.email, inviter).await?;
        let sent =
            store::renew(tx, tenant, invitation, (inviter, &asker), &token).await?.audited(InvitationEvent::SENT_AGAIN);
        send(tx, &app, tenant, sent.value(), inviter, &token).await?;
        Ok(sent)
    });
    let invitation = sent.await?;
    app.mail.wake();
    Ok(Json(invitation))
}

async fn revoke(cx: Authorized<MayInvite>, Path(id): Path<InvitationId>) -> Result<NoContent> {
    let (tenant, held) = (cx.tenant(), cx.cx().identity.permissions);
    cx.write(async |tx| {
        let invitation = tx.load::<Invitation>(id).await?;
        // Nobody takes what they do not hold, either.
        roles::within_own(&mut *tx, tenant, held, &invitation.roles, &[], "/roles").await?;
        match invitation.state {
            InvitationState::Open | InvitationState::Expired => {
                Ok(store::revoke(tx, invitation).await?.audited(InvitationEvent::REVOKED).map(|_| ()))
            }
            InvitationState::Revoked => Ok(Audited::none("it was taken back already", ())),
            InvitationState::Accepted => {
                let detail = "they have accepted it and are a member; change their membership instead";
                Err(Problem::conflict(detail).into())
            }
        }
    })
    .await?;
    Ok(NoContent)
}

/// The person who invites, where this installation lets anybody come by mail.
async fn may_send<P>(cx: &Authorized<P>, app: &App) -> Result<UserId> {
    if app.config.registration == Registration::Closed {
        let detail = "registration is closed here, so nobody comes by invitation; add people with POST /api/v1/users, or ask whoever runs this installation for registration = \"invite\"";
        return Err(cx.refused(Problem::new(Code::RegistrationClosed, detail).into()).await);
    }
    app.mail.required()?;
    let person = cx.cx().actor().user().filter(|_| cx.cx().actor().service_account().is_none());
    person.ok_or_else(|| {
        Problem::new(Code::PermissionDenied, "a person invites; a service account has nobody to answer for it").into()
    })
}

async fn limited(tx: &mut SystemTx, email: &str, inviter: UserId) -> Result<()> {
    // By address over all organisations, and by who invites.
    let wait = match mail::limit(tx, "invitation", email, None).await? {
        None => mail::limit_of_sender(tx, &inviter.to_string()).await?,
        wait => wait,
    };
    wait.map_or(Ok(()), |wait| Err(mail::too_often(wait).into()))
}

async fn send(
    tx: &mut SystemTx,
    app: &App,
    tenant: TenantId,
    invitation: &Invitation,
    inviter: UserId,
    token: &LinkToken,
) -> Result<()> {
    let (organization, name) = store::names(tx, tenant, inviter).await?;
    mail::enqueue(tx, &letter(&app.mail, invitation, tenant, &organization, &name, token)).await?;
    Ok(())
}

fn invited() -> Problem {
    Problem::conflict("this address is invited already; send that invitation again, or take it back first")
        .field("/email", "is invited already")
}

/// Of an invitation that has run out: others hold their roles.
fn role_was_deleted(error: Error) -> Error {
    match error.problem().code {
        Code::Invalid => {
            Problem::conflict("a role of this invitation was deleted; take it back and make another").into()
        }
        _ => error,
    }
}

fn role_is_gone() -> Problem {
    Problem::invalid("/roles", "one of them was deleted meanwhile")
}
