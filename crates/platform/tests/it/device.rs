//! Logins of programs that show a code (RFC 8628).

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::Clock;
use tenure_platform::testkit::{Actor, Answer, PASSWORD, Setup, TestApp, answer};

use crate::delegation::{form, refused};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn started() -> (TestApp, Clock, Actor) {
    let clock = Clock::manual("2030-01-01T00:00:00Z".parse().unwrap());
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    (app, clock, ada)
}

async fn ask(app: &TestApp, client: &str) -> Value {
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("client_id", client).finish();
    let request = app.request(Method::POST, "/auth/device", None);
    answer(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await.expect(200)
}

async fn poll(app: &TestApp, codes: &Value) -> Answer {
    form(app, &[("grant_type", DEVICE), ("device_code", codes["device_code"].as_str().unwrap())]).await
}

async fn decide(app: &TestApp, who: &Actor, code: &Value, decision: &str) -> Answer {
    app.post(who, &format!("/auth/device/{decision}"), json!({"user_code": code})).await
}

/// A program that this person lets in at once.
pub async fn log_in(app: &TestApp, who: &Actor) -> Value {
    let codes = ask(app, "tenure on build-7").await;
    let _ = app.post(who, "/auth/step-up", json!({"password": PASSWORD})).await.expect(204);
    let _ = decide(app, who, &codes["user_code"], "approve").await.expect(204);
    poll(app, &codes).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_logs_in_once_a_person_says_yes() {
    let (app, clock, ada) = started().await;
    let codes = ask(&app, "tenure on build-7").await;
    assert_eq!((&codes["interval"], &codes["expires_in"]), (&json!(5), &json!(600)));
    let complete = codes["verification_uri_complete"].as_str().unwrap();
    assert!(complete.ends_with(&format!("/device?code={}", codes["user_code"].as_str().unwrap())), "{complete}");
    refused(poll(&app, &codes).await, "authorization_pending");
    let typed = codes["user_code"].as_str().unwrap().to_lowercase().replace('-', "");
    let seen = app.get(&ada, &format!("/auth/device?user_code={typed}")).await.expect(200);
    assert_eq!((&seen["client"], &seen["address"]), (&json!("tenure on build-7"), &json!("127.0.0.1")));
    let _ = decide(&app, &ada, &json!(typed), "approve").await.expect(204);
    clock.advance(Duration::from_secs(5));
    let given = poll(&app, &codes).await.expect(200);
    let token = given["access_token"].as_str().unwrap();
    let me = app.send(Method::GET, "/auth/me", Some(token), None).await.expect(200);
    assert_eq!((&me["user"]["id"], &me["organization"]["id"]), (&ada.user["id"], &ada.organization["id"]));
    // It is a login like others, told apart by its kind.
    let sessions = app.get(&ada, "/auth/sessions").await.expect(200);
    assert_eq!((&sessions["items"][0]["client"], &sessions["items"][1]["client"]), (&json!("cli"), &json!("api")));
    let refresh = json!({"refresh_token": given["refresh_token"]});
    let _ = app.send(Method::POST, "/auth/refresh", None, Some(&refresh)).await.expect(200);
    let event = &app.get(&ada, "/audit/events?action=device-login.approved").await.expect(200)["items"][0];
    assert_eq!(event["actor"]["id"], ada.user["id"]);
    assert_eq!(event["diff"][0]["value"], "tenure on build-7");
    // To say yes takes a factor proven just now, so that no session that somebody left open does; to say no takes none.
    clock.advance(Duration::from_secs(5 * 60));
    let [yes, no] = [ask(&app, "late").await, ask(&app, "later").await];
    decide(&app, &ada, &yes["user_code"], "approve").await.problem(403, "step-up-required");
    refused(poll(&app, &yes).await, "authorization_pending");
    let _ = decide(&app, &ada, &no["user_code"], "deny").await.expect(204);
    let _ = app.post(&ada, "/auth/step-up", json!({"password": PASSWORD})).await.expect(204);
    let _ = decide(&app, &ada, &yes["user_code"], "approve").await.expect(204);
    clock.advance(Duration::from_secs(10));
    let _ = poll(&app, &yes).await.expect(200);
    refused(poll(&app, &no).await, "access_denied");
    // A code is good for one login.
    clock.advance(Duration::from_secs(5));
    refused(poll(&app, &codes).await, "invalid_grant");
    decide(&app, &ada, &codes["user_code"], "approve").await.problem(404, "not-found");
    // What the table keeps opens nothing.
    let kept: Vec<String> = sqlx::query_scalar("select device_logins::text from device_logins")
        .fetch_all(&mut app.admin().await)
        .await
        .unwrap();
    assert!(kept.is_empty(), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_says_no_or_nothing_and_who_asks_too_often_waits_longer() {
    let (app, clock, ada) = started().await;
    let denied = ask(&app, "a stranger").await;
    let _ = decide(&app, &ada, &denied["user_code"], "deny").await.expect(204);
    refused(poll(&app, &denied).await, "access_denied");
    refused(poll(&app, &denied).await, "invalid_grant");
    assert!(app.actions(ada.tenant()).await.iter().any(|action| action == "device-login.denied"));

    let codes = ask(&app, "hasty").await;
    refused(poll(&app, &codes).await, "authorization_pending");
    clock.advance(Duration::from_secs(4));
    refused(poll(&app, &codes).await, "slow_down");
    // Ten seconds from here on, counted from the question that came too soon.
    clock.advance(Duration::from_secs(9));
    refused(poll(&app, &codes).await, "slow_down");
    clock.advance(Duration::from_secs(15));
    refused(poll(&app, &codes).await, "authorization_pending");
    clock.advance(Duration::from_secs(600));
    let _ = app.post(&ada, "/auth/step-up", json!({"password": PASSWORD})).await.expect(204);
    decide(&app, &ada, &codes["user_code"], "approve").await.problem(404, "not-found");
    refused(poll(&app, &codes).await, "expired_token");

    // Who approved and logged out has approved nothing.
    let (codes, other) = (ask(&app, "late").await, app.log_in("ada").await);
    let _ = decide(&app, &other, &codes["user_code"], "approve").await.expect(204);
    let _ = app.post(&other, "/auth/logout", json!({"refresh_token": other.refresh_token})).await.expect(204);
    refused(poll(&app, &codes).await, "invalid_grant");

    let _ = ask(&app, "forgotten").await;
    clock.advance(Duration::from_secs(2 * 60 * 60));
    app.app.sweep().await.unwrap();
    let left: i64 =
        sqlx::query_scalar("select count(*) from device_logins").fetch_one(&mut app.admin().await).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_not_tried_one_after_another_and_only_a_login_decides() {
    let (app, clock, ada) = started().await;
    let codes = ask(&app, "tenure").await;
    for wrong in ["BCDF-GHJK", "nothing like it", "BCDF", "BCDF-GHJL", "BCDF-GHJM"] {
        app.get(&ada, &format!("/auth/device?user_code={wrong}")).await.problem(404, "not-found");
    }
    // From here on even the right one has to wait.
    let path = format!("/auth/device?user_code={}", codes["user_code"].as_str().unwrap());
    app.get(&ada, &path).await.problem(429, "rate-limited");
    decide(&app, &ada, &codes["user_code"], "approve").await.problem(429, "rate-limited");
    clock.advance(Duration::from_secs(3));
    let _ = app.get(&ada, &path).await.expect(200);

    let (key, _) =
        crate::api_keys::parts(&crate::api_keys::make(&app, &ada, &["team:read"], json!({})).await.expect(201));
    let body = json!({"user_code": codes["user_code"]});
    for (decision, by_key) in [("approve", (403, "permission-denied")), ("deny", (401, "unauthenticated"))] {
        let path = format!("/auth/device/{decision}");
        let answer = crate::api_keys::with_key(&app, &key, Method::POST, &path, Some(body.clone())).await;
        answer.problem(by_key.0, by_key.1);
        app.send(Method::POST, &path, None, Some(&body)).await.problem(401, "unauthenticated");
    }
    refused(form(&app, &[("grant_type", DEVICE), ("device_code", "tnr_dc_guess")]).await, "invalid_grant");
    refused(form(&app, &[("grant_type", DEVICE)]).await, "invalid_request");
}
