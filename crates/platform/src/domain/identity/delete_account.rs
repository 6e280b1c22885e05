//! `POST /api/v1/auth/me/delete`: a person deletes their own account.
//!
//! The row of the person goes, and by its foreign keys every password, session and outside identity. What organisations keep
//! of them loses their names; identifiers stay, because the log and what they made refer to them.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use tenure_kernel::bus::Message;
use tenure_kernel::describe::Raw;
use tenure_kernel::{
    Audited, Authenticated, Json, NewEvent, NoContent, Problem, Proven, Result, Sample, SystemReason, SystemTx, UserId,
};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::change_password::{self, Known};
use super::cookie;
use super::erasure::{self, Ended};
use super::event::UserEvent;
use super::lockout;
use super::sessions::{By, person};
use super::store;
use crate::app::{App, Routes};

/// The route.
pub fn routes() -> Routes {
    Routes::new("Authentication").post("/auth/me/delete", delete, "Delete your own account, for good.\n\nYou are a member of no organisation from then on, your sessions and API keys end, your password is gone, and your name and address with it. What you made stays with your organisations, and so does their audit log, which names you by an identifier. Refused while an organisation has no other administrator.")
}

/// The password once more: whoever holds an access token for a moment must not be able to end the account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountDeletion {
    /// Your password.
    #[schema(value_type = String)]
    current_password: Zeroizing<String>,
}

impl Sample for AccountDeletion {
    fn sample() -> serde_json::Value {
        serde_json::json!({"current_password": "a quiet green meadow"})
    }
}

async fn delete(
    cx: Authenticated<Proven>,
    State(app): State<App>,
    headers: HeaderMap,
    Json(asked): Json<AccountDeletion>,
) -> Result<Raw<NoContent>> {
    let (user, _) = person(&cx)?;
    if !app.config.logins {
        return Err(Problem::conflict("logins are switched off here, and this account is the server's own").into());
    }
    let _turn = app.passwords.turn(&user.to_string()).await;
    let (_, known) = change_password::known(&cx, user).await?;
    change_password::prove(&cx, &app, &asked.current_password, &known).await?;
    let by = By::of(&cx);
    let system = cx.kernel().system(SystemReason::Authenticate).from(&cx.cx().origin);
    system.run(async |tx| end(tx, user, &known, &by).await).await?;
    let mut response = NoContent.into_response();
    if headers.contains_key(COOKIE) {
        response.headers_mut().insert(SET_COOKIE, cookie::set(&headers, "", 0)?);
    }
    Ok(Raw::new(response))
}

async fn end(tx: &mut SystemTx, user: UserId, known: &Known, by: &By) -> Result<Audited<()>> {
    if !store::is_password(tx, user, known.password.as_deref()).await? {
        return Err(Problem::conflict("the password was changed meanwhile; log in with the new one").into());
    }
    lockout::succeeded(tx, &known.subjects).await?;
    let (mut told, mut last_of) = (Audited::many((), []), Vec::new());
    for membership in erasure::memberships(tx, user).await? {
        tx.enter(membership.tenant).await?;
        let event = |action| NewEvent::new(action, user.to_string()).in_tenant(membership.tenant);
        let event = match erasure::end_membership(tx, &membership, user).await? {
            Ended::LastAdmin => {
                last_of.push(membership.organization);
                continue;
            }
            Ended::Left => event(UserEvent::DELETED),
            // Who only asked them learns what a refusal would tell, and not that there was an account.
            Ended::Declined(left) => event(UserEvent::DECLINED).detail("left_teams", left),
            Ended::Over => continue,
        };
        told = told.also(event.by(by.seen_from(membership.tenant)));
    }
    if !last_of.is_empty() {
        let detail = format!(
            "you are the last administrator of {}; make somebody else administrator there first",
            last_of.join(", ")
        );
        return Err(Problem::conflict(detail).into());
    }
    erasure::delete_person(tx, user).await?;
    tx.announce(Message::UserChanged { user }).await?;
    Ok(told)
}
