//! A server with and without what runs expressions and plugins.

use crate::harness::{Server, data_dir, tenure};

#[test]
fn a_server_without_guests_says_so_and_runs_what_needs_none() {
    let (data, empty) = (data_dir(), data_dir());
    let mut command = tenure(data.path());
    let server = Server::start_with(command.env("TENURE_GUESTS_DIR", empty.path()).args(["--log-format", "text"]));
    server.eventually("it says what is missing", |server| {
        server.errors().contains("workflows with expressions or plugins fail on this server")
    });
    assert!(server.errors().contains("run `cargo xtask guests`"), "{}", server.errors());
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing is compiled at start");

    let token = server.register("ada");
    let headers = [("authorization", format!("Bearer {token}")), ("content-type", "application/yaml".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let jq =
        "name: a\nnodes: { a: { type: transform, jq: . } }\nedges: [{ from: start, to: a }, { from: a, to: end }]\n";
    let refused = server.ask("POST", "/api/v1/workflows", &headers, jq);
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.json()["detail"].as_str().unwrap().contains("cargo xtask guests"), "{}", refused.text());

    let wait =
        "name: w\nnodes: { w: { type: wait, for: 10ms } }\nedges: [{ from: start, to: w }, { from: w, to: end }]\n";
    let saved = server.ask("POST", "/api/v1/workflows", &headers, wait);
    assert_eq!(saved.status, 201, "{}", saved.text());
    let id = saved.json()["id"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let json = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let done = server.ask("POST", &format!("/api/v1/workflows/{id}/executions?wait=30s"), &json, "{}");
    assert_eq!((done.status, &done.json()["state"]), (200, &"succeeded".into()), "{}", done.text());
}
