//! What must be on the disk before anything else happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::routing::post;
use serde_json::json;
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, Setup, TestApp};
use tokio::sync::Notify;

use crate::engine::{save, start, until};
use crate::guests;
use crate::policies::single;

/// The journal is held shut while the first of two calls ends: the second must not be sent until the first one's answer is
/// durable, or a crash would repeat the first with another answer after the second had acted on this one.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_before_what_it_builds_on_is_durable() {
    let (reached, answer) = (Arc::<[AtomicUsize; 2]>::default(), Arc::<Notify>::default());
    let first = post({
        let (reached, answer) = (Arc::clone(&reached), Arc::clone(&answer));
        async move || {
            reached[0].fetch_add(1, Ordering::SeqCst);
            answer.notified().await;
            "1"
        }
    });
    let second = post({
        let reached = Arc::clone(&reached);
        async move || {
            reached[1].fetch_add(1, Ordering::SeqCst);
            "2"
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let routes = axum::Router::new().route("/first", first).route("/second", second);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let platform = PlatformConfig { egress_allow: vec![address.clone()], ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let call =
        |path: &str| json!({"type": "http", "request": {"method": "POST", "url": format!("http://{address}/{path}")}});
    let definition = json!({
        "name": "two calls",
        "nodes": {"a": call("first"), "b": call("second")},
        "edges": [{"from": "start", "to": "a"}, {"from": "a", "to": "b"}, {"from": "b", "to": "end"}],
    });
    let workflow = save(&app, &ada, definition).await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    while reached[0].load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut admin = app.admin().await;
    sqlx::query("begin").execute(&mut admin).await.unwrap();
    sqlx::query("lock table execution_journal in share mode").execute(&mut admin).await.unwrap();
    answer.notify_one();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(reached[1].load(Ordering::SeqCst), 0, "the second call went out before the first was durable");
    sqlx::query("rollback").execute(&mut admin).await.unwrap();
    until(&app, &ada, &execution, &["succeeded"]).await;
    assert_eq!((reached[0].load(Ordering::SeqCst), reached[1].load(Ordering::SeqCst)), (1, 1));
}

/// Where the edges out of `start` have conditions, which of them was taken is durable before the step that it leads to begins;
/// where they have none there is nothing to decide, and the first step begins at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_at_the_start_is_durable_before_the_first_step() {
    let reached = Arc::<[AtomicUsize; 2]>::default();
    let call = |index: usize| {
        let reached = Arc::clone(&reached);
        post(async move || {
            reached[index].fetch_add(1, Ordering::SeqCst);
            "over"
        })
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let routes = axum::Router::new().route("/decided", call(0)).route("/always", call(1));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let platform = PlatformConfig { egress_allow: vec![address.clone()], ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let workflow = |path: &str, start: &[serde_json::Value]| {
        let call = json!({"type": "http", "request": {"method": "POST", "url": format!("http://{address}/{path}")}});
        let edges = [start, &[json!({"from": "call", "to": "end"})]].concat();
        json!({"name": path, "nodes": {"call": call}, "edges": edges})
    };
    let decided = workflow(
        "decided",
        &[
            json!({"from": "start", "to": "call", "when": "input.n > 1"}),
            json!({"from": "start", "to": "end", "when": "else"}),
        ],
    );
    let always = workflow("always", &[json!({"from": "start", "to": "call"})]);
    let (decided, always) = (save(&app, &ada, decided).await, save(&app, &ada, always).await);
    let mut admin = app.admin().await;
    sqlx::query("begin").execute(&mut admin).await.unwrap();
    sqlx::query("lock table execution_journal in share mode").execute(&mut admin).await.unwrap();
    let executions = [start(&app, &ada, &decided, json!({"n": 2})).await, start(&app, &ada, &always, json!({})).await];
    let count = |index: usize| reached[index].load(Ordering::SeqCst);
    while count(1) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(count(0), 0, "the call went out before the decision that led to it was durable");
    sqlx::query("rollback").execute(&mut admin).await.unwrap();
    for execution in &executions {
        until(&app, &ada, execution, &["succeeded"]).await;
    }
    assert_eq!((count(0), count(1)), (1, 1));
}

/// An execution is claimed a second time while a call of the first claim is out, by the same node even. What the first
/// claim brings back then is nobody's: the step is the second claim's, and is finished once.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_claim_brings_back_is_not_written() {
    let (reached, answer) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
    let call = post({
        let (reached, answer) = (Arc::clone(&reached), Arc::clone(&answer));
        async move || {
            let call = reached.fetch_add(1, Ordering::SeqCst) + 1;
            answer.notified().await;
            call.to_string()
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/call", call)).await });
    let platform = PlatformConfig { egress_allow: vec![address.clone()], ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let definition = json!({
        "name": "a call",
        "nodes": {
            "a": {"type": "http", "request": {"method": "POST", "url": format!("http://{address}/call")}},
            "b": {"type": "transform", "jq": ".state.a.text"},
        },
        "edges": [{"from": "start", "to": "a"}, {"from": "a", "to": "b"}, {"from": "b", "to": "end"}],
    });
    let workflow = save(&app, &ada, definition).await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    while reached.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut admin = app.admin().await;
    sqlx::query("update jobs set attempts = attempts + 1").execute(&mut admin).await.unwrap();
    answer.notify_one();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let finished = "select count(*) from execution_journal where step = 'a'";
    let written: i64 = sqlx::query_scalar(finished).fetch_one(&mut admin).await.unwrap();
    assert_eq!(written, 0, "a claim that is over has written");
    // Its lease runs out, and the step is begun again.
    while reached.load(Ordering::SeqCst) == 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    answer.notify_one();
    let done = until(&app, &ada, &execution, &["succeeded", "failed"]).await;
    assert_eq!((done["state"].as_str(), &done["output"]), (Some("succeeded"), &json!("2")), "{done:#}");
    let written: i64 = sqlx::query_scalar(finished).fetch_one(&mut admin).await.unwrap();
    assert_eq!(written, 1);
}

/// Whoever waits for a job holds none that is locked after it: with the first one locked, the renewal of three leases waits
/// and the other two are free. Were one of them held, whoever locked it before the first would wait for the renewal, and
/// the renewal for them.
#[tokio::test(flavor = "multi_thread")]
async fn leases_are_locked_in_one_order() {
    let (reached, answer) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
    let call = post({
        let (reached, answer) = (Arc::clone(&reached), Arc::clone(&answer));
        async move || {
            let answered = answer.notified();
            reached.fetch_add(1, Ordering::SeqCst);
            answered.await;
            "over"
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/call", call)).await });
    let platform = PlatformConfig { egress_allow: vec![address.clone()], ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let mut admin = app.admin().await;
    sqlx::query("update tenants set plan = 'enterprise'").execute(&mut admin).await.unwrap();
    let call = json!({"type": "http", "request": {"method": "POST", "url": format!("http://{address}/call")}});
    let workflow = save(&app, &ada, single("a call", call)).await;
    let mut executions = Vec::new();
    for _ in 0..3 {
        executions.push(start(&app, &ada, &workflow, json!({})).await);
    }
    while reached.load(Ordering::SeqCst) < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut holder = app.admin().await;
    sqlx::query("begin").execute(&mut holder).await.unwrap();
    let first = "select from jobs order by tenant_id, id limit 1 for update";
    sqlx::query(first).execute(&mut holder).await.unwrap();
    let renewing = "select count(*) from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock' and query like '%lease_until = %'";
    while sqlx::query_scalar::<_, i64>(renewing).fetch_one(&mut admin).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let others = "select count(*) from (
        select from jobs where id > (select id from jobs order by tenant_id, id limit 1) for update skip locked) free";
    let free: i64 = sqlx::query_scalar(others).fetch_one(&mut admin).await.unwrap();
    assert_eq!(free, 2, "the renewal holds jobs that come after the one that it waits for");
    sqlx::query("rollback").execute(&mut holder).await.unwrap();
    answer.notify_waiters();
    for execution in &executions {
        until(&app, &ada, execution, &["succeeded"]).await;
    }
}

/// Steps are journaled, leases renewed, executions ended and their approvals decided, all at once and on two nodes. All of
/// them lock several rows; where two did so in different orders, PostgreSQL would end one of them after a second.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_each_other() {
    const EXECUTIONS: usize = 40;
    let app = guests::app().await;
    let second = app.another(Setup { platform: guests::platform(), ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    sqlx::query("update tenants set plan = 'enterprise'").execute(&mut app.admin().await).await.unwrap();
    let operator = app.member(&ada, SystemRole::Operator).await;
    let mut nodes = json!({
        "ask": {"type": "approval", "approvers": {"roles": ["operator"], "at_least": 1}, "expires": "1h"},
        "pause": {"type": "wait", "for": "700ms"},
        "fails": {"type": "transform", "jq": "error(\"enough\")"},
    });
    let mut edges = vec![
        json!({"from": "start", "to": "ask"}),
        json!({"from": "ask", "to": "end"}),
        json!({"from": "start", "to": "pause"}),
        json!({"from": "pause", "to": "s0"}),
        json!({"from": "s9", "to": "fails"}),
        json!({"from": "fails", "to": "end"}),
    ];
    for index in 0..10 {
        nodes[format!("s{index}")] = json!({"type": "transform", "jq": ".input"});
        if index > 0 {
            edges.push(json!({"from": format!("s{}", index - 1), "to": format!("s{index}")}));
        }
    }
    let workflow = save(&app, &ada, json!({"name": "busy", "nodes": nodes, "edges": edges})).await;
    let mut executions = Vec::new();
    for _ in 0..EXECUTIONS {
        executions.push(start(&app, &ada, &workflow, json!({"n": 1})).await);
    }
    tokio::join!(decide_all(&app, &operator, 0), decide_all(&second, &operator, 1));
    for execution in &executions {
        until(&app, &ada, execution, &["succeeded", "failed"]).await;
    }
    // A session tells its statistics a second after it last did.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let deadlocks: i64 =
        sqlx::query_scalar("select deadlocks from pg_stat_database where datname = current_database()")
            .fetch_one(&mut app.admin().await)
            .await
            .unwrap();
    assert_eq!(deadlocks, 0);
}

/// Every second open approval, until none is left for two seconds. Some are called off while they are decided.
async fn decide_all(app: &TestApp, operator: &Actor, offset: usize) {
    let mut seen = std::time::Instant::now();
    while seen.elapsed() < Duration::from_secs(2) {
        let open = app.get(operator, "/approvals?state=pending&limit=100").await.expect(200);
        for approval in open["items"].as_array().unwrap().iter().skip(offset).step_by(2) {
            seen = std::time::Instant::now();
            let path = format!("/approvals/{}/decision", approval["id"].as_str().unwrap());
            let status = app.post(operator, &path, json!({"decision": "approve"})).await.status.as_u16();
            assert!([200, 404, 409].contains(&status), "a decision was answered {status}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
