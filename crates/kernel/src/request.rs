//! What surrounds every request: its id, where it came from, the limits it met, its idempotency key.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::header::{CONTENT_LENGTH, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use crate::context::Origin;
use crate::error::{Code, Problem};
use crate::idempotency::IdempotencyKey;
use crate::limits::Standing;
use crate::unread::Unread;

/// The largest body a route takes unless it says otherwise.
pub const MAX_BODY: usize = 1024 * 1024;

const MAX_USER_AGENT: usize = 256;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// As many as an answer gets here: the request's id, and five that tell of limits.
const ADDED_HEADERS: usize = 6;

/// What is known of a route before a request comes.
#[derive(Debug)]
pub(crate) struct Template {
    method: Method,
    /// Method and path, as `GET /teams/{id}`.
    name: Arc<str>,
    body_limit: usize,
}

/// Every route by its path: what each request would otherwise put together anew.
#[derive(Debug, Default)]
pub(crate) struct Templates(HashMap<String, Vec<Template>>);

impl Templates {
    /// Of methods, paths and the largest bodies.
    pub(crate) fn new<'a>(routes: impl Iterator<Item = (&'a Method, &'a str, usize)>) -> Self {
        let mut templates = Self::default();
        for (method, path, body_limit) in routes {
            let name = format!("{method} {path}").into();
            let known = templates.0.entry(path.to_owned()).or_default();
            known.push(Template { method: method.clone(), name, body_limit });
        }
        templates
    }

    /// The name of the request's route, and the largest body it takes.
    fn of(&self, parts: &Parts) -> (Arc<str>, usize) {
        let Some(path) = parts.extensions.get::<MatchedPath>() else { return (parts.method.as_str().into(), MAX_BODY) };
        let mut known = self.0.get(path.as_str()).into_iter().flatten();
        match known.find(|template| template.method == parts.method) {
            Some(template) => (Arc::clone(&template.name), template.body_limit),
            None => (format!("{} {}", parts.method, path.as_str()).into(), MAX_BODY),
        }
    }
}

/// Where an extractor leaves the standing of the limit that is closest to its end, for the response's headers.
#[derive(Debug, Clone, Default)]
pub(crate) struct RateSlot(Arc<Mutex<Option<Standing>>>);

impl RateSlot {
    pub(crate) fn note(&self, standing: Standing) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none_or(|noted| standing.retry_after.is_some() || standing.remaining < noted.remaining) {
            *slot = Some(standing);
        }
    }
}

/// What the middleware learned, for the extractors.
#[derive(Debug, Clone)]
pub(crate) struct RequestInfo {
    /// The largest body that the route takes.
    pub(crate) body_limit: usize,
    pub(crate) origin: Origin,
    pub(crate) slot: RateSlot,
    pub(crate) idempotency: Option<IdempotencyKey>,
}

impl Default for RequestInfo {
    fn default() -> Self {
        let (origin, slot) = (Origin::default(), RateSlot::default());
        Self { body_limit: MAX_BODY, origin, slot, idempotency: None }
    }
}

impl RequestInfo {
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().cloned().unwrap_or_default()
    }
}

/// Set by the server where a trusted proxy told the client's address.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub std::net::IpAddr);

/// The middleware around every route. It knows the route's template, so it is laid on routes, not on the whole router.
pub(crate) async fn surround(templates: &Templates, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let (route, body_limit) = templates.of(&parts);
    let (unread, body) = Unread::watch(&parts, body);
    if told_length(&parts).is_some_and(|length| length > body_limit) {
        drop(body);
        unread.discard().await;
        return too_large(body_limit).into_response();
    }
    let id = Uuid::new_v4();
    let (origin, slot) = (origin(&parts, id, Arc::clone(&route)), RateSlot::default());
    let (idempotency, body) = match idempotency_key(&parts) {
        None => (None, body),
        Some(Err(problem)) => {
            drop(body);
            unread.discard().await;
            return problem.into_response();
        }
        Some(Ok(key)) => {
            let (key, body) = IdempotencyKey::watch(key, route, &parts.uri, body);
            (Some(key), body)
        }
    };
    parts.extensions.insert(RequestInfo { body_limit, origin, slot: slot.clone(), idempotency });
    let mut response = next.run(Request::from_parts(parts, body)).await;
    unread.discard().await;
    let headers = response.headers_mut();
    headers.reserve(ADDED_HEADERS);
    if let Some(standing) = slot.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        standing.write_to(headers);
    }
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    response
}

fn origin(parts: &Parts, id: Uuid, route: Arc<str>) -> Origin {
    let told = parts.extensions.get::<ClientAddress>().map(|told| told.0);
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let user_agent = parts.headers.get(USER_AGENT).map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let mut end = text.len().min(MAX_USER_AGENT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Arc::from(text.get(..end).unwrap_or_default())
    });
    Origin { address: told.or(peer), user_agent, request: Some(id), trace: trace_id(parts), route: Some(route) }
}

/// The trace's id of a W3C `traceparent` (version 00).
fn trace_id(parts: &Parts) -> Option<Arc<str>> {
    let text = parts.headers.get(TRACEPARENT)?.to_str().ok()?;
    let id = text.split('-').nth(1)?;
    let valid =
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.bytes().any(|byte| byte != b'0');
    valid.then(|| id.to_ascii_lowercase().into())
}

fn idempotency_key(parts: &Parts) -> Option<Result<Arc<str>, Problem>> {
    let value = parts.headers.get(IDEMPOTENCY_KEY)?;
    if parts.method != Method::POST {
        return None;
    }
    let key = value.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
    Some(
        key.map(Arc::from)
            .ok_or_else(|| Problem::new(Code::BadRequest, "Idempotency-Key must be 1 to 255 visible ASCII characters")),
    )
}

fn told_length(parts: &Parts) -> Option<usize> {
    parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(crate) fn too_large(limit: usize) -> Problem {
    Problem::new(Code::TooLarge, format!("the body is larger than the {limit} bytes that this route takes"))
        .with("limit", limit)
}
