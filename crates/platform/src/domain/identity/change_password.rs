//! `POST /api/v1/auth/password`: a person changes their own password.
//!
//! Whoever holds somebody's access token for a moment must not be able to take the account: the current password is
//! asked for, and counted like a login's.

use axum::extract::State;
use serde::Deserialize;
use tenure_kernel::bus::Message;
use tenure_kernel::event::Outcome;
use tenure_kernel::{
    Audited, Authenticated, Error, Json, NewEvent, NoContent, Problem, ProvenRenewing, Result, Sample, SystemReason,
    SystemTx, TenantId, UserId,
};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::by_mail;
use super::challenge;
use super::event::UserEvent;
use super::lockout::{self, Subjects};
use super::mfa_store;
use super::model::User;
use super::new_password::{MAX_PASSWORD, MIN_PASSWORD, PasswordRules};
use super::sessions::{By, person};
use super::store;
use crate::app::{App, Routes};

/// The route.
pub fn routes() -> Routes {
    Routes::new("Authentication").post("/auth/password", change, "Change your own password.\n\nEnds all your other logins. Until a password that somebody else chose for you is changed, this is all that a login reaches. Wrong current passwords count like failed logins, apart from those of who is not logged in: after a few of them, `429` until a while has passed.")
}

/// The old password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The password as it is.
    #[schema(value_type = String)]
    current_password: Zeroizing<String>,
    /// The password as it shall be: at least 12 characters, 8 with a second factor, or as many as an organisation asks for; in no
    /// list of common ones, and more than your names.
    #[schema(value_type = String)]
    new_password: Zeroizing<String>,
}

impl Sample for PasswordChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"current_password": "a quiet green meadow", "new_password": "a loud yellow morning"})
    }
}

/// What the check of the current password needs to know.
pub(super) struct Known {
    pub(super) password: Option<String>,
    pub(super) subjects: Subjects,
    pub(super) tenants: Vec<TenantId>,
}

/// Who asks, and what their current password is checked against.
///
/// # Errors
/// 429 while a wait after failures is on.
pub(super) async fn known<D>(cx: &Authenticated<D>, user: UserId) -> Result<(User, Known)> {
    let address = cx.cx().origin.address;
    let system = cx.kernel().system(SystemReason::Authenticate).from(&cx.cx().origin);
    let found = system.run(async |tx| {
        let names = store::user(tx, user).await?;
        let subjects = Subjects::inside(user, address);
        let wait = lockout::wait_for(tx, &subjects).await?;
        let (password, tenants) = (store::password(tx, user).await?, store::audiences(tx, Some(user)).await?);
        let known = Known { password, subjects, tenants };
        Ok(Audited::none("looks up whose password is to change", (names, known, wait)))
    });
    match found.await? {
        (_, _, Some(seconds)) => Err(cx.refused(lockout::too_soon(seconds).into()).await),
        (names, known, None) => Ok((names, known)),
    }
}

/// Checks the current password.
///
/// # Errors
/// 422 where it is another; that is counted and recorded.
pub(super) async fn prove<D>(
    cx: &Authenticated<D>,
    app: &App,
    password: &Zeroizing<String>,
    known: &Known,
) -> Result<()> {
    let fits = password.len() <= MAX_PASSWORD;
    if !fits || !app.passwords.verify(password.clone(), known.password.clone()).await? {
        return Err(wrong(cx, known).await);
    }
    Ok(())
}

/// What a new password of theirs is held against.
async fn rules(cx: &Authenticated<ProvenRenewing>, person: &User) -> Result<PasswordRules> {
    let system = cx.kernel().system(SystemReason::Authenticate);
    let names = [person.username.as_str(), &person.email, &person.full_name];
    let rules = async |tx: &mut SystemTx| PasswordRules::of_person(tx, person.id, names).await;
    system.run(async |tx| Ok(Audited::none("asks what a new password has to be", rules(tx).await?))).await
}

async fn change(
    cx: Authenticated<ProvenRenewing>,
    State(app): State<App>,
    Json(change): Json<PasswordChange>,
) -> Result<NoContent> {
    let (user, session) = person(&cx)?;
    if !app.config.logins {
        return Err(Problem::conflict("logins are switched off here, so there is no password to change").into());
    }
    // Guesses that are sent at once are judged one after another.
    let _turn = app.passwords.turn(&user.to_string()).await;
    let (names, known) = known(&cx, user).await?;
    let new = rules(&cx, &names).await?.parse(&change.new_password, "/new_password")?;
    let short = new.chars().count() < MIN_PASSWORD;
    prove(&cx, &app, &change.current_password, &known).await?;
    if *new == *change.current_password {
        return Err(Problem::invalid("/new_password", "is your password already; choose another").into());
    }
    let (hash, by) = (app.passwords.hash(new).await?, By::of(&cx));
    cx.kernel()
        .system(SystemReason::Authenticate)
        .from(&cx.cx().origin)
        .run(async |tx| {
            if !store::replace_password(tx, user, known.password.as_deref(), &hash).await? {
                return Err(Problem::conflict("the password was changed meanwhile; log in with the new one").into());
            }
            if short && !mfa_store::has_mfa(tx, user).await? {
                return Err(Problem::conflict("the second factor was removed meanwhile; try again").into());
            }
            mfa_store::password_is_own(tx, user, short).await?;
            // Half a login with the old password is none.
            challenge::forget(tx, user).await?;
            lockout::succeeded(tx, &known.subjects).await?;
            let ended = store::end_logins(tx, user, Some(session)).await?;
            by_mail::password_changed(tx, &app, user).await?;
            tx.announce(Message::UserChanged { user }).await?;
            let told = known.tenants.iter().map(|tenant| {
                let event = NewEvent::new(UserEvent::PASSWORD_CHANGED, user.to_string());
                event.by(by.seen_from(*tenant)).in_tenant(*tenant)
            });
            let ended = ended.iter().map(|ended| by.ended(ended, "password-changed"));
            Ok(Audited::many((), told.chain(ended)))
        })
        .await?;
    app.mail.wake();
    Ok(NoContent)
}

/// Counts and records that the current password was wrong. A field that is wrong, no 401: the login itself is good, and
/// clients take a 401 for its end.
async fn wrong<D>(cx: &Authenticated<D>, known: &Known) -> Error {
    match lockout::failed(cx.kernel(), &known.subjects).await {
        Ok(None) => {}
        Ok(Some(seconds)) => return cx.refused(lockout::too_soon(seconds).into()).await,
        Err(error) => return error,
    }
    let by = By::of(cx);
    let events = known.tenants.iter().map(|tenant| {
        let event = NewEvent::new(UserEvent::PASSWORD_CHANGE_FAILED, cx.cx().actor().user().map(|id| id.to_string()));
        event.outcome(Outcome::Denied, "wrong-current-password").by(by.seen_from(*tenant)).in_tenant(*tenant)
    });
    let events: Vec<NewEvent> = events.collect();
    let system = cx.kernel().system(SystemReason::PlatformEvent).from(&cx.cx().origin);
    match system.run(async |_| Ok(Audited::many((), events))).await {
        Ok(()) => Problem::invalid("/current_password", "is not your password").into(),
        Err(_) => Problem::unavailable("the refusal could not be recorded; try again").into(),
    }
}
