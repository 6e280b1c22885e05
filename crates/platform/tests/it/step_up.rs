//! What is sensitive asks once more who is there, and what an organisation asks of all its members' logins.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::context::Owed;
use tenure_kernel::describe::Guard;
use tenure_kernel::{PermissionSet, RouteInfo};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::platform::add_admin;
use tenure_platform::testkit::{Actor, Answer, PASSWORD, TestApp};

use crate::foreign::{Api, NOWHERE, path_of, value_of};
use crate::mfa::{AuthApp, at_rest, finish, half, login, with};

async fn call(app: &TestApp, api: &Api, route: &RouteInfo, token: &str) -> Answer {
    let path = path_of(route, |name| {
        api.parameter(route, name).map_or_else(|| value_of(route, name), |kind| format!("{kind}_{NOWHERE}"))
    });
    app.send(route.method.clone(), &path, Some(token), route.sample.as_ref()).await
}

/// Generated over the route table.
#[tokio::test(flavor = "multi_thread")]
async fn who_proved_nothing_for_five_minutes_is_asked_on_every_sensitive_route() {
    let (app, clock) = at_rest().await;
    let (api, ada) = (Api::new(), app.register("ada", "Engines").await);
    add_admin(&app.app.kernel, "ada").await.unwrap();
    let key = app.post(&ada, "/api-keys", json!({"name": "k", "scopes": ["*"]})).await.expect(201);
    let key = key["key"].as_str().unwrap();
    clock.advance(Duration::from_secs(5 * 60));
    let mut sensitive = 0;
    for route in app.routes.iter().filter(|route| route.step_up) {
        sensitive += 1;
        let problem = call(&app, &api, route, &ada.token).await.problem(403, "step-up-required");
        assert_eq!(problem["factors"], json!(["password"]), "{}", route.path);
        // A key is held by a program, which proves nothing; and nobody runs the platform by one.
        let by_key = call(&app, &api, route, key).await;
        match route.guard {
            Guard::Platform(_) => by_key.problem(404, "not-found"),
            // It can rotate itself, and no key is nowhere.
            _ if route.keys_pass => by_key.problem(404, "not-found"),
            _ => by_key.problem(403, "permission-denied"),
        };
    }
    assert!(sensitive > 8, "{sensitive}");
    let wrong = app.post(&ada, "/auth/step-up", json!({"password": "wrong wrong wrong"})).await;
    assert_eq!(wrong.problem(422, "invalid")["errors"][0]["pointer"], "/password");
    for nonsense in [json!({}), json!({"code": "000000"}), json!({"passkey": {}})] {
        app.post(&ada, "/auth/step-up", nonsense).await.problem(422, "invalid");
    }
    let _ = app.post(&ada, "/auth/step-up", json!({"password": PASSWORD})).await.expect(204);
    for route in app.routes.iter().filter(|route| route.step_up) {
        let answer = call(&app, &api, route, &ada.token).await;
        assert_ne!(answer.body["code"], "step-up-required", "{}", route.path);
    }
    let actions = app.actions(ada.tenant()).await;
    for action in ["session.stepped-up", "session.step-up-failed"] {
        assert_eq!(actions.iter().filter(|done| *done == action).count(), 1, "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_second_factor_proves_that_one_and_each_login_for_itself() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    let asked = half(&app, "ada").await;
    let other = finish(&app, &asked, json!({"code": own.next_code(&clock)})).await.expect(200);
    let other = with(&ada, &other);
    clock.advance(Duration::from_secs(6 * 60));
    let problem = app.post(&ada, "/auth/mfa/recovery-codes", json!(null)).await.problem(403, "step-up-required");
    assert_eq!(problem["factors"], json!(["totp", "recovery_code"]));
    let problem = app.post(&ada, "/auth/step-up", json!({"password": PASSWORD})).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/password");
    let code = own.code(&clock);
    let _ = app.post(&ada, "/auth/step-up", json!({"code": code})).await.expect(204);
    app.post(&other, "/auth/step-up", json!({"code": code})).await.problem(422, "invalid");
    let _ = app.post(&ada, "/auth/mfa/recovery-codes", json!(null)).await.expect(200);
    app.post(&other, "/auth/mfa/recovery-codes", json!(null)).await.problem(403, "step-up-required");
    // A refresh is no proof.
    clock.advance(Duration::from_secs(5 * 60));
    let body = json!({"refresh_token": ada.refresh_token});
    let refreshed = app.send(Method::POST, "/auth/refresh", None, Some(&body)).await.expect(200);
    app.post(&with(&ada, &refreshed), "/auth/mfa/recovery-codes", json!(null)).await.problem(403, "step-up-required");
}

/// Who has stolen an access token does not get to guess.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_a_step_up_are_counted_over_all_logins_of_the_person() {
    let (app, clock) = at_rest().await;
    let (ada, second) = (app.register("ada", "Engines").await, app.log_in("ada").await);
    for number in 0..5 {
        let actor = if number % 2 == 0 { &ada } else { &second };
        app.post(actor, "/auth/step-up", json!({"password": "wrong wrong wrong"})).await.problem(422, "invalid");
    }
    for actor in [&ada, &second] {
        app.post(actor, "/auth/step-up", json!({"password": PASSWORD})).await.problem(429, "rate-limited");
    }
    clock.advance(Duration::from_secs(3));
    let _ = app.post(&ada, "/auth/step-up", json!({"password": PASSWORD})).await.expect(204);
}

/// What a login reaches whose organisation asks for a second factor: read off the guards, tried over the table.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_second_factor_that_is_asked_for_only_setting_one_up_is_reached() {
    let (app, clock) = at_rest().await;
    let (api, admin) = (Api::new(), app.register("ada", "Engines").await);
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    let developer = app.member(&admin, SystemRole::Developer).await;
    let made = async |actor: &Actor| {
        let key = app.post(actor, "/api-keys", json!({"name": "k", "scopes": ["workflow:read"]})).await.expect(201);
        key["key"].as_str().unwrap().to_owned()
    };
    let (of_admin, of_developer) = (made(&admin).await, made(&developer).await);
    let account = json!({"name": "robot", "roles": ["viewer"]});
    let account = app.post(&admin, "/service-accounts", account).await.expect(201);
    let of_robot = json!({"name": "r", "scopes": ["workflow:read"], "service_account": account["id"]});
    let of_robot = app.post(&admin, "/api-keys", of_robot).await.expect(201)["key"].as_str().unwrap().to_owned();
    let asks = |value: bool| json!({"require_mfa": value});
    // Nobody shuts themselves out, and nobody else decides.
    app.put(&admin, "/organization/security", asks(true)).await.problem(409, "conflict");
    app.put(&viewer, "/organization/security", asks(true)).await.problem(403, "permission-denied");
    let own = AuthApp::set_up(&app, &clock, &admin).await;
    let set = app.put(&admin, "/organization/security", asks(true)).await.expect(200);
    assert_eq!(set["require_mfa"], true);
    assert_eq!(app.get(&admin, "/organization/security").await.expect(200), set);

    let (mut reached, mut refused) = (Vec::new(), 0);
    for route in app.routes.iter().filter(|route| route.guard != Guard::Public) {
        let answer = call(&app, &api, route, &viewer.token).await;
        if route.owing.contains(&Owed::SecondFactor) {
            assert_ne!(answer.body["code"], "mfa-enrolment-required", "{}", route.path);
            reached.push(format!("{} {}", route.method, route.path));
        } else {
            answer.problem(403, "mfa-enrolment-required");
            refused += 1;
        }
    }
    assert!(refused > 60, "{refused}");
    insta::assert_snapshot!("reached_without_the_second_factor", reached.join("\n"));
    // A new login and a refreshed one are no better, and no route without a guard gives what a tenant has.
    let again = login(&app, &viewer.username, PASSWORD).await.expect(200);
    app.get(&with(&viewer, &again), "/workflows").await.problem(403, "mfa-enrolment-required");
    let body = json!({"refresh_token": viewer.refresh_token});
    let refreshed = app.send(Method::POST, "/auth/refresh", None, Some(&body)).await.expect(200);
    app.get(&with(&viewer, &refreshed), "/workflows").await.problem(403, "mfa-enrolment-required");
    // Keys of people who have none do not work; nor what was made without one; those of service accounts do.
    let by_key = async |key: &str| app.send(Method::GET, "/workflows", Some(key), None).await;
    let blocked = async |key: &str| by_key(key).await.problem(403, "api-key-blocked")["blocked"].clone();
    assert_eq!(blocked(&of_developer).await, "owner_without_second_factor");
    assert_eq!(blocked(&of_admin).await, "made_without_second_factor");
    let of_admin = made(&admin).await;
    let _ = by_key(&of_admin).await.expect(200);
    let _ = by_key(&of_robot).await.expect(200);
    // Once it is set up everything is there again, and the next key is good.
    let _ = AuthApp::set_up(&app, &clock, &developer).await;
    let _ = app.get(&developer, "/workflows").await.expect(200);
    assert_eq!(blocked(&of_developer).await, "made_without_second_factor");
    let of_developer = made(&developer).await;
    let _ = by_key(&of_developer).await.expect(200);
    // Who removes it is back at the beginning.
    let _ = app.delete(&developer, "/auth/mfa/totp").await.expect(204);
    app.get(&developer, "/workflows").await.problem(403, "mfa-enrolment-required");
    assert_eq!(blocked(&of_developer).await, "owner_without_second_factor");
    drop(own);
    let _ = app.put(&admin, "/organization/security", asks(false)).await.expect(200);
    let _ = app.get(&viewer, "/workflows").await.expect(200);
    let events = app.get(&admin, "/audit/events?action=organization-security.changed").await.expect(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 2);
}

/// The permission is looked at first: who may not is not asked to prove anything.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_so_at_once() {
    let (app, clock) = at_rest().await;
    let admin = app.register("ada", "Engines").await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    clock.advance(Duration::from_secs(6 * 60));
    let api = Api::new();
    for route in app.routes.iter().filter(|route| route.step_up) {
        let Guard::Permission(needs, _) = route.guard else { continue };
        let holds = needs.missing_from(SystemRole::Viewer.permissions()) == PermissionSet::NONE;
        let expected = if holds { "step-up-required" } else { "permission-denied" };
        call(&app, &api, route, &viewer.token).await.problem(403, expected);
    }
    let _: Value = app.get(&viewer, "/auth/me").await.expect(200);
}
