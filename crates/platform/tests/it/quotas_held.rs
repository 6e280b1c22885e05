//! What an organisation keeps and calls: storage to the byte, calls to providers in blocks, the curve, the warning.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use tenure_kernel::{Clock, Code};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::quotas::{self, ProviderCalls, Quota};
use tenure_platform::testkit::{Actor, Setup, TestApp};

use crate::engine::{run, save, start, until};
use crate::guests;
use crate::policies::{Receiver, single};
use crate::quotas::{limit, shown};

async fn used(app: &TestApp, actor: &Actor, quota: Quota) -> u64 {
    shown(app, actor, quota).await["used"].as_u64().unwrap()
}

/// What is held of the actor's organisation, counted by hand.
async fn held(app: &TestApp, actor: &Actor) -> u64 {
    let bytes: i64 = sqlx::query_scalar(
        "select (select coalesce(sum(octet_length(manifest) + octet_length(source)), 0) from plugin_versions where tenant_id = $1)
              + (select coalesce(sum(octet_length(value)), 0) from secrets where tenant_id = $1)
              + (select coalesce(sum(bytes), 0)::bigint from stored_objects where tenant_id = $1)",
    )
    .bind(actor.tenant().uuid())
    .fetch_one(&mut app.admin().await)
    .await
    .unwrap();
    u64::try_from(bytes).unwrap()
}

/// The files that hold large values of the actor's organisation.
fn files(app: &TestApp, actor: &Actor) -> usize {
    let tenant = app.app.config.engine.objects.join(actor.tenant().uuid().to_string());
    let executions = std::fs::read_dir(tenant).into_iter().flatten();
    executions.flat_map(|execution| std::fs::read_dir(execution.unwrap().path()).unwrap()).count()
}

fn upload(version: &str) -> Value {
    let manifest = format!("name: acme/one\nversion: {version}\nkind: node\n");
    json!({"manifest": manifest, "source": "def execute(state, config):\n    return 1\n"})
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_is_counted_to_the_byte_and_given_back() {
    let app = guests::app().await;
    let (ada, grace) = (app.register("ada", "Engines").await, app.register("grace", "Compilers").await);
    let storage = async || used(&app, &ada, Quota::StorageBytes).await;
    assert_eq!(storage().await, 0);

    let _ = app.put(&ada, "/secrets/hook", json!({"value": "x".repeat(1000)})).await.expect(200);
    let of_secret = storage().await;
    assert!((1000..1200).contains(&of_secret), "{of_secret}");
    let _ = app.put(&ada, "/secrets/hook", json!({"value": "x".repeat(10)})).await.expect(200);
    assert_eq!(storage().await, of_secret - 990, "the old value is gone");

    let stored = app.post(&ada, "/plugins", upload("1.0.0")).await.expect(201);
    let _ = app.post(&ada, "/plugins", upload("1.1.0")).await.expect(201);
    let _ = app.post(&ada, "/plugins", upload("1.1.0")).await.problem(409, "conflict");
    let plugin = stored["version"]["plugin_id"].as_str().unwrap().to_owned();
    let echo = save(&app, &ada, single("echo", json!({"type": "transform", "jq": ".input"}))).await;
    let large = json!({"text": "x".repeat(100_000)});
    assert_eq!(run(&app, &ada, &echo, large.clone()).await["state"], "succeeded");
    assert_eq!(storage().await, held(&app, &ada).await);
    assert!(storage().await > 100_000);

    // Under the limit to the last byte, and not a byte over it. What is refused leaves nothing behind.
    let before = (storage().await, files(&app, &ada));
    limit(&app, ada.tenant(), Quota::StorageBytes, Some(before.0 + 300)).await;
    let refused =
        app.put(&ada, "/secrets/other", json!({"value": "x".repeat(400)})).await.problem(403, "quota-exceeded");
    let told = ["quota", "limit", "used", "resets_at"].map(|member| refused[member].clone());
    assert_eq!(told, [json!("storage_bytes"), json!(before.0 + 300), json!(before.0), Value::Null]);
    let path = format!("/workflows/{echo}/executions");
    let _ = app.post(&ada, &path, json!({"input": large})).await.problem(403, "quota-exceeded");
    assert_eq!((storage().await, files(&app, &ada)), before);
    // A step whose output finds no room fails, and says why.
    let grows = save(&app, &ada, single("grows", json!({"type": "transform", "jq": "\"x\" * 100000"}))).await;
    let failed = run(&app, &ada, &grows, json!({})).await;
    assert_eq!((&failed["state"], &failed["error"]["class"]), (&json!("failed"), &json!("quota")), "{failed:#}");
    assert_eq!((storage().await, files(&app, &ada)), before);

    let _ = app.delete(&ada, &format!("/plugins/{plugin}")).await.expect(204);
    let _ = app.delete(&ada, "/secrets/hook").await.expect(204);
    assert_eq!(storage().await, held(&app, &ada).await);
    assert!(storage().await < before.0 - 200);
    assert_eq!(used(&app, &grace, Quota::StorageBytes).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_execution_keeps_of_a_plugin_is_held_after_the_plugin_is_deleted() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let stored = app.post(&ada, "/plugins", upload("1.0.0")).await.expect(201);
    let plugin = stored["version"]["plugin_id"].as_str().unwrap().to_owned();
    let _ = app.put(&ada, &format!("/plugins/{plugin}/status"), json!({"status": "active"})).await.expect(200);
    let calls = save(&app, &ada, single("calls", json!({"type": "plugin", "plugin": "acme/one@^1"}))).await;
    assert_eq!(run(&app, &ada, &calls, json!({})).await["state"], "succeeded");
    let _ = app.post(&ada, "/plugins", upload("1.1.0")).await.expect(201);
    let both = used(&app, &ada, Quota::StorageBytes).await;
    // Not even past the platform does a version go while its plugin is there.
    let mut login = app.login("tenure_app").await;
    let inside = format!("begin; set local app.current_tenant_id = '{}'", ada.tenant().uuid());
    sqlx::raw_sql(sqlx::AssertSqlSafe(inside)).execute(&mut login).await.unwrap();
    let gone = sqlx::query("delete from plugin_versions").execute(&mut login).await.unwrap();
    assert_eq!(gone.rows_affected(), 0);
    sqlx::raw_sql("rollback").execute(&mut login).await.unwrap();
    let _ = app.delete(&ada, &format!("/workflows/{calls}")).await.expect(204);
    let _ = app.delete(&ada, &format!("/plugins/{plugin}")).await.expect(204);
    assert_eq!(used(&app, &ada, Quota::StorageBytes).await, both / 2, "the version that no execution keeps is gone");
    assert_eq!(held(&app, &ada).await, both / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_providers_end_with_the_quota() {
    let receiver = Receiver::start("/".to_owned()).await;
    let (host, hook) = (format!("127.0.0.1:{}", receiver.port), format!("http://127.0.0.1:{}/hook", receiver.port));
    let platform = PlatformConfig { egress_allow: vec![host], ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    limit(&app, ada.tenant(), Quota::ProviderCallsPerMonth, Some(5)).await;
    let call = json!({"type": "http", "request": {"url": hook}});
    let each = save(&app, &ada, single("each", json!({"type": "map", "over": "[range(8)]", "do": call}))).await;
    let id = start(&app, &ada, &each, json!({})).await;
    let failed = until(&app, &ada, &id, &["failed", "succeeded"]).await;
    assert_eq!((&failed["state"], &failed["error"]["class"]), (&json!("failed"), &json!("quota")), "{failed:#}");
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("provider_calls_per_month") && message.contains("of 5"), "{message}");
    assert!(receiver.reached() <= 5, "{}", receiver.reached());
    assert!(app.actions(ada.tenant()).await.contains(&"request.refused".to_owned()));
    // More is there: it goes on where it was.
    limit(&app, ada.tenant(), Quota::ProviderCallsPerMonth, None).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(run(&app, &ada, &each, json!({})).await["state"], "succeeded");
    app.app.engine.settle_calls(true).await;
    let reached = u64::try_from(receiver.reached()).unwrap();
    assert_eq!(used(&app, &ada, Quota::ProviderCallsPerMonth).await, reached, "what was not used is given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_never_make_more_calls_than_there_are() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let ada = app.register("ada", "Engines").await;
    let (tenant, quota) = (ada.tenant(), Quota::ProviderCallsPerMonth);
    limit(&app, tenant, quota, Some(100)).await;
    let nodes: [(Arc<ProviderCalls>, &TestApp); 2] = [(Arc::default(), &app), (Arc::default(), &other)];
    let made = AtomicUsize::new(0);
    let attempts = futures::stream::iter(0..1000).map(|attempt| {
        let (calls, node) = &nodes[attempt % 2];
        let (calls, kernel, made) = (Arc::clone(calls), node.app.kernel.clone(), &made);
        async move {
            match calls.take(&kernel, tenant).await {
                Ok(()) => drop(made.fetch_add(1, Ordering::SeqCst)),
                Err(error) => assert_eq!(error.problem().code, Code::QuotaExceeded),
            }
        }
    });
    attempts.buffer_unordered(100).collect::<()>().await;
    assert_eq!(made.load(Ordering::SeqCst), 100, "both nodes went on to the last call");
    assert_eq!(used(&app, &ada, quota).await, 100);

    // A block that a node holds counts; what it does not use comes back; what a dead node held does not.
    limit(&app, tenant, quota, Some(1000)).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let [(here, _), (there, _)] = &nodes;
    here.take(&app.app.kernel, tenant).await.unwrap();
    there.take(&other.app.kernel, tenant).await.unwrap();
    assert_eq!(used(&app, &ada, quota).await, 100 + 64 + 64);
    here.settle(&app.app.kernel, true).await.unwrap();
    assert_eq!(used(&app, &ada, quota).await, 100 + 1 + 64);
    other.kill();
    here.take(&app.app.kernel, tenant).await.unwrap();
    here.settle(&app.app.kernel, true).await.unwrap();
    assert_eq!(used(&app, &ada, quota).await, 100 + 2 + 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_a_curve_and_the_warning_comes_once() {
    let clock = Clock::manual("2026-11-03T10:00:00Z".parse().unwrap());
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let mut ada = app.register("ada", "Engines").await;
    let (tenant, monthly) = (ada.tenant(), Quota::ExecutionsPerMonth);
    limit(&app, tenant, monthly, Some(10)).await;
    limit(&app, tenant, Quota::Workflows, Some(10)).await;
    let cx = crate::quotas::acting(&app, &ada);
    let take = async |quota: Quota, n: u64| {
        cx.write(async |tx| {
            quotas::take(tx, quota, n).await?;
            Ok(tenure_kernel::Audited::none("a test of counting alone", ()))
        })
        .await
        .unwrap();
    };
    let warnings = async || {
        let _ = quotas::warn(&app.app.kernel).await.unwrap();
        app.actions(tenant).await.iter().filter(|action| *action == "quota.nearly_used").count()
    };
    take(monthly, 3).await;
    take(monthly, 1).await;
    assert_eq!(warnings().await, 0);
    clock.advance(Duration::from_secs(2 * 24 * 3600));
    ada = app.log_in("ada").await;
    take(monthly, 4).await;
    assert_eq!(shown(&app, &ada, monthly).await["nearly_used"], true);
    assert_eq!((warnings().await, warnings().await), (1, 1));
    take(monthly, 1).await;
    assert_eq!(warnings().await, 1, "once a period");
    let days = app.get(&ada, "/quotas/days").await.expect(200);
    assert_eq!(
        days["items"],
        json!([
            {"quota": "executions_per_month", "day": "2026-11-03T00:00:00Z", "used": 4},
            {"quota": "teams", "day": "2026-11-03T00:00:00Z", "used": 1},
            {"quota": "executions_per_month", "day": "2026-11-05T00:00:00Z", "used": 9},
        ])
    );
    assert_eq!(app.get(&ada, "/quotas/days?month=2026-10").await.expect(200)["items"], json!([]));
    for wrong in ["2026-13", "11-2026", "2026-1", "2026-11-01"] {
        let refused = app.get(&ada, &format!("/quotas/days?month={wrong}")).await.problem(422, "invalid");
        assert_eq!(refused["errors"][0]["pointer"], "#query/month", "{wrong}");
    }
    // What does not reset is told of again after it was well below.
    take(Quota::Workflows, 8).await;
    assert_eq!(warnings().await, 2);
    for used in [7, 8] {
        let set = sqlx::query("update quota_usage set used = $1 where quota = 'workflows'").bind(used);
        set.execute(&mut app.admin().await).await.unwrap();
        assert_eq!(warnings().await, 2, "it wavers about the mark");
    }
    for (used, told) in [(1, 2), (8, 3)] {
        let set = sqlx::query("update quota_usage set used = $1 where quota = 'workflows'").bind(used);
        set.execute(&mut app.admin().await).await.unwrap();
        assert_eq!(warnings().await, told);
    }
    // December is another period.
    clock.advance(Duration::from_secs(30 * 24 * 3600));
    ada = app.log_in("ada").await;
    assert_eq!(shown(&app, &ada, monthly).await["nearly_used"], false);
    take(monthly, 10).await;
    assert_eq!(warnings().await, 4);
}
