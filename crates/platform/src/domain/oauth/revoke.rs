//! `POST /api/v1/auth/revoke` (RFC 7009), and the list of what one has handed on.

use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use tenure_kernel::describe::{Description, Output, Raw};
use tenure_kernel::{
    Actor, Anonymous, Audited, Authenticated, Code, Error, Form, Json, NewEvent, NoContent, Page, PageQuery, Path,
    Problem, Query, Result, SystemReason, SystemTx, TenantId, TokenId, UserId,
};
use utoipa::ToSchema;

use super::answer::{OAuthProblem, REFUSED, Refused};
use super::event::DelegationEvent;
use super::http::Parameters;
use crate::app::{App, Routes};
use crate::domain::api_keys::{is_imported, looks_like_a_key};
use crate::domain::identity::delegated_store::{self, DelegatedToken};
use crate::domain::identity::{REFRESH_PREFIX, Said, grants, logged_in};

/// The routes.
pub(super) fn routes() -> Routes {
    Routes::new("Authentication")
        .public(Method::POST, "/auth/revoke", "the token is the credential", revoke, "Revoke a token that you hold (RFC 7009, form-encoded).\n\nA delegated token ends by itself, with all that was cut out of it; an access token or refresh token ends its login. Within a second every node refuses it. Answers 200 for what is no token, or not any more. API keys are revoked under `/api-keys`.")
        .get("/auth/tokens", list, "List the delegated tokens that were cut out of your logins and keys in this organisation and are good, newest first.")
        .delete("/auth/tokens/{id}", end, "Revoke a delegated token of yours, with all that was cut out of it.\n\nWithin a second every node refuses it.")
}

/// The parameters of the revocation endpoint.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the form; it is read by name, as OAuth wants it read")]
pub struct RevocationRequest {
    /// The delegated token, refresh token or access token.
    token: String,
    /// `access_token` or `refresh_token`; it is seen without.
    token_type_hint: Option<String>,
}

/// Described as 200 without a body, and 400 with [`OAuthProblem`].
#[derive(Debug)]
pub struct RevocationAnswer;

impl Output for RevocationAnswer {
    fn describe(description: &mut Description) {
        let nothing = utoipa::openapi::ObjectBuilder::new();
        description.answers_with(200, "It is good no more, if it ever was.", "application/json", nothing);
        description.answers::<OAuthProblem>(400, REFUSED);
    }
}

async fn revoke(
    anonymous: Anonymous,
    State(app): State<App>,
    form: Form<RevocationRequest>,
) -> Result<Raw<RevocationAnswer>> {
    Ok(Raw::new(match answer(anonymous, app, form).await {
        Ok(()) => super::answer::given(serde_json::json!({})),
        Err(refused) => refused.into_response(),
    }))
}

async fn answer(anonymous: Anonymous, app: App, form: Form<RevocationRequest>) -> Result<(), Refused> {
    let asked = Parameters::of(form)?;
    let token = asked.need("token")?;
    // By its beginning before all else: an API key of an environment may look alike.
    if token.starts_with(REFRESH_PREFIX) {
        let done = grants::log_out(anonymous, app, HeaderMap::new(), Some(token.to_owned()));
        return done.await.map_err(Refused::from);
    }
    if looks_like_a_key(token) {
        return Err(is_a_key());
    }
    let now = app.kernel.clock().now();
    match app.tokens.said(token) {
        Some(Said::Delegated(claims)) => {
            // What is no actor of ours is no token either.
            let Some(actor) = claims.actor() else { return Ok(()) };
            let system = app.kernel.system(SystemReason::Authenticate).from(anonymous.origin());
            let revoked = system.run(async |tx| one(tx, claims.tid, claims.jti, None, actor).await);
            revoked.await.map(drop).map_err(Refused::from)
        }
        Some(Said::Login(claims)) if !claims.are_good_at(now) => Ok(()),
        Some(Said::Login(_)) => {
            let mut headers = HeaderMap::new();
            let bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(Error::internal)?;
            headers.insert(AUTHORIZATION, bearer);
            grants::log_out(anonymous, app, headers, None).await.map_err(Refused::from)
        }
        // Keys of another system look like anything. "It is good no more" would be a lie that somebody relies on.
        None => {
            let system = app.kernel.system(SystemReason::Authenticate).from(anonymous.origin());
            let look = system.run(async |tx| {
                Ok(Audited::none("nothing changes: keys are revoked elsewhere", is_imported(tx, token).await?))
            });
            if look.await? { Err(is_a_key()) } else { Ok(()) }
        }
    }
}

fn is_a_key() -> Refused {
    let detail = "an API key is revoked by its owner: POST /api/v1/api-keys/{id}/revoke";
    Refused::new("unsupported_token_type", Problem::new(Code::BadRequest, detail))
}

/// In one transaction; whether there was one.
async fn one(
    tx: &mut SystemTx,
    tenant: TenantId,
    token: TokenId,
    of: Option<UserId>,
    by: Actor,
) -> Result<Audited<bool>> {
    let revoked = delegated_store::revoke(tx, tenant, token, of).await?;
    let told = |id: &TokenId| NewEvent::new(DelegationEvent::REVOKED, id.to_string()).by(by).in_tenant(tenant);
    Ok(Audited::many(!revoked.is_empty(), revoked.iter().map(told)))
}

async fn list(cx: Authenticated, Query(page): Query<PageQuery>) -> Result<Json<Page<DelegatedToken>>> {
    let ((user, _), tenant) = (logged_in(&cx)?, cx.cx().tenant());
    let system = cx.kernel().system(SystemReason::Authenticate);
    let list = system.run(async |tx| {
        let page = delegated_store::list(tx, tenant, user, &page).await?;
        Ok(Audited::none("a person looks at what they handed on", page))
    });
    list.await.map(Json)
}

async fn end(cx: Authenticated, Path(id): Path<TokenId>) -> Result<NoContent> {
    let ((user, _), tenant, actor) = (logged_in(&cx)?, cx.cx().tenant(), *cx.cx().actor());
    let system = cx.kernel().system(SystemReason::Authenticate).from(&cx.cx().origin);
    let ended = system.run(async |tx| one(tx, tenant, id, Some(user), actor).await).await?;
    if ended { Ok(NoContent) } else { Err(Problem::not_found().into()) }
}
