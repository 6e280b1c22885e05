//! Roles that an organisation makes for itself: what they permit holds at once and everywhere; nobody gives or takes what they
//! do not hold, by whatever way; nobody has a role that is not there.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::platform::add_admin;
use tenure_platform::testkit::{Actor, PASSWORD, Setup, TestApp};

use crate::engine::{run, save};
use crate::guests;
use crate::mfa::{AuthApp, at_rest, login, with};
use crate::policies::single;

async fn role(app: &TestApp, actor: &Actor, name: &str, permissions: &[&str]) {
    let _ = app.post(actor, "/roles", json!({"name": name, "permissions": permissions})).await.expect(201);
}

/// Somebody new with these roles, logged in.
async fn with_roles(app: &TestApp, admin: &Actor, username: &str, roles: &[&str]) -> Actor {
    let body = json!({"email": format!("{username}@example.com"), "username": username, "password": PASSWORD,
                      "full_name": username, "roles": roles});
    let _ = app.post(admin, "/users", body).await.expect(201);
    app.chose_own_password(username).await;
    app.log_in(username).await
}

fn user(actor: &Actor) -> String {
    format!("/users/{}", actor.user_id())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_from_its_making_to_its_end() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let ada = app.register("ada", "Engines").await;
    let made = app
        .post(
            &ada,
            "/roles",
            json!({"name": "keeper", "description": "Keeps secrets", "permissions": ["secret:*", "team:read"]}),
        )
        .await
        .expect(201);
    assert_eq!(
        (&made["system"], &made["permits"]),
        (&json!(false), &json!(["secret:read", "secret:write", "team:read"]))
    );
    assert_eq!(app.get(&ada, "/roles/keeper").await.expect(200), made);
    let listed = app.get(&ada, "/roles").await.expect(200);
    let names: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["admin", "developer", "operator", "executor", "viewer", "auditor", "keeper"]);

    let bob = with_roles(&app, &ada, "bob", &["keeper"]).await;
    let me = app.get(&bob, "/auth/me").await.expect(200);
    assert_eq!((&me["roles"], &me["permissions"]), (&json!(["keeper"]), &made["permits"]));
    for node in [&app, &other] {
        let _ = node.get(&bob, "/secrets").await.expect(200);
        node.get(&bob, "/workflows").await.problem(403, "permission-denied");
    }
    // Holds for everybody who has it, on every node, while their token stays as it is.
    let changed = app.patch(&ada, "/roles/keeper", json!({"permissions": ["workflow:read"]})).await.expect(200);
    assert_eq!((&changed["description"], &changed["permits"]), (&json!("Keeps secrets"), &json!(["workflow:read"])));
    let begun = Instant::now();
    while other.get(&bob, "/secrets").await.status != 403 {
        assert!(begun.elapsed() < Duration::from_secs(1), "the other node still lets them");
    }
    let _ = other.get(&bob, "/workflows").await.expect(200);
    app.get(&bob, "/secrets").await.problem(403, "permission-denied");

    app.delete(&ada, "/roles/keeper").await.problem(409, "conflict");
    let _ = app.patch(&ada, &user(&bob), json!({"roles": []})).await.expect(200);
    let _ = app.delete(&ada, "/roles/keeper").await.expect(204);
    app.get(&ada, "/roles/keeper").await.problem(404, "not-found");
    let actions = app.actions(ada.tenant()).await;
    for action in ["role.created", "role.updated", "role.deleted"] {
        assert!(actions.iter().any(|done| done == action), "{action} is missing in {actions:?}");
    }
}

/// By a new role, by a role that is changed, by a member's roles or single permissions, by adding somebody: each way is asked.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_or_takes_what_they_do_not_hold() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    role(&app, &ada, "steward", &["user:*", "role:*", "team:read"]).await;
    role(&app, &ada, "keeper", &["secret:*"]).await;
    let (eve, bob) =
        (with_roles(&app, &ada, "eve", &["steward"]).await, with_roles(&app, &ada, "bob", &["keeper"]).await);
    let (of_eve, of_bob) = (user(&eve), user(&bob));
    let somebody = |roles: Value| json!({"email": "x@example.com", "username": "xavier", "full_name": "X", "password": PASSWORD, "roles": roles});
    for (method, path, body) in [
        (Method::POST, "/roles", json!({"name": "god", "permissions": ["*"]})),
        (Method::POST, "/roles", json!({"name": "reader", "permissions": ["team:read", "secret:read"]})),
        (Method::PATCH, "/roles/steward", json!({"permissions": ["user:*", "role:*", "secret:write"]})),
        (Method::PATCH, "/roles/keeper", json!({"permissions": ["team:read"]})),
        (Method::PATCH, "/roles/keeper", json!({"description": "mine now"})),
        (Method::DELETE, "/roles/keeper", Value::Null),
        (Method::PATCH, &of_eve, json!({"roles": ["admin"]})),
        (Method::PATCH, &of_eve, json!({"roles": ["steward", "keeper"]})),
        (Method::PATCH, &of_eve, json!({"permissions": ["secret:write"]})),
        (Method::PATCH, &of_eve, json!({"permissions": ["*"]})),
        (Method::PATCH, &of_bob, json!({"roles": []})),
        (Method::PATCH, &of_bob, json!({"status": "locked"})),
        (Method::POST, "/users", somebody(json!(["keeper"]))),
        (Method::POST, "/users", somebody(json!(["admin"]))),
    ] {
        let answer = app.send(method.clone(), &format!("/api/v1{path}"), Some(&eve.token), Some(&body)).await;
        assert_eq!(answer.status, 403, "{method} {path} {body}: {:#}", answer.body);
    }
    // What they hold they may give.
    role(&app, &eve, "doorman", &["user:read", "team:read"]).await;
    let _ = app.post(&eve, "/users", somebody(json!(["doorman"]))).await.expect(201);
    let kept = app.get(&ada, "/roles/keeper").await.expect(200);
    assert_eq!((&kept["permissions"], &kept["description"]), (&json!(["secret:*"]), &json!("")));
    assert_eq!(app.get(&ada, &of_bob).await.expect(200)["roles"], json!(["keeper"]));
    let refused = app.actions(ada.tenant()).await;
    assert!(refused.iter().any(|action| action == "request.refused"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_roles_are_told_with_their_place() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let long = "x".repeat(64);
    for name in ["", "Keeper", "1st", "a b", "a_b", "-a", long.as_str()] {
        let problem = app.post(&ada, "/roles", json!({"name": name, "permissions": []})).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/name", "{name}");
    }
    for system in SystemRole::ALL.map(SystemRole::as_str) {
        app.post(&ada, "/roles", json!({"name": system, "permissions": []})).await.problem(409, "conflict");
        let path = format!("/roles/{system}");
        app.patch(&ada, &path, json!({"permissions": []})).await.problem(409, "conflict");
        app.delete(&ada, &path).await.problem(409, "conflict");
    }
    let problem = app
        .post(&ada, "/roles", json!({"name": "a", "permissions": ["team:read", "secrets:read"]}))
        .await
        .problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/permissions/1");
    assert_eq!(problem["errors"][0]["detail"], "is no permission; did you mean `secret:read`?");
    role(&app, &ada, "a", &[]).await;
    let taken = app.post(&ada, "/roles", json!({"name": "a", "permissions": []})).await.problem(409, "conflict");
    assert_eq!(taken["errors"][0]["pointer"], "/name");
    let bob = app.member(&ada, SystemRole::Viewer).await;
    let unknown =
        app.patch(&ada, &user(&bob), json!({"roles": ["viewer", "a", "nobody"]})).await.problem(422, "invalid");
    assert_eq!(
        unknown["errors"][0],
        json!({"pointer": "/roles", "detail": "`nobody` is no role of this organisation"})
    );
    for (attributes, pointer) in [
        (json!({"Dept": "x"}), "/attributes"),
        (json!({"dept": "x".repeat(201)}), "/attributes/dept"),
        (json!({"dept": ["a\u{7}"]}), "/attributes/dept"),
    ] {
        let problem = app.patch(&ada, &user(&bob), json!({"attributes": attributes})).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    app.patch(&ada, &user(&bob), json!({"attributes": {"dept": {"nested": 1}}})).await.problem(422, "invalid");
    app.get(&ada, "/roles/no-such").await.problem(404, "not-found");
    app.get(&ada, "/roles/NOT.A.NAME").await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_may_do_is_explained() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    role(&app, &ada, "keeper", &["secret:*"]).await;
    let bob = with_roles(&app, &ada, "bob", &["keeper", "auditor"]).await;
    let attributes = json!({"department": "Legal", "regions": ["eu", "uk"], "level": 3.0, "external": false});
    let given = app
        .patch(&ada, &user(&bob), json!({"permissions": ["secret:read"], "attributes": attributes}))
        .await
        .expect(200);
    assert_eq!((&given["attributes"], &given["permissions"]), (&attributes, &json!(["secret:read"])));
    let of = async |permission: &str| {
        let explained = app.get(&ada, &format!("/permissions/explain?user={}", bob.user_id())).await.expect(200);
        let all = explained["permissions"].as_array().unwrap();
        assert_eq!(all.len(), tenure_kernel::PermissionId::ALL.len());
        all.iter().find(|item| item["permission"] == permission).unwrap().clone()
    };
    let read = of("secret:read").await;
    assert_eq!(
        (&read["allowed"], &read["because"]),
        (&json!(true), &json!([{"role": "keeper"}, {"permission": "secret:read"}]))
    );
    assert_eq!(read["why"], "the role “keeper” and their own permission “secret:read” hold it");
    assert_eq!(of("audit:read").await["because"], json!([{"role": "auditor"}]));
    let none = of("workflow:read").await;
    assert_eq!(
        (&none["allowed"], &none["because"], &none["why"]),
        (&json!(false), &json!([]), &json!("none of their roles holds it"))
    );
    // What is explained is what holds.
    let held = app.get(&bob, "/auth/me").await.expect(200)["permissions"].clone();
    let explained = app.get(&ada, &format!("/permissions/explain?user={}", bob.user_id())).await.expect(200);
    let allowed: Vec<Value> = explained["permissions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["allowed"] == true)
        .map(|item| item["permission"].clone())
        .collect();
    assert_eq!(held, json!(allowed));
    let _ = app.patch(&ada, &user(&bob), json!({"status": "locked"})).await.expect(200);
    let locked = of("secret:read").await;
    assert_eq!(locked["allowed"], false);
    assert!(locked["why"].as_str().unwrap().ends_with("but the membership is locked"), "{locked}");
}

/// Who may do nothing before they have done something else is not said to be allowed anything.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_login_owes_is_part_of_the_explanation() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let new = json!({"email": "bob@example.com", "username": "bob", "full_name": "Bob", "password": PASSWORD, "roles": ["auditor"]});
    let bob = app.post(&ada, "/users", new).await.expect(201)["id"].as_str().unwrap().to_owned();
    let read = async |of: &str| {
        let explained = app.get(&ada, &format!("/permissions/explain?user={of}")).await.expect(200);
        let all = explained["permissions"].as_array().unwrap();
        let read = all.iter().find(|item| item["permission"] == "audit:read").unwrap().clone();
        (explained["owes"].clone(), read["allowed"].clone(), read["why"].as_str().unwrap().to_owned())
    };
    let of_bob = with(&ada, &login(&app, "bob", PASSWORD).await.expect(200));
    let (owes, allowed, why) = read(&bob).await;
    assert_eq!((&owes, &allowed), (&json!("new_password"), &json!(false)));
    assert!(why.ends_with("but they have to choose a password of their own first"), "{why}");
    // As the login itself finds.
    app.get(&of_bob, "/audit/events").await.problem(403, "password-change-required");
    let change = json!({"current_password": PASSWORD, "new_password": "another loud yellow morning"});
    let _ = app.post(&of_bob, "/auth/password", change).await.expect(204);
    assert_eq!(read(&bob).await.1, true);

    let _ = AuthApp::set_up(&app, &clock, &ada).await;
    let _ = app.put(&ada, "/organization/security", json!({"require_mfa": true})).await.expect(200);
    let (owes, allowed, why) = read(&bob).await;
    assert_eq!((&owes, &allowed), (&json!("second_factor"), &json!(false)));
    assert!(why.contains("second factor"), "{why}");
    assert_eq!(read(ada.user_id()).await.0, Value::Null, "who has one owes nothing");
    let _ = AuthApp::set_up(&app, &clock, &of_bob).await;
    assert_eq!(read(&bob).await.1, true);

    let olga = app.register("olga", "Operators").await;
    add_admin(&app.app.kernel, "olga").await.unwrap();
    let because = json!({"reason": "their laptop was stolen"});
    let _ = app.post(&olga, &format!("/platform/people/{bob}/suspend"), because).await.expect(200);
    let (_, allowed, why) = read(&bob).await;
    assert!(allowed == false && why.ends_with("but the platform has suspended them"), "{why}");
}

/// Before each step that acts the engine asks what its person may do now: of roles as the API does.
#[tokio::test(flavor = "multi_thread")]
async fn steps_act_by_the_roles_of_whom_they_run_for() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    role(&app, &ada, "runner", &["workflow:read", "workflow:execute", "execution:read"]).await;
    let bob = with_roles(&app, &ada, "bob", &["runner"]).await;
    let source = "def execute(state, config):\n    return 42\n";
    let workflow =
        save(&app, &ada, single("acts", json!({"type": "plugin", "language": "python", "source": source}))).await;
    let done = run(&app, &bob, &workflow, json!({})).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");
    let waits = json!({"name": "waits, then acts", "nodes": {
        "wait": {"type": "wait", "for": "2s"}, "act": {"type": "plugin", "language": "python", "source": source}},
        "edges": [{"from": "start", "to": "wait"}, {"from": "wait", "to": "act"}, {"from": "act", "to": "end"}]});
    let workflow = save(&app, &ada, waits).await;
    let begun = app.post(&bob, &format!("/workflows/{workflow}/executions"), json!({"input": {}})).await.expect(202);
    let _ =
        app.patch(&ada, "/roles/runner", json!({"permissions": ["workflow:read", "execution:read"]})).await.expect(200);
    let path = format!("/executions/{}", begun["id"].as_str().unwrap());
    let begun = Instant::now();
    let ended = loop {
        let seen = app.get(&bob, &path).await.expect(200);
        if seen["finished_at"].is_string() {
            break seen;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{seen:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(
        (&ended["state"], &ended["error"]["class"]),
        (&json!("failed"), &json!("permission-withdrawn")),
        "{ended:#}"
    );
}

/// A key of a person holds what their roles hold, and loses it with them.
#[tokio::test(flavor = "multi_thread")]
async fn keys_follow_the_roles_of_their_person() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    role(&app, &ada, "bot", &["api_key:*", "team:read", "secret:read"]).await;
    let bob = with_roles(&app, &ada, "bob", &["bot"]).await;
    let key =
        app.post(&bob, "/api-keys", json!({"name": "k", "scopes": ["team:read", "secret:read"]})).await.expect(201);
    let key = key["key"].as_str().unwrap().to_owned();
    let status = async |path: &str| app.send(Method::GET, &format!("/api/v1{path}"), Some(&key), None).await.status;
    assert_eq!((status("/secrets").await.as_u16(), status("/teams").await.as_u16()), (200, 200));
    let _ = app.patch(&ada, "/roles/bot", json!({"permissions": ["team:read"]})).await.expect(200);
    let begun = Instant::now();
    while status("/secrets").await != 403 {
        assert!(begun.elapsed() < Duration::from_secs(1), "the key still holds what its person lost");
    }
    assert_eq!(status("/teams").await.as_u16(), 200);
}

/// Service accounts have roles under the same rules as people.
#[tokio::test(flavor = "multi_thread")]
async fn service_accounts_have_roles_of_the_organisation() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    role(&app, &ada, "reader", &["team:read", "secret:read"]).await;
    role(&app, &ada, "steward", &["service_account:*", "role:*", "team:read"]).await;
    let eve = with_roles(&app, &ada, "eve", &["steward"]).await;
    let robot = json!({"name": "Robot", "roles": ["reader"]});
    app.post(&eve, "/service-accounts", robot.clone()).await.problem(403, "permission-denied");
    let robot = app.post(&ada, "/service-accounts", robot).await.expect(201);
    let path = format!("/service-accounts/{}", robot["id"].as_str().unwrap());
    app.patch(&eve, &path, json!({"roles": []})).await.problem(403, "permission-denied");
    let key = json!({"name": "k", "scopes": ["team:read", "secret:read"], "service_account": robot["id"]});
    let key = app.post(&ada, "/api-keys", key).await.expect(201)["key"].as_str().unwrap().to_owned();
    let status = async |path: &str| app.send(Method::GET, &format!("/api/v1{path}"), Some(&key), None).await.status;
    assert_eq!(status("/secrets").await.as_u16(), 200);
    let _ = app.patch(&ada, "/roles/reader", json!({"permissions": ["team:read"]})).await.expect(200);
    let begun = Instant::now();
    while status("/secrets").await != 403 {
        assert!(begun.elapsed() < Duration::from_secs(1), "the key still holds what the role lost");
    }
    app.delete(&ada, "/roles/reader").await.problem(409, "conflict");
    let unknown = app.patch(&ada, &path, json!({"roles": ["nobody"]})).await.problem(422, "invalid");
    assert_eq!(unknown["errors"][0]["pointer"], "/roles");
    let _ = app.patch(&ada, &path, json!({"roles": ["viewer"]})).await.expect(200);
    let _ = app.delete(&ada, "/roles/reader").await.expect(204);
}

/// A role is deleted while it is given: whichever comes first, nobody has a role that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_a_role_that_is_gone() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.member(&ada, SystemRole::Viewer).await;
    let of_bob = user(&bob);
    let (mut given, mut deleted) = (0, 0);
    for turn in 0..30 {
        let name = format!("brief-{turn}");
        role(&app, &ada, &name, &["team:read"]).await;
        let path = format!("/roles/{name}");
        let (give, delete) = tokio::join!(app.patch(&ada, &of_bob, json!({"roles": [name]})), app.delete(&ada, &path));
        match (give.status.as_u16(), delete.status.as_u16()) {
            (200, 409) => given += 1,
            (422, 204) => deleted += 1,
            other => panic!("{other:?}: {:#} {:#}", give.body, delete.body),
        }
        let _ = app.patch(&ada, &of_bob, json!({"roles": ["viewer"]})).await.expect(200);
    }
    assert_eq!(given + deleted, 30);
}
