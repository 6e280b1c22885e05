//! What is refused is on the log before the caller hears of it, and none is lost.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::{Clock, Timestamp};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Setup, TestApp};

use crate::guests;

/// How many refusals of this reason the log tells of: each event of its own, and those that are counted in one.
async fn told(app: &TestApp, reason: &str) -> u64 {
    let diffs: Vec<Option<Value>> =
        sqlx::query_scalar("select diff from events where action = 'request.refused' and reason = $1")
            .bind(reason)
            .fetch_all(&mut app.admin().await)
            .await
            .unwrap();
    let of = |diff: &Option<Value>| {
        let steps = diff.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        steps.iter().find(|step| step["path"] == "/repeats").map_or(1, |step| step["value"].as_u64().unwrap())
    };
    diffs.iter().map(of).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_of_every_minute_reach_the_log() {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    // Nothing flushes in between.
    app.halt();
    let admin = app.register("ada", "Engines").await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    for seconds in [0, 1, 1, 60, 1, 90, 0, 0] {
        clock.advance(Duration::from_secs(seconds));
        app.post(&viewer, "/teams", json!({"name": "x"})).await.problem(403, "permission-denied");
    }
    app.app.kernel.flush_refusals(true).await.unwrap();
    assert_eq!(told(&app, "permission-denied").await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_cannot_be_written_is_not_told_either() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    let grant = async |words: &'static str| {
        sqlx::raw_sql(words).execute(&mut app.admin().await).await.unwrap();
    };
    grant("revoke insert on events from tenure_platform").await;
    for _ in 0..3 {
        app.post(&viewer, "/teams", json!({"name": "x"})).await.problem(503, "unavailable");
    }
    app.send(Method::GET, "/teams", None, None).await.problem(503, "unavailable");
    let wrong = json!({"username": "ada", "password": "wrong wrong wrong"});
    app.send(Method::POST, "/auth/login", None, Some(&wrong)).await.problem(503, "unavailable");
    let _ = app.get(&viewer, "/teams").await.expect(200);
    grant("grant insert on events to tenure_platform").await;
    app.post(&viewer, "/teams", json!({"name": "x"})).await.problem(403, "permission-denied");
    assert_eq!(told(&app, "permission-denied").await, 1, "what was answered with 503 was not refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_refuses_names_the_policy() {
    let policy = json!({"deny": [{"workflow": "forbidden", "reason": "not here"}]});
    let platform = PlatformConfig { policy, ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let definition = json!({
        "name": "forbidden", "nodes": {"a": {"type": "transform", "jq": "1"}},
        "edges": [{"from": "start", "to": "a"}, {"from": "a", "to": "end"}],
    });
    let workflow = app.post(&ada, "/workflows", definition).await.expect(201);
    let path = format!("/workflows/{}/executions", workflow["id"].as_str().unwrap());
    for _ in 0..2 {
        app.post(&ada, &path, json!({"input": null})).await.problem(403, "denied");
    }
    app.app.kernel.flush_refusals(true).await.unwrap();
    let versions: Vec<Option<String>> = sqlx::query_scalar("select policy_version from events where reason = 'denied'")
        .fetch_all(&mut app.admin().await)
        .await
        .unwrap();
    let decided: Vec<String> = sqlx::query_scalar("select distinct policy_version from decisions")
        .fetch_all(&mut app.admin().await)
        .await
        .unwrap();
    assert_eq!(decided.len(), 1);
    assert_eq!(versions, [Some(decided[0].clone()), Some(decided[0].clone())]);
    let _ = app.post(&ada, "/audit/verify", json!({})).await;
}
