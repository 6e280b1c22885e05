//! The refresh token in a cookie: for the console, whose scripts must never hold it.

use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use tenure_kernel::{Code, Error, Problem, Result};
use utoipa::ToSchema;

use super::token::RefreshToken;

/// Where the refresh token goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RefreshIn {
    /// Into the body: for API clients.
    #[default]
    Body,
    /// Into a cookie that no script can read: for the console.
    Cookie,
}

const COOKIE_NAME: &str = "tenure_refresh";
const CONSOLE_HEADER: &str = "x-tenure-console";

const DEVICE_COOKIE: &str = "tenure_device";

/// What a page of the console sets while an answer with another refresh token is under way, and reads: it opens nothing.
const UNDER_WAY_COOKIE: &str = "tenure_turning";

pub(super) fn set(headers: &HeaderMap, value: &str, max_age: u64) -> Result<HeaderValue> {
    set_named(COOKIE_NAME, headers, value, max_age)
}

/// The token of a trusted device: as much out of reach of scripts as the refresh token.
pub(super) fn set_device(headers: &HeaderMap, value: &str, max_age: u64) -> Result<HeaderValue> {
    set_named(DEVICE_COOKIE, headers, value, max_age)
}

/// Takes back the console's own mark that such an answer is under way, with the very answer that carries the token: the page that
/// asked may be gone, and the next one sees by it that the browser holds the new token.
pub(super) fn arrived(headers: &HeaderMap) -> Result<HeaderValue> {
    let secure = secure(headers);
    HeaderValue::try_from(format!("{UNDER_WAY_COOKIE}=; Path=/; SameSite=Strict; Max-Age=0{secure}"))
        .map_err(Error::internal)
}

fn set_named(cookie: &str, headers: &HeaderMap, value: &str, max_age: u64) -> Result<HeaderValue> {
    let secure = secure(headers);
    HeaderValue::try_from(format!(
        "{cookie}={value}; Path=/api/v1/auth; HttpOnly; SameSite=Strict; Max-Age={max_age}{secure}"
    ))
    .map_err(Error::internal)
}

/// `Secure` unless the browser came over loopback, where there is no TLS.
fn secure(headers: &HeaderMap) -> &'static str {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host: Option<Authority> = host.parse().ok();
    let loopback = host.is_some_and(|host| matches!(host.host(), "localhost" | "127.0.0.1" | "[::1]"));
    if loopback { "" } else { "; Secure" }
}

/// The refresh token of the body, or of the cookie if the call is the console's own.
pub(super) fn presented(headers: &HeaderMap, body: Option<String>) -> Result<(String, RefreshIn)> {
    if let Some(token) = body {
        return Ok((token, RefreshIn::Body));
    }
    let Some(token) = find(headers, COOKIE_NAME) else {
        return Err(
            Problem::new(Code::Unauthenticated, "there is no refresh token in the body or the cookie; log in").into()
        );
    };
    guard(headers, RefreshIn::Cookie)?;
    Ok((token, RefreshIn::Cookie))
}

/// The refresh token and the trusted device's that a browser sends along, where it has them. They open nothing by
/// themselves, so they need no guard.
pub(super) fn sent_along(headers: &HeaderMap) -> (Option<String>, Option<String>) {
    (find(headers, COOKIE_NAME), find(headers, DEVICE_COOKIE))
}

/// What is stored of the refresh token that a login in the console takes the place of, where the browser has one.
pub(super) fn replaced(headers: &HeaderMap, refresh: RefreshIn) -> Option<Vec<u8>> {
    let token = find(headers, COOKIE_NAME).filter(|_| refresh == RefreshIn::Cookie)?;
    Some(RefreshToken::digest(&token))
}

fn find(headers: &HeaderMap, cookie: &str) -> Option<String> {
    let cookies =
        headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut named = cookies.filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == cookie);
    named.next().map(|(_, token)| token.to_owned())
}

/// What a cookie authenticates needs a header that no form can send, and comes from our own pages (OWASP CSRF
/// prevention: custom request header, origin check).
pub(super) fn guard(headers: &HeaderMap, refresh: RefreshIn) -> Result<()> {
    if refresh == RefreshIn::Body {
        return Ok(());
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let same_origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).is_some_and(|origin| {
        origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"))
            .is_some_and(|authority| authority == host)
    });
    if headers.contains_key(CONSOLE_HEADER) && same_origin {
        return Ok(());
    }
    Err(Problem::new(
        Code::BadRequest,
        "calls that use the cookie need the header X-Tenure-Console and an Origin that is this server",
    )
    .into())
}
