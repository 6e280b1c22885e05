//! Where a redirect leads, and what may travel along (RFC 9110 section 15.4).

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};
use url::Url;

use crate::error::EgressError;
use crate::prepare::{Hop, check_url, host_and_port};
use crate::redact::Redactor;

/// What describes a body and goes when it goes.
const BODY_HEADERS: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::CONTENT_DISPOSITION,
];

/// All that another origin gets to see. A list of what to drop would miss the next `X-Api-Key`.
const HARMLESS_HEADERS: [HeaderName; 6] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_TYPE,
    header::RANGE,
    header::USER_AGENT,
];

/// Whether a response of this status is a redirect to follow, if it has a `Location`.
pub(crate) const fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The request after `hop` was answered by `status` with `location`.
///
/// # Errors
/// [`EgressError::RefusedRedirect`] if it leads from https to http, to another scheme, to a URL with credentials, or if
/// a secret would reach another origin.
pub(crate) fn next_hop(hop: Hop, status: StatusCode, location: &[u8], redactor: &Redactor) -> Result<Hop, EgressError> {
    let refuse = |reason: &str| EgressError::RefusedRedirect { host: hop.label.clone(), reason: reason.to_owned() };
    let location = std::str::from_utf8(location).map_err(|_| refuse("its location is not utf-8"))?;
    let mut url = hop.url.join(location).map_err(|_| refuse("its location is not a valid url"))?;
    check_url(&url).map_err(|reason| refuse(&format!("in its location {reason}")))?;
    url.set_fragment(None);
    if hop.url.scheme() == "https" && url.scheme() == "http" {
        return Err(refuse("it leads from https to http, which others can read: call the final url itself"));
    }
    let same_origin = hop.url.origin() == url.origin();
    let (method, keeps_body) = method_after(&hop.method, status);

    if !same_origin {
        if redactor.occurs_in(url.as_str().as_bytes()) {
            return Err(refuse("it would carry a secret in its url to another origin: call the final url itself"));
        }
        if keeps_body && hop.secret_body {
            return Err(refuse("it would carry a secret in its body to another origin: call the final url itself"));
        }
    }
    let mut headers = hop.headers;
    if !same_origin {
        headers = retain(headers, |name, sensitive| HARMLESS_HEADERS.contains(name) && !sensitive);
    }
    if !keeps_body {
        headers = retain(headers, |name, _| !BODY_HEADERS.contains(name));
    }
    let label = if same_origin { hop.label } else { redactor.text(&host_and_port(&url)).into_owned() };
    Ok(Hop {
        method,
        shown_url: shown_url(&url, same_origin, &label, redactor),
        label,
        headers,
        body: if keeps_body { hop.body } else { Bytes::new() },
        secret_body: keeps_body && hop.secret_body,
        url,
    })
}

/// RFC 9110 sections 15.4.2 to 15.4.9: 303 asks for the result by GET, 301 and 302 may turn POST into GET as every
/// browser does, 307 and 308 repeat the request.
fn method_after(method: &Method, status: StatusCode) -> (Method, bool) {
    match (status.as_u16(), method) {
        (303, method) if *method != Method::HEAD && *method != Method::GET => (Method::GET, false),
        (301 | 302, &Method::POST) => (Method::GET, false),
        (_, method) => (method.clone(), true),
    }
}

fn retain(headers: HeaderMap, keep: impl Fn(&HeaderName, bool) -> bool) -> HeaderMap {
    let mut kept = HeaderMap::new();
    let mut current = None;
    // An owned header map names each header once, before the first of its values.
    for (name, value) in headers {
        current = name.or(current);
        if let Some(name) = current.as_ref().filter(|name| keep(name, value.is_sensitive())) {
            kept.append(name, value);
        }
    }
    kept
}

/// Within one origin the host is shown as before, since it may come from a secret; the path is the server's.
fn shown_url(url: &Url, same_origin: bool, label: &str, redactor: &Redactor) -> String {
    if !same_origin {
        return redactor.text(url.as_str()).into_owned();
    }
    let path_and_query = url.as_str().get(url.origin().ascii_serialization().len()..).unwrap_or_default();
    format!("{}://{label}{}", url.scheme(), redactor.text(path_and_query))
}

#[cfg(test)]
#[path = "redirect_tests.rs"]
mod tests;
