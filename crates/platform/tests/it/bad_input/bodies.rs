//! Bodies, queries and paths that are none.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use tenure_platform::testkit::{TestApp, answer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Wanted, rows, send, stage, still_serves, wanted};

fn nested(open: &str, close: &str, depth: usize) -> String {
    open.repeat(depth) + "1" + &close.repeat(depth)
}

fn cases() -> Vec<(&'static str, &'static str, &'static str, Vec<u8>, Wanted)> {
    let team = |text: &str| text.as_bytes().to_vec();
    let invalid = |says| wanted(422, "invalid", says);
    let unread = |says| wanted(400, "bad-request", says);
    vec![
        ("nothing", "POST", "/teams", vec![], unread("EOF")),
        ("half an object", "POST", "/teams", team("{\"name\": \"x\""), unread("line 1")),
        ("a fault on line 3", "POST", "/teams", team("{\n  \"name\":\n  x}"), unread("line 3 column 3")),
        ("single quotes", "POST", "/teams", team("{'name': 'x'}"), unread("line 1")),
        ("a trailing comma", "POST", "/teams", team("{\"name\": \"x\",}"), unread("trailing comma")),
        ("two documents", "POST", "/teams", team("{\"name\": \"x\"} {\"name\": \"y\"}"), unread("goes on")),
        ("a comment", "POST", "/teams", team("{\"name\": \"x\"} // y"), unread("goes on")),
        ("not a number", "POST", "/teams", team("{\"name\": NaN}"), unread("line 1")),
        ("a list", "POST", "/teams", team("[]"), invalid("")),
        ("a string", "POST", "/teams", team("\"name\""), invalid("")),
        ("a number for a name", "POST", "/teams", team("{\"name\": 7}"), invalid("").at("/name")),
        ("null for a name", "POST", "/teams", team("{\"name\": null}"), invalid("").at("/name")),
        ("no name", "POST", "/teams", team("{}"), invalid("missing field")),
        (
            "an unknown member",
            "POST",
            "/teams",
            team("{\"name\": \"x\", \"colour\": \"red\"}"),
            invalid("colour").at("/colour"),
        ),
        (
            "a tenant's id in the body",
            "POST",
            "/teams",
            team("{\"name\": \"x\", \"tenant_id\": \"y\"}"),
            invalid("tenant_id").at("/tenant_id"),
        ),
        ("a member twice", "POST", "/teams", team("{\"name\": \"x\", \"name\": \"y\"}"), invalid("duplicate")),
        (
            "__proto__",
            "POST",
            "/teams",
            team("{\"name\": \"x\", \"__proto__\": {\"admin\": true}}"),
            invalid("__proto__"),
        ),
        ("10,000 lists deep", "POST", "/teams", nested("[", "]", 10_000).into_bytes(), invalid("")),
        ("10,000 objects deep", "POST", "/teams", (nested("{\"a\":", "}", 10_000)).into_bytes(), invalid("")),
        (
            "10,000 lists deep in a member",
            "POST",
            "/teams",
            format!("{{\"name\": {}}}", nested("[", "]", 10_000)).into_bytes(),
            invalid("").at("/name"),
        ),
        (
            "10,000 lists deep in a free document",
            "POST",
            "/workflows/{workflow}/executions",
            format!("{{\"input\": {}}}", nested("[", "]", 10_000)).into_bytes(),
            unread("recursion limit"),
        ),
        (
            "10,000 objects deep in a free document",
            "POST",
            "/workflows/{workflow}/executions",
            format!("{{\"input\": {}}}", nested("{\"a\":", "}", 10_000)).into_bytes(),
            unread("recursion limit"),
        ),
        (
            "a number too large",
            "POST",
            "/workflows/{workflow}/executions",
            b"{\"input\": 1e999}".to_vec(),
            unread("number out of range"),
        ),
        ("invalid UTF-8", "POST", "/teams", b"{\"name\": \"\xff\xfe\"}".to_vec(), unread("")),
        ("overlong UTF-8", "POST", "/teams", b"{\"name\": \"\xc0\xaf\"}".to_vec(), unread("")),
        ("a surrogate as UTF-8", "POST", "/teams", b"{\"name\": \"\xed\xa0\x80\"}".to_vec(), unread("")),
        ("a lone surrogate", "POST", "/teams", team("{\"name\": \"\\ud800\"}"), unread("")),
        ("UTF-16", "POST", "/teams", b"\xff\xfe{\0}\0".to_vec(), invalid("NUL")),
        ("NUL, escaped", "POST", "/teams", team("{\"name\": \"a\\u0000b\"}"), invalid("NUL")),
        ("NUL, as it is", "POST", "/teams", b"{\"name\": \"a\0b\"}".to_vec(), invalid("NUL")),
        (
            "NUL in a member's name",
            "POST",
            "/workflows/{workflow}/executions",
            b"{\"input\": {\"a\\u0000\": 1}}".to_vec(),
            invalid("NUL"),
        ),
        ("NUL in a secret", "PUT", "/secrets/hook", team("{\"value\": \"abcd\\u0000\"}"), invalid("NUL")),
        ("an empty name", "POST", "/teams", team("{\"name\": \"\"}"), invalid("").at("/name")),
        ("a name of spaces", "POST", "/teams", team("{\"name\": \"   \"}"), invalid("").at("/name")),
        (
            "a name of 100,000 characters",
            "POST",
            "/teams",
            format!("{{\"name\": \"{}\"}}", "x".repeat(100_000)).into_bytes(),
            invalid("").at("/name"),
        ),
        ("a name with a line break", "POST", "/teams", team("{\"name\": \"a\\nb\"}"), invalid("").at("/name")),
        (
            "a role that does not exist",
            "POST",
            "/users",
            team(
                "{\"email\": \"x@example.com\", \"username\": \"xy\", \"password\": \"a quiet green meadow\", \"full_name\": \"x\", \"roles\": [\"god\"]}",
            ),
            invalid("").at("/roles"),
        ),
        (
            "an input that the schema refuses",
            "POST",
            "/workflows/{workflow}/executions",
            b"{\"input\": {\"n\": \"seven\"}}".to_vec(),
            invalid("").at("/input/n"),
        ),
        ("no input where one is asked for", "POST", "/workflows/{workflow}/executions", b"{}".to_vec(), invalid("")),
        (
            "a version that does not exist",
            "POST",
            "/workflows/{workflow}/executions",
            b"{\"input\": {\"n\": 1}, \"version\": 99}".to_vec(),
            invalid("").at("/version"),
        ),
        (
            "a version below one",
            "POST",
            "/workflows/{workflow}/executions",
            b"{\"input\": {\"n\": 1}, \"version\": -1}".to_vec(),
            invalid("").at("/version"),
        ),
        (
            "a wait that is none",
            "POST",
            "/workflows/{workflow}/executions?wait=soon",
            b"{\"input\": {\"n\": 1}}".to_vec(),
            invalid(""),
        ),
        (
            "a wait of a year",
            "POST",
            "/workflows/{workflow}/executions?wait=8760h",
            b"{\"input\": {\"n\": 1}}".to_vec(),
            invalid(""),
        ),
        ("an unknown parameter", "GET", "/workflows?colour=red", vec![], invalid("colour")),
        (
            "a parameter twice",
            "GET",
            "/workflows?limit=1&limit=2",
            vec![],
            invalid("more than once").at("#query/limit"),
        ),
        ("a limit of nothing", "GET", "/workflows?limit=0", vec![], invalid("")),
        ("a limit too high", "GET", "/workflows?limit=99999", vec![], invalid("")),
        ("a limit that is none", "GET", "/workflows?limit=many", vec![], invalid("").at("#query/limit")),
        ("a cursor of somebody's own making", "GET", "/workflows?cursor=AAAA", vec![], invalid("cursor")),
        ("a cursor with quotes", "GET", "/workflows?cursor=%27%20or%201%3D1--", vec![], invalid("cursor")),
        ("NUL in a parameter", "GET", "/workflows?search=%00", vec![], invalid("NUL").at("#query/search")),
        ("a tenant in the query", "GET", "/workflows?tenant_id=x", vec![], invalid("tenant_id")),
        ("an id that is none", "GET", "/workflows/1", vec![], wanted(404, "not-found", "")),
        (
            "an id of another kind",
            "GET",
            "/workflows/team_01jd0000000000000000000000",
            vec![],
            wanted(404, "not-found", ""),
        ),
        ("an id with NUL", "GET", "/workflows/wf_%00", vec![], wanted(404, "not-found", "")),
        (
            "an id with a statement",
            "GET",
            "/workflows/wf_'%3Bdrop%20table%20teams--",
            vec![],
            wanted(404, "not-found", ""),
        ),
        ("a path that climbs", "GET", "/workflows/..%2f..%2fteams", vec![], wanted(404, "not-found", "")),
        ("a path of 7,000 characters", "GET", LONG_PATH, vec![], wanted(404, "not-found", "")),
        ("invalid UTF-8 in a path", "GET", "/workflows/%ff%fe", vec![], wanted(404, "not-found", "")),
        ("a path that does not exist", "GET", "/nothing", vec![], wanted(404, "not-found", "")),
        ("a method that does not exist there", "DELETE", "/teams", vec![], wanted(405, "method-not-allowed", "")),
    ]
}

const LONG_PATH: &str = {
    const BYTES: [u8; 7_000] = {
        let mut bytes = [b'a'; 7_000];
        bytes[0] = b'/';
        bytes
    };
    match std::str::from_utf8(&BYTES) {
        Ok(path) => path,
        Err(_) => "",
    }
};

async fn workflow(app: &TestApp, actor: &tenure_platform::testkit::Actor) -> String {
    let definition = json!({
        "name": "takes a number",
        "input": { "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } },
        "nodes": { "a": { "type": "wait", "for": "1ms" } },
        "edges": [{ "from": "start", "to": "a" }, { "from": "a", "to": "end" }],
    });
    app.post(actor, "/workflows", definition).await.expect(201)["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_told_what_is_wrong_and_leaves_nothing() {
    let (app, ada, bystander) = stage().await;
    let workflow = workflow(&app, &ada).await;
    let before = rows(&app, ada.tenant()).await;
    for (what, method, path, body, wanted) in cases() {
        let path = path.replace("{workflow}", &workflow);
        let answer = send(&app, Some(&ada.token), method.parse().unwrap(), &path, "application/json", body).await;
        wanted.check(what, &answer);
    }
    assert_eq!(rows(&app, ada.tenant()).await, before, "something was half-written");
    still_serves(&app, &ada).await;
    bystander.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_50_mib_is_refused_and_the_sender_told() {
    let (app, ada, bystander) = stage().await;
    let workflow = workflow(&app, &ada).await;
    let before = rows(&app, ada.tenant()).await;
    let large = bytes_of_json(50 << 20);
    for (path, media) in [
        ("/teams", "application/json"),
        ("/workflows", "application/yaml"),
        ("/workflows", "application/json"),
        ("/workflows/validate", "application/yaml"),
        ("/plugins", "application/json"),
        ("/auth/login", "application/json"),
        (&*format!("/workflows/{workflow}/executions"), "application/json"),
    ] {
        let request = |key: bool| {
            let request = app.request(Method::POST, path, Some(&ada.token)).header(CONTENT_TYPE, media);
            // With a key for repeats the body is read earlier.
            if key { request.header("Idempotency-Key", "k") } else { request }
        };
        for key in [false, true] {
            let told = answer(request(key).body(large.clone())).await;
            wanted(413, "too-large", "").check(path, &told);
            assert!(told.body["limit"].as_u64() > Some(1000), "{path} does not tell its limit: {:#}", told.body);
            // The same without telling the length.
            let untold = answer(request(key).body(in_pieces(&large))).await;
            wanted(413, "too-large", "").check(path, &untold);
            assert_eq!(untold.body["limit"], told.body["limit"], "{path}");
        }
    }
    assert_eq!(rows(&app, ada.tenant()).await, before, "something was half-written");
    still_serves(&app, &ada).await;
    bystander.end().await;
}

/// Whoever is refused for another reason, before anything was read, is told that.
#[tokio::test(flavor = "multi_thread")]
async fn who_still_sends_is_told_why_they_are_refused() {
    let (app, ada, bystander) = stage().await;
    let large = bytes_of_json(20 << 20);
    let nobody = app.request(Method::POST, "/teams", None).header(CONTENT_TYPE, "application/json");
    wanted(401, "unauthenticated", "").check("no token", &answer(nobody.body(in_pieces(&large))).await);
    let text = app.request(Method::POST, "/teams", Some(&ada.token)).header(CONTENT_TYPE, "text/plain");
    wanted(415, "unsupported-media-type", "").check("text", &answer(text.body(in_pieces(&large))).await);
    let keyed = app.request(Method::POST, "/teams", Some(&ada.token)).header("Idempotency-Key", "");
    wanted(400, "bad-request", "Idempotency-Key").check("no key", &answer(keyed.body(in_pieces(&large))).await);
    bystander.end().await;
}

/// A client that asks before it sends (RFC 9110, section 10.1.1) is not asked for what nobody will read.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_first_is_refused_at_once() {
    let (app, ada, bystander) = stage().await;
    for (token, length, status) in [(&*ada.token, 50 << 20, "413"), ("none", 1000, "401")] {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        let head = format!(
            "POST /api/v1/teams HTTP/1.1\r\nhost: tenure\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nexpect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut told = String::new();
        let begun = Instant::now();
        stream.read_to_string(&mut told).await.unwrap();
        assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{told}");
        assert!(begun.elapsed() < Duration::from_secs(4), "waited for a body that nobody sends");
    }
    bystander.end().await;
}

/// A body that does not tell its length.
fn in_pieces(bytes: &[u8]) -> reqwest::Body {
    let pieces: Vec<std::io::Result<Vec<u8>>> = bytes.chunks(1 << 20).map(|piece| Ok(piece.to_vec())).collect();
    reqwest::Body::wrap_stream(futures::stream::iter(pieces))
}

fn bytes_of_json(size: usize) -> Vec<u8> {
    let mut bytes = b"{\"name\": \"".to_vec();
    bytes.resize(size - 2, b'x');
    bytes.extend_from_slice(b"\"}");
    bytes
}

/// What the limits allow must work, also with a key for repeats.
#[tokio::test(flavor = "multi_thread")]
async fn an_input_below_its_limit_is_taken() {
    let (app, ada, bystander) = stage().await;
    let workflow = workflow(&app, &ada).await;
    let path = format!("/workflows/{workflow}/executions?wait=30s");
    let body = json!({ "input": { "n": 1, "text": "x".repeat(2 << 20) } });
    assert_eq!(app.post(&ada, &path, body.clone()).await.expect(200)["state"], "succeeded");
    let request = app.request(Method::POST, &path, Some(&ada.token)).header("Idempotency-Key", "k").json(&body);
    assert_eq!(answer(request).await.expect(200)["state"], "succeeded");
    bystander.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn media_types_are_asked_for() {
    let (app, ada, bystander) = stage().await;
    for (path, media) in [
        ("/teams", "text/plain"),
        ("/teams", "application/x-www-form-urlencoded"),
        ("/teams", "multipart/form-data"),
        ("/teams", "application/json-patch+json"),
        ("/workflows", "application/xml"),
        ("/workflows", "application/x-www-form-urlencoded"),
    ] {
        let answer = send(&app, Some(&ada.token), Method::POST, path, media, "{\"name\": \"x\"}").await;
        wanted(415, "unsupported-media-type", "send the").check(media, &answer);
    }
    let before = rows(&app, ada.tenant()).await;
    for key in ["", &"x".repeat(256), "a\u{e9}"] {
        let request = app.request(Method::POST, "/teams", Some(&ada.token)).header("Idempotency-Key", key.as_bytes());
        wanted(400, "bad-request", "Idempotency-Key").check(key, &answer(request.json(&json!({ "name": "x" }))).await);
    }
    assert_eq!(rows(&app, ada.tenant()).await, before);
    bystander.end().await;
}
