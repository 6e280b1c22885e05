//! What the token endpoint answers (RFC 6749, 5.1 and 5.2).

use axum::Json;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, PRAGMA, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use tenure_kernel::describe::{Description, Output};
use tenure_kernel::{Code, Error, Problem};
use utoipa::ToSchema;

/// A token, or two.
#[derive(Debug, Serialize, ToSchema)]
pub struct Token {
    /// For `Authorization: Bearer …`.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds until the access token ends.
    pub expires_in: u64,
    /// For the next access token; a token exchange gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub refresh_token: Option<String>,
    /// What the token may do, permissions with spaces between; absent where it is all that its owner may.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub scope: Option<String>,
    /// What was issued in a token exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub issued_token_type: Option<&'static str>,
}

/// Described as 200 with [`Token`], and 400 with [`OAuthProblem`].
#[derive(Debug)]
pub struct TokenAnswer;

impl Output for TokenAnswer {
    fn describe(description: &mut Description) {
        description.answers::<Token>(200, "Here it is.");
        description.answers::<OAuthProblem>(400, REFUSED);
    }
}

/// What 400 means at the endpoints of OAuth.
pub(super) const REFUSED: &str = "A refusal in OAuth's words (RFC 6749, 5.2), and a problem document's.";

/// A refusal as OAuth clients read it: a problem document with two members more.
#[derive(Debug, Serialize, ToSchema)]
pub struct OAuthProblem {
    /// `invalid_request`, `invalid_grant`, `invalid_scope`, `invalid_target`, `unsupported_grant_type`, `unsupported_token_type`, `authorization_pending`, `slow_down`,
    /// `access_denied` or `expired_token`.
    error: &'static str,
    /// What happened and what to do.
    error_description: String,
    /// The problem document.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    problem: serde_json::Value,
}

/// An answer that nobody may keep a copy of.
pub(super) fn given(body: impl Serialize) -> Response {
    let mut response = Json(body).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// Why there is no token: the word that OAuth clients know, and the problem in ours.
#[derive(Debug)]
pub(super) struct Refused {
    error: &'static str,
    problem: Error,
}

impl Refused {
    pub(super) fn new(error: &'static str, problem: impl Into<Error>) -> Self {
        Self { error, problem: problem.into() }
    }

    /// `invalid_request`: something is missing, twice there, or not acceptable together.
    pub(super) fn request(detail: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::new("invalid_request", Problem::new(Code::BadRequest, detail))
    }

    /// The same refusal, once it was recorded.
    pub(super) async fn recorded(self, record: impl AsyncFnOnce(Error) -> Error) -> Self {
        Self { error: self.error, problem: record(self.problem).await }
    }
}

/// A fault or a limit, where nothing more exact is known.
impl From<Error> for Refused {
    fn from(problem: Error) -> Self {
        let error = match problem.problem().code.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
            status if status.is_server_error() => "server_error",
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "invalid_grant",
            _ => "invalid_request",
        };
        Self::new(error, problem)
    }
}

/// The problem document with what RFC 6749 asks for beside it. It asks for 400 and `application/json`; limits and faults, of
/// which it says nothing, stay as they are.
impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let problem = self.problem.problem();
        let mut document = problem.document();
        // Logs a fault, and tells the layers around of what kind it is.
        let (mut parts, _) = self.problem.into_response().into_parts();
        if parts.status.is_client_error() && parts.status != StatusCode::TOO_MANY_REQUESTS {
            parts.status = StatusCode::BAD_REQUEST;
            parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(members) = document.as_object_mut() {
            members.insert("status".to_owned(), json!(parts.status.as_u16()));
        }
        let error_description = problem.detail.into_owned();
        let body = OAuthProblem { error: self.error, error_description, problem: document };
        parts.headers.remove(WWW_AUTHENTICATE);
        parts.headers.remove(CONTENT_LENGTH);
        let mut response = Json(body).into_response();
        *response.status_mut() = parts.status;
        for (name, value) in &parts.headers {
            response.headers_mut().insert(name, value.clone());
        }
        *response.extensions_mut() = parts.extensions;
        response
    }
}
