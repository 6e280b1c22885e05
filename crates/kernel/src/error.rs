//! One error type for everything a request can meet, and its face towards the caller: RFC 9457 problem documents.
//!
//! | status | when |
//! | --- | --- |
//! | 401 | no valid credential: the same words for every reason |
//! | 403 | known, of this tenant, and not allowed: says which permission, quota or rule |
//! | 404 | does not exist, or is another tenant's, or another team's: nobody can tell which |
//! | 409 | contradicts what is stored |
//! | 422 | well-formed, and wrong in the fields named by `errors` |
//! | 429, 503 | later, after `Retry-After` |

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What domain code returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// Stable names of what can go wrong; the last part of a problem's `type`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $title] $name),* }

        impl Code {
            /// Every code, for the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As it stands in `type`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The HTTP status it travels with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }

            /// What it means, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

codes! {
    BadRequest          = "bad-request",           BAD_REQUEST,            "The request cannot be read";
    Unauthenticated     = "unauthenticated",       UNAUTHORIZED,           "A valid login is needed";
    InvalidCredentials  = "invalid-credentials",   UNAUTHORIZED,           "The login was refused";
    StepUpRequired      = "step-up-required",      FORBIDDEN,              "Prove again who you are";
    PasswordChangeRequired = "password-change-required", FORBIDDEN,        "The password must be changed";
    MfaRequired         = "mfa-enrolment-required", FORBIDDEN,             "A second factor must be set up";
    EmailUnverified     = "email-unverified",      FORBIDDEN,              "The address is not confirmed";
    PermissionDenied    = "permission-denied",     FORBIDDEN,              "A permission is missing";
    KeyBlocked          = "api-key-blocked",       FORBIDDEN,              "The API key lacks a second factor";
    TenantSuspended     = "tenant-suspended",      FORBIDDEN,              "The organisation is suspended";
    QuotaExceeded       = "quota-exceeded",        FORBIDDEN,              "A quota is used up";
    Denied              = "denied",                FORBIDDEN,              "A policy refuses this";
    RegistrationClosed  = "registration-closed",   FORBIDDEN,              "Registration is closed";
    NotFound            = "not-found",             NOT_FOUND,              "There is no such thing here";
    MethodNotAllowed    = "method-not-allowed",    METHOD_NOT_ALLOWED,     "The path exists, the method does not";
    LinkOver            = "link-over",             GONE,                   "The link was used, or has run out";
    Conflict            = "conflict",              CONFLICT,               "This contradicts what is stored";
    TooLarge            = "too-large",             PAYLOAD_TOO_LARGE,      "The request is too large";
    UnsupportedMedia    = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The content type is not understood";
    Invalid             = "invalid",               UNPROCESSABLE_ENTITY,   "Some fields are wrong";
    IdempotencyMismatch = "idempotency-mismatch",  UNPROCESSABLE_ENTITY,   "The idempotency key was used for another request";
    RateLimited         = "rate-limited",          TOO_MANY_REQUESTS,      "Too many requests";
    Internal            = "internal",              INTERNAL_SERVER_ERROR,  "The server failed";
    DiskFull            = "disk-full",             SERVICE_UNAVAILABLE,    "There is no room left to write";
    MailMissing         = "mail-missing",          SERVICE_UNAVAILABLE,    "This server sends no mail";
    Unavailable         = "unavailable",           SERVICE_UNAVAILABLE,    "The server cannot answer right now";
}

/// A field that is wrong: where, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request body; `#query/name` for a query parameter.
    pub pointer: String,
    /// What is wrong with it and what to do.
    pub detail: String,
    /// Stable name of the fault, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Cow<'static, str>>,
}

/// An RFC 9457 problem document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which kind.
    pub code: Code,
    /// For a person: what happened and what to do.
    pub detail: Cow<'static, str>,
    /// The fields that are wrong.
    pub errors: Vec<FieldError>,
    /// Further members of the document (`quota`, `limit`, `permission` …).
    pub extensions: serde_json::Map<String, serde_json::Value>,
    /// Seconds after which another try makes sense.
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem of this kind with these words for a person.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), extensions: serde_json::Map::new(), retry_after: None }
    }

    /// 404, in the same words for what does not exist and for what the caller may not know of.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "nothing is here under this path, or you may not see it")
    }

    /// 422 for one field.
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Code::Invalid, "some fields are wrong; see errors").field(pointer, detail)
    }

    /// Adds a field that is wrong.
    #[must_use]
    pub fn field(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: pointer.into(), detail: detail.into(), code: None });
        self
    }

    /// 409 with these words.
    #[must_use]
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Conflict, detail)
    }

    /// 503, to be tried again after a second.
    #[must_use]
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable, detail).retry_after(1)
    }

    /// Adds a member to the document.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The document as JSON.
    #[must_use]
    pub fn document(&self) -> serde_json::Value {
        let mut document = serde_json::json!({
            "type": format!("/docs/problems#{}", self.code.as_str()),
            "title": self.code.title(),
            "status": self.code.status().as_u16(),
            "code": self.code.as_str(),
            "detail": self.detail,
        });
        if let Some(map) = document.as_object_mut() {
            if !self.errors.is_empty() {
                map.insert("errors".to_owned(), serde_json::json!(self.errors));
            }
            map.extend(self.extensions.clone());
        }
        document
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.code.status(), Json(self.document())).into_response();
        // For what surrounds the routes: the kind of problem, without reading the body.
        response.extensions_mut().insert(self.code);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What the problem document looks like, for the API's description.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// Stable URI of the kind of problem.
    pub r#type: String,
    /// The kind in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The last part of `type`.
    pub code: String,
    /// What happened and what to do.
    pub detail: String,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
}

/// Everything that can stop a request or a job.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is told this.
    #[error("{}: {}", .0.code.as_str(), .0.detail)]
    Problem(Box<Problem>),
    /// PostgreSQL refused or was not there. The caller learns only which of the two.
    #[error("database: {0}")]
    Database(#[source] sqlx::Error),
    /// A fault of ours; logged, and to the caller just "the server failed".
    #[error("internal: {0}")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A fault of ours, in words for the log.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// The problem the caller is shown.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Problem(problem) => (**problem).clone(),
            Self::Database(error) => database_problem(error),
            Self::Internal(_) => {
                Problem::new(Code::Internal, "the fault is in the server's log under this request's id")
            }
        }
    }

    /// The constraint that PostgreSQL says was violated.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error.constraint(),
            _ => None,
        }
    }
}

fn database_problem(error: &sqlx::Error) -> Problem {
    let state = error.as_database_error().and_then(|error| error.code());
    match (error, state.as_deref()) {
        (sqlx::Error::RowNotFound, _) => Problem::not_found(),
        (_, Some("23505")) => Problem::conflict("something with these properties exists already"),
        (_, Some("23503")) => Problem::conflict("this refers to something that is not there, or that is still in use"),
        // Serialisation failure, deadlock: the same request may well succeed.
        (_, Some("40001" | "40P01")) => Problem::conflict("somebody changed this at the same time; try again"),
        // An event on its way into the default partition, whose month was opened meanwhile.
        (sqlx::Error::Database(error), Some("23514")) if error.table() == Some("events_default") => {
            Problem::unavailable("a new month of the log was being opened; try again")
        }
        (_, Some("53100")) => disk_full(),
        // Cancelled, shutting down, starting up, out of connections, and no connection at all.
        (_, Some(state)) if state.starts_with("57") || state.starts_with("53") || state.starts_with("08") => {
            unreachable_database()
        }
        (
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Tls(_)
            | sqlx::Error::BeginFailed,
            _,
        ) => unreachable_database(),
        _ => Problem::new(Code::Internal, "the fault is in the server's log under this request's id"),
    }
}

/// When to try again on a full disk.
pub const DISK_FULL_SECONDS: u64 = 30;

/// 503 while the database has no room to write.
#[must_use]
pub fn disk_full() -> Problem {
    let detail = "the disk is full: the database cannot write, and this was not done; free some space on the disk of the data directory, then try again";
    Problem::new(Code::DiskFull, detail).retry_after(DISK_FULL_SECONDS)
}

fn unreachable_database() -> Problem {
    Problem::unavailable("the database cannot be reached; it is being restarted, try again in a moment")
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let problem = self.problem();
        if problem.code.status().is_server_error() {
            tracing::error!(error = %self, "request failed");
        }
        problem.into_response()
    }
}

/// Turns the violation of one named constraint into a problem of the slice's own words.
pub trait OnConstraint<T> {
    /// `store::insert(…).await.on_constraint("teams_name_key", || Problem::conflict("…"))`
    ///
    /// # Errors
    /// The problem if that constraint was violated, otherwise the error as it was.
    fn on_constraint(self, name: &str, problem: impl FnOnce() -> Problem) -> Result<T>;
}

impl<T, E: Into<Error>> OnConstraint<T> for Result<T, E> {
    fn on_constraint(self, name: &str, problem: impl FnOnce() -> Problem) -> Result<T> {
        self.map_err(|error| {
            let error = error.into();
            if error.constraint() == Some(name) { problem().into() } else { error }
        })
    }
}
