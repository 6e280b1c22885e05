//! The API without a socket: verbs of the command line use the same routes, checks and events as everybody else.

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

use super::Failure;
use crate::platform::Platform;

/// The largest answer that is read.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Somebody's access to the API of an open platform.
pub(super) struct Inside {
    router: Router,
    token: Option<String>,
}

impl Inside {
    /// Without a login.
    pub(super) fn anonymous(platform: &Platform) -> Self {
        Self { router: platform.app.router().0, token: None }
    }

    /// With this access token.
    pub(super) fn with_token(platform: &Platform, token: String) -> Self {
        Self { router: platform.app.router().0, token: Some(token) }
    }

    /// Sends JSON; the answer's status and body.
    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) -> Result<(StatusCode, Value), Failure> {
        self.send_as(method, path, "application/json", body.to_string()).await
    }

    /// Sends text of this media type.
    pub(super) async fn send_as(
        &self,
        method: Method,
        path: &str,
        media: &str,
        body: String,
    ) -> Result<(StatusCode, Value), Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}")).header(CONTENT_TYPE, media);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Body::from(body)).map_err(|error| failed(&error))?;
        let response = self.router.clone().oneshot(request).await.map_err(|error| failed(&error))?;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), MAX_ANSWER).await.map_err(|error| failed(&error))?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// Sends JSON; whatever is no success is a failure in the problem's own words.
    pub(super) async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        let (status, answer) = self.send(method, path, body).await?;
        success(status, answer)
    }
}

/// The answer, or the problem in its own words.
pub(super) fn success(status: StatusCode, answer: Value) -> Result<Value, Failure> {
    if status.is_success() { Ok(answer) } else { Err(Failure::Failed(explain(&answer))) }
}

/// A problem document for a terminal: a line each, with its place.
pub(super) fn explain(problem: &Value) -> String {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let faults = problem.get("faults").or_else(|| problem.get("errors")).and_then(Value::as_array);
    let lines = faults.into_iter().flatten().map(|fault| {
        let place = match (fault.get("line").and_then(Value::as_u64), fault.get("column").and_then(Value::as_u64)) {
            (Some(line), Some(column)) => format!("{line}:{column}: "),
            _ => String::new(),
        };
        let words = if fault.get("message").is_some() { text(fault, "message") } else { text(fault, "detail") };
        let hint = text(fault, "suggestion");
        let hint = if hint.is_empty() { hint } else { format!(" ({hint})") };
        format!("{place}{} {words}{hint}", text(fault, "pointer"))
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { text(problem, "detail") } else { lines.join("\n") }
}
