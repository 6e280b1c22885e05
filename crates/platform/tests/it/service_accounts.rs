//! Service accounts, and what their keys may and may not do.

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, TestApp};

use crate::api_keys::{actors, parts, read, with_key};

async fn create(app: &TestApp, admin: &Actor, body: Value) -> (String, String) {
    let account = app.post(admin, "/service-accounts", body).await.expect(201);
    let id = account["id"].as_str().unwrap().to_owned();
    (format!("/service-accounts/{id}"), id)
}

async fn key_of(app: &TestApp, admin: &Actor, account: &str, scopes: &[&str]) -> (String, String) {
    let body = json!({"name": "robot's", "scopes": scopes, "service_account": account});
    let made = app.post(admin, "/api-keys", body).await.expect(201);
    assert_eq!(made["api_key"]["owner"], json!({"kind": "service_account", "id": account}));
    parts(&made)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_from_its_creation_to_its_end() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let body = json!({"name": " Robot ", "permissions": ["team:write", "team:read"]});
    let (path, id) = create(&app, &admin, body).await;
    let account = app.get(&admin, &path).await.expect(200);
    assert_eq!((&account["name"], &account["roles"]), (&json!("Robot"), &json!([])));
    assert_eq!(account["permissions"], json!(["team:read", "team:write"]));
    let taken = app.post(&admin, "/service-accounts", json!({"name": "robot"})).await.problem(409, "conflict");
    assert_eq!(taken["errors"][0]["pointer"], "/name");

    let (key, key_path) = key_of(&app, &admin, &id, &["team:*", "workflow:read"]).await;
    assert_eq!(app.get(&admin, &key_path).await.expect(200)["owner_name"], "Robot");
    let _ = with_key(&app, &key, Method::POST, "/teams", Some(json!({"name": "Fleet"}))).await.expect(201);
    assert_eq!(actors(&app, admin.tenant(), "team.created").await[0].0, id, "the log names the service account");
    with_key(&app, &key, Method::GET, "/workflows", None).await.problem(403, "permission-denied");

    app.delete(&admin, &path).await.problem(409, "conflict");
    let off = app.patch(&admin, &path, json!({"status": "deactivated"})).await.expect(200);
    assert_eq!(off["status"], "deactivated");
    read(&app, &key).await.problem(401, "unauthenticated");
    app.delete(&admin, &path).await.problem(409, "conflict");
    let _ = app.patch(&admin, &path, json!({"status": "active"})).await.expect(200);
    let _ = read(&app, &key).await.expect(200);
    let _ = app.patch(&admin, &path, json!({"permissions": [], "roles": ["executor"]})).await.expect(200);
    read(&app, &key).await.problem(403, "permission-denied");
    let _ = with_key(&app, &key, Method::GET, "/workflows", None).await.expect(200);

    let _ = app.post(&admin, &format!("{key_path}/revoke"), json!({})).await.expect(200);
    let _ = app.delete(&admin, &path).await.expect(204);
    app.get(&admin, &path).await.problem(404, "not-found");
    app.get(&admin, &key_path).await.problem(404, "not-found");
    let actions = app.actions(admin.tenant()).await;
    for action in ["service-account.created", "service-account.updated", "service-account.deleted"] {
        assert!(actions.iter().any(|done| done == action), "{action} is missing in {actions:?}");
    }
}

/// An administrator's own hand cut down to less, as a key does it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_a_service_account_or_its_key_more_than_they_hold() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let own = json!({"name": "half", "scopes": ["service_account:*", "role:assign", "api_key:*", "team:read"]});
    let (half, _) = parts(&app.post(&admin, "/api-keys", own).await.expect(201));
    let post = async |body: Value| with_key(&app, &half, Method::POST, "/service-accounts", Some(body)).await;
    for body in [
        json!({"name": "x", "roles": ["admin"]}),
        json!({"name": "x", "permissions": ["team:read", "team:write"]}),
        json!({"name": "x"}),
    ] {
        let refused = post(body).await.problem(403, "permission-denied");
        assert!(refused["permission"].as_str().unwrap().contains(':'), "{refused}");
    }
    let _ = post(json!({"name": "small", "permissions": ["team:read"]})).await.expect(201);

    let (path, strong) = create(&app, &admin, json!({"name": "strong", "roles": ["admin"]})).await;
    for change in [json!({"status": "deactivated"}), json!({"roles": [], "permissions": ["team:read"]})] {
        with_key(&app, &half, Method::PATCH, &path, Some(change)).await.problem(403, "permission-denied");
    }
    with_key(&app, &half, Method::DELETE, &path, None).await.problem(403, "permission-denied");

    // A developer sees service accounts and their keys, and manages neither.
    let developer = app.member(&admin, SystemRole::Developer).await;
    let (_, key_path) = key_of(&app, &admin, &strong, &["team:read"]).await;
    let _ = app.get(&developer, &key_path).await.expect(200);
    for (path, body) in [
        ("/api-keys".to_owned(), json!({"name": "x", "scopes": ["team:read"], "service_account": strong})),
        (format!("{key_path}/rotate"), json!({})),
        (format!("{key_path}/revoke"), json!({})),
    ] {
        let refused = app.post(&developer, &path, body).await.problem(403, "permission-denied");
        assert_eq!(refused["permission"], "service_account:write", "{path}");
    }
    // An operator does not even see them.
    let operator = app.member(&admin, SystemRole::Operator).await;
    app.get(&operator, &key_path).await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_reaches_its_own_keys_and_what_is_for_people_is_refused_plainly() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let (_, id) = create(&app, &admin, json!({"name": "Robot", "roles": ["operator"]})).await;
    let (key, path) = key_of(&app, &admin, &id, &["api_key:*", "team:read", "approval:*", "workflow:*"]).await;
    let own = json!({"name": "Ada's", "scopes": ["team:read"]});
    let (_, of_ada) = parts(&app.post(&admin, "/api-keys", own).await.expect(201));
    let seen = with_key(&app, &key, Method::GET, "/api-keys", None).await.expect(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 1, "{seen}");
    with_key(&app, &key, Method::GET, &of_ada, None).await.problem(404, "not-found");
    let child = json!({"name": "child", "scopes": ["team:read"]});
    with_key(&app, &key, Method::POST, "/api-keys", Some(child)).await.problem(403, "permission-denied");

    let rotate = Some(json!({"grace_seconds": 0}));
    let rotated = with_key(&app, &key, Method::POST, &format!("{path}/rotate"), rotate).await.expect(201);
    assert_eq!(rotated["api_key"]["created_by"], *admin.user_id());
    read(&app, &key).await.problem(401, "unauthenticated");
    let (key, _) = parts(&rotated);
    let _ = read(&app, &key).await.expect(200);

    with_key(&app, &key, Method::GET, "/approvals", None).await.problem(403, "permission-denied");
    let definition = json!({
        "name": "rest", "nodes": {"rest": {"type": "wait", "for": "1s"}},
        "edges": [{"from": "start", "to": "rest"}, {"from": "rest", "to": "end"}],
    });
    let saved = app.post(&admin, "/workflows", definition).await.expect(201);
    let start = format!("/workflows/{}/executions", saved["id"].as_str().unwrap());
    let started = with_key(&app, &key, Method::POST, &start, Some(json!({"input": {}}))).await.expect(202);
    assert_eq!(started["requested_by"], json!({"kind": "service_account", "id": id, "name": "Robot"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_told_with_its_place() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    for (body, pointer) in [
        (json!({"name": ""}), "/name"),
        (json!({"name": "a", "description": "x".repeat(1001)}), "/description"),
        (json!({"name": "a", "roles": ["root"]}), "/roles"),
        (json!({"name": "a", "roles": ["viewer", "Root"]}), "/roles/1"),
        (json!({"name": "a", "permissions": ["team:read", "team:*"]}), "/permissions/1"),
        (json!({"name": "a", "status": "active"}), "/status"),
    ] {
        let problem = app.post(&admin, "/service-accounts", body.clone()).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_eq!(app.get(&admin, "/service-accounts").await.expect(200)["items"], json!([]));
    // Wherever permissions are written a slip is told with what was meant.
    for (path, list) in [("/service-accounts", "permissions"), ("/roles", "permissions"), ("/api-keys", "scopes")] {
        let body = json!({"name": "a", list: ["team:write", "team:raed"]});
        let problem = app.post(&admin, path, body).await.problem(422, "invalid");
        let told = json!({"pointer": format!("/{list}/1"), "detail": "is no permission; did you mean `team:read`?"});
        assert_eq!(problem["errors"][0], told, "{path}");
    }
}
