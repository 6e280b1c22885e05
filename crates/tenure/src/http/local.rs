//! `TENURE_AUTH=off`: requests without a token are the local administrator's.
//!
//! That is only safe for what comes from this machine *and* from pages of this server: a web page elsewhere can make the
//! developer's browser send requests here. So the `Host` must be a loopback name (a name that was rebound to 127.0.0.1
//! is not one), and an `Origin` must be the same host.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tenure_kernel::{Code, Problem};
use tenure_platform::domain::identity::LocalLogin;

const REFRESH: &str = "/api/v1/auth/refresh";
const CONSOLE_HEADER: &str = "x-tenure-console";
const LOGIN_COOKIE: &[u8] = b"tenure_refresh=";

/// The middleware.
pub(super) async fn admit(State(login): State<Arc<LocalLogin>>, mut request: Request, next: Next) -> Response {
    if let Err(problem) = from_here(&request) {
        return problem.into_response();
    }
    let headers = request.headers();
    if headers.contains_key(AUTHORIZATION) || headers.contains_key("x-api-key") {
        return next.run(request).await;
    }
    // The console asks for a session with the cookie that a login would have left.
    let console = headers.contains_key(CONSOLE_HEADER) && !has_login(headers);
    if console && request.method() == Method::POST && request.uri().path() == REFRESH {
        return match login.answer() {
            Ok(answer) => axum::Json(answer).into_response(),
            Err(error) => error.into_response(),
        };
    }
    let bearer = login.access_token().map(|token| HeaderValue::try_from(format!("Bearer {token}")));
    match bearer {
        Ok(Ok(mut bearer)) => {
            bearer.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, bearer);
            next.run(request).await
        }
        Ok(Err(_)) => Problem::new(Code::Internal, "the local administrator has no token").into_response(),
        Err(error) => error.into_response(),
    }
}

/// Whether the browser has the cookie of a login; it may have others.
fn has_login(headers: &HeaderMap) -> bool {
    let mut cookies = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    cookies.any(|cookie| cookie.trim_ascii_start().starts_with(LOGIN_COOKIE))
}

fn from_here(request: &Request) -> Result<(), Problem> {
    let refuse = |what: &str| {
        let detail = format!("{what}; with TENURE_AUTH=off only this machine is answered, as localhost or 127.0.0.1");
        Err(Problem::new(Code::Denied, detail))
    };
    let Some(host) = host(request) else { return refuse("the request names no host") };
    if !is_loopback(&host) {
        return refuse("the request names another host");
    }
    match origin(request.headers()) {
        Ok(None) => Ok(()),
        Ok(Some(origin)) if origin == host => Ok(()),
        Ok(Some(_)) | Err(()) => refuse("the request comes from a page of another origin"),
    }
}

/// `:authority` (HTTP/2) or `Host`; none where the two differ or there are several.
fn host(request: &Request) -> Option<Authority> {
    let mut named = request.headers().get_all(HOST).iter();
    let header: Option<Authority> = named.next().and_then(|host| host.to_str().ok()?.parse().ok());
    if named.next().is_some() {
        return None;
    }
    match (request.uri().authority().cloned(), header) {
        (Some(told), Some(header)) => (told == header).then_some(told),
        (told, header) => told.or(header),
    }
}

/// The host of `Origin`; an error where it is no web address (`null`).
fn origin(headers: &HeaderMap) -> Result<Option<Authority>, ()> {
    let Some(value) = headers.get(ORIGIN) else { return Ok(None) };
    let text = value.to_str().map_err(|_| ())?;
    let authority = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).ok_or(())?;
    authority.parse().map(Some).map_err(|_| ())
}

fn is_loopback(authority: &Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn asked(uri: &str, headers: &[(&str, &str)]) -> bool {
        let request =
            headers.iter().fold(Request::builder().uri(uri), |request, (name, value)| request.header(*name, *value));
        from_here(&request.body(Body::empty()).unwrap()).is_ok()
    }

    #[test]
    fn only_loopback_names_are_answered() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.1.2.3", "[::1]:8080", "[::1]"] {
            assert!(asked("/", &[("host", host)]), "{host}");
        }
        for host in [
            "example.com",
            "localhost.example.com",
            "127.0.0.1.nip.io",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::ffff:8.8.8.8]",
            "user@localhost",
            "",
        ] {
            assert!(!asked("/", &[("host", host)]), "{host}");
        }
        assert!(!asked("/", &[]));
        assert!(!asked("/", &[("host", "localhost"), ("host", "localhost")]));
        assert!(!asked("http://evil.example/", &[("host", "localhost")]));
        assert!(asked("http://localhost/", &[]), "as HTTP/2 says it");
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let from = |origin| asked("/", &[("host", "localhost:8080"), ("origin", origin)]);
        assert!(from("http://localhost:8080"));
        for origin in
            ["http://localhost:3000", "https://evil.example", "null", "http://127.0.0.1:8080", "localhost:8080"]
        {
            assert!(!from(origin), "{origin}");
        }
    }
}
