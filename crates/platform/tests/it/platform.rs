//! Platform administrators: what they may do over HTTP, and that nobody else finds anything there.

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::platform::{add_admin, admins, remove_admin};
use tenure_platform::testkit::{Actor, Setup, TestApp};

use crate::api_keys::{make, parts, with_key};
use crate::delegation::cut;

/// Olga runs the platform; Ada has an organisation.
async fn both(app: &TestApp) -> (Actor, Actor) {
    let (olga, ada) = (app.register("olga", "Operations").await, app.register("ada", "Engines").await);
    add_admin(&app.app.kernel, "olga").await.unwrap();
    (olga, ada)
}

fn path(of: &Actor) -> String {
    format!("/platform/organizations/{}", of.organization["id"].as_str().unwrap())
}

async fn status(app: &TestApp, actor: &Actor) -> u16 {
    app.get(actor, "/teams").await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_are_seen_suspended_resumed_and_given_plans_and_quotas() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let (olga, ada) = both(&app).await;
    let listed = app.get(&olga, "/platform/organizations").await.expect(200);
    let slugs: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|one| one["slug"].as_str().unwrap()).collect();
    assert_eq!(slugs, ["engines", "operations"], "the platform's own is none");
    let first = app.get(&olga, "/platform/organizations?limit=1").await.expect(200);
    let next = format!("/platform/organizations?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(app.get(&olga, &next).await.expect(200)["items"][0]["slug"], "operations");

    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(status(&other, &ada).await, 200);
    let suspended = app.post(&olga, &format!("{}/suspend", path(&ada)), json!({})).await.expect(200);
    assert_eq!(suspended["status"], "suspended");
    let begun = std::time::Instant::now();
    while status(&other, &ada).await != 403 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(1), "the other node still answers");
    }
    app.get(&ada, "/teams").await.problem(403, "tenant-suspended");
    let found = app.get(&olga, "/platform/organizations?status=suspended").await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    let _ = app.post(&olga, &format!("{}/resume", path(&ada)), json!({})).await.expect(200);
    assert_eq!(status(&app, &ada).await, 200);

    let changed = app.patch(&olga, &path(&ada), json!({"plan": "free"})).await.expect(200);
    let of = |organization: &Value, name: &str| {
        organization["quotas"].as_array().unwrap().iter().find(|quota| quota["name"] == name).unwrap().clone()
    };
    assert_eq!((&changed["plan"], &of(&changed, "workflows")["limit"]), (&json!("free"), &json!(5)));
    let quota = format!("{}/quota", path(&ada));
    let given = app.put(&olga, &quota, json!({"quota": "workflows", "limit": 7})).await.expect(200);
    let workflows = of(&given, "workflows");
    assert_eq!(
        (&workflows["limit"], &workflows["plan_limit"], &workflows["overridden"]),
        (&json!(7), &json!(5), &json!(true))
    );
    let given = app.put(&olga, &quota, json!({"quota": "workflows", "limit": null})).await.expect(200);
    assert_eq!(of(&given, "workflows")["limit"], Value::Null);
    let given = app.put(&olga, &quota, json!({"quota": "workflows", "plan_default": true})).await.expect(200);
    assert_eq!(of(&given, "workflows")["overridden"], false);
    app.put(&olga, &quota, json!({"quota": "workflows", "plan_default": true, "limit": 1}))
        .await
        .problem(422, "invalid");

    // The organisation reads what was decided about it, and by whom, but not through which login.
    let told = app.get(&ada, "/audit/events?limit=200").await.expect(200);
    for action in ["organization.suspended", "organization.resumed", "organization.plan-changed", "quota.limited"] {
        let event = told["items"].as_array().unwrap().iter().find(|event| event["action"] == action);
        assert_eq!(event.unwrap_or_else(|| panic!("no {action}"))["actor"]["id"], olga.user["id"]);
    }
    let sessions: i64 = sqlx::query_scalar(
        "select count(*) from events where tenant_id = $1 and action like 'organization.%' and session_id is not null",
    )
    .bind(ada.tenant().uuid())
    .fetch_one(&mut app.admin().await)
    .await
    .unwrap();
    assert_eq!(sessions, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_everybody_else_nothing_is_there() {
    let app = TestApp::start().await;
    let (olga, ada) = both(&app).await;
    let (key, _) = parts(&make(&app, &olga, &["*"], json!({})).await.expect(201));
    let token = cut(&app, &olga.token, &[]).await;
    let routes: Vec<_> = app.routes.iter().filter(|route| route.path.starts_with("/api/v1/platform/")).collect();
    assert_eq!(routes.len(), 6);
    for route in routes {
        let at = route.path.replace("{id}", olga.organization["id"].as_str().unwrap());
        let body = route.sample.as_ref();
        // An administrator of an organisation, who holds `*`; and Olga by anything but her login.
        app.send(route.method.clone(), &at, Some(&ada.token), body).await.problem(404, "not-found");
        app.send(route.method.clone(), &at, Some(&token), body).await.problem(404, "not-found");
        with_key(&app, &key, route.method.clone(), &at, body.cloned()).await.problem(404, "not-found");
        app.send(route.method.clone(), &at, None, body).await.problem(401, "unauthenticated");
    }
    let refused = app.get(&ada, "/audit/events?action=request.refused").await.expect(200);
    assert!(refused["items"].as_array().unwrap().len() >= 6, "{refused:#}");
    let system = format!("/platform/organizations/{}/suspend", tenure_kernel::record::PLATFORM_TENANT);
    app.post(&olga, &system, json!({})).await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_has_lost_it_at_once() {
    let app = TestApp::start().await;
    let (olga, _) = both(&app).await;
    let kernel = &app.app.kernel;
    assert!(add_admin(kernel, "olga").await.is_err(), "once is enough");
    assert!(add_admin(kernel, "nobody").await.is_err());
    assert_eq!(admins(kernel).await.unwrap().len(), 1);
    let _ = app.get(&olga, "/platform/organizations").await.expect(200);
    remove_admin(kernel, "olga@example.com").await.unwrap();
    app.get(&olga, "/platform/organizations").await.problem(404, "not-found");
    assert!(remove_admin(kernel, "olga").await.is_err());
    let told = app.actions(tenure_kernel::record::PLATFORM_TENANT).await;
    for action in ["platform-admin.added", "platform-admin.removed"] {
        assert!(told.iter().any(|done| done == action), "{told:?}");
    }
    let again = app.send(Method::GET, "/auth/me", Some(&olga.token), None).await;
    assert_eq!(again.status, 200, "the login itself stays");
}
