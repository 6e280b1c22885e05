//! The link that a production instance prints while nobody administers it.

use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Server, data_dir, run, tenure};

const URL: &str = "https://tenure.example.com";

/// The link in what a server wrote, and the line that it stands on.
fn link(server: &Server) -> (String, String) {
    let mut found = None;
    server.eventually("it prints a link", |server| {
        let errors = server.errors();
        found = errors.lines().find(|line| line.contains("/setup#token=")).map(str::to_owned);
        found.is_some() && errors.contains("platform-admin create")
    });
    let line = found.unwrap();
    let (before, token) = line.split_once("/setup#token=").unwrap();
    assert_eq!(before.trim(), URL);
    (token.trim().to_owned(), line)
}

fn set_up(server: &Server, token: &str) -> u16 {
    let body = json!({
        "token": token, "email": "olga@example.com", "username": "olga", "password": "a quiet green meadow",
        "full_name": "Olga", "organization_name": "Operations"
    });
    server.post("/api/v1/setup", &body).status
}

#[test]
fn the_first_start_prints_a_link_that_makes_one_administrator_and_no_log_holds_it() {
    let data = data_dir();
    let in_environment = |environment: &str| -> Command {
        let mut command = tenure(data.path());
        command.env("TENURE_ENVIRONMENT", environment).env("TENURE_PUBLIC_URL", URL).args(["--log-level", "debug"]);
        command.env("TENURE_MASTER_KEY", "11".repeat(32)).args(["--log-format", "json"]);
        command
    };
    let ended = |mut server: Server| {
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait(), Some(0), "{}", server.errors());
        server.eventually("it has said everything", |server| server.errors().contains("shutting down"));
        server.errors()
    };
    let first = Server::start_with(&mut in_environment("production"));
    let (old, _) = link(&first);
    drop(first);
    let server = Server::start_with(&mut in_environment("production"));
    let (token, line) = link(&server);
    assert_ne!(old, token);
    assert_eq!(set_up(&server, &old), 410, "a restart takes back what was printed before");
    assert_eq!(set_up(&server, &token), 201);
    assert_eq!(set_up(&server, &token), 410);
    let login = server.post("/api/v1/auth/login", &json!({"username": "olga", "password": "a quiet green meadow"}));
    let bearer = format!("Bearer {}", login.json()["access_token"].as_str().unwrap());
    let listed = server.ask("GET", "/api/v1/platform/organizations", &[("authorization", &bearer)], "");
    assert_eq!((listed.status, &listed.json()["items"][0]["slug"]), (200, &json!("operations")));
    for written in ended(server).lines().filter(|written| *written != line) {
        assert!(!written.contains(&token), "{written}");
    }

    let again = Server::start_with(&mut in_environment("production"));
    assert_eq!(again.get("/readyz").status, 200);
    assert!(!ended(again).contains("/setup#"), "somebody administers it now");
    let (code, listed, errors) =
        run(tenure(data.path()).env("TENURE_MASTER_KEY", "11".repeat(32)).args(["platform-admin", "list", "--json"]));
    assert_eq!(code, 0, "{errors}");
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap()["items"][0]["username"], "olga");
    let events = run(tenure(data.path()).env("TENURE_MASTER_KEY", "11".repeat(32)).args(["audit", "verify"]));
    assert_eq!(events.0, 0, "{}", events.2);
}

#[test]
fn a_development_instance_prints_none() {
    let data = data_dir();
    let mut server = Server::start(data.path());
    assert_eq!(server.get("/readyz").status, 200);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
    server.eventually("it has said everything", |server| server.errors().contains("shutting down"));
    assert!(!server.errors().contains("/setup#"));
}
