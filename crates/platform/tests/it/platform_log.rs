//! The platform's own part of the audit log, over HTTP.

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::record::PLATFORM_TENANT;
use tenure_platform::domain::platform::{add_admin, remove_admin};
use tenure_platform::testkit::{Actor, PASSWORD, TestApp};

async fn events(app: &TestApp, by: &Actor, query: &str) -> Vec<Value> {
    app.get(by, &format!("/platform/events?{query}")).await.expect(200)["items"].as_array().unwrap().clone()
}

fn actions(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["action"].as_str().unwrap()).collect()
}

/// What the platform decides about people, and what it refuses to strangers, is read there with reasons and names, found by the
/// filters of every log, page by page; and nothing that an organisation did.
#[tokio::test(flavor = "multi_thread")]
async fn the_platform_reads_its_own_log_and_no_organisation_s() {
    let app = TestApp::start().await;
    let (olga, ada) = (app.register("olga", "Operations").await, app.register("ada", "Engines").await);
    add_admin(&app.app.kernel, "olga").await.unwrap();
    let _ = app.post(&ada, "/teams", json!({"name": "Loom"})).await.expect(201);
    let suspend = format!("/platform/people/{}/suspend", ada.user_id());
    let _ = app.post(&olga, &suspend, json!({"reason": "their laptop was stolen"})).await.expect(200);
    let unknown = json!({"username": "nobody", "password": PASSWORD});
    let _ = app.send(Method::POST, "/auth/refresh", None, Some(&json!({"refresh_token": "tnr_rt_x"}))).await;
    let _ = app.send(Method::POST, "/auth/login", None, Some(&unknown)).await.expect(401);

    let all = events(&app, &olga, "limit=200").await;
    for action in ["platform-admin.added", "user.suspended"] {
        assert!(actions(&all).contains(&action), "{action}: {:?}", actions(&all));
    }
    for of_organizations in ["team.created", "organization.created", "session.started"] {
        assert!(!actions(&all).contains(&of_organizations), "{of_organizations}: {:?}", actions(&all));
    }
    let [suspended] = &events(&app, &olga, "action=user.suspended").await[..] else { panic!("one is found") };
    assert_eq!((&suspended["actor"]["name"], &suspended["resource"]["name"]), (&json!("olga"), &json!("ada")));
    assert_eq!((&suspended["actor"]["id"], &suspended["outcome"]), (&olga.user["id"], &json!("success")));
    let reason = suspended["diff"].as_array().unwrap().iter().find(|change| change["path"] == "/reason").unwrap();
    assert_eq!(reason["value"], "their laptop was stolen");
    let [added] = &events(&app, &olga, "action=platform-admin.added").await[..] else { panic!("one is found") };
    assert_eq!(added["actor"]["id"], "system:operator");
    let refused = events(&app, &olga, "outcome=denied&action=request.").await;
    assert!(refused.iter().any(|event| event["actor"]["id"] == "anonymous"), "{refused:#?}");
    let theirs = events(&app, &olga, &format!("actor_id={}&resource_id={}", olga.user_id(), ada.user_id())).await;
    assert_eq!(actions(&theirs), ["user.suspended"]);

    // Page by page it is the same log.
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = app.get(&olga, &format!("/platform/events?limit=1&to=2100-01-01T00:00:00Z{next}")).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|event| event["id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    for event in &all {
        assert_eq!(seen.iter().filter(|id| **id == event["id"]).count(), 1, "{event:#}");
    }

    // Who reads is told there, once for many of the same.
    let reads = async || {
        let told = app.actions(PLATFORM_TENANT).await;
        told.iter().filter(|action| *action == "audit-log.read").count()
    };
    let before = reads().await;
    for _ in 0..3 {
        let _ = events(&app, &olga, "resource_type=team").await;
    }
    assert_eq!(reads().await, before + 1);
    let [read, ..] = &events(&app, &olga, "action=audit-log.read").await[..] else { panic!("reads are told") };
    assert_eq!(read["actor"]["name"], "olga");
}

/// It is there for platform administrators alone, as long as they are.
#[tokio::test(flavor = "multi_thread")]
async fn to_everybody_else_there_is_no_log_of_the_platform() {
    let app = TestApp::start().await;
    let (olga, ada) = (app.register("olga", "Operations").await, app.register("ada", "Engines").await);
    add_admin(&app.app.kernel, "olga").await.unwrap();
    app.get(&ada, "/platform/events").await.problem(404, "not-found");
    app.send(Method::GET, "/platform/events", None, None).await.problem(401, "unauthenticated");
    for wrong in ["limit=0", "cursor=x", "outcome=maybe", "from=yesterday", "organization=engines"] {
        let answer = app.get(&olga, &format!("/platform/events?{wrong}")).await;
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{wrong}: {}", answer.status);
    }
    assert!(!events(&app, &olga, "").await.is_empty());
    remove_admin(&app.app.kernel, "olga").await.unwrap();
    app.get(&olga, "/platform/events").await.problem(404, "not-found");
}
