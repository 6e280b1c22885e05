//! The API without a socket: verbs of the command line use the same routes, checks and events as everybody else.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{Method, Request, StatusCode};
use serde_json::Value;
use tenure_platform::domain::identity::LocalLogin;
use tower::ServiceExt as _;

use super::Failure;
use crate::platform::Platform;

/// The largest answer that is read.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Somebody's access to the API of an open platform.
pub(super) struct Inside {
    router: Router,
    who: Who,
}

/// Whose requests they are.
enum Who {
    Nobody,
    /// Nobody either, from this machine.
    Here,
    Token(String),
    /// Asked for a fresh token each time: an execution may outlive one.
    Local(Arc<LocalLogin>),
}

impl Inside {
    /// Without a login.
    pub(super) fn anonymous(platform: &Platform) -> Self {
        Self { router: platform.app.router().0, who: Who::Nobody }
    }

    /// Without a login, from this machine: a development instance shows its outbox to nobody else.
    pub(super) fn from_here(platform: &Platform) -> Self {
        Self { router: platform.app.router().0, who: Who::Here }
    }

    /// With this access token.
    pub(super) fn with_token(platform: &Platform, token: String) -> Self {
        Self { router: platform.app.router().0, who: Who::Token(token) }
    }

    /// As somebody who works without logging in.
    pub(super) fn local(platform: &Platform, login: Arc<LocalLogin>) -> Self {
        Self { router: platform.app.router().0, who: Who::Local(login) }
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
        let (status, body) = self.answer(method, path, media, body).await?;
        let bytes = axum::body::to_bytes(body, MAX_ANSWER).await.map_err(failed)?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// The body of a route that answers with a stream.
    pub(super) async fn stream(&self, path: &str) -> Result<Body, Failure> {
        let (status, body) = self.answer(Method::GET, path, "application/json", String::new()).await?;
        if status.is_success() {
            return Ok(body);
        }
        let bytes = axum::body::to_bytes(body, MAX_ANSWER).await.map_err(failed)?;
        Err(Failure::Failed(explain(&serde_json::from_slice(&bytes).unwrap_or(Value::Null))))
    }

    async fn answer(
        &self,
        method: Method,
        path: &str,
        media: &str,
        body: String,
    ) -> Result<(StatusCode, Body), Failure> {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}")).header(CONTENT_TYPE, media);
        let token = match &self.who {
            Who::Nobody | Who::Here => None,
            Who::Token(token) => Some(token.clone()),
            Who::Local(login) => Some(login.access_token()?),
        };
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if matches!(self.who, Who::Here) {
            let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            request = request.header(HOST, "localhost").extension(ConnectInfo(peer));
        }
        let request = request.body(Body::from(body)).map_err(failed)?;
        let response = self.router.clone().oneshot(request).await.map_err(failed)?;
        Ok((response.status(), response.into_body()))
    }

    /// Sends JSON; whatever is no success is a failure in the problem's own words.
    pub(super) async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        let (status, answer) = self.send(method, path, body).await?;
        success(status, answer)
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

/// The answer, or the problem in its own words.
pub(super) fn success(status: StatusCode, answer: Value) -> Result<Value, Failure> {
    if status.is_success() { Ok(answer) } else { Err(Failure::Failed(explain(&answer))) }
}

/// A problem document for a terminal: a line for each fault, as `line:column: pointer: what is wrong; what to do`.
pub(super) fn explain(problem: &Value) -> String {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let faults = problem.get("faults").or_else(|| problem.get("errors")).and_then(Value::as_array);
    let lines = faults.into_iter().flatten().map(|fault| {
        let place = match (fault.get("line").and_then(Value::as_u64), fault.get("column").and_then(Value::as_u64)) {
            (Some(line), Some(column)) => format!("{line}:{column}: "),
            _ => String::new(),
        };
        let grade = if text(fault, "severity") == "warning" { "warning: " } else { "" };
        let pointer = match text(fault, "pointer") {
            pointer if pointer.is_empty() => pointer,
            pointer => format!("{pointer}: "),
        };
        let words = if fault.get("message").is_some() { text(fault, "message") } else { text(fault, "detail") };
        let hint = match text(fault, "suggestion") {
            hint if hint.is_empty() || words.contains(&format!("`{hint}`?")) => String::new(),
            hint => format!("; did you mean `{hint}`?"),
        };
        format!("{place}{grade}{pointer}{words}{hint}")
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { text(problem, "detail") } else { lines.join("\n") }
}

/// The same for a file: each line begins with its name.
pub(super) fn explain_file(file: &std::path::Path, problem: &Value) -> String {
    let words = explain(problem);
    words.lines().map(|line| format!("{}:{line}", file.display())).collect::<Vec<_>>().join("\n")
}
