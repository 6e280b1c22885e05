//! Teams, executions of an hour, and connections that stay open.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::Clock;
use tenure_kernel::database::PoolSizes;
use tenure_platform::domain::quotas::{self, Quota};
use tenure_platform::testkit::{Actor, Setup, TestApp};

use crate::engine::{save, start};
use crate::policies::single;
use crate::quotas::{limit, plan, shown};

async fn used(app: &TestApp, actor: &Actor, quota: Quota) -> u64 {
    shown(app, actor, quota).await["used"].as_u64().unwrap()
}

async fn teams(app: &TestApp, actor: &Actor) -> usize {
    app.get(actor, "/teams?limit=200").await.expect(200)["items"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_teams_at_once_are_as_many_as_there_may_be() {
    let app = TestApp::with(Setup { pools: PoolSizes { app: 24, system: 6 }, ..Setup::default() }).await;
    let (ada, grace) = (app.register("ada", "Engines").await, app.register("grace", "Compilers").await);
    assert_eq!(used(&app, &ada, Quota::Teams).await, 1, "the one that every organisation begins with");
    limit(&app, ada.tenant(), Quota::Teams, Some(60)).await;
    let (app, ada) = (&app, &ada);
    let attempts = (0..1000).map(|number| app.post(ada, "/teams", json!({"name": format!("Team {number}")})));
    let outcomes: Vec<_> = futures::stream::iter(attempts).buffer_unordered(200).collect().await;
    let (made, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((made.len(), refused.len()), (59, 941));
    let told = refused.into_iter().map(|answer| answer.problem(403, "quota-exceeded"));
    assert!(told.into_iter().all(|problem| problem["quota"] == "teams" && problem["limit"] == 60));
    assert_eq!((teams(app, ada).await, used(app, ada, Quota::Teams).await), (60, 60));

    // What goes makes room for one; what is refused for another reason takes none.
    let gone = format!("/teams/{}", made[0].body["id"].as_str().unwrap());
    let _ = app.delete(ada, &gone).await.expect(204);
    app.post(ada, "/teams", json!({"name": made[1].body["name"]})).await.problem(409, "conflict");
    assert_eq!(used(app, ada, Quota::Teams).await, 59);
    let _ = app.post(ada, "/teams", json!({"name": "Once more"})).await.expect(201);
    app.post(ada, "/teams", json!({"name": "One too many"})).await.problem(403, "quota-exceeded");
    assert_eq!(used(app, &grace, Quota::Teams).await, 1, "another organisation's are its own");
    let _ = quotas::warn(&app.app.kernel).await.unwrap();
    assert!(app.actions(ada.tenant()).await.contains(&"quota.nearly_used".to_owned()));
    plan(app, grace.tenant(), "free").await;
    assert_eq!(shown(app, &grace, Quota::Teams).await["limit"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_count_in_the_hour_and_in_the_month_or_in_neither() {
    let clock = Clock::manual("2026-11-03T10:59:00Z".parse().unwrap());
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let mut ada = app.register("ada", "Engines").await;
    let workflow = save(&app, &ada, single("waits", json!({"type": "wait", "for": "1h"}))).await;
    limit(&app, ada.tenant(), Quota::ExecutionsPerHour, Some(20)).await;
    limit(&app, ada.tenant(), Quota::ExecutionsPerMonth, Some(25)).await;
    let path = format!("/workflows/{workflow}/executions");
    let both = async |ada: &Actor| {
        (used(&app, ada, Quota::ExecutionsPerHour).await, used(&app, ada, Quota::ExecutionsPerMonth).await)
    };
    let burst = async |ada: &Actor| -> Vec<_> {
        let attempts = (0..60).map(|_| app.post(ada, &path, json!({})));
        futures::stream::iter(attempts).buffer_unordered(30).collect::<Vec<_>>().await
    };
    let (admitted, refused): (Vec<_>, Vec<_>) = burst(&ada).await.into_iter().partition(|answer| answer.status == 202);
    assert_eq!((admitted.len(), both(&ada).await), (20, (20, 20)));
    for answer in refused {
        let problem = answer.problem(403, "quota-exceeded");
        let told = ["quota", "limit", "used", "resets_at"].map(|member| problem[member].clone());
        assert_eq!(told, [json!("executions_per_hour"), json!(20), json!(20), json!("2026-11-03T11:00:00Z")]);
    }
    assert!(shown(&app, &ada, Quota::ExecutionsPerHour).await["nearly_used"].as_bool().unwrap());
    let _ = quotas::warn(&app.app.kernel).await.unwrap();
    let warned = |actions: &[String]| actions.iter().filter(|action| *action == "quota.nearly_used").count();
    assert_eq!(warned(&app.actions(ada.tenant()).await), 2, "of the hour and of the month");

    // Another hour begins at nothing, and the month goes on: it is the month that refuses now, and the hour counts none of it.
    clock.advance(Duration::from_secs(60));
    ada = app.log_in("ada").await;
    assert_eq!(both(&ada).await, (0, 20));
    let outcomes = burst(&ada).await;
    assert_eq!(outcomes.iter().filter(|answer| answer.status == 202).count(), 5);
    let refused = outcomes.into_iter().find(|answer| answer.status == 403).unwrap();
    assert_eq!(refused.problem(403, "quota-exceeded")["quota"], "executions_per_month");
    assert_eq!(both(&ada).await, (5, 25));
    // The curve is of days.
    let days = app.get(&ada, "/quotas/days").await.expect(200);
    assert!(days["items"].as_array().unwrap().iter().all(|day| day["quota"] != "executions_per_hour"), "{days:#}");

    // Hours that are long over go, and nothing else.
    let rows = async || -> i64 {
        let count = "select count(*) from quota_usage where quota in ('executions_per_hour', 'executions_per_month')";
        sqlx::query_scalar(count).fetch_one(&mut app.admin().await).await.unwrap()
    };
    assert_eq!(rows().await, 3);
    clock.advance(Duration::from_secs(3 * 24 * 3600));
    let _ = quotas::sweep(&app.app.kernel).await.unwrap();
    assert_eq!(rows().await, 1);
}

/// A stream that stays open until it is dropped.
async fn follow(app: &TestApp, actor: &Actor, execution: &str) -> Result<reqwest::Response, Value> {
    let path = format!("/executions/{execution}/events");
    let response = app.request(Method::GET, &path, Some(&actor.token)).send().await.unwrap();
    if response.status() == 200 { Ok(response) } else { Err(response.json().await.unwrap()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_stay_open_are_counted_and_each_node_has_its_share() {
    let app = TestApp::start().await;
    let (ada, grace) = (app.register("ada", "Engines").await, app.register("grace", "Compilers").await);
    limit(&app, ada.tenant(), Quota::ConcurrentConnections, Some(4)).await;
    let waits = save(&app, &ada, single("waits", json!({"type": "wait", "for": "1h"}))).await;
    let execution = start(&app, &ada, &waits, json!({})).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(follow(&app, &ada, &execution).await.unwrap());
    }
    let refused = follow(&app, &ada, &execution).await.unwrap_err();
    let told = ["code", "quota", "limit", "used"].map(|member| refused[member].clone());
    assert_eq!(told, [json!("quota-exceeded"), json!("concurrent_connections"), json!(4), json!(4)]);
    // A call that may not wait starts nothing.
    let before = used(&app, &ada, Quota::ExecutionsPerMonth).await;
    let path = format!("/workflows/{waits}/executions?wait=1s");
    app.post(&ada, &path, json!({})).await.problem(403, "quota-exceeded");
    assert_eq!(used(&app, &ada, Quota::ExecutionsPerMonth).await, before);
    // Nor does it count against others.
    let theirs = save(&app, &grace, single("waits", json!({"type": "wait", "for": "1h"}))).await;
    let theirs = start(&app, &grace, &theirs, json!({})).await;
    let _theirs = follow(&app, &grace, &theirs).await.unwrap();

    app.app.connections.write_down(&app.app.kernel).await.unwrap();
    let quota = shown(&app, &ada, Quota::ConcurrentConnections).await;
    assert_eq!((&quota["used"], &quota["limit"], &quota["nearly_used"]), (&json!(4), &json!(4), &json!(true)));
    assert_eq!(used(&app, &grace, Quota::ConcurrentConnections).await, 1);

    // Whoever goes makes room, for a waiting call too.
    open.truncate(1);
    let begun = Instant::now();
    while app.post(&ada, &path, json!({})).await.status != 202 {
        assert!(begun.elapsed() < Duration::from_secs(20), "a stream that is over still counts");
    }
    // Two nodes: each has half.
    let other = app.another(Setup::default()).await;
    let begun = Instant::now();
    while app.app.kernel.bus().nodes() < 2 || other.app.kernel.bus().nodes() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "they do not see each other");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let begun = Instant::now();
    let second = loop {
        match follow(&app, &ada, &execution).await {
            Ok(stream) => break stream,
            Err(refused) => assert!(begun.elapsed() < Duration::from_secs(20), "{refused:#}"),
        }
    };
    assert_eq!(follow(&app, &ada, &execution).await.unwrap_err()["used"], 2);
    let there = [follow(&other, &ada, &execution).await.unwrap(), follow(&other, &ada, &execution).await.unwrap()];
    assert_eq!(follow(&other, &ada, &execution).await.unwrap_err()["used"], 2);
    for node in [&app, &other] {
        node.app.connections.write_down(&node.app.kernel).await.unwrap();
    }
    assert_eq!(used(&other, &ada, Quota::ConcurrentConnections).await, 4);
    drop((open, second, there));
}

/// Four fifths of the connections: told once, and again only after it was well below.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_nearly_used_up_are_told_of_once() {
    let app = TestApp::start().await;
    let (ada, grace) = (app.register("ada", "Engines").await, app.register("grace", "Compilers").await);
    let tenant = ada.tenant();
    limit(&app, tenant, Quota::ConcurrentConnections, Some(10)).await;
    let nodes = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    // What two nodes would have written down.
    let open = async |tenant: tenure_kernel::TenantId, counts: [i32; 2]| {
        for (node, count) in nodes.iter().zip(counts) {
            sqlx::query("insert into open_connections values ($1, $2, $3, now()) on conflict (tenant_id, node) do update set open = excluded.open, seen_at = now()")
                .bind(tenant.uuid())
                .bind(node)
                .bind(count)
                .execute(&mut app.admin().await)
                .await
                .unwrap();
        }
    };
    let told = async || {
        let _ = quotas::warn(&app.app.kernel).await.unwrap();
        app.actions(tenant).await.iter().filter(|action| *action == "quota.nearly_used").count()
    };
    // One below, then what is on both nodes together, then a waver, then well below and up again.
    for (counts, expected) in
        [([7, 0], 0), ([5, 3], 1), ([5, 5], 1), ([7, 0], 1), ([8, 0], 1), ([3, 2], 1), ([4, 4], 2)]
    {
        open(tenant, counts).await;
        assert_eq!((told().await, told().await), (expected, expected), "{counts:?}");
    }
    // Whoever has gone altogether is forgotten, too.
    sqlx::query("delete from open_connections").execute(&mut app.admin().await).await.unwrap();
    assert_eq!(told().await, 2);
    open(tenant, [10, 0]).await;
    assert_eq!(told().await, 3);
    let events = app.get(&ada, "/audit/events?action=quota.nearly_used").await.expect(200);
    assert_eq!(events["items"][0]["resource"]["id"], "concurrent_connections", "{events:#}");
    // A limit that was taken off, and others, hear nothing.
    limit(&app, tenant, Quota::ConcurrentConnections, None).await;
    open(tenant, [900, 0]).await;
    open(grace.tenant(), [700, 0]).await;
    assert_eq!(told().await, 3);
    assert!(!app.actions(grace.tenant()).await.contains(&"quota.nearly_used".to_owned()));
    assert_eq!(used(&app, &ada, Quota::ConcurrentConnections).await, 900, "what is shown is what is open");
}
