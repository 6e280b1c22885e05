//! The console's files, its one page under every path that nothing else answers, and the API reference to try things in
//! (console/README.md says what they rely on).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use tenure_kernel::{Code, Problem};

use super::assets::{Asset, Assets};

const NONCE_PLACEHOLDER: &str = "__CSP_NONCE__";

/// Where the reference is that runs, beside the one to read.
pub(super) const TRY: &str = "/docs/try";
/// Its file.
pub(super) const TRY_FILE: &str = "/docs/try.html";

const MISSING: &str = include_str!("missing.html");
const MISSING_POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Answers whatever no other route does.
pub(super) fn router(assets: Arc<Assets>) -> Router {
    Router::new().fallback(answer).with_state(assets)
}

async fn answer(State(assets): State<Arc<Assets>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    // A mistyped path of the documentation must not look like a success.
    if path != TRY && super::is_below(path, &["/docs", "/livez", "/readyz"]) {
        return Problem::not_found().into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        let problem = Problem::new(Code::MethodNotAllowed, "only GET is answered here; the API is below /api/v1");
        return problem.into_response();
    }
    if path == TRY {
        // Swagger UI asks for nothing more than the console: no script inline, no evaluation, pictures in its stylesheet.
        return assets.get(TRY_FILE).map_or_else(|| Problem::not_found().into_response(), page);
    }
    match assets.get(path) {
        Some(asset) if path != "/index.html" => file(path, asset, &headers),
        None if path.starts_with("/assets/") => Problem::not_found().into_response(),
        _ => match assets.get("/index.html") {
            Some(index) => page(index),
            None => missing(),
        },
    }
}

fn file(path: &str, asset: &Asset, headers: &HeaderMap) -> Response {
    let cache = if path.starts_with("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let fixed = [(CACHE_CONTROL, cache), (ETAG, asset.etag.as_str())];
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == asset.etag || tag.trim() == "*")) {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    (fixed, [(CONTENT_TYPE, asset.media)], asset.content.clone()).into_response()
}

/// A page with a nonce of its own.
fn page(index: &Asset) -> Response {
    // 122 random bits from the system's generator, in the 36 characters that RFC 9562 writes them with.
    let nonce = uuid::Uuid::new_v4().to_string();
    let policy = format!(
        "default-src 'self'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; connect-src 'self'; \
         object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    let html = String::from_utf8_lossy(&index.content).replace(NONCE_PLACEHOLDER, &nonce);
    let headers =
        [(CONTENT_TYPE, index.media), (CACHE_CONTROL, "no-store"), (CONTENT_SECURITY_POLICY, policy.as_str())];
    (headers, html).into_response()
}

/// The page of a server without a console.
fn missing() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, MISSING_POLICY),
    ];
    (headers, MISSING).into_response()
}
