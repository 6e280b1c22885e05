//! A secret goes to the receiver and nowhere else, even if the receiver sends it back in any form.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tenure_egress::{Anywhere, Body, EgressRequest, Method, Placeholders, Redactor};

use super::client_for;
use super::server::{Reply, Seen, Server, ok, raw};

const SECRET: &str = "C4nary/+ \"ü&=%41-v4lue";

/// Echoes all it saw: raw, as JSON, base64 and percent-encoded, in the body and in headers.
fn echo(seen: &Seen) -> Reply {
    let all = format!("{}\n{:?}\n{}", seen.line, seen.headers, String::from_utf8_lossy(&seen.body));
    let words: Vec<_> = seen.headers.iter().map(|(_, value)| value.as_str()).collect();
    let body = serde_json::json!({
        "raw": all,
        "headers": words,
        "body": serde_json::from_slice::<serde_json::Value>(&seen.body).unwrap_or_default(),
        "base64": STANDARD.encode(&all),
        "base64url": words.iter().map(|word| URL_SAFE_NO_PAD.encode(word)).collect::<Vec<_>>(),
        "percent": utf8_percent_encode(&all, NON_ALPHANUMERIC).to_string(),
    })
    .to_string();
    let path = seen.path();
    let in_header = STANDARD.encode(words.join(" "));
    let head =
        format!("content-type: application/json\r\nx-path: {path}\r\nx-base64: {in_header}\r\nset-cookie: {path}");
    raw(&format!("HTTP/1.1 200 OK\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

/// The canary in each form the issue names, and a stretch of it, in case a part was left.
fn assert_clean(what: &str, text: &str) {
    let forms = [
        SECRET.to_owned(),
        SECRET.to_lowercase(),
        STANDARD.encode(SECRET).trim_end_matches('=').to_owned(),
        URL_SAFE_NO_PAD.encode(SECRET),
        utf8_percent_encode(SECRET, NON_ALPHANUMERIC).to_string(),
        url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect(),
        serde_json::to_string(SECRET).unwrap().trim_matches('"').to_owned(),
        "C4nary".to_owned(),
        "v4lue".to_owned(),
    ];
    for form in forms {
        assert!(!text.contains(&form), "{what} holds {form}: {text}");
    }
}

#[tokio::test]
async fn an_echoed_secret_is_redacted_wherever_it_was_sent() {
    let server = Server::start(echo).await;
    let client = client_for(&server);
    let mut secrets = Placeholders::none();
    let token = secrets.insert("canary", SECRET).unwrap();
    let url = |path: &str| server.url(path);
    let get = |url: String| EgressRequest::new(Method::GET, url);
    let post = |body| EgressRequest::new(Method::POST, url("/")).body(body);
    let mut in_query = get(url("/"));
    in_query.query.push(("key".to_owned(), format!("a{token}b")));
    let mut basic = get(url("/"));
    basic.basic_auth = Some(("someone".to_owned(), token.clone()));
    let header_secret = "C4nary-header-v4lue";
    let header_token = secrets.insert("header", header_secret).unwrap();
    let requests = [
        ("path", get(url(&format!("/a/{token}/b")))),
        ("url query", get(url(&format!("/?k={token}&l=1")))),
        ("query", in_query),
        ("basic", basic),
        ("header", get(url("/")).header("authorization", format!("Bearer {header_token}"))),
        ("json", post(Body::Json(serde_json::json!({ "deep": [{ "key": format!("<{token}>"), &token: 1 }] })))),
        ("form", post(Body::Form(vec![("k".to_owned(), token.clone())]))),
        ("text", post(Body::Text(format!("key={token}")))),
        ("bytes", post(Body::Bytes(token.clone().into()))),
    ];
    for (what, request) in requests {
        let response = client.send(request, &secrets, &Anywhere).await.unwrap();
        let seen = format!("{:?}", server.seen().pop().unwrap());
        assert!(!seen.contains("tnrsecret"), "{what}: the receiver got a placeholder: {seen}");
        assert_eq!(response.status, 200);
        assert_clean(what, &response.text());
        let decoded = serde_json::from_slice::<serde_json::Value>(&response.body).unwrap();
        assert_clean(what, &decoded.to_string());
        assert!(response.text().contains("[redacted:"), "{what}");
        assert_clean(what, &format!("{:?} {} {response:?}", response.headers, response.final_url));
    }
}

#[tokio::test]
async fn the_receiver_gets_the_secret_in_the_encoding_of_its_place() {
    let server = Server::start(|_| ok("text/plain", "")).await;
    let client = client_for(&server);
    let mut secrets = Placeholders::none();
    let token = secrets.insert("canary", SECRET).unwrap();
    let request = EgressRequest::new(Method::POST, server.url(&format!("/p/{token}?q={token}")))
        .body(Body::Json(serde_json::json!({ "k": token })));
    client.send(request, &secrets, &Anywhere).await.unwrap();
    let seen = server.seen().pop().unwrap();
    let url = url::Url::parse(&format!("http://h{}", seen.path())).unwrap();
    assert_eq!(url.path_segments().unwrap().count(), 2, "a slash in the secret adds no segment: {url}");
    let segment = url.path_segments().unwrap().next_back().unwrap();
    assert_eq!(percent_encoding::percent_decode_str(segment).decode_utf8().unwrap(), SECRET);
    assert_eq!(url.query_pairs().collect::<Vec<_>>(), [("q".into(), SECRET.into())]);
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body, serde_json::json!({ "k": SECRET }));
}

#[tokio::test]
async fn a_whole_url_can_be_the_secret_and_is_checked_like_any_other() {
    let server = Server::start(echo).await;
    let client = client_for(&server);
    let send = async |secret: String, suffix: &str| {
        let mut secrets = Placeholders::none();
        let token = secrets.insert("hook", secret).unwrap();
        client.send(EgressRequest::new(Method::POST, format!("{token}{suffix}")), &secrets, &Anywhere).await
    };
    let response = send(server.url("/x/../services/T0/B0/C4nary?t=C4naryT"), "&more=1").await.unwrap();
    assert_eq!(server.seen().pop().unwrap().path(), "/services/T0/B0/C4nary?t=C4naryT&more=1");
    assert_eq!(response.final_url, "[redacted:hook]&more=1");
    assert_clean("url", &format!("{} {:?} {}", response.text(), response.headers, response.final_url));

    for (secret, class) in [
        ("http://169.254.169.254/C4nary", "refused-address"),
        ("http://2852039166/C4nary", "refused-address"),
        ("http://C4nary.localhost/", "refused-address"),
        ("http://c4nary-host.invalid/", "network"),
        ("http://user:C4nary@public.example/", "expression"),
        ("ftp://C4nary.example/", "expression"),
        ("C4nary no url", "expression"),
        ("http://C4nary\u{7f}.example/", "expression"),
    ] {
        let error = send(secret.to_owned(), "").await.unwrap_err();
        assert_eq!(error.class().as_str(), class, "{secret}: {error}");
        assert_clean(secret, &format!("{error} {error:?}").replace("c4nary", "C4nary"));
    }
}

#[tokio::test]
async fn errors_and_redirects_hold_no_secret() {
    let server = Server::start(|seen: &Seen| match seen.path() {
        path if path.starts_with("/to") => raw(&format!(
            "HTTP/1.1 302 Found\r\nlocation: http://C4nary-v4lue.localhost{path}\r\ncontent-length: 0\r\n\r\n"
        )),
        path if path.starts_with("/here") => {
            raw(&format!("HTTP/1.1 302 Found\r\nlocation: /done{path}\r\ncontent-length: 0\r\n\r\n"))
        }
        _ => ok("text/plain", "done"),
    })
    .await;
    let client = client_for(&server);
    let mut secrets = Placeholders::none();
    let token = secrets.insert("canary", "C4nary-v4lue").unwrap();
    let error =
        client.send(EgressRequest::new(Method::GET, server.url(&format!("/to/{token}"))), &secrets, &Anywhere).await;
    assert_clean("redirect", &format!("{0} {0:?}", error.unwrap_err()));
    let response =
        client.send(EgressRequest::new(Method::GET, server.url(&format!("/here/{token}"))), &secrets, &Anywhere).await;
    let response = response.unwrap();
    assert_eq!(response.text(), "done");
    assert_clean("final url", &response.final_url);
    assert!(Redactor::new(&secrets).text("x C4NARY-V4LUE").ends_with("[redacted:canary]"));

    let bad = EgressRequest::new(Method::GET, server.url("/")).header("x", format!("{token}\r\n"));
    assert_clean("header", &client.send(bad, &secrets, &Anywhere).await.unwrap_err().to_string());
}

#[tokio::test]
async fn a_large_echo_is_redacted_to_its_last_byte() {
    let size = super::limits().response_bytes;
    let server = Server::start(move |seen: &Seen| {
        ok("text/plain", [vec![b'.'; size - seen.body.len()], seen.body.clone()].concat())
    })
    .await;
    let mut secrets = Placeholders::none();
    let token = secrets.insert("canary", "C4nary-v4lue").unwrap();
    let request = EgressRequest::new(Method::POST, server.url("/")).body(Body::Text(token));
    let response = client_for(&server).send(request, &secrets, &Anywhere).await.unwrap();
    assert_eq!(response.received_bytes, size);
    assert!(response.body.ends_with(b"...[redacted:canary]"));
}
