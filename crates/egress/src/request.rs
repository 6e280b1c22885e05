//! What a caller asks for and gets back.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};

/// One call. Every string may hold placeholders of the [`Placeholders`](crate::Placeholders) it is sent with; header
/// names and the method may not.
#[derive(Debug, Clone)]
pub struct EgressRequest {
    /// Any method but CONNECT and TRACE.
    pub method: Method,
    /// An absolute `http` or `https` URL without user name and password (use [`basic_auth`](Self::basic_auth)).
    pub url: String,
    /// In order, repeats allowed. Headers that belong to the connection (`Host`, `Content-Length`, `Connection`, …) are
    /// refused; `Accept-Encoding` is the client's own.
    pub headers: Vec<(String, String)>,
    /// Appended to the URL's query, form-encoded.
    pub query: Vec<(String, String)>,
    /// What is sent; its `Content-Type` is set unless [`headers`](Self::headers) has one.
    pub body: Body,
    /// User name and password for `Authorization: Basic`, which are encoded after placeholders are replaced.
    pub basic_auth: Option<(String, String)>,
    /// Less than the policy's total time.
    pub timeout: Option<Duration>,
    /// Less than the policy's response size, in bytes.
    pub max_response_bytes: Option<usize>,
    /// Fewer redirects than the policy's; with 0 a redirect is the response.
    pub max_redirects: Option<u8>,
    /// For whom the call is made, such as a tenant's number: callers share the name lookups fairly.
    pub caller: Option<u128>,
}

impl EgressRequest {
    /// A request without headers and body, under the policy's limits.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            query: Vec::new(),
            body: Body::Empty,
            basic_auth: None,
            timeout: None,
            max_response_bytes: None,
            max_redirects: None,
            caller: None,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
}

/// A request's body.
#[derive(Debug, Clone, Default)]
pub enum Body {
    /// None at all.
    #[default]
    Empty,
    /// `application/json`.
    Json(serde_json::Value),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// `text/plain; charset=utf-8`.
    Text(String),
    /// `application/octet-stream`; placeholders are replaced here too.
    Bytes(Bytes),
}

/// A complete response of any status, with the request's secrets redacted.
#[derive(Clone)]
pub struct EgressResponse {
    /// The status of the last hop.
    pub status: StatusCode,
    /// Names in lower case; repeated headers joined by `, `, `set-cookie` by a line feed (RFC 9110 section 5.3).
    /// `content-length` and `etag` are those of the body as it came; `content-encoding` is undone and left out.
    pub headers: BTreeMap<String, String>,
    /// Decompressed and redacted.
    pub body: Bytes,
    /// Where the response came from, redacted, without fragment.
    pub final_url: String,
    /// Redirects followed.
    pub redirects: u8,
    /// How long it took.
    pub timing: Timing,
    /// Bytes of the body as received.
    pub received_bytes: usize,
}

/// Durations of a call, redirects included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Until the head of the last response.
    pub head: Duration,
    /// Until the last byte.
    pub total: Duration,
}

impl EgressResponse {
    /// The media type without parameters, in lower case, such as `application/json`.
    #[must_use]
    pub fn content_type(&self) -> Option<String> {
        let media_type = self.headers.get("content-type")?.split(';').next()?.trim();
        (!media_type.is_empty()).then(|| media_type.to_ascii_lowercase())
    }

    /// Whether the media type is `application/json` or `…+json` (RFC 6839).
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.content_type().is_some_and(|media_type| media_type == "application/json" || media_type.ends_with("+json"))
    }

    /// The body as JSON, whatever its media type says.
    ///
    /// # Errors
    /// If it is not one JSON document nested at most 128 deep.
    pub fn json(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// The body as text; what is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Without the body, which may be large and is the tenant's.
impl fmt::Debug for EgressResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressResponse")
            .field("status", &self.status)
            .field("final_url", &self.final_url)
            .field("body_bytes", &self.body.len())
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}
