//! How many executions run, wait and are let in: seen by what really runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::routing::post;
use serde_json::{Value, json};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::quotas::Quota;
use tenure_platform::testkit::{Actor, Setup, TestApp};
use tokio::sync::Semaphore;

use crate::engine::save;
use crate::guests;
use crate::policies::{Receiver, single};
use crate::quotas::limit;

/// A receiver that answers only when it is let, and knows how many calls were in it at one time.
pub struct Gatehouse {
    pub port: u16,
    inside: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    pub leave: Arc<Semaphore>,
}

impl Gatehouse {
    pub async fn start() -> Self {
        let (inside, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let leave = Arc::new(Semaphore::new(0));
        let (counted, highest, let_go) = (Arc::clone(&inside), Arc::clone(&most), Arc::clone(&leave));
        let call = post(move || {
            let (counted, highest, let_go) = (Arc::clone(&counted), Arc::clone(&highest), Arc::clone(&let_go));
            async move {
                highest.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let_go.acquire().await.unwrap().forget();
                counted.fetch_sub(1, Ordering::SeqCst);
                "over"
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/call", call)).await });
        Self { port, inside, most, leave }
    }

    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }
}

pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(40), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn start(app: &TestApp, actor: &Actor, workflow: &str) -> String {
    let answer = app.post(actor, &format!("/workflows/{workflow}/executions"), json!({"input": {}})).await.expect(202);
    answer["id"].as_str().unwrap().to_owned()
}

async fn state(app: &TestApp, actor: &Actor, execution: &str) -> String {
    let execution = app.get(actor, &format!("/executions/{execution}")).await.expect(200);
    execution["state"].as_str().unwrap().to_owned()
}

async fn quota(app: &TestApp, actor: &Actor, name: &str) -> Value {
    let quotas = app.get(actor, "/quotas").await.expect(200);
    quotas["items"].as_array().unwrap().iter().find(|quota| quota["name"] == name).unwrap()["used"].clone()
}

/// Two nodes, two slots, eight executions: two are in the receiver, whatever both nodes try.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_executions_run_at_once_than_there_are_slots() {
    let gatehouse = Gatehouse::start().await;
    let platform =
        || PlatformConfig { egress_allow: vec![format!("localhost:{}", gatehouse.port)], ..guests::platform() };
    let app = TestApp::with(Setup { platform: platform(), ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    limit(&app, ada.tenant(), Quota::ConcurrentExecutions, Some(2)).await;
    let _second = app.another(Setup { platform: platform(), ..Setup::default() }).await;
    let url = format!("http://localhost:{}/call", gatehouse.port);
    let node = json!({"type": "http", "request": {"method": "POST", "url": url}});
    let workflow = save(&app, &ada, single("calls", node)).await;
    let mut executions = Vec::new();
    for _ in 0..8 {
        executions.push(start(&app, &ada, &workflow).await);
    }
    for finished in 0..8 {
        let expected = (8 - finished).min(2);
        eventually("as many run as there are slots", async || gatehouse.inside() == expected).await;
        // Both nodes look at the queue at least every half second.
        tokio::time::sleep(Duration::from_millis(if finished == 0 { 1_500 } else { 50 })).await;
        assert_eq!(gatehouse.inside(), expected);
        if finished == 0 {
            for (state, expected) in [("running", 2), ("queued", 6)] {
                let list = app.get(&ada, &format!("/executions?state={state}")).await.expect(200);
                assert_eq!(list["items"].as_array().unwrap().len(), expected, "{state}: {list:#}");
            }
        }
        gatehouse.leave.add_permits(1);
        eventually("one more is over", async || {
            let mut over = 0;
            for execution in &executions {
                over += usize::from(state(&app, &ada, execution).await == "succeeded");
            }
            over == finished + 1
        })
        .await;
    }
    assert_eq!(gatehouse.most.load(Ordering::SeqCst), 2);
    let left: i64 = sqlx::query_scalar("select count(*) from jobs").fetch_one(&mut app.admin().await).await.unwrap();
    assert_eq!(left, 0, "every slot is given back");
}

/// A tenant that waits for its slots keeps nobody else waiting.
#[tokio::test(flavor = "multi_thread")]
async fn one_tenants_full_slots_are_not_anothers() {
    let gatehouse = Gatehouse::start().await;
    let platform = PlatformConfig { egress_allow: vec![format!("localhost:{}", gatehouse.port)], ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let (acme, globex) = (app.register("ada", "Acme").await, app.register("gil", "Globex").await);
    for actor in [&acme, &globex] {
        limit(&app, actor.tenant(), Quota::ConcurrentExecutions, Some(2)).await;
    }
    let url = format!("http://localhost:{}/call", gatehouse.port);
    let node = json!({"type": "http", "request": {"method": "POST", "url": url}});
    let held = save(&app, &acme, single("calls", node)).await;
    for _ in 0..4 {
        start(&app, &acme, &held).await;
    }
    eventually("the slots are full", async || gatehouse.inside() == 2).await;
    let free = save(&app, &globex, single("free", json!({"type": "transform", "jq": "1"}))).await;
    let execution = start(&app, &globex, &free).await;
    eventually("the other tenant's runs", async || state(&app, &globex, &execution).await == "succeeded").await;
    assert_eq!(gatehouse.inside(), 2);
    gatehouse.leave.add_permits(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_lets_nothing_in_and_takes_nothing() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(&app, &ada, single("waits", json!({"type": "wait", "for": "1h"}))).await;
    let waiting = start(&app, &ada, &workflow).await;
    eventually("it waits", async || state(&app, &ada, &waiting).await == "waiting").await;
    // What a tenant's ten thousand parked executions leave in the queue.
    let fill = "insert into jobs select (jsonb_populate_record(null::jobs, to_jsonb(j) || jsonb_build_object('id', gen_random_uuid(), 'run_at', null))).* from jobs j, generate_series(1, $1)";
    sqlx::query(fill).bind(9_999).execute(&mut app.admin().await).await.unwrap();
    let path = format!("/workflows/{workflow}/executions");
    let full = app.post(&ada, &path, json!({"input": {}})).await.problem(403, "quota-exceeded");
    assert_eq!((&full["quota"], &full["limit"]), (&json!("queued_executions"), &json!(10_000)), "{full:#}");
    assert_eq!(quota(&app, &ada, "executions_per_month").await, 1, "what was refused is not counted");
    assert!(app.actions(ada.tenant()).await.iter().any(|action| action == "request.refused"));
    let one = "delete from jobs where ctid = (select ctid from jobs where run_at is null limit 1)";
    sqlx::query(one).execute(&mut app.admin().await).await.unwrap();
    let _ = app.post(&ada, &path, json!({"input": {}})).await.expect(202);
    // The platform gives one organisation a longer queue, or a shorter one, or none.
    assert_eq!(quota(&app, &ada, "queued_executions").await, 10_000);
    for (most, status) in [(Some(10_001), 202), (Some(10_001), 403), (Some(0), 403), (None, 202)] {
        limit(&app, ada.tenant(), Quota::QueuedExecutions, most).await;
        let answer = app.post(&ada, &path, json!({"input": {}})).await;
        assert_eq!(answer.status, status, "{most:?}: {:#}", answer.body);
    }
    crate::quotas::plan(&app, ada.tenant(), "free").await;
    limit(&app, ada.tenant(), Quota::QueuedExecutions, Some(1)).await;
    let system = app.app.kernel.system(tenure_kernel::SystemReason::Administer);
    let tenant = ada.tenant();
    system
        .run(async |tx| tenure_platform::domain::quotas::clear_override(tx, tenant, Quota::QueuedExecutions).await)
        .await
        .unwrap();
    assert_eq!(crate::quotas::shown(&app, &ada, Quota::QueuedExecutions).await["limit"], 100, "its plan's");
}

/// What somebody asked for while they could runs as far as they still can.
#[tokio::test(flavor = "multi_thread")]
async fn a_permission_withdrawn_while_an_execution_waits_ends_it() {
    let receiver = Receiver::start(String::new()).await;
    let platform = PlatformConfig { egress_allow: vec![format!("localhost:{}", receiver.port)], ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let url = format!("http://localhost:{}/hook", receiver.port);
    let asks_then = |node: Value| {
        json!({
            "name": format!("asks, then {}", node["type"]),
            "nodes": {"ask": {"type": "approval", "approvers": {"roles": ["admin"]}}, "after": node},
            "edges": [{"from": "start", "to": "ask"}, {"from": "ask", "to": "after"}, {"from": "after", "to": "end"}],
        })
    };
    let python = "def execute(state, config):\n    return 1\n";
    let nodes = [
        json!({"type": "http", "request": {"url": url}}),
        json!({"type": "plugin", "language": "python", "source": python}),
    ];
    let mut workflows = Vec::new();
    for node in nodes {
        workflows.push(save(&app, &ada, asks_then(node)).await);
    }
    for (who, role, change) in [
        ("stripped", SystemRole::Developer, Some(json!({"roles": ["viewer"]}))),
        ("deactivated", SystemRole::Operator, Some(json!({"status": "deactivated"}))),
        ("unchanged", SystemRole::Admin, None),
    ] {
        // An administrator decides; a second one asks, for nobody approves what they asked for.
        let body = json!({
            "email": format!("{who}@example.com"), "username": who, "password": tenure_platform::testkit::PASSWORD,
            "full_name": who, "roles": [role.as_str()],
        });
        let member = app.post(&ada, "/users", body).await.expect(201);
        app.chose_own_password(who).await;
        let person = app.log_in(who).await;
        let mut executions = Vec::new();
        for workflow in &workflows {
            let execution = start(&app, &person, workflow).await;
            eventually("it waits", async || state(&app, &ada, &execution).await == "waiting").await;
            executions.push(execution);
        }
        if let Some(change) = &change {
            let path = format!("/users/{}", member["id"].as_str().unwrap_or(person.user_id()));
            let _ = app.patch(&ada, &path, change.clone()).await.expect(200);
        }
        let before = receiver.reached();
        let pending = app.get(&ada, "/approvals?state=pending").await.expect(200);
        for approval in pending["items"].as_array().unwrap() {
            let path = format!("/approvals/{}/decision", approval["id"].as_str().unwrap());
            let _ = app.post(&ada, &path, json!({"decision": "approve"})).await.expect(200);
        }
        for execution in &executions {
            eventually("it ends", async || ["failed", "succeeded"].contains(&&*state(&app, &ada, execution).await))
                .await;
            let done = app.get(&ada, &format!("/executions/{execution}")).await.expect(200);
            if change.is_some() {
                assert_eq!(done["error"]["class"], "permission-withdrawn", "{who}: {done:#}");
            } else {
                assert_eq!(done["state"], "succeeded", "{who}: {done:#}");
            }
        }
        assert_eq!(receiver.reached() - before, usize::from(change.is_none()), "{who}");
    }
}

/// Steps of one execution share the machine with those of every other tenant.
#[tokio::test(flavor = "multi_thread")]
async fn a_definition_asks_for_no_more_than_its_plan_allows() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let asking = |parallelism: u32| {
        let mut definition = single("wide", json!({"type": "transform", "jq": "1"}));
        definition["limits"] = json!({"parallelism": parallelism});
        definition
    };
    for (plan, most) in [("free", 20), ("pro", 100), ("enterprise", 1_000)] {
        sqlx::query("update tenants set plan = $1").bind(plan).execute(&mut app.admin().await).await.unwrap();
        let valid = app.post(&ada, "/workflows/validate", asking(most)).await.expect(200);
        assert_eq!(valid["valid"], true, "{plan}: {valid:#}");
        let over = app.post(&ada, "/workflows", asking(most + 1)).await.problem(422, "invalid");
        let fault = &over["faults"][0];
        assert_eq!(
            (&fault["code"], &fault["pointer"]),
            (&json!("over-limit"), &json!("/limits/parallelism")),
            "{over:#}"
        );
    }
}
