//! `/api/v1/auth/switch` and `/auth/invitations`: from one organisation of a person to another, and whether they want to be a
//! member at all.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tenure_kernel::bus::Message;
use tenure_kernel::describe::Raw;
use tenure_kernel::{
    Audited, Authenticated, Code, Json, NewEvent, NoContent, Path, Problem, Result, Sample, SystemReason, TenantId,
};
use utoipa::ToSchema;

use super::authenticator::suspended;
use super::begin::Proof;
use super::cookie::{self, RefreshIn};
use super::event::{UserEvent, started};
use super::http::{LoggedInAnswer, OrganizationRef, answer, client};
use super::link_store;
use super::sessions::{By, person};
use super::store::{self, NewSession};
use super::token::RefreshToken;
use crate::app::{App, Routes};

/// The routes.
pub fn routes() -> Routes {
    Routes::new("Authentication")
        .post("/auth/switch", switch, "Go to another of your organisations.\n\nA login is for one organisation; this begins one in the other, without asking for the password again. To an organisation that asks you to be a member you go with `accept`, and become one. With `refresh: cookie` the present login ends, because the cookie holds one.")
        .delete("/auth/invitations/{id}", decline, "Decline to be a member of an organisation that asks you.")
}

/// Where to go.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Slug of the organisation.
    organization: String,
    /// Whether you agree to be a member, where it asks you.
    #[serde(default)]
    accept: bool,
    /// Where the refresh token goes.
    #[serde(default)]
    refresh: RefreshIn,
}

impl Sample for Switch {
    fn sample() -> serde_json::Value {
        serde_json::json!({"organization": "analytical-engines"})
    }
}

async fn switch(
    cx: Authenticated,
    State(app): State<App>,
    headers: HeaderMap,
    Json(to): Json<Switch>,
) -> Result<Raw<LoggedInAnswer>> {
    cookie::guard(&headers, to.refresh)?;
    let (person, current) = person(&cx)?;
    if !app.config.logins {
        return Err(Problem::conflict("logins are switched off here; there is no other to go to").into());
    }
    let by = By::of(&cx);
    let (token, lasts) = (RefreshToken::random()?, app.tokens.config().refresh_ttl);
    let begun = cx
        .kernel()
        .system(SystemReason::Authenticate)
        .from(&cx.cx().origin)
        .run(async |tx| {
            let there = store::belonging(tx, person, &to.organization).await?.ok_or_else(Problem::not_found)?;
            if there.tenant == by.tenant() {
                return Err(Problem::conflict("you are in this organisation already").into());
            }
            if !there.active {
                return Err(suspended().into());
            }
            if there.pending && !to.accept {
                let detail = "this organisation asks you to be a member; send `accept: true` if you agree";
                return Err(Problem::conflict(detail).into());
            }
            if there.pending && !store::may_accept(tx, there.tenant, person).await? {
                app.mail.required()?;
                let detail = "this organisation asked whoever reads mail to your address, and that is not known to be you: open the link that was sent to it first; POST /api/v1/auth/verify-email sends another";
                return Err(Problem::new(Code::EmailUnverified, detail).into());
            }
            // Before that very login is ended.
            let proof = Proof::of_session(tx, person, current, app.tokens.config().login_ttl).await?;
            let ended = match to.refresh {
                RefreshIn::Cookie => store::end_login(tx, person, current).await?,
                RefreshIn::Body => None,
            };
            tx.enter(there.tenant).await?;
            if there.pending {
                store::accept_membership(tx, there.tenant, person).await?;
            }
            let new = NewSession { proof, tenant: there.tenant, client: client(to.refresh), lasts };
            let mut session = started(store::insert_session(tx, &new, &token).await?);
            if there.pending {
                let joined = NewEvent::new(UserEvent::JOINED, person.to_string());
                session = session.also(joined.by(by.seen_from(there.tenant)).in_tenant(there.tenant));
            }
            if let Some(ended) = ended {
                tx.announce(Message::SessionChanged { session: current }).await?;
                session = session.also(by.ended(&ended, "went-to-another-organization"));
            }
            let user = store::user(tx, person).await?;
            Ok(session.map(|session| (session, user, there)))
        })
        .await;
    let (session, user, there) = match begun {
        Ok(begun) => begun,
        Err(error) => return Err(cx.refused(error).await),
    };
    let organization = OrganizationRef::new(there.tenant, there.slug, there.name);
    answer(&app, &headers, StatusCode::OK, to.refresh, token, &session, user, organization).map(Raw::new)
}

async fn decline(cx: Authenticated, Path(id): Path<TenantId>) -> Result<NoContent> {
    let (person, _) = person(&cx)?;
    let by = By::of(&cx);
    cx.kernel()
        .system(SystemReason::Authenticate)
        .from(&cx.cx().origin)
        .run(async |tx| {
            tx.enter(id).await?;
            let left = link_store::decline_membership(tx, id, person).await?.ok_or_else(Problem::not_found)?;
            let declined = NewEvent::new(UserEvent::DECLINED, person.to_string()).detail("left_teams", left);
            Ok(Audited::of((), declined.by(by.seen_from(id)).in_tenant(id)))
        })
        .await?;
    Ok(NoContent)
}
