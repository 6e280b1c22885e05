//! The API's description for machines (`/api/openapi.json`) and for people (`/docs`): made from the same document, once,
//! without a script, so that it works without the internet and under the strictest policy. Where the console was built in, the page
//! leads to another on which each route can be tried.

mod page;
mod problems;
mod schema;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName};
use axum::routing::get;

const POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const STYLE: &str = include_str!("style.css");

/// Everything, rendered at start; `to_try` is where routes can be tried, if there is such a page.
pub(super) fn router(to_try: Option<&str>) -> Router {
    let document = serde_json::to_value(tenure_platform::app::openapi()).unwrap_or_default();
    Router::new()
        .route("/api/openapi.json", fixed("application/json", document.to_string()))
        .route("/docs", fixed("text/html; charset=utf-8", page::render(&document, to_try)))
        .route("/docs/problems", fixed("text/html; charset=utf-8", problems::render()))
        .route("/docs/style.css", fixed("text/css; charset=utf-8", STYLE.to_owned()))
}

/// A route that always answers the same.
fn fixed(media: &'static str, content: String) -> axum::routing::MethodRouter {
    let content = axum::body::Bytes::from(content);
    get(move || {
        let headers: [(HeaderName, HeaderValue); 3] = [
            (CONTENT_TYPE, HeaderValue::from_static(media)),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        ];
        std::future::ready((headers, content.clone()))
    })
}
