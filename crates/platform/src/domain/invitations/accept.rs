//! What the reader of an invitation does with its link: looks at it, and joins, as a new person or as the one they are.

use axum::extract::State;
use axum::http::Method;
use serde::{Deserialize, Serialize};
use tenure_kernel::bus::Message;
use tenure_kernel::{
    Actor, Anonymous, Audited, Authenticated, Code, Created, Json, NewEvent, OnConstraint as _, Principal, Problem,
    Result, Sample, SystemReason, SystemTx, Timestamp, UserId,
};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::event::InvitationEvent;
use super::given::may_still;
use super::store::{self, Opened};
use crate::app::{App, Routes};
use crate::domain::identity::{self, Email, NewPerson, PasswordRules, Registration, User, UserEvent, Username};
use crate::domain::mail::{LinkToken, link_over};
use crate::domain::tenancy;

/// The routes.
pub(super) fn routes() -> Routes {
    Routes::new("Invitations")
        .public(Method::POST, "/invitations/open", "the link is the credential", open, "See what an invitation is to, with the link that was sent.\n\nUses nothing up.")
        .public(Method::POST, "/invitations/accept", "the link is the credential, and its reader has no login yet", accept, "Join as a new person, with the link that was sent.\n\nThe address is the one that was invited, and needs no further confirmation. Log in then.")
        .post("/invitations/join", join, "Join with the account that you are logged in to, with the link that was sent.\n\nIts address must be the one that was invited. Go to the organisation then, with `POST /api/v1/auth/switch`.")
}

/// The link of an invitation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationLink {
    /// What stands behind `#token=`.
    token: String,
}

impl Sample for InvitationLink {
    fn sample() -> serde_json::Value {
        serde_json::json!({"token": "tnr_ml_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
    }
}

/// A new person, by the link of an invitation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// What stands behind `#token=`.
    token: String,
    /// 2 to 64 letters, digits, dots, hyphens, underscores.
    username: String,
    /// What the person is called.
    full_name: String,
    /// As many characters as the invitation says, made of more than the names of person and organisation.
    #[schema(value_type = String)]
    password: Zeroizing<String>,
}

impl Sample for Acceptance {
    fn sample() -> serde_json::Value {
        serde_json::json!({
            "token": "tnr_ml_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "username": "grace", "full_name": "Grace Hopper",
            "password": "a loud yellow morning"
        })
    }
}

/// What an invitation is to.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenInvitation {
    /// Short name of the organisation.
    organization: String,
    /// Its name.
    organization_name: String,
    /// Who is invited.
    email: String,
    /// Whether the address has an account here: then log in and join, else accept as a new person.
    has_account: bool,
    /// Characters that a new person's password needs.
    password_min_length: usize,
    /// When the link ends.
    expires_at: Timestamp,
}

/// What somebody joined.
#[derive(Debug, Serialize, ToSchema)]
pub struct Joined {
    /// Short name of the organisation.
    organization: String,
    /// Its name.
    organization_name: String,
    /// Who.
    user: User,
}

/// The invitation that the link opens, if who invites may still give what it gives.
async fn opened(tx: &mut SystemTx, digest: &[u8]) -> Result<Opened> {
    let opened = store::open(tx, digest).await?.ok_or_else(link_over)?;
    if may_still(tx, opened.tenant, &opened.invitation).await? { Ok(opened) } else { Err(link_over()) }
}

async fn open(anonymous: Anonymous, Json(link): Json<InvitationLink>) -> Result<Json<OpenInvitation>> {
    let opened = async {
        let digest = LinkToken::digest(&link.token)?;
        let system = anonymous.kernel().system(SystemReason::ManagePeople).from(anonymous.origin());
        system
            .run(async |tx| {
                let opened = opened(tx, &digest).await?;
                let known = identity::find_person(tx, &opened.invitation.email).await?.is_some();
                let organization = tenancy::store::password_policy(tx, opened.tenant).await?;
                Ok(Audited::none("who is invited looks at the invitation", (opened, known, organization)))
            })
            .await
    };
    match opened.await {
        Ok((opened, has_account, organization)) => Ok(Json(OpenInvitation {
            organization: opened.slug,
            organization_name: opened.name,
            email: opened.invitation.email.0.clone(),
            has_account,
            password_min_length: PasswordRules::new("", "", "").within(&organization).least(),
            expires_at: opened.invitation.expires_at,
        })),
        Err(error) => Err(anonymous.refused(error).await),
    }
}

async fn accept(anonymous: Anonymous, State(app): State<App>, Json(new): Json<Acceptance>) -> Result<Created<Joined>> {
    match try_accept(&anonymous, &app, new).await {
        Ok(joined) => Ok(Created(joined, None)),
        Err(error) => Err(anonymous.refused(error).await),
    }
}

async fn try_accept(anonymous: &Anonymous, app: &App, new: Acceptance) -> Result<Joined> {
    if app.config.registration == Registration::Closed {
        let detail = "registration is closed here; ask whoever invited you";
        return Err(Problem::new(Code::RegistrationClosed, detail).into());
    }
    let digest = LinkToken::digest(&new.token)?;
    let system = || anonymous.kernel().system(SystemReason::ManagePeople).from(anonymous.origin());
    // Without a link nothing is hashed, and what is refused does not use it up.
    let invited = system().run(async |tx| {
        let opened = opened(tx, &digest).await?;
        let email = opened.invitation.email.0.clone();
        if identity::find_person(tx, &email).await?.is_some() {
            return Err(has_account().into());
        }
        let organization = tenancy::store::password_policy(tx, opened.tenant).await?;
        Ok(Audited::none("looks up who is invited", (email, organization)))
    });
    let (email, organization) = invited.await?;
    let email = Email::parse(&email, "/email")?;
    let username = Username::parse(&new.username, "/username")?;
    let full_name = identity::parse_name(&new.full_name, "/full_name")?;
    let rules = PasswordRules::new(username.as_str(), email.as_str(), &full_name).within(&organization);
    let password = rules.parse(&new.password, "/password")?;
    let person = NewPerson {
        username,
        email,
        full_name,
        password_hash: app.passwords.hash(password).await?,
        must_change: false,
    };
    system()
        .run(async |tx| {
            let opened = opened(tx, &digest).await?;
            let taken = || Problem::conflict("this user name is taken; choose another").field("/username", "is taken");
            let created = identity::insert_person(tx, &person, None).await;
            let created = created.on_constraint("users_username_key", taken)?;
            let registered = created.audited(UserEvent::REGISTERED).in_tenant(opened.tenant);
            let user = registered.value().clone();
            identity::email_reached(tx, user.id).await?;
            let joined = become_member(tx, opened, &user).await?;
            Ok(registered.and(joined).map(|(_, joined)| joined).by(actor(user.id)))
        })
        .await
        .on_constraint("users_email_key", has_account)
}

fn has_account() -> Problem {
    Problem::conflict("this address has an account here; log in with it and open the link again")
}

async fn join(cx: Authenticated, State(app): State<App>, Json(link): Json<InvitationLink>) -> Result<Json<Joined>> {
    if !app.config.logins {
        return Err(Problem::conflict("logins are switched off here; there is nobody to join").into());
    }
    let Some(id) = cx.cx().actor().user().filter(|_| cx.cx().actor().session.is_some()) else {
        let detail = "a person joins, with their own login";
        return Err(cx.refused(Problem::new(Code::PermissionDenied, detail).into()).await);
    };
    let joined = async {
        let digest = LinkToken::digest(&link.token)?;
        let system = cx.kernel().system(SystemReason::ManagePeople).from(&cx.cx().origin);
        system
            .run(async |tx| {
                let opened = opened(tx, &digest).await?;
                let user = identity::person(tx, id).await?;
                if user.email.to_lowercase() != opened.invitation.email.to_lowercase() {
                    let detail = "this invitation is for another address; log in with the account that has it";
                    return Err(Problem::new(Code::PermissionDenied, detail).into());
                }
                identity::email_reached(tx, id).await?;
                Ok(become_member(tx, opened, &user).await?.by(actor(id)))
            })
            .await
    };
    match joined.await {
        Ok(joined) => Ok(Json(joined)),
        Err(error) => Err(cx.refused(error).await),
    }
}

/// Through no login: the organisation need not know of one in another.
fn actor(user: UserId) -> Actor {
    Actor { principal: Principal::User(user), ..Actor::anonymous() }
}

/// The transaction is in the organisation; all of it happens, or nothing.
async fn become_member(tx: &mut SystemTx, opened: Opened, user: &User) -> Result<Audited<Joined>> {
    let Opened { tenant, slug, name, invitation } = opened;
    let (roles, teams) = (invitation.roles.clone(), invitation.teams.clone());
    let left = identity::join(tx, tenant, user, &roles).await?.ok_or_else(|| {
        Problem::conflict(
            "you are a member of this organisation already, or an administrator ended your membership; ask them",
        )
    })?;
    store::put_into_teams(tx, tenant, user.id, &teams).await?;
    let accepted = store::accepted(tx, tenant, invitation, user.id).await?.audited(InvitationEvent::ACCEPTED);
    tx.announce(Message::UserChanged { user: user.id }).await?;
    let joined = NewEvent::new(UserEvent::JOINED, user.id.to_string())
        .detail("roles", &roles)
        .detail("teams", &teams)
        .detail("left_teams", left)
        .detail("email", &user.email);
    let answer = Joined { organization: slug, organization_name: name, user: user.clone() };
    Ok(accepted.in_tenant(tenant).map(|_| answer).also(joined.in_tenant(tenant)))
}
