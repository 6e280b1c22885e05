//! `POST /api/v1/auth/token`; device logins are in `device.rs`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use tenure_kernel::describe::Raw;
use tenure_kernel::{Anonymous, Code, Form, Problem, Result};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::answer::{Refused, Token, TokenAnswer, given};
use super::{device, exchange};
use crate::app::{App, Routes};
use crate::domain::identity::grants;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The slice's routes.
pub fn routes() -> Routes {
    let routes = Routes::new("Authentication").public(
        Method::POST,
        "/auth/token",
        "what is exchanged is the credential",
        token,
        "Get a token as OAuth 2 does it (RFC 6749, form-encoded).\n\n`grant_type=urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693) cuts a token out of an access token, an API key or another such token, that may less: `scope` (permissions), `resource` (one workflow), `expires_in` (seconds). `urn:ietf:params:oauth:grant-type:device_code` (RFC 8628) asks for a login that a person approves. `password` and `refresh_token` log in, and go on, as `/auth/login` and `/auth/refresh` do. Refusals are problem documents with `error` and `error_description` (RFC 6749, 5.2).",
    );
    routes.merge(super::revoke::routes()).merge(device::routes())
}

/// The parameters of the token endpoint; which of them count goes by `grant_type`.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the form; it is read by name, as OAuth wants it read")]
pub struct TokenRequest {
    /// `password`, `refresh_token`, `urn:ietf:params:oauth:grant-type:token-exchange` or `urn:ietf:params:oauth:grant-type:device_code`.
    grant_type: String,
    /// password: the user name or address.
    username: Option<String>,
    /// password: the password.
    password: Option<String>,
    /// refresh_token: the refresh token.
    refresh_token: Option<String>,
    /// token-exchange: the access token, API key or delegated token to cut from.
    subject_token: Option<String>,
    /// token-exchange: `urn:ietf:params:oauth:token-type:access_token`.
    subject_token_type: Option<String>,
    /// token-exchange: the API key of the service account that is to act for the subject; it needs `delegation:act`.
    actor_token: Option<String>,
    /// token-exchange: `urn:ietf:params:oauth:token-type:access_token`.
    actor_token_type: Option<String>,
    /// token-exchange: permissions, and wildcards over them, with spaces between; all of the subject's unless told.
    scope: Option<String>,
    /// token-exchange: the address of the one workflow that the token is for.
    resource: Option<String>,
    /// token-exchange: the organisation, by its short name or identifier; no other than the subject's own. password: where to log in.
    audience: Option<String>,
    /// token-exchange: `urn:ietf:params:oauth:token-type:access_token`.
    requested_token_type: Option<String>,
    /// token-exchange: how long it is to last, in seconds, up to an hour and to its parent's end; 900 unless told.
    expires_in: Option<u32>,
    /// device_code: the code that the program was given.
    device_code: Option<String>,
    /// What the client calls itself; it has no secret, so nothing depends on it.
    client_id: Option<String>,
}

/// The parameters as they came.
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(super) fn of<T>(form: Form<T>) -> Result<Self, Refused> {
        form.0.map(Self).map_err(|problem| Refused::new("invalid_request", problem))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn need(&self, name: &str) -> Result<&str, Refused> {
        self.get(name).ok_or_else(|| Refused::request(format!("the parameter `{name}` is missing")))
    }

    /// A token with its type beside it: one that is used as an access token is.
    pub(super) fn token(&self, name: &str) -> Result<&str, Refused> {
        let r#type = self.need(&format!("{name}_type"))?;
        if !["access_token", "jwt"]
            .iter()
            .any(|known| r#type.strip_prefix("urn:ietf:params:oauth:token-type:") == Some(known))
        {
            let detail = format!("`{name}_type` must be urn:ietf:params:oauth:token-type:access_token");
            return Err(Refused::request(detail));
        }
        self.need(name)
    }
}

async fn token(
    anonymous: Anonymous,
    State(app): State<App>,
    headers: HeaderMap,
    form: Form<TokenRequest>,
) -> Result<Raw<TokenAnswer>> {
    Ok(match answer(anonymous, app, headers, form).await {
        Ok(token) => Raw::new(given(token)),
        Err(refused) => Raw::new(refused.into_response()),
    })
}

async fn answer(
    anonymous: Anonymous,
    app: App,
    headers: HeaderMap,
    form: Form<TokenRequest>,
) -> Result<Token, Refused> {
    let asked = Parameters::of(form)?;
    match asked.need("grant_type")? {
        EXCHANGE => exchange::exchange(&anonymous, &app, &asked).await,
        DEVICE => device::poll(&anonymous, &app, &asked).await,
        "password" => {
            // A login is a whole one: who wants less exchanges it.
            if asked.get("scope").is_some() {
                let detail = "a login cannot be cut down; exchange its token for one that may less";
                return Err(Refused::new("invalid_scope", Problem::new(Code::BadRequest, detail)));
            }
            let (username, password) = (asked.need("username")?.to_owned(), asked.need("password")?);
            let (password, organization) =
                (Zeroizing::new(password.to_owned()), asked.get("audience").map(str::to_owned));
            login(grants::by_password(anonymous, app, headers, username, password, organization).await?)
        }
        "refresh_token" => {
            let refresh = asked.need("refresh_token")?.to_owned();
            login(grants::by_refresh_token(anonymous, app, headers, refresh).await?)
        }
        _ => {
            let detail = format!("`grant_type` must be password, refresh_token, {EXCHANGE} or {DEVICE}");
            Err(Refused::new("unsupported_grant_type", Problem::new(Code::BadRequest, detail)))
        }
    }
}

/// A login in OAuth's words.
fn login(answer: grants::Given) -> Result<Token, Refused> {
    let (Some(access_token), Some(expires_in)) = (answer.access_token, answer.expires_in) else {
        // RFC 6749 knows no second step of this grant.
        let detail = "this login takes more than a password, and this form asks for nothing else; log in with the console or `tenure login`";
        return Err(Refused::new("invalid_grant", Problem::new(Code::InvalidCredentials, detail)));
    };
    let (refresh_token, scope) = (answer.refresh_token, None);
    Ok(Token { access_token, token_type: "Bearer", expires_in, refresh_token, scope, issued_token_type: None })
}
