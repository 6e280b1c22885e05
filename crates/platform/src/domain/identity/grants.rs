//! The logins that OAuth's endpoints give: the same code, refusals and events as `/auth/login` and `/auth/refresh`, so
//! that nothing which those ask for is left out there.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use tenure_kernel::{
    Anonymous, Audited, Code, Error, Json, JsonOrNothing, Kernel, Problem, Result, SystemReason, SystemTx, UserId,
};
use zeroize::Zeroizing;

use super::begin::Proof;
use super::event::started;
use super::http::{Refresh, logout, refresh};
use super::lockout::{self, Subjects};
use super::login::{Login, login};
use super::model::Session;
use super::store::{self, NewSession};
use super::token::RefreshToken;
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

/// As `POST /auth/logout`.
pub(crate) async fn log_out(
    anonymous: Anonymous,
    app: App,
    headers: HeaderMap,
    refresh_token: Option<String>,
) -> Result<()> {
    let body = JsonOrNothing(refresh_token.map(Refresh::of));
    logout(anonymous, State(app), headers, body).await.map(drop)
}

/// A login that begins without a password: a person who is logged in has approved it.
pub(crate) struct NewLogin {
    token: RefreshToken,
    lasts: Duration,
    login_lasts: Duration,
}

impl NewLogin {
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn of(app: &App) -> Result<Self> {
        let config = app.tokens.config();
        Ok(Self { token: RefreshToken::random()?, lasts: config.refresh_ttl, login_lasts: config.login_ttl })
    }

    /// # Errors
    /// PostgreSQL's.
    pub(crate) async fn begin(&self, tx: &mut SystemTx, by: &Session) -> Result<Audited<Session>> {
        tx.enter(by.tenant).await?;
        // What the person who approved it has proven, and no more.
        let proof = Proof::of_session(tx, by.user, by.id, self.login_lasts).await?;
        let new = NewSession { proof, tenant: by.tenant, client: "cli", lasts: self.lasts };
        Ok(started(store::insert_session(tx, &new, &self.token).await?))
    }

    /// Its first access token, and how many seconds that lasts.
    ///
    /// # Errors
    /// When signing fails.
    pub(crate) fn access_token(&self, app: &App, session: &Session) -> Result<(String, u64)> {
        let now = app.kernel.clock().now();
        let token = app.tokens.issue(session.user, session.tenant, session.id, now)?;
        Ok((token, app.tokens.config().access_ttl.as_secs()))
    }

    pub(crate) fn refresh_token(self) -> String {
        self.token.text
    }
}

/// Codes are typed by a person, and guessed by another: wrong ones are counted as wrong passwords are, by whoever types them and
/// by their address.
fn codes_of(user: UserId, address: Option<IpAddr>) -> Subjects {
    Subjects::code(&format!("device code of {user}"), address)
}

/// 429 while too many wrong codes were typed.
pub(crate) async fn code_wait(kernel: &Kernel, user: UserId, address: Option<IpAddr>) -> Result<Option<Problem>> {
    let subjects = codes_of(user, address);
    let wait = kernel
        .system(SystemReason::Authenticate)
        .run(async |tx| Ok(Audited::none("a look at how often it was wrong", lockout::wait_for(tx, &subjects).await?)))
        .await?;
    let words = |seconds| {
        let detail = format!("too many wrong codes; try again in {seconds} s");
        Problem::new(Code::RateLimited, detail).retry_after(seconds)
    };
    Ok(wait.map(words))
}

/// Counts a wrong one.
pub(crate) async fn wrong_code(kernel: &Kernel, user: UserId, address: Option<IpAddr>) -> Result<()> {
    lockout::failed(kernel, &codes_of(user, address)).await.map(drop)
}
