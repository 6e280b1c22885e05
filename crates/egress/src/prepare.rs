//! A request with its secrets in place, ready for the wire. Nothing of this module is shown to anybody.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use url::Url;
use zeroize::Zeroizing;

use crate::error::EgressError;
use crate::placeholders::{Encoding, Piece, Placeholders};
use crate::policy::EgressLimits;
use crate::redact::Redactor;
use crate::request::{Body, EgressRequest};

/// One request as it goes to one server.
pub(crate) struct Hop {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether a secret is in the body.
    pub(crate) secret_body: bool,
    /// `host[:port]` as it may be shown.
    pub(crate) label: String,
    /// The URL as it may be shown.
    pub(crate) shown_url: String,
}

impl Hop {
    /// Replaces the placeholders of `request`; `redactor` learns the forms in which they are sent.
    pub(crate) fn prepare(
        request: &EgressRequest,
        secrets: &Placeholders,
        limits: &EgressLimits,
        redactor: &mut Redactor,
    ) -> Result<Self, EgressError> {
        if matches!(request.method, Method::CONNECT | Method::TRACE) {
            return Err(EgressError::invalid(format!("method {} is not supported", request.method)));
        }
        let url = target(request, secrets, limits, redactor)?;
        let (body, secret_body) = body(&request.body, secrets, limits)?;
        let headers = headers(request, secrets, limits)?;
        let shown_url = shown_url(request, secrets);
        let label = label(&url, &request.url, secrets);
        Ok(Self { method: request.method.clone(), url, headers, body, secret_body, label, shown_url })
    }
}

/// Parses a URL that stands for a hop, of a request or a redirect: `http` or `https`, with a host, without credentials.
pub(crate) fn check_url(url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the url's scheme is not http or https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the url holds a user name or password: give them as basic authentication instead");
    }
    if url.host().is_none() {
        return Err("the url has no host");
    }
    Ok(())
}

fn target(
    request: &EgressRequest,
    secrets: &Placeholders,
    limits: &EgressLimits,
    redactor: &mut Redactor,
) -> Result<Url, EgressError> {
    let too_long = || EgressError::limit("url", limits.url_bytes, "bytes");
    let mut text = Zeroizing::new(Vec::with_capacity(limits.url_bytes));
    for piece in secrets.pieces(request.url.as_bytes()) {
        let encoded = match piece {
            Piece::Literal(literal) => Zeroizing::new(literal.to_vec()),
            Piece::Secret(secret) => {
                let encoding = encoding_after(&text);
                if encoding == Encoding::Raw {
                    redactor.add_url(&secret.value, &secret.mask());
                }
                encoding.encode(secret)?
            }
        };
        if text.len() + encoded.len() > limits.url_bytes {
            return Err(too_long());
        }
        text.extend_from_slice(&encoded);
    }
    let text = std::str::from_utf8(&text).map_err(|_| EgressError::invalid("the url is not utf-8"))?.trim();
    // The URL standard reads backslashes, missing slashes and control characters leniently; what a person and the
    // parser may read differently is refused instead.
    if text.contains(|c: char| c.is_ascii_control() || c == '\\') {
        return Err(EgressError::invalid("the url holds a backslash or control character"));
    }
    let after_scheme = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.get(..scheme.len())?.eq_ignore_ascii_case(scheme).then(|| text.get(scheme.len()..))?);
    if after_scheme.is_none_or(|rest| rest.starts_with('/')) {
        return Err(EgressError::invalid("the url does not start with http:// or https:// and a host"));
    }
    let mut url = Url::parse(text).map_err(|error| EgressError::invalid(format!("the url is not valid: {error}")))?;
    check_url(&url).map_err(EgressError::invalid)?;
    url.set_fragment(None);
    if !request.query.is_empty() {
        let added = secrets.expand(form_encode(&request.query).as_bytes(), Encoding::Form, "url", limits.url_bytes)?;
        let added = String::from_utf8_lossy(&added);
        let query = match url.query() {
            Some(query) if !query.is_empty() => Zeroizing::new(format!("{query}&{added}")),
            _ => Zeroizing::new(added.into_owned()),
        };
        url.set_query(Some(&query));
    }
    if url.as_str().len() > limits.url_bytes { Err(too_long()) } else { Ok(url) }
}

/// The encoding of what comes after `url`, the beginning of a URL: a secret may be a whole URL or a host, but in a path
/// or query it is one value and adds no structure.
fn encoding_after(url: &[u8]) -> Encoding {
    let authority_and_more = memchr::memmem::find(url, b"://").and_then(|at| url.get(at + 3..));
    match authority_and_more.and_then(|rest| rest.iter().find(|b| b"/?#".contains(b)).map(|_| rest)) {
        None => Encoding::Raw,
        Some(rest) if rest.iter().any(|b| b"?#".contains(b)) => Encoding::Form,
        Some(_) => Encoding::PathSegment,
    }
}

fn body(body: &Body, secrets: &Placeholders, limits: &EgressLimits) -> Result<(Bytes, bool), EgressError> {
    let expand = |template: &[u8], encoding| {
        let expanded = secrets.expand(template, encoding, "request body", limits.request_bytes)?;
        // Wiped when the last clone is dropped.
        Ok((Bytes::from_owner(expanded), secrets.occurs_in(template)))
    };
    match body {
        Body::Empty => Ok((Bytes::new(), false)),
        Body::Json(value) => {
            let template = serde_json::to_vec(value)
                .map_err(|error| EgressError::invalid(format!("the json body cannot be written: {error}")))?;
            expand(&template, Encoding::Json)
        }
        Body::Form(pairs) => expand(form_encode(pairs).as_bytes(), Encoding::Form),
        Body::Text(text) => expand(text.as_bytes(), Encoding::Raw),
        Body::Bytes(bytes) => expand(bytes, Encoding::Raw),
    }
}

fn form_encode(pairs: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// What common servers accept (hyper and nginx refuse more).
const MAX_HEADERS: usize = 100;

/// Headers of the connection, not of the request: a caller that could set them could smuggle a second request.
const OWN_HEADERS: [HeaderName; 10] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
];

fn headers(request: &EgressRequest, secrets: &Placeholders, limits: &EgressLimits) -> Result<HeaderMap, EgressError> {
    let mut headers = HeaderMap::new();
    let mut size = 0;
    for (name, template) in &request.headers {
        let shown = || secrets.mask(name);
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| EgressError::invalid(format!("`{}` is not a header name", shown())))?;
        if OWN_HEADERS.contains(&key) || matches!(key.as_str(), "keep-alive" | "proxy-connection") {
            return Err(EgressError::invalid(format!("header {key} is the client's own: leave it out")));
        }
        if key == header::ACCEPT_ENCODING {
            continue;
        }
        let text =
            secrets.expand(template.as_bytes(), Encoding::Raw, "request headers", limits.request_header_bytes)?;
        let mut value = HeaderValue::from_bytes(&text).map_err(|_| {
            EgressError::invalid(format!("the value of header {key} holds a line break or control character"))
        })?;
        value.set_sensitive(secrets.occurs_in(template.as_bytes()) || is_credential(&key));
        size += key.as_str().len() + value.len();
        if size > limits.request_header_bytes {
            return Err(EgressError::limit("request headers", limits.request_header_bytes, "bytes"));
        }
        if headers.len() >= MAX_HEADERS {
            return Err(EgressError::limit("number of request headers", MAX_HEADERS, "headers"));
        }
        headers.append(key, value);
    }
    if let Some((user, password)) = &request.basic_auth {
        let credentials = secrets.expand(
            format!("{user}:{password}").as_bytes(),
            Encoding::Raw,
            "request headers",
            limits.request_header_bytes,
        )?;
        let encoded = Zeroizing::new(format!("Basic {}", STANDARD.encode(&credentials)));
        let mut value = HeaderValue::from_str(&encoded)
            .map_err(|_| EgressError::invalid("the basic authentication cannot stand in a header"))?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    let content_type = match request.body {
        Body::Empty => None,
        Body::Json(_) => Some("application/json"),
        Body::Form(_) => Some("application/x-www-form-urlencoded"),
        Body::Text(_) => Some("text/plain; charset=utf-8"),
        Body::Bytes(_) => Some("application/octet-stream"),
    };
    if let Some(content_type) = content_type {
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
    }
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(headers)
}

fn is_credential(name: &HeaderName) -> bool {
    [header::AUTHORIZATION, header::COOKIE].contains(name)
}

/// The URL as its author wrote it: parsing may have changed a secret's letters, and then no search would find it.
fn shown_url(request: &EgressRequest, secrets: &Placeholders) -> String {
    let base = request.url.split('#').next().unwrap_or_default().trim();
    let mut shown = secrets.mask(base);
    if !request.query.is_empty() {
        shown.push(if base.contains('?') { '&' } else { '?' });
        shown.push_str(&secrets.mask(&form_encode(&request.query)));
    }
    shown
}

/// `host[:port]`; where a secret gave part of it, the template's words instead of the parsed ones.
fn label(url: &Url, template: &str, secrets: &Placeholders) -> String {
    let after_scheme = template.split_once("://").map_or(template, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    if secrets.occurs_in(authority.as_bytes()) { secrets.mask(authority) } else { host_and_port(url) }
}

/// `host[:port]` of a parsed URL.
pub(crate) fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
