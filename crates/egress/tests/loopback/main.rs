//! The client against real listeners on 127.0.0.1, which an allow-list opens where a test wants it open.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod canary;
mod gate;
mod server;
mod tls;

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use server::{Seen, Server, hang, ok, raw};
use tenure_egress::{
    AllowList, Anywhere, Body, EgressClient, EgressError, EgressLimits, EgressPolicy, EgressRequest, EgressResponse,
    Lookup, Method, Placeholders, RefusedRange,
};

fn limits() -> EgressLimits {
    EgressLimits {
        connect: Duration::from_secs(2),
        total: Duration::from_secs(5),
        response_bytes: 64 << 10,
        ..EgressLimits::default()
    }
}

fn policy<S: AsRef<str>>(allowed: &[S]) -> EgressPolicy {
    EgressPolicy { allowed: AllowList::new(allowed).unwrap(), limits: limits(), ..EgressPolicy::default() }
}

fn client_for(server: &Server) -> EgressClient {
    EgressClient::new(policy(&[server.authority()])).unwrap()
}

async fn get(client: &EgressClient, url: impl Into<String>) -> Result<EgressResponse, EgressError> {
    client.send(EgressRequest::new(Method::GET, url), &Placeholders::none(), &Anywhere).await
}

/// A name server that gives one answer after the other, the last for ever.
struct Script(Vec<Vec<&'static str>>, AtomicUsize);

impl Script {
    fn new(answers: &[&[&'static str]]) -> Arc<Self> {
        Arc::new(Self(answers.iter().map(|answer| answer.to_vec()).collect(), AtomicUsize::new(0)))
    }
}

impl Lookup for Script {
    fn lookup(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let turn = self.1.fetch_add(1, Ordering::SeqCst).min(self.0.len() - 1);
        let answer = self.0.get(turn).unwrap().iter().map(|ip| ip.parse().unwrap()).collect();
        async move { Ok(answer) }.boxed()
    }
}

#[tokio::test]
async fn a_named_host_answers_and_the_request_arrives_whole() {
    let server = Server::start(|_| ok("application/json; charset=utf-8", r#"{"n":[1,2]}"#)).await;
    let client = client_for(&server);
    let mut request = EgressRequest::new(Method::POST, server.url("/a b?x=1#frag"))
        .header("X-One", "1")
        .header("x-one", "2")
        .body(Body::Json(serde_json::json!({ "k": "v" })));
    request.query.push(("q".to_owned(), "a&b c".to_owned()));
    let response = client.send(request, &Placeholders::none(), &Anywhere).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(response.is_json());
    assert_eq!(response.json().unwrap(), serde_json::json!({ "n": [1, 2] }));
    assert_eq!(response.final_url, server.url("/a b?x=1&q=a%26b+c"));
    assert_eq!(response.received_bytes, 11);

    let seen = server.seen().pop().unwrap();
    assert_eq!(seen.line, "POST /a%20b?x=1&q=a%26b+c HTTP/1.1");
    assert_eq!(seen.body, br#"{"k":"v"}"#);
    assert_eq!(seen.header("content-type"), ["application/json"]);
    assert_eq!(seen.header("x-one"), ["1", "2"]);
    assert_eq!(seen.header("accept-encoding"), ["identity"]);
    assert_eq!(seen.header("user-agent"), [concat!("tenure/", env!("CARGO_PKG_VERSION"))]);
    assert!(seen.header("referer").is_empty());
}

#[tokio::test]
async fn without_an_allowance_no_spelling_reaches_a_listener() {
    let server = Server::start(|_| ok("text/plain", "reached")).await;
    let client = EgressClient::new(policy::<&str>(&[])).unwrap();
    let port = server.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "a.localhost",
        "a.localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "１２７.0.0.1",
        "%31%32%37.0.0.1",
        "0x7f.1",
        "ⓛocalhost",
    ] {
        let error = get(&client, format!("http://{host}:{port}/")).await.unwrap_err();
        assert_eq!(error.class().as_str(), "refused-address", "{host}: {error}");
    }
    for url in [
        format!("http://public.example@127.0.0.1:{port}/"),
        format!("http://127.0.0.1\\@public.example:{port}/"),
        format!("http:/127.0.0.1:{port}/"),
        format!("http:///127.0.0.1:{port}/"),
        format!("http:127.0.0.1:{port}/"),
        format!("ht\ntp://127.0.0.1:{port}/"),
        format!("//127.0.0.1:{port}/"),
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.1/".to_owned(),
        format!("http://[::1%25lo]:{port}/"),
        String::new(),
    ] {
        let error = get(&client, url.as_str()).await.unwrap_err();
        assert_eq!(error.class().as_str(), "expression", "{url}: {error}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn an_allowance_is_for_its_port_alone() {
    let server = Server::start(|_| ok("text/plain", "reached")).await;
    let client = EgressClient::new(policy(&["127.0.0.1:1"])).unwrap();
    let error = get(&client, server.url("/")).await.unwrap_err();
    assert!(matches!(error, EgressError::RefusedLiteral { range: RefusedRange::Loopback, .. }), "{error}");
    let named = EgressClient::new(policy(&["localhost"])).unwrap();
    assert_eq!(get(&named, format!("http://localhost:{}/", server.port())).await.unwrap().text(), "reached");
    assert!(get(&named, server.url("/")).await.is_err());
    assert_eq!(get(&named, "http://localhost:22/").await.unwrap_err(), EgressError::RefusedPort { port: 22 });
}

#[tokio::test]
async fn metadata_is_refused_even_behind_an_allowed_name() {
    for address in ["169.254.169.254", "fe80::1", "0.0.0.0", "fd00:ec2::254", "224.0.0.1"] {
        let client = EgressClient::with_lookup(policy(&["hub.internal"]), Script::new(&[&[address]])).unwrap();
        let error = get(&client, "http://hub.internal/").await.unwrap_err();
        assert!(matches!(error, EgressError::RefusedName { .. }), "{address}: {error}");
        assert!(!error.to_string().contains(address), "{error}");
    }
}

#[tokio::test]
async fn a_mixed_answer_is_refused_and_the_error_hides_the_address() {
    for answer in [&["10.1.2.3"][..], &["93.184.215.14", "10.1.2.3"], &["2606:4700::1", "::ffff:10.1.2.3"]] {
        let client = EgressClient::with_lookup(policy::<&str>(&[]), Script::new(&[answer])).unwrap();
        let error = get(&client, "http://mixed.example/").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "mixed.example resolves to a refused range (private): call a public host, or ask the operator to allow this one"
        );
    }
    let client = EgressClient::with_lookup(policy::<&str>(&[]), Script::new(&[&[]])).unwrap();
    assert_eq!(get(&client, "http://nowhere.example/").await.unwrap_err().class().as_str(), "network");
}

#[tokio::test]
async fn configured_ranges_are_refused_too() {
    let mut policy = policy::<&str>(&[]);
    policy.refused_ranges = vec!["93.184.0.0/16".parse().unwrap()];
    let client = EgressClient::with_lookup(policy, Script::new(&[&["93.184.215.14"]])).unwrap();
    for url in ["http://ours.example/", "http://93.184.215.14/", "http://[::ffff:93.184.215.14]/"] {
        let error = get(&client, url).await.unwrap_err().to_string();
        assert!(error.contains("refused by the operator"), "{url}: {error}");
    }
}

/// The name is harmless when it is first looked up and internal at every later time.
#[tokio::test]
async fn a_rebinding_name_is_checked_at_each_connection() {
    let server = Server::start(|_| raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")).await;
    let port = server.port();
    // The operator's name answers 127.0.0.1, then turns to the metadata service.
    let script = Script::new(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let client = EgressClient::with_lookup(policy(&["hub.internal"]), script.clone()).unwrap();
    let url = format!("http://hub.internal:{port}/");
    assert_eq!(get(&client, url.as_str()).await.unwrap().text(), "ok");
    assert!(matches!(get(&client, url.as_str()).await.unwrap_err(), EgressError::RefusedName { .. }));
    assert_eq!(script.1.load(Ordering::SeqCst), 2, "one lookup for each connection, none between check and use");

    // A public name that turns to loopback reaches nothing.
    let script = Script::new(&[&["127.0.0.1"]]);
    let client = EgressClient::with_lookup(policy::<&str>(&[]), script).unwrap();
    assert!(get(&client, format!("http://rebind.example:{port}/")).await.is_err());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn redirects_are_checked_at_each_hop() {
    for location in [
        "http://169.254.169.254/latest/meta-data/",
        "http://0xa9fea9fe/",
        "//[::ffff:169.254.169.254]/",
        "http://localhost:1/",
        "http://10.0.0.1/",
    ] {
        let server = Server::start(move |_| redirect(302, location)).await;
        let error = get(&client_for(&server), server.url("/")).await.unwrap_err();
        assert_eq!(error.class().as_str(), "refused-address", "{location}: {error}");
    }
}

fn redirect(status: u16, location: &str) -> server::Reply {
    raw(&format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"))
}

#[tokio::test]
async fn redirects_are_bounded_and_loops_end() {
    let chain = Server::start(|seen: &Seen| {
        let n: u32 = seen.path().trim_start_matches('/').parse().unwrap();
        if n == 0 { ok("text/plain", "end") } else { redirect(307, &format!("/{}", n - 1)) }
    })
    .await;
    let client = client_for(&chain);
    let response = get(&client, chain.url("/5")).await.unwrap();
    assert_eq!((response.text().as_str(), response.redirects), ("end", 5));
    assert_eq!(response.final_url, chain.url("/0"));
    assert_eq!(get(&client, chain.url("/6")).await.unwrap_err().class().as_str(), "limit");
    let mut request = EgressRequest::new(Method::GET, chain.url("/2"));
    request.max_redirects = Some(0);
    assert_eq!(client.send(request, &Placeholders::none(), &Anywhere).await.unwrap().status, 307);

    let circle = Server::start(|seen: &Seen| redirect(302, if seen.path() == "/a" { "/b" } else { "/a" })).await;
    let error = get(&client_for(&circle), circle.url("/a")).await.unwrap_err();
    assert!(error.to_string().contains("leads back"), "{error}");
    assert_eq!(circle.seen().len(), 2);
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let other = Server::start(|_| ok("text/plain", "other")).await;
    let to = other.url("/landing");
    let first = Server::start(move |_| redirect(307, &to)).await;
    let client = EgressClient::new(policy(&[first.authority(), other.authority()])).unwrap();
    let mut secrets = Placeholders::none();
    let token = secrets.insert("key", "hunter22hunter22").unwrap();
    let mut request = EgressRequest::new(Method::GET, first.url("/"))
        .header("X-Api-Key", token.as_str())
        .header("Accept", token.as_str())
        .header("Accept-Language", "de")
        .header("Cookie", "session=1");
    request.basic_auth = Some(("user".to_owned(), token.clone()));
    let response = client.send(request.clone(), &secrets, &Anywhere).await.unwrap();
    assert_eq!(response.text(), "other");
    let seen = first.seen().pop().unwrap();
    assert_eq!(seen.header("authorization"), ["Basic dXNlcjpodW50ZXIyMmh1bnRlcjIy"]);
    assert_eq!(seen.header("x-api-key"), ["hunter22hunter22"]);
    let landed = other.seen().pop().unwrap();
    assert_eq!(landed.header("accept-language"), ["de"]);
    assert_eq!(landed.header("accept"), ["*/*"]);
    for name in ["authorization", "x-api-key", "cookie"] {
        assert!(landed.header(name).is_empty(), "{name}");
    }

    let with_body = request.body(Body::Text(token));
    let error = client.send(with_body, &secrets, &Anywhere).await.unwrap_err();
    assert!(error.to_string().contains("secret in its body"), "{error}");
    assert_eq!(other.seen().len(), 1);
}

#[tokio::test]
async fn slow_and_silent_servers_time_out() {
    let silent = Server::start(|_| hang(b"")).await;
    let drip = Server::drip(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
    let slow_head = Server::drip(b"HTTP/1.1 200 OK\r\nx: ").await;
    for server in [&silent, &drip, &slow_head] {
        let mut request = EgressRequest::new(Method::GET, server.url("/"));
        request.timeout = Some(Duration::from_millis(400));
        let started = Instant::now();
        let error = client_for(server).send(request, &Placeholders::none(), &Anywhere).await.unwrap_err();
        assert_eq!(error.class().as_str(), "timeout", "{error}");
        assert!(error.to_string().contains("within 0.4 s"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_dead_host_and_an_unknown_name_are_network_errors() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    drop(listener);
    let client = EgressClient::new(policy(&[&authority])).unwrap();
    let error = get(&client, format!("http://{authority}/")).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot reach {authority}: the connection was refused: check that it is up"));
    let error = get(&client, "http://no-such-host.invalid/").await.unwrap_err();
    assert_eq!(error.class().as_str(), "network", "{error}");
}

#[tokio::test]
async fn a_name_server_that_never_answers_is_a_timeout() {
    struct Never;
    impl Lookup for Never {
        fn lookup(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            futures::future::pending().boxed()
        }
    }
    let mut policy = policy::<&str>(&[]);
    policy.limits.connect = Duration::from_millis(300);
    let client = EgressClient::with_lookup(policy, Arc::new(Never)).unwrap();
    let error = get(&client, "http://slow.example/").await.unwrap_err();
    assert!(matches!(error, EgressError::ConnectTimeout { .. }), "{error:?}");
}

#[tokio::test]
async fn dropping_the_future_closes_the_connection() {
    let server = Server::start(|_| hang(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab")).await;
    let (client, url) = (client_for(&server), server.url("/"));
    let call = tokio::spawn(async move { get(&client, url).await });
    server.wait_until(|server| server.seen().len() == 1).await;
    call.abort();
    server.wait_until(|server| server.hung_up() == 1).await;
}

#[tokio::test]
async fn bodies_and_heads_are_bounded() {
    let endless = Server::endless(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"400\r\n", 0x400).await;
    let declared = Server::start(|_| hang(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n")).await;
    let many = Server::start(|_| raw(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(500)))).await;
    let long = Server::start(|_| {
        let header = format!("x: {}\r\n", "y".repeat(3000));
        raw(&format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{}\r\n", header.repeat(30)))
    })
    .await;
    let endless_head = Server::endless(b"HTTP/1.1 200 OK\r\nx: ", b"", 0x400).await;
    for (server, what) in [
        (&endless, "response body is over its limit of 65536 bytes"),
        (&declared, "response body is over its limit of 65536 bytes"),
        (&many, "number or size of response headers"),
        (&long, "response headers is over its limit of 65536 bytes"),
        (&endless_head, "number or size of response headers"),
    ] {
        let error = get(&client_for(server), server.url("/")).await.unwrap_err();
        assert_eq!(error.class().as_str(), "limit", "{error}");
        assert!(error.to_string().starts_with(what), "{error}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_server_that_compresses_unasked_is_bounded_and_redacted() {
    let server = Server::start(|seen: &Seen| {
        let body = if seen.path() == "/bomb" { gzip(&vec![0; 16 << 20]) } else { gzip(seen.path().as_bytes()) };
        let encoding = if seen.path() == "/br" { "br" } else { "gzip" };
        ok(&format!("text/plain\r\ncontent-encoding: {encoding}"), body)
    })
    .await;
    let client = client_for(&server);
    let error = get(&client, server.url("/bomb")).await.unwrap_err();
    assert_eq!(error.to_string(), "response body is over its limit of 65536 bytes");
    assert_eq!(get(&client, server.url("/br")).await.unwrap_err().class().as_str(), "network");
    let mut secrets = Placeholders::none();
    let token = secrets.insert("key", "hunter22").unwrap();
    let response = client.send(EgressRequest::new(Method::GET, server.url(&token)), &secrets, &Anywhere).await.unwrap();
    assert_eq!(response.text(), "/[redacted:key]");
    assert!(!response.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn requests_are_bounded() {
    let server = Server::start(|_| ok("text/plain", "ok")).await;
    let client = client_for(&server);
    let send = |request| {
        let client = client.clone();
        async move { client.send(request, &Placeholders::none(), &Anywhere).await.unwrap_err().class().as_str() }
    };
    let request = || EgressRequest::new(Method::POST, server.url("/"));
    assert_eq!(send(request().body(Body::Bytes(vec![0; (16 << 20) + 1].into()))).await, "limit");
    assert_eq!(send(request().header("x", "y".repeat(40 << 10))).await, "limit");
    assert_eq!(send(EgressRequest::new(Method::GET, server.url(&"x".repeat(9 << 10)))).await, "limit");
    for name in ["Host", "content-length", "Transfer-Encoding", "connection", "upgrade", "te", "expect", "a b", ""] {
        assert_eq!(send(request().header(name, "x")).await, "expression", "{name}");
    }
    assert_eq!(send(request().header("x", "a\r\nhost: b")).await, "expression");
    assert_eq!(send(EgressRequest::new(Method::CONNECT, server.url("/"))).await, "expression");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn what_is_not_http_is_a_network_error() {
    for reply in
        ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", ""]
    {
        let server = Server::start(move |_| server::close(reply)).await;
        let error = get(&client_for(&server), server.url("/")).await.unwrap_err();
        assert_eq!(error.class().as_str(), "network", "{reply}: {error}");
    }
    let truncated = Server::start(|_| server::close("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello")).await;
    assert_eq!(get(&client_for(&truncated), truncated.url("/")).await.unwrap_err().class().as_str(), "network");
}

#[test]
fn the_call_can_be_spawned() {
    fn is_send<T: Send>(_: T) {}
    let client = EgressClient::new(EgressPolicy::default()).unwrap();
    is_send(client.send(EgressRequest::new(Method::GET, "http://a.example/"), &Placeholders::none(), &Anywhere));
}
