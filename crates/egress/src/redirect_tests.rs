use http::HeaderValue;

use super::*;

fn hop(method: Method, url: &str) -> Hop {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("accept", "*/*"),
        ("authorization", "Bearer t"),
        ("content-type", "application/json"),
        ("cookie", "a=b"),
        ("x-api-key", "k"),
        ("x-many", "1"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    headers.append("x-many", HeaderValue::from_static("2"));
    let url = Url::parse(url).unwrap();
    Hop {
        method,
        label: host_and_port(&url),
        shown_url: url.to_string(),
        url,
        headers,
        body: Bytes::from_static(b"{}"),
        secret_body: false,
    }
}

fn follow(method: Method, from: &str, status: u16, location: &str) -> Result<Hop, EgressError> {
    next_hop(hop(method, from), StatusCode::from_u16(status).unwrap(), location.as_bytes(), &Redactor::default())
}

#[test]
fn methods_and_bodies_follow_the_rfc() {
    let table = [
        (Method::GET, 301, Method::GET, true),
        (Method::POST, 301, Method::GET, false),
        (Method::POST, 302, Method::GET, false),
        (Method::PUT, 302, Method::PUT, true),
        (Method::POST, 303, Method::GET, false),
        (Method::DELETE, 303, Method::GET, false),
        (Method::HEAD, 303, Method::HEAD, true),
        (Method::POST, 307, Method::POST, true),
        (Method::PATCH, 308, Method::PATCH, true),
    ];
    for (method, status, expected, keeps_body) in table {
        let next = follow(method.clone(), "https://a.example/x", status, "/y").unwrap();
        assert_eq!(next.method, expected, "{method} {status}");
        assert_eq!(!next.body.is_empty(), keeps_body, "{method} {status}");
        assert_eq!(next.headers.contains_key("content-type"), keeps_body, "{method} {status}");
    }
}

#[test]
fn another_origin_sees_no_credential() {
    for location in ["https://b.example/", "//b.example/", "https://a.example:8443/", "https://a.example.b.example/"] {
        let next = follow(Method::GET, "https://a.example/x", 302, location).unwrap();
        let names: Vec<_> = next.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["accept", "content-type"], "{location}");
    }
    for location in ["/y", "y?z", "https://a.example:443/y", "//A.EXAMPLE/y", "https://a.example./../y"] {
        let next = follow(Method::GET, "https://a.example/x", 302, location).unwrap();
        let same = !location.contains("example./");
        assert_eq!(next.headers.contains_key("authorization"), same, "{location}");
        assert_eq!(next.headers.get_all("x-many").iter().count(), if same { 2 } else { 0 }, "{location}");
    }
}

#[test]
fn some_redirects_are_refused() {
    for (from, location, why) in [
        ("https://a.example/", "http://a.example/", "https to http"),
        ("http://a.example/", "file:///etc/passwd", "scheme"),
        ("http://a.example/", "gopher://a.example/", "scheme"),
        ("http://a.example/", "http://u:p@b.example/", "password"),
        ("http://a.example/", "http://[::1", "valid url"),
        ("http://a.example/", "javascript:alert(1)", "scheme"),
    ] {
        let error = follow(Method::GET, from, 302, location).map(|hop| hop.url).unwrap_err();
        assert!(error.to_string().contains(why), "{location}: {error}");
        assert_eq!(error.class().as_str(), "refused-address");
    }
}

#[test]
fn a_secret_does_not_travel_to_another_origin() {
    let mut placeholders = crate::Placeholders::none();
    placeholders.insert("key", "s3cr3t-value").unwrap();
    let redactor = Redactor::new(&placeholders);
    let go = |location: &str, secret_body| {
        let hop = Hop { secret_body, ..hop(Method::POST, "http://a.example/?key=s3cr3t-value") };
        next_hop(hop, StatusCode::TEMPORARY_REDIRECT, location.as_bytes(), &redactor)
    };
    let same = go("/y?key=s3cr3t-value", true).unwrap();
    assert_eq!(same.shown_url, "http://a.example/y?key=[redacted:key]");
    assert!(same.secret_body);
    let error = go("http://b.example/?key=s3cr3t-value", false).map(|hop| hop.url).unwrap_err().to_string();
    assert!(error.contains("secret in its url") && !error.contains("s3cr3t"), "{error}");
    let error = go("http://b.example/", true).map(|hop| hop.url).unwrap_err().to_string();
    assert!(error.contains("secret in its body"), "{error}");
    assert!(go("http://b.example/", false).is_ok());
}
