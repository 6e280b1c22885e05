//! What a server does when it is told to stop in the middle, and what it leaves alone.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Server, data_dir, postgres_of, run, tenure};
use crate::receiver::Receiver;

fn start(data: &Path, receiver: &Receiver) -> Server {
    let mut command = tenure(data);
    Server::start_with(command.env("TENURE_EGRESS_ALLOW", &receiver.address).args(["--log-format", "text"]))
}

fn log_in(server: &Server) -> String {
    let login = server.post("/api/v1/auth/login", &json!({"username": "ada", "password": "a quiet green meadow"}));
    assert_eq!(login.status, 200, "{}", login.text());
    format!("Bearer {}", login.json()["access_token"].as_str().unwrap())
}

#[test]
fn a_step_in_flight_gets_a_bounded_time_and_is_begun_again_at_the_next_start() {
    let data = data_dir();
    let receiver = Receiver::start();
    receiver.be_silent(true);
    let mut server = start(data.path(), &receiver);
    let bearer = format!("Bearer {}", server.register("ada"));
    let yaml = [("authorization", bearer.as_str()), ("content-type", "application/yaml")];
    let definition = format!(
        "name: calls\nnodes:\n  once: {{ type: http, request: {{ method: POST, url: 'http://{0}/once', json: {{}} }} }}\n  \
         slow: {{ type: http, idempotent: true, request: {{ method: POST, url: 'http://{0}/slow', json: {{}} }} }}\n\
         edges:\n  - {{ from: start, to: once }}\n  - {{ from: once, to: slow }}\n  - {{ from: slow, to: end }}\n",
        receiver.address
    );
    receiver.be_silent(false);
    let saved = server.ask("POST", "/api/v1/workflows", &yaml, &definition);
    assert_eq!(saved.status, 201, "{}", saved.text());
    let workflow = saved.json()["id"].as_str().unwrap().to_owned();
    let json = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    // The first call is answered, the second is in flight when the signal comes.
    let begun = server.ask("POST", &format!("/api/v1/workflows/{workflow}/executions"), &json, "{}");
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let calls =
        |path: &str| receiver.requests().iter().filter(|request| request.starts_with(&format!("POST {path} "))).count();
    server.eventually("the first step is called", |_| {
        let called = calls("/once") == 1;
        receiver.be_silent(called);
        called
    });
    server.eventually("something is in flight", |_| calls("/slow") >= 1 || calls("/once") > 1);

    let told = Instant::now();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0), "{}", server.errors());
    // Ten seconds for requests, three for steps, and what PostgreSQL takes; far from the step's own 60 s.
    assert!(told.elapsed() < Duration::from_secs(45), "{:?}", told.elapsed());
    assert_eq!(postgres_of(data.path()), Vec::<i32>::new());

    receiver.be_silent(false);
    let server = start(data.path(), &receiver);
    let bearer = log_in(&server);
    let mut now = Value::Null;
    server.eventually("it ends after a restart", |server| {
        now = server.ask("GET", &format!("/api/v1/executions/{id}"), &[("authorization", &bearer)], "").json();
        ["succeeded", "failed"].contains(&now["state"].as_str().unwrap_or_default())
    });
    assert_eq!(now["state"], "succeeded", "{now:#}");
    let slow: Vec<String> =
        receiver.requests().into_iter().filter(|request| request.starts_with("POST /slow ")).collect();
    let key = |request: &String| {
        let line = request.lines().find(|line| line.to_ascii_lowercase().starts_with("idempotency-key:"));
        line.unwrap().to_owned()
    };
    assert!(slow.iter().all(|request| key(request) == key(&slow[0])), "the key stays the same: {slow:?}");
}

#[test]
fn data_of_another_major_version_is_named_and_left_alone() {
    let data = data_dir();
    let mut server = Server::start(data.path());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
    let version = data.path().join("postgres/data/PG_VERSION");
    std::fs::write(&version, "9.6\n").unwrap();
    let (code, _, errors) = run(tenure(data.path()).args(["serve", "--listen", "127.0.0.1:0", "--log-format", "text"]));
    assert_eq!(code, 1);
    assert!(errors.contains("was written by PostgreSQL 9.6") && errors.contains("pg_upgrade"), "{errors}");
    assert_eq!(std::fs::read_to_string(&version).unwrap(), "9.6\n");
}
