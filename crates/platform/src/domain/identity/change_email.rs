//! `/api/v1/auth/email`: a person changes their own address.
//!
//! It changes when a link that was sent to the new address is opened, not before. Whoever holds somebody's access token for
//! a moment must not be able to take the account: the password is asked for, as for a change of the password.

use axum::extract::State;
use axum::http::Method;
use serde::Deserialize;
use tenure_kernel::bus::Message;
use tenure_kernel::{
    Anonymous, Audited, Authenticated, Json, NewEvent, NoContent, OnConstraint as _, Personal, Problem, Proven, Result,
    Sample, SystemReason,
};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::change_password::{self, Known};
use super::event::UserEvent;
use super::letters;
use super::link_store::{self, Purpose};
use super::lockout;
use super::model::Email;
use super::sessions::{By, person};
use super::store;
use super::verify_email::{LinkUse, told};
use crate::app::{App, Routes};
use crate::domain::mail::{self, LinkToken, MailKind, link_over};

/// The routes.
pub fn routes() -> Routes {
    Routes::new("Authentication")
        .post("/auth/email", request, "Change your own address.\n\nA link goes to the new address and works once, for a day; the address changes when it is opened. The old one gets a note then. Wrong passwords count like failed logins.")
        .public(
            Method::POST,
            "/auth/email/confirm",
            "the link is the credential, and may be opened where nobody is logged in",
            confirm,
            "Make a new address yours, with the link that was sent to it.",
        )
}

/// The new address, and the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailChange {
    /// The address as it shall be.
    email: String,
    /// Your password.
    #[schema(value_type = String)]
    current_password: Zeroizing<String>,
}

impl Sample for EmailChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"email": "ada@new.example.com", "current_password": "a quiet green meadow"})
    }
}

async fn request(
    cx: Authenticated<Proven>,
    State(app): State<App>,
    Json(change): Json<EmailChange>,
) -> Result<NoContent> {
    let (id, _) = person(&cx)?;
    if !app.config.logins {
        return Err(Problem::conflict("logins are switched off here, so there is no address to change").into());
    }
    app.mail.required()?;
    let email = Email::parse(&change.email, "/email")?;
    // Guesses that are sent at once are judged one after another.
    let _turn = app.passwords.turn(&id.to_string()).await;
    let (user, known) = change_password::known(&cx, id).await?;
    if user.email.to_lowercase() == email.as_str().to_lowercase() {
        return Err(Problem::invalid("/email", "is your address already").into());
    }
    change_password::prove(&cx, &app, &change.current_password, &known).await?;
    match write_request(&cx, &app, &email, known).await {
        Ok(()) => app.mail.wake(),
        Err(error) => return Err(cx.refused(error).await),
    }
    Ok(NoContent)
}

/// An address that is somebody else's is answered like any other, and its owner gets a note.
async fn write_request(cx: &Authenticated<Proven>, app: &App, email: &Email, known: Known) -> Result<()> {
    let (id, token) = (person(cx)?.0, LinkToken::random()?);
    let by = By::of(cx);
    let system = cx.kernel().system(SystemReason::Authenticate).from(&cx.cx().origin);
    system
        .run(async |tx| {
            if let Some(wait) = mail::limit(tx, "change-email", &id.to_string(), cx.cx().origin.address).await? {
                return Err(mail::too_often(wait).into());
            }
            // Also by its address: nobody's mailbox is filled by others either.
            if let Some(wait) = mail::limit(tx, "change-email-to", email.as_str(), None).await? {
                return Err(mail::too_often(wait).into());
            }
            lockout::succeeded(tx, &known.subjects).await?;
            let user = store::user(tx, id).await?;
            let taken = link_store::of_email(tx, email).await?;
            link_store::insert(tx, Purpose::ChangeEmail, taken.is_none().then_some(id), email.as_str(), &token).await?;
            let message = match &taken {
                Some(other) => letters::note(&app.mail, MailKind::EmailTaken, &other.user.email, &other.user, vec![]),
                None => {
                    let to = email.as_str();
                    letters::link(&app.mail, Purpose::ChangeEmail, to, Some(&user), known.tenants.clone(), &token)
                }
            };
            mail::enqueue(tx, &message).await?;
            let event = NewEvent::new(UserEvent::EMAIL_CHANGE_REQUESTED, id.to_string())
                .detail("email", Personal(email.as_str().to_owned()));
            Ok(Audited::of((), event.by(by.seen_from(by.tenant())).in_tenant(by.tenant())))
        })
        .await
}

async fn confirm(anonymous: Anonymous, State(app): State<App>, Json(link): Json<LinkUse>) -> Result<NoContent> {
    match try_confirm(&anonymous, &app, &link).await {
        Ok(()) => app.mail.wake(),
        Err(error) => return Err(anonymous.refused(error).await),
    }
    Ok(NoContent)
}

async fn try_confirm(anonymous: &Anonymous, app: &App, link: &LinkUse) -> Result<()> {
    let digest = LinkToken::digest(&link.token)?;
    let system = anonymous.kernel().system(SystemReason::Authenticate).from(anonymous.origin());
    let changed = system.run(async |tx| {
        let holder = link_store::use_up(tx, Purpose::ChangeEmail, &digest).await?.ok_or_else(link_over)?;
        let user = link_store::of_id(tx, holder.user).await?.ok_or_else(link_over)?.user;
        link_store::change_email(tx, user.id, &holder.email).await?;
        // What was sent to the address before opens nothing any more.
        for purpose in [Purpose::VerifyEmail, Purpose::ResetPassword, Purpose::Unlock] {
            link_store::forget(tx, purpose, user.id).await?;
        }
        for tenant in store::audiences(tx, Some(user.id)).await? {
            tx.enter(tenant).await?;
            link_store::change_email_in(tx, tenant, user.id, &holder.email).await?;
        }
        let tenants = store::audiences(tx, Some(user.id)).await?;
        let note = letters::note(&app.mail, MailKind::EmailChanged, &user.email, &user, tenants.clone());
        mail::enqueue(tx, &note).await?;
        tx.announce(Message::UserChanged { user: user.id }).await?;
        let events = told(UserEvent::EMAIL_CHANGED, user.id, &tenants);
        let events = events
            .into_iter()
            .map(|event| event.detail("before", &user.email).detail("after", Personal(&*holder.email)));
        Ok(Audited::many((), events))
    });
    changed.await.on_constraint("users_email_key", || Problem::conflict("this address is somebody's by now"))
}
