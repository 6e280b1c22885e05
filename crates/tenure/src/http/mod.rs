//! Everything that HTTP adds around the platform's routes: limits, headers, health, documentation, the console.

mod assets;
mod console;
mod docs;
mod forwarded;
mod headers;
mod health;
mod listener;
mod local;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use ipnet::IpNet;
use tenure_kernel::{Code, Problem};
use tenure_platform::domain::identity::LocalLogin;
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tower_http::timeout::RequestBodyTimeoutLayer;

pub(crate) use assets::Assets;
pub(crate) use health::DatabaseWatch;
pub(crate) use listener::{Limits, serve};

use crate::platform::Platform;

/// From a request's last header to an answer's first; the longest a route waits on purpose is 30 s (`?wait=30s`).
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Between two pieces of a body.
const BODY_PIECE_WITHIN: Duration = Duration::from_secs(20);
/// Smaller answers cost more to compress than to send.
const COMPRESS_FROM: u16 = 1024;

/// What the routes outside `/api` need.
pub(crate) struct Site {
    pub(crate) assets: Assets,
    /// Whose every request without a token is, where logins are switched off.
    pub(crate) login: Option<LocalLogin>,
    /// `https` makes browsers insist on it (HSTS).
    pub(crate) https: bool,
    /// Proxies in front.
    pub(crate) trusted_proxies: Arc<[IpNet]>,
}

/// The whole server's router.
pub(crate) fn router(platform: &Platform, watch: DatabaseWatch, site: Site) -> Router {
    let (api, _) = platform.app.router();
    let api = api.layer(from_fn_with_state(watch.clone(), health::refuse_while_down));
    let docs = docs::router(site.assets.get(console::TRY_FILE).map(|_| console::TRY));
    let console = console::router(Arc::new(site.assets));
    let health = Router::new()
        .route("/livez", get(health::alive))
        .route("/readyz", get(health::ready))
        .with_state((platform.app.kernel.clone(), watch));
    // Both have fallbacks of their own, so they cannot be merged: the first part of the path decides.
    let rest = move |request: Request| {
        let router =
            if is_below(request.uri().path(), &["/api", "/.well-known"]) { api.clone() } else { console.clone() };
        router.oneshot(request)
    };
    let https = site.https;
    let compress = SizeAbove::new(COMPRESS_FROM)
        .and(NotForContentType::SSE)
        .and(NotForContentType::GRPC)
        .and(NotForContentType::IMAGES);
    let mut router = Router::new().merge(health).merge(docs).fallback(rest);
    if let Some(login) = site.login {
        router = router.layer(from_fn_with_state(Arc::new(login), local::admit));
    }
    router
        .layer(from_fn(within_time))
        .layer(RequestBodyTimeoutLayer::new(BODY_PIECE_WITHIN))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(CompressionLayer::new().compress_when(compress))
        .layer(from_fn(move |request: Request, next: Next| headers::secure(request, next, https)))
        .layer(from_fn_with_state(site.trusted_proxies, forwarded::note))
}

/// Whether the path is one of these or lies below it.
fn is_below(path: &str, prefixes: &[&str]) -> bool {
    let below = |prefix: &&str| path.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    prefixes.iter().any(below)
}

async fn within_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await.unwrap_or_else(|_| {
        let seconds = ANSWER_WITHIN.as_secs();
        Problem::unavailable(format!("the server found no answer within {seconds} s; try again")).into_response()
    })
}

fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let words = cause.downcast_ref::<&str>().map(|words| (*words).to_owned());
    let words = words.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(panic = words, "a request's handler panicked");
    Problem::new(Code::Internal, "the server failed; the fault is in its log").into_response()
}
