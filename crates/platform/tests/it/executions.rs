//! Executions as their users meet them: start, list, follow, cancel, pause, resume, retry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, Setup, TestApp, answer};

use crate::engine::{receiver, run, save, saved, start, steps, until};
use crate::guests;
use crate::slots::{Gatehouse, eventually};

/// One node that lets no time pass: nothing that needs a guest.
fn trivial(name: &str) -> Value {
    json!({
        "name": name,
        "input": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]},
        "nodes": {"pass": {"type": "wait", "for": "1ms"}},
        "edges": [{"from": "start", "to": "pass"}, {"from": "pass", "to": "end"}],
    })
}

fn waiting(name: &str, span: &str) -> Value {
    json!({
        "name": name,
        "nodes": {"rest": {"type": "wait", "for": span}, "after": {"type": "wait", "for": "1ms"}},
        "edges": [{"from": "start", "to": "rest"}, {"from": "rest", "to": "after"}, {"from": "after", "to": "end"}],
    })
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

async fn control(app: &TestApp, actor: &Actor, execution: &str, verb: &str) -> tenure_platform::testkit::Answer {
    app.send(Method::POST, &format!("/executions/{execution}/{verb}"), Some(&actor.token), None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn start_wait_list_and_page() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let executor = app.member(&ada, SystemRole::Executor).await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let workflow = save(&app, &ada, trivial("pass")).await;
    let path = format!("/workflows/{workflow}/executions");

    let accepted = app.post(&ada, &path, json!({"input": {"n": 1}})).await;
    let location = accepted.headers["location"].to_str().unwrap().to_owned();
    let accepted = accepted.expect(202);
    assert_eq!(location, format!("/api/v1/executions/{}", accepted["id"].as_str().unwrap()));
    assert_eq!((accepted["state"].as_str(), accepted["version"].as_i64()), (Some("queued"), Some(1)), "{accepted:#}");
    let first = accepted["id"].as_str().unwrap().to_owned();
    until(&app, &ada, &first, &["succeeded"]).await;
    app.post(&viewer, &path, json!({"input": {"n": 1}})).await.problem(403, "permission-denied");

    let done = run(&app, &executor, &workflow, json!({"n": 2})).await;
    assert_eq!((done["state"].as_str(), &done["input"]), (Some("succeeded"), &json!({"n": 2})), "{done:#}");
    assert_eq!((done["steps_total"].as_i64(), done["steps_finished"].as_i64()), (Some(1), Some(1)));
    let second = done["id"].as_str().unwrap().to_owned();
    let rests = save(&app, &ada, waiting("rests", "1h")).await;
    let still = app.post(&ada, &format!("/workflows/{rests}/executions?wait=200ms"), json!({})).await.expect(202);
    let third = still["id"].as_str().unwrap().to_owned();
    until(&app, &ada, &third, &["waiting"]).await;
    let steps = app.get(&viewer, &format!("/executions/{third}/steps")).await.expect(200);
    let rest = &steps["items"][0];
    assert_eq!((&rest["name"], &rest["state"]), (&json!("rest"), &json!("waiting")), "nobody drives it: {steps:#}");

    let list = async |query: &str| app.get(&viewer, &format!("/executions{query}")).await.expect(200);
    let newest_first = [third.as_str(), second.as_str(), first.as_str()];
    assert_eq!(ids(&list("").await), newest_first);
    assert_eq!(ids(&list(&format!("?workflow_id={workflow}")).await), [second.as_str(), first.as_str()]);
    assert_eq!(ids(&list("?state=waiting").await), [third.as_str()]);
    assert_eq!(ids(&list("?state=succeeded,waiting").await), newest_first);
    assert_eq!(ids(&list("?state=succeeded&state=waiting").await), newest_first);
    assert_eq!(ids(&list(&format!("?requested_by={}", executor.user_id())).await), [second.as_str()]);
    let at = done["created_at"].as_str().unwrap();
    assert_eq!(ids(&list(&format!("?created_after={at}")).await), [third.as_str(), second.as_str()]);
    assert_eq!(ids(&list(&format!("?created_before={at}")).await), [first.as_str()]);
    let page = list("?limit=2").await;
    assert_eq!(ids(&page), newest_first[..2]);
    let rest = list(&format!("?limit=2&cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_eq!((ids(&rest), &rest["next_cursor"]), (vec![first.as_str()], &Value::Null));
    for wrong in ["?state=done", "?limit=0", "?limit=201", "?cursor=x", "?colour=red", "?created_after=today"] {
        app.get(&viewer, &format!("/executions{wrong}")).await.problem(422, "invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_begin_leaves_nothing_behind() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(&app, &ada, trivial("pass")).await;
    let path = format!("/workflows/{workflow}/executions");
    let wrong = app.post(&ada, &path, json!({"input": {"n": 0}})).await.problem(422, "invalid");
    assert_eq!(wrong["errors"][0]["pointer"], "/input/n", "{wrong:#}");
    let wrong = app.post(&ada, &path, json!({})).await.problem(422, "invalid");
    assert_eq!(wrong["errors"][0]["pointer"], "/input", "{wrong:#}");
    let wrong = app.post(&ada, &path, json!({"input": {"n": 1}, "version": 2})).await.problem(422, "invalid");
    assert_eq!(wrong["errors"][0]["pointer"], "/version");
    let wrong = app.post(&ada, &format!("{path}?wait=2h"), json!({"input": {"n": 1}})).await.problem(422, "invalid");
    assert_eq!(wrong["errors"][0]["pointer"], "#query/wait");
    app.post(&ada, &path, json!({"inptu": {}})).await.problem(422, "invalid");
    let globex = app.register("bob", "Globex").await;
    app.post(&globex, &path, json!({"input": {"n": 1}})).await.problem(404, "not-found");
    let mut admin = app.admin().await;
    for table in ["executions", "jobs", "quota_usage where quota = 'executions_per_month' and used > 0"] {
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from {table}")))
            .fetch_one(&mut admin)
            .await
            .unwrap();
        assert_eq!(count, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_with_the_same_key_starts_nothing() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(&app, &ada, trivial("pass")).await;
    let path = format!("/workflows/{workflow}/executions");
    let send = async |input: Value| {
        let request = app.request(Method::POST, &path, Some(&ada.token)).header("Idempotency-Key", "order-17");
        answer(request.json(&json!({ "input": input }))).await
    };
    let first = send(json!({"n": 1})).await.expect(202);
    assert_eq!(send(json!({"n": 1})).await.expect(202)["id"], first["id"]);
    send(json!({"n": 2})).await.problem(422, "idempotency-mismatch");
    assert_eq!(ids(&app.get(&ada, "/executions").await.expect(200)).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_sees_none_of_it() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.register("bob", "Globex").await;
    let workflow = save(&app, &ada, waiting("rests", "1h")).await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    until(&app, &ada, &execution, &["waiting"]).await;
    let path = format!("/executions/{execution}");
    for suffix in ["", "/steps", "/steps/rest", "/events"] {
        app.get(&bob, &format!("{path}{suffix}")).await.problem(404, "not-found");
    }
    for verb in ["cancel", "pause", "resume", "retry"] {
        control(&app, &bob, &execution, verb).await.problem(404, "not-found");
    }
    assert!(ids(&app.get(&bob, "/executions").await.expect(200)).is_empty());
    assert_eq!(app.get(&ada, &path).await.expect(200)["state"], "waiting", "untouched");
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub kind: String,
    pub id: u32,
    pub data: Value,
}

/// What the stream tells until it ends.
pub async fn follow(app: &TestApp, actor: &Actor, execution: &str, last: Option<u32>) -> Vec<Told> {
    let mut request = app.request(Method::GET, &format!("/executions/{execution}/events"), Some(&actor.token));
    if let Some(last) = last {
        request = request.header("Last-Event-ID", last.to_string());
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    parse(&response.text().await.unwrap())
}

fn parse(text: &str) -> Vec<Told> {
    let events = text.split("\n\n").filter(|block| block.contains("event:"));
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim_start_matches(':').trim().to_owned()
    };
    let told = |block: &str| Told {
        kind: field(block, "event"),
        id: field(block, "id").parse().unwrap(),
        data: serde_json::from_str(&field(block, "data")).unwrap(),
    };
    events.map(told).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_everything_once_and_goes_on_where_it_was_left() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(&app, &ada, waiting("rests", "1200ms")).await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    let told = follow(&app, &ada, &execution, None).await;
    let last = told.last().unwrap();
    assert_eq!((last.kind.as_str(), &last.data), ("end", &json!({})), "{told:#?}");
    let ended: Vec<&Told> =
        told.iter().filter(|event| event.kind == "step" && event.data["state"] == "succeeded").collect();
    let names: Vec<&str> = ended.iter().map(|event| event.data["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["rest", "after"], "each once, in their order: {told:#?}");
    let states: Vec<&str> = told
        .iter()
        .filter(|event| event.kind == "execution")
        .map(|event| event.data["state"].as_str().unwrap())
        .collect();
    assert_eq!(states.last(), Some(&"succeeded"));
    assert!(told.is_sorted_by_key(|event| event.id));

    // After the first step's event: what came later, and not that step again.
    let again = follow(&app, &ada, &execution, Some(ended[0].id)).await;
    let names: Vec<&str> =
        again.iter().filter(|event| event.kind == "step").map(|event| event.data["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["after"], "{again:#?}");
    let nothing = follow(&app, &ada, &execution, Some(last.id)).await;
    assert!(nothing.iter().all(|event| event.kind != "step"), "{nothing:#?}");
    assert_eq!(nothing.last().unwrap().kind, "end");
}

/// The node that runs it tells others twice a second what is in flight: their list is older than the journal.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_over_is_not_told_as_running_again_whichever_node_is_asked() {
    let slow = axum::routing::get(async || tokio::time::sleep(Duration::from_millis(1_200)).await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/", slow)).await });
    let platform = || PlatformConfig { egress_allow: vec![address.clone()], ..PlatformConfig::default() };
    let app = TestApp::with(Setup { platform: platform(), ..Setup::default() }).await;
    let other = app.another(Setup { platform: platform(), ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let call = json!({"type": "http", "request": {"url": format!("http://{address}/")}});
    let definition = json!({
        "name": "calls thrice",
        "nodes": {"first": call, "second": call, "third": call},
        "edges": [{"from": "start", "to": "first"}, {"from": "first", "to": "second"}, {"from": "second", "to": "third"},
                  {"from": "third", "to": "end"}],
    });
    let workflow = save(&app, &ada, definition).await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    let (here, there) = tokio::join!(follow(&app, &ada, &execution, None), follow(&other, &ada, &execution, None));
    let running = |event: &Told| event.data["state"] == "running" && event.kind == "step";
    assert!(here.iter().chain(&there).any(running), "steps in flight are told: {here:#?} {there:#?}");
    for told in [here, there] {
        let steps: Vec<&Told> = told.iter().filter(|event| event.kind == "step").collect();
        for name in ["first", "second", "third"] {
            let states: Vec<&str> = steps
                .iter()
                .filter(|event| event.data["name"] == name)
                .map(|event| event.data["state"].as_str().unwrap())
                .collect();
            let over = states.iter().position(|state| *state == "succeeded");
            assert_eq!(over, Some(states.len() - 1), "{name} is over once, and at last: {states:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_hears_no_more_of_it() {
    // Progress without a pause: the revocation comes in the middle of other news.
    let (app, ada, workflow) = saved(json!({
        "name": "counts",
        "nodes": {"count": {"type": "transform", "jq": "(.state.count // 0) + 1"}},
        "edges": [{"from": "start", "to": "count"}, {"from": "count", "to": "count", "when": "state.count < 10000"},
                  {"from": "count", "to": "end", "when": "else"}],
        "limits": {"recursion": 10_000},
    }))
    .await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    until(&app, &ada, &execution, &["running"]).await;
    let other = app.log_in("ada").await;
    let path = format!("/executions/{execution}/events");
    let mut stream = app.request(Method::GET, &path, Some(&other.token)).send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    let waiter = app.request(Method::POST, &format!("/workflows/{workflow}/executions?wait=30s"), Some(&other.token));
    let waiter = tokio::spawn(answer(waiter.json(&json!({}))));
    while ids(&app.get(&ada, "/executions").await.expect(200)).len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _ = app.post(&other, "/auth/logout", json!({"refresh_token": other.refresh_token})).await.expect(204);
    let rest = async {
        let mut rest = Vec::new();
        while let Some(chunk) = stream.chunk().await.unwrap() {
            rest.extend_from_slice(&chunk);
        }
        String::from_utf8(rest).unwrap()
    };
    // Ten times what was promised: this is no measurement.
    let rest = tokio::time::timeout(Duration::from_secs(4), rest).await.expect("the stream ends");
    assert!(!rest.contains("event: end"), "it ended although the execution goes on");
    let waiter = tokio::time::timeout(Duration::from_secs(4), waiter).await.expect("the wait ends").unwrap();
    waiter.problem(401, "unauthenticated");
    let all = app.get(&ada, "/executions").await.expect(200);
    for execution in ids(&all) {
        let _ = control(&app, &ada, execution, "cancel").await.expect(202);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_once_and_by_whom() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let workflow = save(&app, &ada, waiting("rests", "1h")).await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    until(&app, &ada, &execution, &["waiting"]).await;
    control(&app, &viewer, &execution, "cancel").await.problem(403, "permission-denied");
    let _ = control(&app, &ada, &execution, "cancel").await.expect(202);
    let done = until(&app, &ada, &execution, &["cancelled"]).await;
    assert_eq!(done["error"]["class"], "cancelled", "{done:#}");
    assert!(!done["finished_at"].is_null());
    let over = control(&app, &ada, &execution, "cancel").await.problem(409, "conflict");
    assert_eq!(over["reason"], "over");
    let actions = app.actions(ada.tenant()).await;
    let of = |name: &str| actions.iter().filter(|action| *action == name).count();
    assert_eq!((of("execution.cancel-requested"), of("execution.cancelled")), (1, 1), "{actions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_lets_steps_end_and_begins_none() {
    let (address, count) = receiver().await;
    let gatehouse = Gatehouse::start().await;
    let slow = format!("localhost:{}", gatehouse.port);
    let platform = PlatformConfig { egress_allow: vec![address.clone(), slow.clone()], ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let call = |url: String| json!({"type": "http", "request": {"method": "POST", "url": url, "body": "x"}});
    let definition = json!({
        "name": "slow, then calls",
        "nodes": {"slow": call(format!("http://{slow}/call")), "call": call(format!("http://{address}/hook"))},
        "edges": [{"from": "start", "to": "slow"}, {"from": "slow", "to": "call"}, {"from": "call", "to": "end"}],
        "output": {"slow": ".state.slow.text"},
    });
    let workflow = save(&app, &ada, definition).await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    eventually("the slow step is under way", async || gatehouse.inside() == 1).await;
    control(&app, &viewer, &execution, "pause").await.problem(403, "permission-denied");
    let _ = control(&app, &ada, &execution, "pause").await.expect(202);
    let _ = control(&app, &ada, &execution, "pause").await.expect(202);
    gatehouse.leave.add_permits(1);
    until(&app, &ada, &execution, &["paused"]).await;
    let ended = steps(&app, &ada, &execution).await;
    assert_eq!(ended, [("slow".to_owned(), "succeeded".to_owned())], "what ran has ended");
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(count.load(Ordering::SeqCst), 0, "nothing more begins");
    control(&app, &ada, &execution, "retry").await.problem(409, "conflict");

    let _ = control(&app, &ada, &execution, "resume").await.expect(202);
    let done = until(&app, &ada, &execution, &["succeeded", "failed"]).await;
    assert_eq!((&done["output"], count.load(Ordering::SeqCst)), (&json!({"slow": "over"}), 1), "{done:#}");
    let over = control(&app, &ada, &execution, "resume").await.problem(409, "conflict");
    assert_eq!(over["reason"], "over");
    let actions = app.actions(ada.tenant()).await;
    let of = |name: &str| actions.iter().filter(|action| *action == name).count();
    assert_eq!((of("execution.paused"), of("execution.resumed")), (1, 1), "{actions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_paused_at_once_and_can_be_cancelled() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(&app, &ada, waiting("rests", "1h")).await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    until(&app, &ada, &execution, &["waiting"]).await;
    let not_paused = control(&app, &ada, &execution, "resume").await.problem(409, "conflict");
    assert_eq!(not_paused["reason"], "not-paused");
    assert_eq!(control(&app, &ada, &execution, "pause").await.expect(202)["state"], "paused");
    assert_eq!(control(&app, &ada, &execution, "resume").await.expect(202)["state"], "queued");
    until(&app, &ada, &execution, &["waiting"]).await;
    let _ = control(&app, &ada, &execution, "pause").await.expect(202);
    let _ = control(&app, &ada, &execution, "cancel").await.expect(202);
    until(&app, &ada, &execution, &["cancelled"]).await;
}

/// A receiver that fails until it is told not to, and counts.
async fn moody() -> (String, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (well, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (mood, counted) = (Arc::clone(&well), Arc::clone(&count));
    let hook = axum::routing::post(async move || {
        counted.fetch_add(1, Ordering::SeqCst);
        if mood.load(Ordering::SeqCst) { StatusCode::OK } else { StatusCode::IM_A_TEAPOT }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/moody", hook)).await });
    (address, well, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_goes_on_after_the_finished_steps() {
    let (address, count) = receiver().await;
    let (moody, well, tried) = moody().await;
    let platform = PlatformConfig { egress_allow: vec![address.clone(), moody.clone()], ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let post = |url: String| json!({"type": "http", "request": {"method": "POST", "url": url, "body": "x"}});
    let workflow = save(
        &app,
        &ada,
        json!({
            "name": "goes on",
            "input": {"type": "object", "properties": {"list": {"type": "array"}}},
            "nodes": {
                "once": post(format!("http://{address}/hook")),
                "each": {"type": "map", "over": ".input.list", "concurrency": 1, "do": post(format!("http://{moody}/moody"))},
                "last": {"type": "transform", "jq": ".execution.attempt"},
            },
            "edges": [{"from": "start", "to": "once"}, {"from": "once", "to": "each"}, {"from": "each", "to": "last"},
                      {"from": "last", "to": "end"}],
        }),
    )
    .await;
    let failed = run(&app, &ada, &workflow, json!({"list": [1, 2]})).await;
    assert_eq!(failed["state"], "failed", "{failed:#}");
    let execution = failed["id"].as_str().unwrap();
    assert_eq!((count.load(Ordering::SeqCst), tried.load(Ordering::SeqCst)), (1, 1));
    control(&app, &viewer, execution, "retry").await.problem(403, "permission-denied");

    // It fails again, and again the same way.
    let _ = control(&app, &ada, execution, "retry").await.expect(202);
    let failed = until(&app, &ada, execution, &["failed"]).await;
    assert_eq!((tried.load(Ordering::SeqCst), failed["error"]["step"].as_str()), (2, Some("each")), "{failed:#}");

    well.store(true, Ordering::SeqCst);
    assert_eq!(control(&app, &ada, execution, "retry").await.expect(202)["state"], "queued");
    let done = until(&app, &ada, execution, &["succeeded"]).await;
    assert_eq!(done["output"], 3, "the third time: {done:#}");
    assert_eq!(done["error"], Value::Null);
    assert_eq!(count.load(Ordering::SeqCst), 1, "a finished step ran again");
    assert_eq!(tried.load(Ordering::SeqCst), 4, "the failed item, and the one that had not begun");
    let ended = steps(&app, &ada, execution).await;
    assert!(ended.iter().all(|(_, state)| state == "succeeded"), "{ended:?}");
    assert_eq!(ended.len(), 5);
    let item = app.get(&ada, &format!("/executions/{execution}/steps/each%5B0%5D")).await.expect(200);
    assert_eq!(item["output"]["status"], 200, "{item:#}");
    let refused = control(&app, &ada, execution, "retry").await.problem(409, "conflict");
    assert_eq!(refused["reason"], "succeeded");
    let used = app.get(&ada, "/quotas").await.expect(200);
    let used = used["items"].as_array().unwrap().iter().find(|item| item["name"] == "executions_per_month").unwrap();
    assert_eq!(used["used"], 1, "it is one execution");
    let actions = app.actions(ada.tenant()).await;
    assert_eq!(actions.iter().filter(|action| *action == "execution.retried").count(), 2, "{actions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_beside_it_ends_the_execution_once() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let fails = json!({"type": "transform", "jq": "error(\"no\")"});
    let workflow = save(
        &app,
        &ada,
        json!({
            "name": "both fail",
            "nodes": {"a": fails, "b": fails, "c": {"type": "branch", "cases": [{"when": "input.x > 1", "to": "d"}], "else": "d"},
                      "d": {"type": "wait", "for": "1h"}},
            "edges": [{"from": "start", "to": "a"}, {"from": "start", "to": "b"}, {"from": "start", "to": "c"},
                      {"from": "a", "to": "end"}, {"from": "b", "to": "end"}, {"from": "d", "to": "end"}],
        }),
    )
    .await;
    // `input.x` is not there: the branch fails while the others are being started.
    let done = run(&app, &ada, &workflow, json!({})).await;
    assert_eq!(
        (done["state"].as_str(), done["error"]["class"].as_str()),
        (Some("failed"), Some("expression")),
        "{done:#}"
    );

    let edge = save(
        &app,
        &ada,
        json!({
            "name": "cannot begin",
            "nodes": {"a": {"type": "transform", "jq": "1"}},
            "edges": [{"from": "start", "to": "a", "when": "input.x > 1"}, {"from": "start", "to": "end", "when": "else"},
                      {"from": "a", "to": "end"}],
        }),
    )
    .await;
    let done = run(&app, &ada, &edge, json!({})).await;
    assert_eq!(done["state"], "failed", "a failure is never shown as success: {done:#}");
}
