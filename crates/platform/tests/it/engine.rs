//! Executions from their request to their end, on real guests, a real database and a real receiver.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::routing::post;
use serde_json::{Value, json};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, Setup, TestApp};

use crate::guests;

pub async fn save(app: &TestApp, actor: &Actor, definition: Value) -> String {
    app.post(actor, "/workflows", definition).await.expect(201)["id"].as_str().unwrap().to_owned()
}

/// An installation with somebody who has saved this definition.
pub async fn saved(definition: Value) -> (TestApp, Actor, String) {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(&app, &ada, definition).await;
    (app, ada, workflow)
}

pub async fn run(app: &TestApp, actor: &Actor, workflow: &str, input: Value) -> Value {
    app.post(actor, &format!("/workflows/{workflow}/executions?wait=30s"), json!({ "input": input })).await.expect(200)
}

pub async fn start(app: &TestApp, actor: &Actor, workflow: &str, input: Value) -> String {
    let accepted =
        app.post(actor, &format!("/workflows/{workflow}/executions"), json!({ "input": input })).await.expect(202);
    accepted["id"].as_str().unwrap().to_owned()
}

pub async fn until(app: &TestApp, actor: &Actor, execution: &str, states: &[&str]) -> Value {
    let begun = Instant::now();
    loop {
        let now = app.get(actor, &format!("/executions/{execution}")).await.expect(200);
        if states.iter().any(|state| now["state"] == *state) {
            return now;
        }
        assert!(begun.elapsed() < Duration::from_secs(40), "still {now:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Steps by name, in the order of their names, with how they stand.
pub async fn steps(app: &TestApp, actor: &Actor, execution: &str) -> Vec<(String, String)> {
    let list = app.get(actor, &format!("/executions/{execution}/steps")).await.expect(200);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = list["items"].as_array().unwrap();
    let mut steps: Vec<_> = items.iter().map(|step| (text(&step["name"]), text(&step["state"]))).collect();
    steps.sort();
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_loops_maps_state_and_python() {
    let (app, ada, workflow) = saved(json!({
        "name": "grand tour",
        "input": {"type": "object", "required": ["numbers"], "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}}},
        "state": {"seen": {"reduce": "append"}},
        "nodes": {
            "total": {"type": "transform", "jq": "{sum: (.input.numbers | add)}", "set": {"seen": ".sum"}},
            "size": {"type": "branch", "cases": [{"when": "state.total.sum > 100", "to": "large"}], "else": "small"},
            "large": {"type": "transform", "jq": "\"large\""},
            "small": {"type": "transform", "jq": "\"small\""},
            "square": {"type": "map", "over": ".input.numbers", "batch": 2, "concurrency": 2,
                       "do": {"type": "plugin", "language": "python", "source": "def execute(state, config):\n    return [n * n for n in state['item']]\n"}},
        },
        "edges": [
            {"from": "start", "to": "total"}, {"from": "total", "to": "size"}, {"from": "large", "to": "square"},
            {"from": "small", "to": "square"}, {"from": "square", "to": "end"},
        ],
        "output": {"size": ".state.large // .state.small", "squares": ".state.square", "seen": ".state.seen"},
    }))
    .await;
    let done = run(&app, &ada, &workflow, json!({"numbers": [1, 2, 3]})).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");
    assert_eq!(done["output"], json!({"size": "small", "squares": [1, 4, 9], "seen": [6]}));
    let ended = steps(&app, &ada, done["id"].as_str().unwrap()).await;
    let ended: Vec<(&str, &str)> = ended.iter().map(|(name, state)| (name.as_str(), state.as_str())).collect();
    let all = [
        ("large", "skipped"),
        ("size", "succeeded"),
        ("small", "succeeded"),
        ("square", "succeeded"),
        ("square[0]", "succeeded"),
        ("square[1]", "succeeded"),
        ("total", "succeeded"),
    ];
    assert_eq!(ended, all);
    let done = run(&app, &ada, &workflow, json!({"numbers": [100, 2, 3, 4, 5]})).await;
    assert_eq!(done["output"]["size"], "large", "{done:#}");
    assert_eq!(done["output"]["squares"], json!([10000, 4, 9, 16, 25]));
    let actions = app.actions(ada.tenant()).await;
    assert_eq!(actions.iter().filter(|action| *action == "execution.succeeded").count(), 2);
    let left: i64 = sqlx::query_scalar("select count(*) from jobs").fetch_one(&mut app.admin().await).await.unwrap();
    assert_eq!(left, 0, "the queue is empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_ends_at_its_condition_or_its_limit() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let counting = |until: u32, recursion: u32| {
        json!({
            "name": format!("count to {until}"),
            "nodes": {"count": {"type": "transform", "jq": "(.state.count // 0) + 1"}},
            "edges": [{"from": "start", "to": "count"}, {"from": "count", "to": "count", "when": format!("state.count < {until}")},
                      {"from": "count", "to": "end", "when": "else"}],
            "limits": {"recursion": recursion},
        })
    };
    let workflow = save(&app, &ada, counting(5, 10)).await;
    let done = run(&app, &ada, &workflow, json!({})).await;
    assert_eq!((done["state"].as_str(), &done["output"]), (Some("succeeded"), &json!(5)), "{done:#}");
    let rounds = steps(&app, &ada, done["id"].as_str().unwrap()).await;
    let rounds: Vec<&str> = rounds.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(rounds, ["count", "count#2", "count#3", "count#4", "count#5"]);
    let workflow = save(&app, &ada, counting(50, 3)).await;
    let done = run(&app, &ada, &workflow, json!({})).await;
    assert_eq!(
        (done["state"].as_str(), done["error"]["class"].as_str()),
        (Some("failed"), Some("recursion-limit")),
        "{done:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_shown_as_failures() {
    let failing = "def execute(state, config):\n    print('about to')\n    raise ValueError('no such luck')\n";
    let (app, ada, workflow) = saved(json!({
        "name": "fails",
        "nodes": {"try": {"type": "plugin", "language": "python", "source": failing}},
        "edges": [{"from": "start", "to": "try"}, {"from": "try", "to": "end"}],
    }))
    .await;
    let done = run(&app, &ada, &workflow, json!({})).await;
    assert_eq!((done["state"].as_str(), done["error"]["class"].as_str()), (Some("failed"), Some("plugin")), "{done:#}");
    assert!(done["error"]["message"].as_str().unwrap().contains("no such luck"));
    let step = app.get(&ada, &format!("/executions/{}/steps/try", done["id"].as_str().unwrap())).await.expect(200);
    assert!(step["logs"].to_string().contains("about to"), "{step:#}");

    let rescued = save(
        &app,
        &ada,
        json!({
            "name": "rescued",
            "nodes": {
                "try": {"type": "plugin", "language": "python", "source": failing},
                "rescue": {"type": "transform", "jq": ".state.try.error.class"},
                "bomb": {"type": "transform", "jq": "def f: 1+f; f", "continue_on_error": true},
            },
            "edges": [{"from": "start", "to": "try"}, {"from": "try", "to": "rescue", "on": "error"}, {"from": "rescue", "to": "bomb"},
                      {"from": "bomb", "to": "end"}],
            "output": {"rescued": ".state.rescue", "bomb": ".state.bomb.error.class"},
        }),
    )
    .await;
    let done = run(&app, &ada, &rescued, json!({})).await;
    assert_eq!(done["output"], json!({"rescued": "plugin", "bomb": "limit"}), "{done:#}");
}

/// An outside receiver that counts what reaches it.
pub async fn receiver() -> (String, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let echo = post(move |headers: axum::http::HeaderMap, body: String| {
        counted.fetch_add(1, Ordering::SeqCst);
        let auth = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        async move { axum::Json(json!({"auth": auth, "body": body})) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/hook", echo)).await });
    (address.to_string(), count)
}

#[tokio::test(flavor = "multi_thread")]
async fn http_sends_granted_secrets_and_nothing_keeps_them() {
    let (address, count) = receiver().await;
    let platform = PlatformConfig { egress_allow: vec![address.clone()], ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let definition = json!({
        "name": "post",
        "nodes": {"post": {"type": "http", "request": {"method": "POST", "url": format!("http://{address}/hook"),
            "headers": {"authorization": "Bearer {{ secrets.hook }}"}, "json": {"n": "{{ input.n }}"}}}},
        "edges": [{"from": "start", "to": "post"}, {"from": "post", "to": "end"}],
        "input": {"type": "object", "properties": {"n": {"type": "integer"}}},
    });
    let workflow = save(&app, &ada, definition).await;
    let secret = "s3cr3t-canary-value";
    let _ = app.put(&ada, "/secrets/hook", json!({"value": secret})).await.expect(200);
    let denied = run(&app, &ada, &workflow, json!({"n": 1})).await;
    assert_eq!((denied["state"].as_str(), count.load(Ordering::SeqCst)), (Some("failed"), 0), "{denied:#}");
    let _ = app.put(&ada, "/secrets/hook/grants", json!({"workflow_ids": [workflow]})).await.expect(200);
    let done = run(&app, &ada, &workflow, json!({"n": 7})).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");
    assert_eq!(done["output"]["json"]["auth"], "Bearer [redacted:hook]");
    assert_eq!(done["output"]["json"]["body"], "{\"n\":7}");
    assert!(!done.to_string().contains(secret));
    let kept: i64 = sqlx::query_scalar(
        "select count(*) from execution_journal where entry like '%s3cr3t%' or logs like '%s3cr3t%'",
    )
    .fetch_one(&mut app.admin().await)
    .await
    .unwrap();
    assert_eq!(kept, 0);
    assert!(app.actions(ada.tenant()).await.iter().any(|action| action == "secret.opened"));

    // What was not allowed by name stays out of reach.
    let inside = save(
        &app,
        &ada,
        json!({"name": "inside", "nodes": {"get": {"type": "http", "request": {"url": "http://169.254.169.254/latest"}}},
               "edges": [{"from": "start", "to": "get"}, {"from": "get", "to": "end"}]}),
    )
    .await;
    let refused = run(&app, &ada, &inside, json!({})).await;
    assert_eq!(refused["error"]["class"], "refused-address", "{refused:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_by_somebody_else() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let operator = app.member(&ada, SystemRole::Operator).await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let workflow = save(
        &app,
        &ada,
        json!({
            "name": "asks",
            "nodes": {
                "ask": {"type": "approval", "approvers": {"roles": ["operator"], "at_least": 1}, "show": "{amount: .input.amount}", "expires": "1h"},
                "after": {"type": "transform", "jq": ".state.ask.decision"},
            },
            "edges": [{"from": "start", "to": "ask"}, {"from": "ask", "to": "after"}, {"from": "after", "to": "end"}],
        }),
    )
    .await;
    let execution = start(&app, &ada, &workflow, json!({"amount": 5})).await;
    until(&app, &ada, &execution, &["waiting"]).await;
    let approvals = app.get(&operator, "/approvals").await.expect(200);
    let approval = approvals["items"][0].clone();
    assert_eq!(approval["shown"], json!({"amount": 5}), "{approvals:#}");
    let path = format!("/approvals/{}/decision", approval["id"].as_str().unwrap());
    assert_eq!(app.post(&ada, &path, json!({"decision": "approve"})).await.status, 403, "not the requester");
    assert_eq!(
        app.post(&viewer, &path, json!({"decision": "approve"})).await.status,
        403,
        "not without the permission"
    );
    let _ = app.post(&operator, &path, json!({"decision": "approve", "comment": "fine"})).await.expect(200);
    assert_eq!(app.post(&operator, &path, json!({"decision": "reject"})).await.status, 409, "only once");
    let done = until(&app, &ada, &execution, &["succeeded", "failed"]).await;
    assert_eq!((done["state"].as_str(), &done["output"]), (Some("succeeded"), &json!("approve")), "{done:#}");
    let ended = steps(&app, &ada, &execution).await;
    assert_eq!(ended, ["after", "ask"].map(|name| (name.to_owned(), "succeeded".to_owned())));
    let ask = app.get(&ada, &format!("/executions/{execution}/steps/ask")).await.expect(200);
    assert_eq!(ask["started_at"], approval["created_at"], "it took as long as people did: {ask:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_step_is_cancelled_within_a_second() {
    let (app, ada, workflow) = saved(json!({
        "name": "spins",
        "nodes": {"spin": {"type": "plugin", "language": "python", "source": "def execute(state, config):\n    while True:\n        pass\n"}},
        "edges": [{"from": "start", "to": "spin"}, {"from": "spin", "to": "end"}],
    }))
    .await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    until(&app, &ada, &execution, &["running"]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked = Instant::now();
    let _ = app.post(&ada, &format!("/executions/{execution}/cancel"), json!({})).await.expect(202);
    until(&app, &ada, &execution, &["cancelled"]).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?}", asked.elapsed());

    let waits = save(
        &app,
        &ada,
        json!({"name": "waits", "nodes": {"wait": {"type": "wait", "for": "1h"}},
               "edges": [{"from": "start", "to": "wait"}, {"from": "wait", "to": "end"}]}),
    )
    .await;
    let execution = start(&app, &ada, &waits, json!({})).await;
    until(&app, &ada, &execution, &["waiting"]).await;
    let _ = app.post(&ada, &format!("/executions/{execution}/cancel"), json!({})).await.expect(202);
    until(&app, &ada, &execution, &["cancelled"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_goes_on_where_one_died_and_repeats_nothing() {
    let (address, count) = receiver().await;
    let platform = || PlatformConfig { egress_allow: vec![address.clone()], ..guests::platform() };
    let app = TestApp::with(Setup { platform: platform(), ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(
        &app,
        &ada,
        json!({
            "name": "survives",
            "nodes": {
                "before": {"type": "http", "request": {"method": "POST", "url": format!("http://{address}/hook"), "body": "x"}},
                "slow": {"type": "plugin", "language": "python", "source": "def execute(state, config):\n    n = 0\n    for i in range(60000000):\n        n += i\n    return n\n"},
            },
            "edges": [{"from": "start", "to": "before"}, {"from": "before", "to": "slow"}, {"from": "slow", "to": "end"}],
        }),
    )
    .await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    let begun = Instant::now();
    while steps(&app, &ada, &execution).await.iter().filter(|(_, state)| state == "succeeded").count() < 1 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the first step does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The node dies: its tasks vanish without giving anything back.
    let other = app.another(Setup { platform: platform(), ..Setup::default() }).await;
    app.kill();
    let died = Instant::now();
    let done = until(&other, &ada, &execution, &["succeeded", "failed"]).await;
    assert_eq!(count.load(Ordering::SeqCst), 1, "the finished step ran again");
    assert!(done["state"] == "succeeded" || done["error"]["class"] == "limit", "{done:#}");
    assert!(died.elapsed() < Duration::from_secs(30), "it took {:?}", died.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_the_configuration_denies_and_is_recorded() {
    let platform = PlatformConfig {
        policy: json!({"deny": [{"node_type": "http", "reason": "no calls from here"}]}),
        ..guests::platform()
    };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(
        &app,
        &ada,
        json!({"name": "calls", "nodes": {"get": {"type": "http", "request": {"url": "https://example.com/"}}},
               "edges": [{"from": "start", "to": "get"}, {"from": "get", "to": "end"}]}),
    )
    .await;
    let done = run(&app, &ada, &workflow, json!({})).await;
    assert_eq!(done["error"]["class"], "denied", "{done:#}");
    let decisions: i64 =
        sqlx::query_scalar("select count(*) from decisions where not allowed and point = 'step-start'")
            .fetch_one(&mut app.admin().await)
            .await
            .unwrap();
    assert_eq!(decisions, 1);
}

/// Uploads a version and activates it.
async fn publish(app: &TestApp, actor: &Actor, manifest: &str, source: &str) {
    let stored = app.post(actor, "/plugins", json!({"manifest": manifest, "source": source})).await.expect(201);
    let version = &stored["version"];
    let (id, number) = (version["plugin_id"].as_str().unwrap(), version["version"].as_str().unwrap());
    let path = format!("/plugins/{id}/versions/{number}/status");
    let _ = app.put(actor, &path, json!({"status": "active"})).await.expect(200);
}

fn says(version: &str) -> (String, String) {
    let manifest =
        format!("name: acme/says\nversion: {version}\nkind: node\ndisplay_name: Says\ncapabilities: [log]\n");
    (manifest, format!("def execute(state, config):\n    return '{version}'\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_keeps_the_versions_it_began_with() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let (manifest, source) = says("1.0.0");
    publish(&app, &ada, &manifest, &source).await;
    let workflow = save(
        &app,
        &ada,
        json!({
            "name": "says",
            "nodes": {"rest": {"type": "wait", "for": "2s"}, "say": {"type": "plugin", "plugin": "acme/says@^1"}},
            "edges": [{"from": "start", "to": "rest"}, {"from": "rest", "to": "say"}, {"from": "say", "to": "end"}],
        }),
    )
    .await;
    let before = start(&app, &ada, &workflow, json!({})).await;
    let (manifest, source) = says("1.1.0");
    publish(&app, &ada, &manifest, &source).await;
    let after = run(&app, &ada, &workflow, json!({})).await;
    let before = until(&app, &ada, &before, &["succeeded", "failed"]).await;
    assert_eq!((&before["output"], &after["output"]), (&json!("1.0.0"), &json!("1.1.0")), "{before:#} {after:#}");
    let pins = |execution: &Value| execution["plugins"].as_array().unwrap().clone();
    assert_eq!((pins(&before).len(), pins(&before)[0]["version"].as_str()), (1, Some("1.0.0")));
    assert_eq!(pins(&before)[0]["reference"], "acme/says@^1");
    assert_eq!(pins(&before)[0]["digest"].as_str().unwrap().len(), 64);
    assert_ne!(pins(&before)[0]["digest"], pins(&after)[0]["digest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_on_hosts_rules_over_plugins_too() {
    let platform = PlatformConfig {
        policy: json!({"deny": [{"host": "api.example.com", "reason": "frozen until March"}]}),
        ..guests::platform()
    };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let manifest = "name: acme/calls\nversion: 1.0.0\nkind: node\ndisplay_name: Calls\ncapabilities: [{http: {hosts: [api.example.com]}}]\n";
    let source =
        "import tenure\ndef execute(state, config):\n    return tenure.http('GET', 'https://API.example.com./x')\n";
    publish(&app, &ada, manifest, source).await;
    let workflow = save(
        &app,
        &ada,
        json!({
            "name": "calls",
            "nodes": {"call": {"type": "plugin", "plugin": "acme/calls@^1"}},
            "edges": [{"from": "start", "to": "call"}, {"from": "call", "to": "end"}],
        }),
    )
    .await;
    let done = run(&app, &ada, &workflow, json!({})).await;
    assert_eq!(done["error"]["class"], "denied", "{done:#}");
    assert!(done["error"]["message"].as_str().unwrap().contains("frozen until March"), "{done:#}");
    let (host, reasons): (Option<String>, Vec<String>) =
        sqlx::query_as("select input ->> 'host', reasons from decisions where not allowed and point = 'egress'")
            .fetch_one(&mut app.admin().await)
            .await
            .unwrap();
    assert_eq!(host.as_deref(), Some("api.example.com"));
    assert!(reasons[0].contains("frozen until March"), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_attempts_are_counted_across_a_crash() {
    let platform = || PlatformConfig { egress_allow: vec!["127.0.0.1:9".to_owned()], ..guests::platform() };
    let app = TestApp::with(Setup { platform: platform(), ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(
        &app,
        &ada,
        json!({
            "name": "tries",
            "nodes": {"call": {
                "type": "http", "request": {"url": "http://127.0.0.1:9/"},
                "retry": {"attempts": 3, "backoff": {"initial": "1000h", "factor": 1, "max": "1000h"}, "on": ["network"]},
            }},
            "edges": [{"from": "start", "to": "call"}, {"from": "call", "to": "end"}],
        }),
    )
    .await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    let mut admin = app.admin().await;
    let mut failed = async |n: i32| {
        let begun = Instant::now();
        // Counted, and put away: what is put away says last when it goes on.
        let count = "select failed from execution_attempts where step = 'call' and not exists (select from jobs where lease_owner is not null)";
        while sqlx::query_scalar::<_, i32>(count).fetch_optional(&mut admin).await.unwrap() != Some(n) {
            assert!(begun.elapsed() < Duration::from_secs(30), "attempt {n} does not fail");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    failed(1).await;
    let parked = until(&app, &ada, &execution, &["waiting"]).await;
    assert_eq!(parked["state"], "waiting", "a long wait holds no slot");
    let step = app.get(&ada, &format!("/executions/{execution}/steps")).await.expect(200)["items"][0].clone();
    assert_eq!(step["state"], "waiting", "for its next attempt, though nobody drives it: {step:#}");
    // The node dies. On the next one the wait, which is shortened here, is kept and the count goes on.
    let other = app.another(Setup { platform: platform(), ..Setup::default() }).await;
    app.kill();
    let shorten =
        "with a as (update execution_attempts set next_at = now() + interval '1500 ms') update jobs set run_at = now()";
    for n in [2, 3] {
        let shortened = Instant::now();
        sqlx::raw_sql(shorten).execute(&mut other.admin().await).await.unwrap();
        if n == 2 {
            failed(n).await;
        } else {
            until(&other, &ada, &execution, &["failed"]).await;
        }
        assert!(shortened.elapsed() >= Duration::from_secs(1), "it did not wait");
    }
    let step = other.get(&ada, &format!("/executions/{execution}/steps/call")).await.expect(200);
    assert_eq!((step["attempt"].as_i64(), step["error"]["attempts"].as_i64()), (Some(3), Some(3)), "{step:#}");
    let left: i64 = sqlx::query_scalar("select count(*) from execution_attempts")
        .fetch_one(&mut other.admin().await)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_seen_from_every_node() {
    let app = guests::app().await;
    let other = app.another(Setup { platform: guests::platform(), ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(
        &app,
        &ada,
        json!({
            "name": "spins",
            "nodes": {"spin": {"type": "plugin", "language": "python", "source": "def execute(state, config):\n    while True:\n        pass\n"}},
            "edges": [{"from": "start", "to": "spin"}, {"from": "spin", "to": "end"}],
        }),
    )
    .await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    for node in [&app, &other] {
        let begun = Instant::now();
        while steps(node, &ada, &execution).await != [("spin".to_owned(), "running".to_owned())] {
            assert!(begun.elapsed() < Duration::from_secs(4), "one node does not see it");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let _ = app.post(&ada, &format!("/executions/{execution}/cancel"), json!({})).await.expect(202);
    until(&other, &ada, &execution, &["cancelled"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_lets_running_steps_end() {
    let (app, ada, workflow) = saved(json!({
        "name": "slow, then more",
        "nodes": {
            "slow": {"type": "plugin", "language": "python", "source": "def execute(state, config):\n    n = 0\n    for i in range(3000000):\n        n += i\n    return n\n"},
            "more": {"type": "transform", "jq": "1"},
        },
        "edges": [{"from": "start", "to": "slow"}, {"from": "slow", "to": "more"}, {"from": "more", "to": "end"}],
    }))
    .await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    let running = [("slow".to_owned(), "running".to_owned())];
    while steps(&app, &ada, &execution).await != running {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    app.app.engine.stop(Duration::from_secs(20)).await;
    let now = app.get(&ada, &format!("/executions/{execution}")).await.expect(200);
    assert_eq!(now["state"], "queued", "nothing more began: {now:#}");
    assert_eq!(steps(&app, &ada, &execution).await, [("slow".to_owned(), "succeeded".to_owned())]);
    let other = app.another(Setup { platform: guests::platform(), ..Setup::default() }).await;
    until(&other, &ada, &execution, &["succeeded"]).await;
}
