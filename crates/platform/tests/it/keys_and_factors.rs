//! No API key of a person goes round the second factor that they have set up.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, PASSWORD, TestApp};

use crate::api_keys::{actors, make, parts, read, with_key};
use crate::delegation::{account, cut};
use crate::mfa::{AuthApp, at_rest, finish, half, setup, with};

const MADE_WITHOUT: &str = "made_without_second_factor";

async fn is_blocked(app: &TestApp, key: &str) -> Value {
    let problem = read(app, key).await.problem(403, "api-key-blocked");
    assert_eq!(problem["blocked"], MADE_WITHOUT);
    problem
}

/// Within the second that revocations have.
pub async fn soon(what: &str, mut there: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !there().await {
        assert!(begun.elapsed() < Duration::from_secs(1), "{what}: not after a second");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn new_key(app: &TestApp, owner: &Actor, scopes: &[&str]) -> (String, String) {
    parts(&make(app, owner, scopes, json!({})).await.expect(201))
}

async fn made_without(app: &TestApp, actor: &Actor) -> i64 {
    app.get(actor, "/auth/mfa").await.expect(200)["api_keys_made_without"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_factor_stops_the_keys_that_were_made_without_on_every_node() {
    let (app, clock) = at_rest().await;
    let other = app.another(setup(&clock)).await;
    let ada = app.register("ada", "Engines").await;
    let (stolen, path) = new_key(&app, &ada, &["team:read", "api_key:*"]).await;
    let (_, robots, _) = account(&app, &ada, "Robot", &["team:read"]).await;
    let (_, revoked) = new_key(&app, &ada, &["team:read"]).await;
    let _ = app.post(&ada, &format!("{revoked}/revoke"), json!({})).await.expect(200);
    // Cut out of it, and what takes its place by itself: no better than the key.
    let token = cut(&app, &stolen, &[("scope", "team:read")]).await;
    let rotated = with_key(&app, &stolen, Method::POST, &format!("{path}/rotate"), Some(json!({}))).await.expect(201);
    assert_eq!((&rotated["api_key"]["second_factor"], &rotated["api_key"]["blocked"]), (&json!(false), &Value::Null));
    let (rotated, rotated_path) = parts(&rotated);
    tokio::time::sleep(Duration::from_millis(700)).await;
    for node in [&app, &other] {
        for key in [&stolen, &rotated, &robots] {
            let _ = read(node, key).await.expect(200);
        }
        let _ = node.send(Method::GET, "/teams", Some(&token), None).await.expect(200);
    }
    assert_eq!(made_without(&app, &ada).await, 2);

    let own = AuthApp::set_up(&app, &clock, &ada).await;
    let problem = is_blocked(&app, &stolen).await;
    assert!(problem["detail"].as_str().unwrap().contains("rotate it"), "{problem:#}");
    let _ = is_blocked(&app, &rotated).await;
    app.send(Method::GET, "/teams", Some(&token), None).await.problem(403, "api-key-blocked");
    soon("the other node refuses", async || read(&other, &stolen).await.status == 403).await;
    let _ = is_blocked(&other, &rotated).await;
    other.send(Method::GET, "/teams", Some(&token), None).await.problem(403, "api-key-blocked");
    // A service account has no factors; and its key is no way into its maker's account.
    let _ = read(&other, &robots).await.expect(200);
    assert_eq!(made_without(&app, &ada).await, 2);

    // By itself it comes to nothing.
    let again = format!("{rotated_path}/rotate");
    with_key(&app, &rotated, Method::POST, &again, None).await.problem(403, "api-key-blocked");
    // The list says why, and a login that has proven the factor makes it good.
    let shown = app.get(&ada, &rotated_path).await.expect(200);
    assert_eq!((&shown["state"], &shown["blocked"]), (&json!("active"), &json!(MADE_WITHOUT)));
    let listed = app.get(&ada, "/api-keys").await.expect(200);
    let blocked = listed["items"].as_array().unwrap().iter().filter(|key| key["blocked"] == MADE_WITHOUT).count();
    assert_eq!(blocked, 3, "{listed:#}");
    let good = app.post(&ada, &again, json!({"grace_seconds": 0})).await.expect(201);
    assert_eq!((&good["api_key"]["second_factor"], &good["api_key"]["blocked"]), (&json!(true), &Value::Null));
    let (good, _) = parts(&good);
    let (made, _) = new_key(&app, &ada, &["team:read"]).await;
    for node in [&app, &other] {
        let _ = read(node, &good).await.expect(200);
        let _ = read(node, &made).await.expect(200);
    }
    // A renamed key is the key that it was.
    let _ = app.patch(&ada, &path, json!({"name": "Renamed"})).await.expect(200);
    let _ = is_blocked(&app, &stolen).await;

    // Without a factor nothing is asked for; with the next one it is as before, also of what was proven then.
    let _ = app.delete(&ada, "/auth/mfa/totp").await.expect(204);
    let _ = read(&app, &stolen).await.expect(200);
    soon("the other node answers", async || read(&other, &stolen).await.status == 200).await;
    let (between, _) = new_key(&app, &ada, &["team:read"]).await;
    drop(own);
    let _ = AuthApp::set_up(&app, &clock, &ada).await;
    let _ = is_blocked(&app, &stolen).await;
    let _ = is_blocked(&app, &between).await;
    soon("the other node refuses again", async || read(&other, &between).await.status == 403).await;
    let _ = read(&other, &made).await.expect(200);
    // The log tells whose key it was.
    let refused = actors(&app, ada.tenant(), "request.refused").await;
    assert!(refused.iter().any(|(who, key)| who == ada.user_id() && key.is_some()), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_factor_reaches_the_keys_on_every_node() {
    let (app, clock) = at_rest().await;
    let other = app.another(setup(&clock)).await;
    let ada = app.register("ada", "Engines").await;
    let dev = app.member(&ada, SystemRole::Developer).await;
    let (before, _) = new_key(&app, &dev, &["workflow:read"]).await;
    // Who manages people sees everybody's, and their own alone when they ask for those.
    let seen = async |actor: &Actor, query: &str| {
        app.get(actor, &format!("/api-keys{query}")).await.expect(200)["items"].as_array().unwrap().len()
    };
    assert_eq!((seen(&ada, "").await, seen(&ada, "?mine=true").await, seen(&dev, "?mine=true").await), (1, 0, 1));
    let own = AuthApp::set_up(&app, &clock, &dev).await;
    let asked = half(&app, &dev.username).await;
    let proven = finish(&app, &asked, json!({"code": own.next_code(&clock)})).await.expect(200);
    let (proven_key, _) = new_key(&app, &with(&dev, &proven), &["workflow:read"]).await;
    let workflows = async |node: &TestApp, key: &str| with_key(node, key, Method::GET, "/workflows", None).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    workflows(&other, &before).await.problem(403, "api-key-blocked");
    let _ = workflows(&other, &proven_key).await.expect(200);
    let _ = app.delete(&ada, &format!("/users/{}/mfa", dev.user_id())).await.expect(204);
    // Nothing is asked of them now but the password; what a thief of that makes ends with the next factor.
    soon("the other node answers", async || workflows(&other, &before).await.status == 200).await;
    let thief = app.log_in(&dev.username).await;
    let (thiefs, _) = new_key(&app, &thief, &["workflow:read"]).await;
    let _ = workflows(&other, &thiefs).await.expect(200);
    let again = app.log_in(&dev.username).await;
    let _ = AuthApp::set_up(&app, &clock, &again).await;
    for key in [&before, &thiefs] {
        workflows(&app, key).await.problem(403, "api-key-blocked");
        soon("the other node refuses", async || workflows(&other, key).await.status == 403).await;
    }
    let _ = workflows(&other, &proven_key).await.expect(200);
    let _ = app
        .send(Method::POST, "/auth/login", None, Some(&json!({"username": dev.username, "password": PASSWORD})))
        .await
        .expect(200);
}
