//! `/api/v1/auth/password/reset` and `/auth/unlock`: what a person who cannot log in does with their mailbox.
//!
//! An address that nobody has is answered like one that is somebody's, and as fast: the same rows are written for both, and
//! the message to nobody is never sent. A new password does not log in: whatever else a login asks for it asks for then.

use axum::extract::State;
use axum::http::Method;
use serde::Deserialize;
use tenure_kernel::bus::Message;
use tenure_kernel::{
    Actor, Anonymous, Audited, Json, NewEvent, NoContent, Problem, Result, Sample, SystemReason, SystemTx, UserId,
};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::event::UserEvent;
use super::letters;
use super::link_store::{self, Purpose, Reached};
use super::lockout::{self, Subjects};
use super::model::Email;
use super::new_password::{MIN_PASSWORD, PasswordRules};
use super::sessions::By;
use super::store;
use super::verify_email::{LinkUse, told};
use super::{challenge, mfa_store};
use crate::app::{App, Routes};
use crate::domain::mail::{self, LinkToken, MailKind, link_over};

/// The routes.
pub fn routes() -> Routes {
    Routes::new("Authentication")
        .public(Method::POST, "/auth/password/reset", "who forgot their password cannot log in", ask_reset, "Ask for a link that sets a new password.\n\nIt goes to the address if it is somebody's, and works once, for an hour. The answer is the same, and takes the same time, for an address that nobody has.")
        .public(Method::POST, "/auth/password/reset/confirm", "the link is the credential", reset, "Set a new password with the link that was sent.\n\nEnds all logins of the person. It does not log in: whatever a login asks for beside the password it asks for then.")
        .public(Method::POST, "/auth/unlock", "who is locked out cannot log in", ask_unlock, "Ask for a link that ends the wait after failed logins.\n\nIt goes to the address if it is somebody's, and works once, for an hour. The answer is the same for an address that nobody has.")
        .public(Method::POST, "/auth/unlock/confirm", "the link is the credential", unlock, "End the wait after failed logins, with the link that was sent.")
}

/// An address that a link is sent to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkRequest {
    /// The address of the account.
    email: String,
}

impl Sample for LinkRequest {
    fn sample() -> serde_json::Value {
        serde_json::json!({"email": "ada@example.com"})
    }
}

/// A new password, and the link that allows it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    /// What stands behind `#token=`.
    token: String,
    /// The password as it shall be: at least 12 characters, 8 with a second factor, or as many as an organisation asks for; in no
    /// list of common ones, and more than the person's names.
    #[schema(value_type = String)]
    new_password: Zeroizing<String>,
}

impl Sample for PasswordReset {
    fn sample() -> serde_json::Value {
        serde_json::json!({
            "token": "tnr_ml_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "new_password": "a loud yellow morning"
        })
    }
}

async fn ask_reset(anonymous: Anonymous, State(app): State<App>, Json(body): Json<LinkRequest>) -> Result<NoContent> {
    ask(&anonymous, &app, Purpose::ResetPassword, &body.email).await
}

async fn ask_unlock(anonymous: Anonymous, State(app): State<App>, Json(body): Json<LinkRequest>) -> Result<NoContent> {
    ask(&anonymous, &app, Purpose::Unlock, &body.email).await
}

/// One way for everybody: what is written differs in values alone.
async fn ask(anonymous: &Anonymous, app: &App, purpose: Purpose, email: &str) -> Result<NoContent> {
    app.mail.required()?;
    let (email, token) = (Email::parse(email, "/email")?, LinkToken::random()?);
    let address = anonymous.origin().address;
    let asked = anonymous.kernel().system(SystemReason::Authenticate).from(anonymous.origin()).run(async |tx| {
        if let Some(wait) = mail::limit(tx, purpose.as_str(), email.as_str(), address).await? {
            return Err(mail::too_often(wait).into());
        }
        let person = link_store::of_email(tx, &email).await?.map(|reached| reached.user);
        let user = person.as_ref().map(|person| person.id);
        let tenants = store::audiences(tx, user).await?;
        link_store::insert(tx, purpose, user, email.as_str(), &token).await?;
        let to = person.as_ref().map_or(email.as_str(), |person| &person.email);
        let message = letters::link(&app.mail, purpose, to, person.as_ref(), tenants.clone(), &token);
        mail::enqueue(tx, &message).await?;
        let action = match purpose {
            Purpose::Unlock => UserEvent::UNLOCK_REQUESTED,
            _ => UserEvent::PASSWORD_RESET_REQUESTED,
        };
        let event = || {
            let by = Actor { on_behalf_of: user, ..Actor::anonymous() };
            NewEvent::new(action, user.map(|user| user.to_string())).by(by)
        };
        let mut events: Vec<NewEvent> = tenants.iter().map(|tenant| event().in_tenant(*tenant)).collect();
        if events.is_empty() {
            events.push(event());
        }
        Ok(Audited::many((), events))
    });
    match asked.await {
        Ok(()) => app.mail.wake(),
        Err(error) => return Err(anonymous.refused(error).await),
    }
    Ok(NoContent)
}

async fn reset(anonymous: Anonymous, State(app): State<App>, Json(body): Json<PasswordReset>) -> Result<NoContent> {
    match try_reset(&anonymous, &app, body).await {
        Ok(()) => app.mail.wake(),
        Err(error) => return Err(anonymous.refused(error).await),
    }
    Ok(NoContent)
}

async fn try_reset(anonymous: &Anonymous, app: &App, body: PasswordReset) -> Result<()> {
    let digest = LinkToken::digest(&body.token)?;
    let system = || anonymous.kernel().system(SystemReason::Authenticate).from(anonymous.origin());
    // A password that is refused does not use the link up, and without a link nothing is hashed.
    let rules = system().run(async |tx| {
        let holder = link_store::look(tx, Purpose::ResetPassword, &digest).await?.ok_or_else(link_over)?;
        let person = store::user(tx, holder.user).await?;
        let names = [person.username.as_str(), &person.email, &person.full_name];
        let rules = PasswordRules::of_person(tx, person.id, names).await?;
        Ok(Audited::none("looks up whose password is to change", rules))
    });
    let new = rules.await?.parse(&body.new_password, "/new_password")?;
    let short = new.chars().count() < MIN_PASSWORD;
    let hash = app.passwords.hash(new).await?;
    system()
        .run(async |tx| {
            let holder = link_store::use_up(tx, Purpose::ResetPassword, &digest).await?.ok_or_else(link_over)?;
            let reached = link_store::of_id(tx, holder.user).await?.ok_or_else(link_over)?;
            // What was long enough beside a factor is too short without it.
            if short && !mfa_store::has_mfa(tx, holder.user).await? {
                return Err(
                    Problem::conflict("the second factor was removed meanwhile; choose a longer password").into()
                );
            }
            link_store::set_password(tx, holder.user, &hash).await?;
            // Half a login with the old password is none, and a device was trusted beside that one. A second factor stays.
            mfa_store::password_is_own(tx, holder.user, short).await?;
            challenge::forget(tx, holder.user).await?;
            mfa_store::delete_devices(tx, holder.user).await?;
            let events = taken_back(tx, app, &reached, &holder.email).await?;
            Ok(Audited::many((), events))
        })
        .await
}

/// What follows from a new password: nobody else stays logged in, and the person hears of it.
async fn taken_back(tx: &mut SystemTx, app: &App, reached: &Reached, sent_to: &str) -> Result<Vec<NewEvent>> {
    let user = reached.user.id;
    let tenants = store::audiences(tx, Some(user)).await?;
    let mut events = told(UserEvent::PASSWORD_RESET, user, &tenants);
    link_store::forget(tx, Purpose::ChangeEmail, user).await?;
    lockout::succeeded(tx, &subjects(reached, tx)).await?;
    // Who read the link reads what is sent to that address. Whether they are who set up the second factor is not known.
    if !mfa_store::has_mfa(tx, user).await? && link_store::verified(tx, user, sent_to).await? {
        events.extend(told(UserEvent::EMAIL_VERIFIED, user, &tenants));
    }
    let by = By::mail(user);
    let ended = store::end_logins(tx, user, None).await?;
    tx.announce(Message::UserChanged { user }).await?;
    events.extend(ended.iter().map(|ended| by.ended(ended, "password-reset")));
    let note = letters::note(&app.mail, MailKind::PasswordChanged, &reached.user.email, &reached.user, tenants);
    mail::enqueue(tx, &note).await?;
    Ok(events)
}

fn subjects(reached: &Reached, tx: &SystemTx) -> Subjects {
    Subjects::new(&reached.user.username, Some(reached.user.id), tx.origin().address)
}

async fn unlock(anonymous: Anonymous, State(_app): State<App>, Json(link): Json<LinkUse>) -> Result<NoContent> {
    let unlocked = async {
        let digest = LinkToken::digest(&link.token)?;
        let system = anonymous.kernel().system(SystemReason::Authenticate).from(anonymous.origin());
        system
            .run(async |tx| {
                let holder = link_store::use_up(tx, Purpose::Unlock, &digest).await?.ok_or_else(link_over)?;
                let reached = link_store::of_id(tx, holder.user).await?.ok_or_else(link_over)?;
                lockout::unlocked(tx, &subjects(&reached, tx)).await?;
                let tenants = store::audiences(tx, Some(holder.user)).await?;
                Ok(Audited::many((), told(UserEvent::UNLOCKED, holder.user, &tenants)))
            })
            .await
    };
    match unlocked.await {
        Ok(()) => Ok(NoContent),
        Err(error) => Err(anonymous.refused(error).await),
    }
}

/// Ends what was begun by mail with the old password, and tells the person by mail that it was changed, where there is mail.
pub(super) async fn password_changed(tx: &mut SystemTx, app: &App, user: UserId) -> Result<()> {
    link_store::forget(tx, Purpose::ResetPassword, user).await?;
    // Whoever asked for another address did so with the old password.
    link_store::forget(tx, Purpose::ChangeEmail, user).await?;
    if !app.mail.possible() {
        return Ok(());
    }
    let person = store::user(tx, user).await?;
    let tenants = store::audiences(tx, Some(user)).await?;
    let note = letters::note(&app.mail, MailKind::PasswordChanged, &person.email, &person, tenants);
    mail::enqueue(tx, &note).await?;
    Ok(())
}
