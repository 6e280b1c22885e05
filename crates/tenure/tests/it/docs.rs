//! Every example of the guides runs.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Answer, Server, data_dir, tenure};
use crate::receiver::Receiver;

const REFERENCE: &str = include_str!("../../../../docs/workflow-reference.md");
const PLUGINS: &str = include_str!("../../../../docs/plugins.md");
const API_KEYS: &str = include_str!("../../../../docs/api-keys.md");
const QUOTAS: &str = include_str!("../../../../docs/quotas-and-limits.md");
const QUICK_START: &str = include_str!("../../../../docs/quick-start.md");

/// The fenced blocks of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(fence.as_str()).skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

fn name_of(definition: &str) -> &str {
    definition.lines().find_map(|line| line.strip_prefix("name: ")).unwrap()
}

struct Ada<'a> {
    server: &'a Server,
    bearer: String,
}

impl Ada<'_> {
    fn ask(&self, method: &str, path: &str, media: &str, body: &str) -> Answer {
        let headers = [("authorization", self.bearer.as_str()), ("content-type", media)];
        self.server.ask(method, &format!("/api/v1{path}"), &headers, body)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.ask("POST", path, "application/json", &body.to_string());
        assert!(answer.status < 300, "{path}: {}", answer.text());
        answer.json()
    }

    fn save(&self, definition: &str) -> String {
        let saved = self.ask("POST", "/workflows", "application/yaml", definition);
        assert_eq!(saved.status, 201, "{definition}\n{}", saved.text());
        saved.json()["id"].as_str().unwrap().to_owned()
    }

    /// The execution at its end.
    fn execute(&self, workflow: &str, input: &Value) -> Value {
        self.post(&format!("/workflows/{workflow}/executions?wait=60s"), &json!({ "input": input }))
    }
}

#[test]
fn the_examples_of_the_workflow_reference_run() {
    let data = data_dir();
    let receiver = Receiver::start();
    let mut command = tenure(data.path());
    command.env("TENURE_EGRESS_ALLOW", &receiver.address).args(["--log-format", "text"]);
    let server = Server::start_with(&mut command);
    let ada = Ada { server: &server, bearer: format!("Bearer {}", server.register("ada")) };

    // Input and output of each example; one that is not here fails the test.
    let cases: BTreeMap<&str, (Value, Value)> = BTreeMap::from([
        ("tally", (json!({"xs": [4, 5, 6]}), json!(30.0))),
        ("refine", (json!({"score": 0.7}), json!({"text": {"score": 0.7}}))),
        ("collect", (Value::Null, json!({"notes": ["left", "right"], "cost": 5}))),
        ("squares", (json!({"numbers": [1, 2, 3]}), json!([1, 4, 9]))),
        ("notify", (json!({"ticket": "T-1"}), json!({"ok": true}))),
        ("ask", (Value::Null, json!("approve"))),
    ]);
    let examples = blocks(REFERENCE, "yaml");
    let names: Vec<&str> = examples.iter().map(|example| name_of(example)).collect();
    assert_eq!(names.len(), cases.len(), "{names:?}");
    for example in examples {
        let name = name_of(example);
        let (input, output) = cases.get(name).unwrap_or_else(|| panic!("no case for the example {name}"));
        let done = match name {
            "notify" => notify(&ada, &receiver, example, input),
            "ask" => ask(&ada, example),
            _ => ada.execute(&ada.save(example), input),
        };
        assert_eq!(done["state"], "succeeded", "{name}: {done:#}");
        let found = if name == "notify" { &done["output"]["json"] } else { &done["output"] };
        assert_eq!(found, output, "{name}");
    }
}

/// The only address that is changed, because the guide's does not exist.
fn notify(ada: &Ada<'_>, receiver: &Receiver, example: &str, input: &Value) -> Value {
    let example = example.replace("https://hooks.example.com", &format!("http://{}", receiver.address));
    let secret = json!({"value": "s3cret-of-the-hook"}).to_string();
    let stored = ada.ask("PUT", "/secrets/hook", "application/json", &secret);
    assert!(stored.status < 300, "{}", stored.text());
    let saved = ada.ask("POST", "/workflows", "application/yaml", &example);
    let workflow = saved.json()["id"].as_str().unwrap_or_else(|| panic!("{}", saved.text())).to_owned();
    let granted = json!({"workflow_ids": [workflow]});
    let granted = ada.ask("PUT", "/secrets/hook/grants", "application/json", &granted.to_string());
    assert!(granted.status < 300, "{}", granted.text());
    let done = ada.execute(&workflow, input);
    let request = receiver.requests().pop().expect("the receiver was called");
    assert!(request.contains("Bearer s3cret-of-the-hook") && request.contains(r#"{"ticket":"T-1"}"#), "{request}");
    assert!(request.to_ascii_lowercase().contains("idempotency-key: "), "{request}");
    done
}

fn ask(ada: &Ada<'_>, example: &str) -> Value {
    let person = json!({
        "email": "op@example.com", "username": "op", "full_name": "Op", "password": "a quiet green meadow",
        "roles": ["operator"]
    });
    ada.post("/users", &person);
    let login = ada.server.post("/api/v1/auth/login", &json!({"username": "op", "password": "a quiet green meadow"}));
    let operator =
        Ada { server: ada.server, bearer: format!("Bearer {}", login.json()["access_token"].as_str().unwrap()) };
    let own = json!({"current_password": "a quiet green meadow", "new_password": "a loud yellow morning"});
    assert_eq!(operator.ask("POST", "/auth/password", "application/json", &own.to_string()).status, 204);
    let started = ada.post(&format!("/workflows/{}/executions", ada.save(example)), &json!({}));
    let path = format!("/executions/{}", started["id"].as_str().unwrap());
    ada.server.eventually("it asks", |_| {
        let pending = operator.ask("GET", "/approvals?state=pending", "application/json", "").json();
        let Some(approval) = pending["items"].get(0) else { return false };
        assert_eq!(approval["shown"], json!({"text": "Ship it?"}));
        operator.post(
            &format!("/approvals/{}/decision", approval["id"].as_str().unwrap()),
            &json!({"decision": "approve"}),
        );
        true
    });
    let mut done = Value::Null;
    ada.server.eventually("it ends", |_| {
        done = ada.ask("GET", &path, "application/json", "").json();
        done["state"] == "succeeded"
    });
    done
}

#[test]
fn the_plugin_of_the_guide_is_accepted_and_runs() {
    let data = data_dir();
    let server = Server::start(data.path());
    let ada = Ada { server: &server, bearer: format!("Bearer {}", server.register("ada")) };
    let manifest = blocks(PLUGINS, "yaml")[0];
    let source = blocks(PLUGINS, "python").into_iter().find(|block| block.contains("classifying")).unwrap();
    let uploaded = ada.post("/plugins", &json!({"manifest": manifest, "source": source}));
    let id = uploaded["version"]["plugin_id"]
        .as_str()
        .or(uploaded["version"]["plugin"]["id"].as_str())
        .unwrap_or_else(|| panic!("{uploaded:#}"));
    let status = json!({"status": "active"}).to_string();
    let active = ada.ask("PUT", &format!("/plugins/{id}/versions/1.2.0/status"), "application/json", &status);
    assert!(active.status < 300, "{}", active.text());
    let workflow = ada.save(
        "name: uses it\ninput: { type: object, required: [text], properties: { text: { type: string } } }\nnodes:\n  label: { type: plugin, plugin: acme/classify@^1, config: { threshold: 0.5 } }\nedges:\n  - { from: start, to: label }\n  - { from: label, to: end }\n",
    );
    let done = ada.execute(&workflow, &json!({"text": "why?"}));
    assert_eq!((&done["state"], &done["output"]), (&json!("succeeded"), &json!({"label": "question"})), "{done:#}");
}

/// What the commands of the quick start print, and of another guide that goes on from there.
fn printed(further: &str) -> Option<String> {
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !there("curl") || !there("jq") {
        println!("skipped: the guides' commands need curl and jq, which are not installed here");
        return None;
    }
    let data = data_dir();
    let server = Server::start(data.path());
    let script = blocks(QUICK_START, "sh").into_iter().find(|block| block.contains("auth/register")).unwrap();
    let script = format!("{}\n{further}", script.replace("127.0.0.1:8080", &server.address));
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(data.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{errors}");
    Some(out.into_owned())
}

#[test]
fn the_commands_of_the_quick_start_work_as_they_stand() {
    let Some(out) = printed("") else { return };
    assert!(out.contains("\"total\": 6") && out.contains("execution.succeeded"), "{out}");
}

#[test]
fn the_commands_for_api_keys_work_as_they_stand() {
    let Some(out) = printed(&blocks(API_KEYS, "sh").join("\n")) else { return };
    assert!(out.ends_with("\n1\n1\n1\nrevoked\n1\n"), "{out}");
}

#[test]
fn the_commands_for_quotas_and_limits_work_as_they_stand() {
    let Some(out) = printed(&blocks(QUOTAS, "sh").join("\n")) else { return };
    assert!(out.contains("workflows: 1 of null") && out.contains("storage_bytes: "), "{out}");
    assert!(out.contains("\n90\n"), "how long executions are kept: {out}");
    assert!(out.ends_with("\n{\"per_minute\":300,\"per_hour\":null,\"per_day\":100000}\n"), "{out}");
}
