//! Settings of mail, and what no log may hold.

use serde_json::json;

use crate::harness::{Server, data_dir, run, tenure};

fn registration() -> serde_json::Value {
    json!({
        "email": "ada@example.com", "username": "ada", "password": "a quiet green meadow", "full_name": "Ada",
        "organization_name": "Engines"
    })
}

#[test]
fn what_links_carry_is_in_the_outbox_and_in_no_log() {
    let data = data_dir();
    let server = Server::start_with(tenure(data.path()).args(["--log-format", "text", "--log-level", "debug"]));
    assert_eq!(server.post("/api/v1/auth/register", &registration()).status, 201);
    assert_eq!(server.post("/api/v1/auth/password/reset", &json!({"email": "ada@example.com"})).status, 204);
    let outbox = server.get("/api/v1/dev/outbox").json();
    let messages = outbox["items"].as_array().unwrap();
    assert_eq!(messages.len(), 2, "{outbox:#}");
    for message in messages {
        let text = message["text"].as_str().unwrap();
        let (_, token) = text.split_once("#token=").unwrap();
        let token = token.split_whitespace().next().unwrap();
        let page = server.get("/reset-password");
        assert_eq!(page.status, 200, "the console has the page");
        let used = json!({"token": token, "new_password": "short"});
        assert!([410, 422].contains(&server.post("/api/v1/auth/password/reset/confirm", &used).status));
        let log = server.errors();
        assert!(log.len() > 200 && !log.contains(token) && !log.contains("ada@example.com"), "{log}");
    }
}

#[test]
fn the_relays_password_is_in_no_log_and_a_relay_that_is_gone_stops_nothing() {
    let data = data_dir();
    let url = "smtp://tenure:s3cr3t-canary@127.0.0.1:9";
    let with = || {
        let mut command = tenure(data.path());
        command.env("TENURE_MAIL_SMTP_URL", url).env("TENURE_MAIL_FROM", "Tenure <tenure@example.com>");
        command
    };
    let (code, shown, _) = run(with().args(["config", "show"]));
    assert_eq!(code, 0);
    assert!(shown.contains("smtp://tenure:…@127.0.0.1:9") && !shown.contains("s3cr3t-canary"), "{shown}");
    let server = Server::start_with(with().args(["--log-format", "text", "--log-level", "debug"]));
    assert_eq!(server.post("/api/v1/auth/register", &registration()).status, 201);
    let begun = std::time::Instant::now();
    while !server.errors().contains("could not be reached") {
        assert!(begun.elapsed() < crate::harness::PATIENCE, "{}", server.errors());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let log = server.errors();
    assert!(!log.contains("s3cr3t-canary") && !log.contains("ada@example.com"), "{log}");
    assert_eq!(server.get("/api/v1/dev/outbox").status, 404);
    let log_in = json!({"username": "ada", "password": "a quiet green meadow"});
    assert_eq!(server.post("/api/v1/auth/login", &log_in).status, 200);
}
