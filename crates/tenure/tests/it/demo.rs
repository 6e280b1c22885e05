//! `tenure demo`: real data through the whole product, its totals against those of another program.

use std::io::{Read as _, Write as _};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Answer, Server, data_dir, tenure};

const PASSWORD: &str = "a quiet green meadow";

struct Person<'a> {
    server: &'a Server,
    bearer: String,
}

impl<'a> Person<'a> {
    fn log_in(server: &'a Server, name: &str) -> Self {
        let answer = server.post("/api/v1/auth/login", &json!({"username": name, "password": PASSWORD}));
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        Self { server, bearer: format!("Bearer {}", answer.json()["access_token"].as_str().unwrap()) }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("authorization", self.bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.server.ask(method, &format!("/api/v1{path}"), &headers, &body)
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, &Value::Null);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }
}

fn fetch(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET /{path} HTTP/1.0\r\nhost: {address}\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.0 200"), "{url}: {text}");
    text
}

/// Sums of `[name, number]` pairs as an object.
fn object(pairs: &Value) -> Value {
    pairs.as_array().unwrap().iter().map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].clone())).collect()
}

/// Numbers by their value: 1.0 is 1.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().unwrap()),
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

fn demo(data: &tempfile::TempDir) -> Server {
    let mut command = tenure(data.path());
    // It is asked more often here than people ask.
    for variable in ["TENURE_LIMITS_USER", "TENURE_LIMITS_TENANT", "TENURE_LIMITS_ADDRESS"] {
        command.env(variable, "100000/60s");
    }
    Server::start_verb("demo", &mut command)
}

#[test]
fn strike_triage_comes_to_what_the_file_says() {
    let data = data_dir();
    let mut server = demo(&data);
    server.eventually("it says what to do", |server| server.errors().contains("Ctrl-C ends it"));
    let words = server.errors();
    for word in ["log in as operator", PASSWORD, "/approvals", "hank (admin)"] {
        assert!(words.contains(word), "{words}");
    }

    let operator = Person::log_in(&server, "operator");
    let mut approval = Value::Null;
    server.eventually("strike triage asks an operator", |_| {
        approval = operator.get("/approvals?state=pending")["items"][0].clone();
        !approval.is_null()
    });
    let expected =
        Command::new("python3").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/totals.py")).output().unwrap();
    let expected: Value = serde_json::from_slice(&expected.stdout).expect("python3 runs demo/totals.py");
    assert_eq!(approval["shown"]["count"], expected["expensive"]);
    assert_eq!(approval["shown"]["strikes"].as_array().unwrap().len(), 50);

    // Whoever started it may not approve it; somebody of another organisation does not see it.
    let ada = Person::log_in(&server, "ada");
    let id = approval["id"].as_str().unwrap();
    let decision = json!({"decision": "approve", "shown_digest": approval["shown_digest"]});
    assert_eq!(ada.ask("POST", &format!("/approvals/{id}/decision"), &decision).status, 403);
    let hank = Person::log_in(&server, "hank");
    assert_eq!(hank.ask("POST", &format!("/approvals/{id}/decision"), &decision).status, 404);
    let decided = operator.ask("POST", &format!("/approvals/{id}/decision"), &decision);
    assert_eq!(decided.status, 200, "{}", decided.text());

    let execution = approval["execution_id"].as_str().unwrap();
    let mut done = Value::Null;
    server.eventually("strike triage ends", |_| {
        done = operator.get(&format!("/executions/{execution}"));
        ["succeeded", "failed"].contains(&done["state"].as_str().unwrap())
    });
    assert_eq!(done["state"], "succeeded", "{}", done["error"]);
    let totals = &done["output"]["totals"];
    for name in ["strikes", "cost", "grades", "years", "by"] {
        assert_eq!(plain(&totals[name]), plain(&expected[name]), "{name}");
    }
    assert_eq!(done["output"]["expensive"], expected["expensive"]);

    // The page shows what was computed, and needs nothing but itself.
    let url = done["output"]["report"].as_str().unwrap();
    let page = fetch(url);
    for word in ["Wildlife strikes on aircraft", "$40,545,276", "Approved by operator", "prefers-color-scheme", "<svg"]
    {
        let found = page.contains(word) || word == "prefers-color-scheme" && page.contains("color-scheme: light dark");
        assert!(found, "{word}");
    }
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.to_ascii_lowercase().contains("content-security-policy: default-src 'none'"), "{head}");
    for outside in ["<script", "src=", "http://", "https://", "url(", "@import"] {
        assert!(!body.contains(outside), "{outside}");
    }
    let posted: Value = serde_json::from_str(fetch(&format!("{url}.json")).split_once("\r\n\r\n").unwrap().1).unwrap();
    for (chart, name) in
        [("Cost by operator", "operator"), ("Cost by state", "state"), ("Cost by phase of flight", "phase")]
    {
        let found = posted["charts"].as_array().unwrap().iter().find(|one| one["title"] == chart).unwrap();
        assert_eq!(plain(&object(&found["values"])), plain(&expected["by"][name]), "{chart}");
    }
    assert!(data.path().join(format!("reports/{execution}.html")).is_file());
    let index = fetch(&format!("{}/", url.rsplit_once("/reports/").unwrap().0));
    assert!(index.contains(execution), "{index}");

    // The second organisation ran its own, and sees nothing of the first.
    let theirs = hank.get("/executions");
    let theirs = theirs["items"].as_array().unwrap();
    assert_eq!(theirs.len(), 1);
    assert_eq!(theirs[0]["workflow"]["name"], "species at risk");
    assert_eq!(hank.ask("GET", &format!("/executions/{execution}"), &Value::Null).status, 404);
    assert_eq!(hank.get("/workflows")["items"].as_array().unwrap().len(), 4);
    assert_eq!(ada.get("/workflows")["items"].as_array().unwrap().len(), 4);
    assert_eq!(ada.get("/teams")["items"].as_array().unwrap().len(), 4, "three beside the first team");

    // A second start seeds nothing again and begins a triage of its own.
    server.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0), "{}", server.errors());
    let server = demo(&data);
    let ada = Person::log_in(&server, "ada");
    assert_eq!(ada.get("/executions?limit=10")["items"].as_array().unwrap().len(), 2);
    assert!(fetch(url).contains("Wildlife strikes"), "the receiver keeps its address and what it got");
}
