//! What the configuration's policy denies does not happen, by whatever way it is tried, and is on record.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::routing::{any, get};
use serde_json::{Value, json};
use tenure_kernel::decision::{DecisionInput, Policy as _};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::policies::ConfiguredPolicy;
use tenure_platform::testkit::{Actor, Setup, TestApp};

use crate::engine::{run, save};
use crate::guests;

/// A receiver on loopback that counts what reaches `/hook`, and sends away from `/away` to wherever it is told.
pub struct Receiver {
    pub port: u16,
    reached: Arc<AtomicUsize>,
}

impl Receiver {
    pub async fn start(away: String) -> Self {
        let reached = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&reached);
        let hook = any(move || async move {
            counted.fetch_add(1, Ordering::SeqCst);
            axum::Json(json!({"here": true}))
        });
        let away = get(move || async move { (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, away)]) });
        let router = axum::Router::new().route("/hook", hook).route("/away", away);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, reached }
    }

    pub fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }
}

/// A workflow of one node.
pub fn single(name: &str, node: Value) -> Value {
    json!({
        "name": name, "nodes": {"only": node},
        "edges": [{"from": "start", "to": "only"}, {"from": "only", "to": "end"}],
    })
}

fn calls(name: &str, url: &str) -> Value {
    single(name, json!({"type": "http", "request": {"url": url}}))
}

async fn start(policy: &Value, allowed: Vec<String>) -> TestApp {
    let platform = PlatformConfig { policy: policy.clone(), egress_allow: allowed, ..guests::platform() };
    TestApp::with(Setup { platform, ..Setup::default() }).await
}

/// What the policy was asked, and what it answered, oldest first. Each must come out the same when it is asked again.
async fn decisions(app: &TestApp, policy: &Value) -> Vec<(DecisionInput, bool)> {
    let rows: Vec<(Value, bool)> = sqlx::query_as("select input, allowed from decisions order by at, id")
        .fetch_all(&mut app.admin().await)
        .await
        .unwrap();
    let policy = ConfiguredPolicy::parse(policy).unwrap();
    let replayed = |(input, allowed): (Value, bool)| {
        let input: DecisionInput = serde_json::from_value(input).unwrap();
        assert_eq!(policy.decide(&input).allowed, allowed, "{input:?}");
        (input, allowed)
    };
    rows.into_iter().map(replayed).collect()
}

async fn executions_of_the_month(app: &TestApp, actor: &Actor) -> Value {
    let quotas = app.get(actor, "/quotas").await.expect(200);
    let of = |item: &&Value| item["name"] == "executions_per_month";
    quotas["items"].as_array().unwrap().iter().find(of).unwrap()["used"].clone()
}

async fn refusals(app: &TestApp, actor: &Actor) -> usize {
    app.actions(actor.tenant()).await.iter().filter(|action| *action == "request.refused").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_and_a_workflow_are_denied_before_anything_is_taken() {
    let policy = json!({"deny": [{"tenant": "globex", "reason": "closed"}, {"tenant": "acme", "workflow": "frozen"}]});
    let app = start(&policy, Vec::new()).await;
    let (acme, globex) = (app.register("ada", "Acme").await, app.register("gil", "Globex").await);
    let node = || json!({"type": "transform", "jq": "1"});
    let (frozen, free) = (single("frozen", node()), single("free", node()));
    for (actor, definition, denied) in [(&acme, &frozen, true), (&acme, &free, false), (&globex, &free, true)] {
        let workflow = save(&app, actor, definition.clone()).await;
        let path = format!("/workflows/{workflow}/executions?wait=30s");
        let answer = app.post(actor, &path, json!({"input": {}})).await;
        if denied {
            answer.problem(403, "denied");
            let none: i64 = sqlx::query_scalar("select count(*) from executions where workflow_id = $1")
                .bind(workflow.parse::<tenure_kernel::WorkflowId>().unwrap().uuid())
                .fetch_one(&mut app.admin().await)
                .await
                .unwrap();
            assert_eq!(none, 0);
        } else {
            assert_eq!(answer.expect(200)["state"], "succeeded");
        }
    }
    assert_eq!(executions_of_the_month(&app, &acme).await, 1, "what was denied was given back");
    assert_eq!(executions_of_the_month(&app, &globex).await, 0);
    assert_eq!((refusals(&app, &acme).await, refusals(&app, &globex).await), (1, 1));
    let answers: Vec<bool> = decisions(&app, &policy).await.into_iter().map(|(_, allowed)| allowed).collect();
    assert_eq!(answers, [false, true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_of_node_is_denied_when_its_step_starts() {
    for (node_type, node) in [
        ("http", json!({"type": "http", "request": {"url": "http://localhost:1/"}})),
        (
            "plugin",
            json!({"type": "plugin", "language": "python", "source": "def execute(state, config):\n    return 1\n"}),
        ),
        ("transform", json!({"type": "transform", "jq": "1"})),
        ("wait", json!({"type": "wait", "for": "1h"})),
        ("approval", json!({"type": "approval", "approvers": {"roles": ["operator"]}})),
    ] {
        let policy = json!({"deny": [{"node_type": node_type, "reason": "not these"}]});
        let app = start(&policy, Vec::new()).await;
        let ada = app.register("ada", "Engines").await;
        let workflow = save(&app, &ada, single("denied", node)).await;
        let done = run(&app, &ada, &workflow, json!({})).await;
        assert_eq!((&done["state"], &done["error"]["class"]), (&json!("failed"), &json!("denied")), "{done:#}");
        assert!(done["error"]["message"].as_str().unwrap().contains("not these"), "{done:#}");
        assert!(decisions(&app, &policy).await.iter().any(|(input, allowed)| !allowed && input.step.is_some()));
        assert_eq!(refusals(&app, &ada).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_denied_directly_after_a_redirect_and_from_a_secret_url() {
    let target = Receiver::start(String::new()).await;
    let denied_url = format!("http://localhost:{}/hook", target.port);
    let first = Receiver::start(denied_url.clone()).await;
    let policy = json!({"deny": [{"host": "localhost", "reason": "not there"}]});
    let allowed = vec![format!("localhost:{}", target.port), format!("127.0.0.1:{}", first.port)];
    let app = start(&policy, allowed).await;
    let ada = app.register("ada", "Engines").await;

    let _ =
        app.put(&ada, "/secrets/hook", json!({"value": format!("{denied_url}?key=s3cr3t-canary")})).await.expect(200);
    let _ = app.put(&ada, "/secrets/host", json!({"value": "localhost"})).await.expect(200);
    let near = format!("http://127.0.0.1:{}", first.port);
    let mut workflows = Vec::new();
    for (name, url) in [
        ("directly", denied_url.clone()),
        ("in another spelling", denied_url.replace("localhost", "LOCALHOST.")),
        ("after a redirect", format!("{near}/away")),
        ("from a secret url", "{{ secrets.hook }}".to_owned()),
        ("from a secret host", format!("http://{{{{ secrets.host }}}}:{}/hook", target.port)),
        ("from the input", "{{ input.url }}".to_owned()),
    ] {
        workflows.push((name, save(&app, &ada, calls(name, &url)).await));
    }
    let ids: Vec<&String> = workflows.iter().map(|(_, id)| id).collect();
    for secret in ["hook", "host"] {
        let _ = app.put(&ada, &format!("/secrets/{secret}/grants"), json!({"workflow_ids": ids})).await.expect(200);
    }
    for (name, workflow) in &workflows {
        let done = run(&app, &ada, workflow, json!({"url": denied_url})).await;
        assert_eq!(done["error"]["class"], "denied", "{name}: {done:#}");
        assert!(!done.to_string().contains("s3cr3t"), "{name}: {done:#}");
    }
    assert_eq!(target.reached(), 0);

    let fine = save(&app, &ada, calls("elsewhere", &format!("{near}/hook"))).await;
    assert_eq!(run(&app, &ada, &fine, json!({})).await["state"], "succeeded");
    assert_eq!(first.reached(), 1);
    let asked = decisions(&app, &policy).await;
    let hosts: Vec<(&str, bool)> =
        asked.iter().filter_map(|(input, allowed)| Some((input.host.as_deref()?, *allowed))).collect();
    assert_eq!(
        hosts,
        [
            ("localhost", false),
            ("localhost", false),
            ("127.0.0.1", true),
            ("localhost", false),
            ("localhost", false),
            // Of the host that is a secret nothing was written down: it was refused without being asked.
            ("localhost", false),
            ("127.0.0.1", true),
        ]
    );
    assert!(!format!("{asked:?}").contains("s3cr3t"));
}

/// A rule that names a tenant, a workflow and a type of node beside the host denies that one alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_on_a_host_is_as_narrow_as_it_says() {
    let target = Receiver::start(String::new()).await;
    let policy = json!({"deny": [{"tenant": "acme", "workflow": "post", "node_type": "http", "host": "localhost"}]});
    let app = start(&policy, vec![format!("localhost:{}", target.port)]).await;
    let url = format!("http://localhost:{}/hook", target.port);
    let (acme, globex) = (app.register("ada", "Acme").await, app.register("gil", "Globex").await);
    for (actor, name, state) in
        [(&acme, "post", "failed"), (&acme, "other", "succeeded"), (&globex, "post", "succeeded")]
    {
        let workflow = save(&app, actor, calls(name, &url)).await;
        assert_eq!(run(&app, actor, &workflow, json!({})).await["state"], state, "{name}");
    }
    assert_eq!(target.reached(), 2);
    let _ = decisions(&app, &policy).await;
}
