//! The logins that OAuth's token endpoint gives: the same code, refusals and events as `/auth/login` and `/auth/refresh`, so
//! that nothing which those ask for is left out there.

use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use tenure_kernel::{Anonymous, Error, Json, Result};
use zeroize::Zeroizing;

use super::http::{Refresh, refresh};
use super::login::{Login, login};
use crate::app::App;

/// What a login answered; without an access token it asks for more than it was given.
#[derive(Deserialize)]
pub(crate) struct Given {
    pub(crate) access_token: Option<String>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) expires_in: Option<u64>,
}

/// Far more than a login's answer has.
const MAX_ANSWER: usize = 64 * 1024;

async fn read(response: impl axum::response::IntoResponse) -> Result<Given> {
    let body = axum::body::to_bytes(response.into_response().into_body(), MAX_ANSWER).await.map_err(Error::internal)?;
    Ok(serde_json::from_slice(&body)?)
}

/// As `POST /auth/login`.
pub(crate) async fn by_password(
    anonymous: Anonymous,
    app: App,
    headers: HeaderMap,
    username: String,
    password: Zeroizing<String>,
    organization: Option<String>,
) -> Result<Given> {
    let given = Login::by_password(username, password, organization);
    read(login(anonymous, State(app), headers, Json(given)).await?).await
}

/// As `POST /auth/refresh`.
pub(crate) async fn by_refresh_token(
    anonymous: Anonymous,
    app: App,
    headers: HeaderMap,
    token: String,
) -> Result<Given> {
    read(refresh(anonymous, State(app), headers, Json(Refresh::of(token))).await?).await
}
