//! What must be on the disk before anything else happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::routing::post;
use serde_json::json;
use tenure_platform::config::PlatformConfig;
use tenure_platform::testkit::{Setup, TestApp};
use tokio::sync::Notify;

use crate::engine::{save, start, until};
use crate::guests;

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
