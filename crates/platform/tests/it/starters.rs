//! What an execution may do goes by whoever started it and by what they started it with, at each step.

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::KeyId;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, TestApp};

use crate::api_keys::{make, parts, with_key};
use crate::delegation::{account, acting, cut, with};
use crate::engine::{save, until};
use crate::guests;
use crate::mfa::AuthApp;
use crate::policies::single;

/// Rests a while, then does something that is asked for: a plugin's step.
fn rests_and_acts(name: &str) -> Value {
    let source = "def execute(state, config):\n    return 'acted'\n";
    json!({
        "name": name,
        "nodes": {"rest": {"type": "wait", "for": "2s"}, "act": {"type": "plugin", "language": "python", "source": source}},
        "edges": [{"from": "start", "to": "rest"}, {"from": "rest", "to": "act"}, {"from": "act", "to": "end"}],
        "output": {"act": ".state.act"},
    })
}

async fn started(app: &TestApp, token: &str, workflow: &str) -> Value {
    let start = format!("/workflows/{workflow}/executions");
    with(app, token, Method::POST, &start, Some(json!({"input": {}}))).await.expect(202)
}

fn id(execution: &Value) -> &str {
    execution["id"].as_str().unwrap()
}

async fn ends_well(app: &TestApp, admin: &Actor, execution: &Value) {
    let done = until(app, admin, id(execution), &["succeeded", "failed"]).await;
    assert_eq!(done["output"], json!({"act": "acted"}), "{done:#}");
}

async fn is_stopped(app: &TestApp, admin: &Actor, execution: &Value) {
    let done = until(app, admin, id(execution), &["succeeded", "failed"]).await;
    assert_eq!(
        (&done["state"], &done["error"]["class"]),
        (&json!("failed"), &json!("permission-withdrawn")),
        "{done:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_starts_executions_in_its_own_name() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(&app, &ada, rests_and_acts("nightly")).await;
    let (robot, key, _) = account(&app, &ada, "Robot", &["workflow:read", "workflow:execute", "execution:read"]).await;
    let execution = started(&app, &key, &workflow).await;
    assert_eq!(execution["requested_by"], json!({"kind": "service_account", "id": robot, "name": "Robot"}));
    ends_well(&app, &ada, &execution).await;
    let by =
        async |who: &str| app.get(&ada, &format!("/executions?requested_by={who}")).await.expect(200)["items"].clone();
    assert_eq!(by(&robot).await[0]["id"], execution["id"]);
    assert_eq!(by(ada.user_id()).await, json!([]));
    app.get(&ada, "/executions?requested_by=robot").await.problem(422, "invalid");
    let event = &app.get(&ada, "/audit/events?action=execution.requested").await.expect(200)["items"][0];
    assert_eq!(
        (&event["actor"]["id"], &event["actor"]["type"]),
        (&json!(robot), &json!("service_account")),
        "{event:#}"
    );
    // One that lost what it needs meanwhile does not go on.
    let execution = started(&app, &key, &workflow).await;
    let less = json!({"permissions": ["workflow:read"], "roles": []});
    let _ = app.patch(&ada, &format!("/service-accounts/{robot}"), less).await.expect(200);
    is_stopped(&app, &ada, &execution).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_started_stops_acting_with_the_key() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(&app, &ada, rests_and_acts("nightly")).await;
    let (of_ada, of_ada_path) = parts(&make(&app, &ada, &["workflow:*"], json!({})).await.expect(201));
    let (narrowed, narrowed_path) = parts(&make(&app, &ada, &["workflow:*"], json!({})).await.expect(201));
    let (rotated, rotated_path) = parts(&make(&app, &ada, &["workflow:*"], json!({})).await.expect(201));
    let (_, robots, robots_path) = account(&app, &ada, "Robot", &["workflow:read", "workflow:execute"]).await;
    let revoked = [started(&app, &of_ada, &workflow).await, started(&app, &robots, &workflow).await];
    let cut_down = started(&app, &narrowed, &workflow).await;
    let replaced = started(&app, &rotated, &workflow).await;
    let login = app.log_in("ada").await;
    let logged_out = started(&app, &login.token, &workflow).await;
    for path in [&of_ada_path, &robots_path] {
        let _ = app.post(&ada, &format!("{path}/revoke"), json!({})).await.expect(200);
    }
    let _ = app.patch(&ada, &narrowed_path, json!({"scopes": ["workflow:read"]})).await.expect(200);
    let _ = app.post(&ada, &format!("{rotated_path}/rotate"), json!({"grace_seconds": 0})).await.expect(201);
    let _ = app.post(&login, "/auth/logout", json!({"refresh_token": login.refresh_token})).await.expect(204);
    for execution in &revoked {
        is_stopped(&app, &ada, execution).await;
    }
    is_stopped(&app, &ada, &cut_down).await;
    // Another key in the place of one changes nothing for what runs; nor does a person's going home.
    ends_well(&app, &ada, &replaced).await;
    ends_well(&app, &ada, &logged_out).await;
}

/// As a key that is shown: one that a password alone has made does nothing once its owner has a second factor.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_made_without_the_second_factor_started_stops_acting() {
    let app = guests::app().await;
    let (ada, clock) = (app.register("ada", "Engines").await, app.app.kernel.clock().clone());
    let workflow = save(&app, &ada, rests_and_acts("nightly")).await;
    let (key, _) = parts(&make(&app, &ada, &["workflow:*"], json!({})).await.expect(201));
    let (_, robots, _) = account(&app, &ada, "Robot", &["workflow:read", "workflow:execute"]).await;
    let token = cut(&app, &key, &[("scope", "workflow:execute")]).await;
    let (of_key, of_token) = (started(&app, &key, &workflow).await, started(&app, &token, &workflow).await);
    let of_robot = started(&app, &robots, &workflow).await;
    let _ = AuthApp::set_up(&app, &clock, &ada).await;
    is_stopped(&app, &ada, &of_key).await;
    is_stopped(&app, &ada, &of_token).await;
    ends_well(&app, &ada, &of_robot).await;
    let (key, _) = parts(&make(&app, &ada, &["workflow:*"], json!({})).await.expect(201));
    ends_well(&app, &ada, &started(&app, &key, &workflow).await).await;
}

/// As a key that is shown: it works while its owner has the second factor that the organisation asks for.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_started_stops_acting_with_the_second_factor_of_its_owner() {
    let app = guests::app().await;
    let (ada, clock) = (app.register("ada", "Engines").await, app.app.kernel.clock().clone());
    let grace = app.member(&ada, SystemRole::Developer).await;
    for actor in [&ada, &grace] {
        let _ = AuthApp::set_up(&app, &clock, actor).await;
    }
    let _ = app.put(&ada, "/organization/security", json!({"require_mfa": true})).await.expect(200);
    let workflow = save(&app, &grace, rests_and_acts("nightly")).await;
    let (key, _) = parts(&make(&app, &grace, &["workflow:*"], json!({})).await.expect(201));
    let (_, robots, _) = account(&app, &ada, "Robot", &["workflow:read", "workflow:execute"]).await;
    ends_well(&app, &ada, &started(&app, &key, &workflow).await).await;
    let (of_key, of_robot) = (started(&app, &key, &workflow).await, started(&app, &robots, &workflow).await);
    let _ = app.delete(&grace, "/auth/mfa/totp").await.expect(204);
    is_stopped(&app, &ada, &of_key).await;
    ends_well(&app, &ada, &of_robot).await;
    // Where nobody asks for one a key is good without.
    let start = format!("/workflows/{workflow}/executions");
    with(&app, &key, Method::POST, &start, Some(json!({"input": {}}))).await.problem(403, "api-key-blocked");
    let _ = app.put(&ada, "/organization/security", json!({"require_mfa": false})).await.expect(200);
    ends_well(&app, &ada, &started(&app, &key, &workflow).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_delegated_token_started_does_no_more_than_the_token_could() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(&app, &ada, rests_and_acts("nightly")).await;
    let (robot, robots, path) = account(&app, &ada, "Robot", &["delegation:act"]).await;
    let resource = format!("/api/v1/workflows/{workflow}");
    let narrow = [("scope", "workflow:execute"), ("resource", &*resource), ("expires_in", "1")];
    // The token is over before the step: what was begun with it goes on.
    let short = started(&app, &cut(&app, &ada.token, &narrow).await, &workflow).await;
    let for_ada = [&acting(&robots)[..], &[("scope", "workflow:execute")]].concat();
    let token = cut(&app, &ada.token, &for_ada).await;
    let acted = started(&app, &token, &workflow).await;
    assert_eq!(acted["requested_by"], json!({"kind": "service_account", "id": robot, "name": "Robot"}));
    ends_well(&app, &ada, &short).await;
    ends_well(&app, &ada, &acted).await;
    // Nothing but what the token could: here it could not even open what the workflow was granted.
    let stopped = started(&app, &token, &workflow).await;
    let _ = app.post(&ada, &format!("{path}/revoke"), json!({})).await.expect(200);
    is_stopped(&app, &ada, &stopped).await;
    let scopes: Vec<Option<Vec<String>>> = sqlx::query_scalar("select scope from executions order by created_at")
        .fetch_all(&mut app.admin().await)
        .await
        .unwrap();
    assert!(scopes.iter().all(|scope| *scope == Some(vec!["workflow:execute".to_owned()])), "{scopes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_what_they_had_a_service_account_start() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.member(&ada, SystemRole::Admin).await;
    let asks = single("asks", json!({"type": "approval", "approvers": {"roles": ["admin"]}}));
    let workflow = save(&app, &ada, asks).await;
    let (_, robots, path) =
        account(&app, &ada, "Robot", &["workflow:read", "workflow:execute", "api_key:write", "delegation:act"]).await;
    // A key that rotated itself is still of the one who made the first, also when those before it are long gone.
    let rotate = async |key: &str, path: &str| {
        let body = json!({"grace_seconds": 60});
        parts(&with_key(&app, key, Method::POST, &format!("{path}/rotate"), Some(body)).await.expect(201))
    };
    let (between, its_path) = rotate(&robots, &path).await;
    let (rotated, _) = rotate(&between, &its_path).await;
    let between: KeyId = its_path.trim_start_matches("/api-keys/").parse().unwrap();
    let deleted = sqlx::query("delete from api_keys where id = $1").bind(between.uuid());
    assert_eq!(deleted.execute(&mut app.admin().await).await.unwrap().rows_affected(), 1);
    let for_bob = cut(&app, &bob.token, &acting(&rotated)).await;
    for (token, maker, other) in
        [(&robots, &ada, &bob), (&rotated, &ada, &bob), (&for_bob, &bob, &ada), (&ada.token, &ada, &bob)]
    {
        let execution = started(&app, token, &workflow).await;
        let _ = until(&app, &ada, id(&execution), &["waiting"]).await;
        let path = format!("/approvals?execution_id={}", id(&execution));
        let seen = async |who: &Actor| app.get(who, &path).await.expect(200)["items"][0].clone();
        let approval = seen(maker).await;
        assert_eq!(
            (&approval["can_decide"], &seen(other).await["can_decide"]),
            (&json!(false), &json!(true)),
            "{approval:#}"
        );
        assert_eq!(approval["requested_by"], execution["requested_by"]);
        let mine = async |who: &Actor| {
            app.get(who, &format!("{path}&mine=true")).await.expect(200)["items"].as_array().unwrap().len()
        };
        assert_eq!((mine(maker).await, mine(other).await), (0, 1));
        let decide = format!("/approvals/{}/decision", approval["id"].as_str().unwrap());
        let body = json!({"decision": "approve", "shown_digest": approval["shown_digest"]});
        app.post(maker, &decide, body.clone()).await.problem(403, "permission-denied");
        let _ = app.post(other, &decide, body).await.expect(200);
        let done = until(&app, &ada, id(&execution), &["succeeded", "failed"]).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_that_a_step_acted_by_its_execution() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let call = json!({"type": "http", "request": {"url": "http://127.0.0.1:9/", "headers": {"authorization": "Bearer {{ secrets.hook }}"}}});
    let workflow = save(&app, &ada, single("calls", call)).await;
    let _ = app.put(&ada, "/secrets/hook", json!({"value": "a secret of ours"})).await.expect(200);
    let _ = app.put(&ada, "/secrets/hook/grants", json!({"workflow_ids": [workflow]})).await.expect(200);
    let execution = started(&app, &ada.token, &workflow).await;
    let _ = until(&app, &ada, id(&execution), &["failed"]).await;
    let events = app.get(&ada, "/audit/events?limit=200").await.expect(200);
    let used = events["items"].as_array().unwrap().iter().find(|event| event["action"] == "secret.opened");
    let used = used.unwrap_or_else(|| panic!("no secret was opened: {events:#}"));
    assert_eq!(used["actor"]["id"], ada.user["id"]);
    let by = used["diff"].as_array().unwrap().iter().find(|change| change["path"] == "/delegation").unwrap();
    assert_eq!(by["value"], json!({"execution": execution["id"]}));
}
