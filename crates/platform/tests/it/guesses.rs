//! Guesses at second factors, at once and by all ways, and what a right one leaves behind.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::platform::add_admin;
use tenure_platform::testkit::{PASSWORD, TestApp};

use crate::mfa::{AuthApp, add_passkey, at_rest, finish, half, login, setup};

/// Each challenge would allow five, and the password, which is right, is never counted.
#[tokio::test(flavor = "multi_thread")]
async fn codes_that_are_guessed_at_once_by_many_challenges_on_two_nodes_are_counted_one_by_one() {
    let (app, clock) = at_rest().await;
    let other = app.another(setup(&clock)).await;
    let ada = app.register("ada", "Engines").await;
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    clock.advance(Duration::from_secs(60));
    let wrong = if own.code(&clock) == "123456" { "654321" } else { "123456" };
    let mut asked = Vec::new();
    for _ in 0..20 {
        asked.push(half(&app, "ada").await);
    }
    let nodes: [&TestApp; 2] = [&app, &other];
    let guess = |(turn, asked): (usize, &Value)| {
        let (node, asked) = (nodes[turn % 2], asked.clone());
        async move { finish(node, &asked, json!({"code": wrong})).await.status.as_u16() }
    };
    let answers = join_all(asked.iter().enumerate().map(guess)).await;
    let judged = answers.iter().filter(|status| **status == 401).count();
    let held = answers.iter().filter(|status| **status == 429).count();
    assert_eq!((judged, held), (5, 15), "{answers:?}");
    // And the same of a login that proves it again.
    clock.advance(Duration::from_secs(3));
    let step_up = |turn: usize| {
        let (node, ada) = (nodes[turn % 2], ada.clone());
        async move { node.post(&ada, "/auth/step-up", json!({"code": wrong})).await.status.as_u16() }
    };
    let answers = join_all((0..20).map(step_up)).await;
    assert_eq!(answers.iter().filter(|status| **status == 422).count(), 5, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_that_leads_nowhere_is_used_up_and_told_of() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    let begin = json!({"username": "ada", "password": PASSWORD, "organization": "nowhere"});
    let asked = app.send(Method::POST, "/auth/login", None, Some(&begin)).await.expect(200);
    let code = json!({"recovery_code": own.recovery_codes[0]});
    finish(&app, &asked, code.clone()).await.problem(401, "invalid-credentials");
    let told = app.get(&ada, "/audit/events?action=user.recovery-code-used").await.expect(200);
    assert_eq!(told["items"].as_array().unwrap().len(), 1);
    assert_eq!(app.get(&ada, "/auth/mfa").await.expect(200)["recovery_codes"], 9);
    finish(&app, &half(&app, "ada").await, code).await.problem(401, "invalid-credentials");
}

/// Nobody guesses a signature; but whoever sends wrong ones in another's name fills their organisation's log.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_passkeys_are_held_back_from_there_and_their_owner_is_not() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let mut passkey = add_passkey(&app, &ada).await;
    let alone = async |passkey: &mut crate::soft_passkey::SoftPasskey| {
        let question = app.send(Method::POST, "/auth/passkey/options", None, None).await.expect(200);
        let credential = passkey.sign(&question["options"]);
        let sent = json!({"passkey_token": question["passkey_token"], "credential": credential});
        app.send(Method::POST, "/auth/passkey", None, Some(&sent)).await
    };
    passkey.origin = "http://locahost:8080".to_owned();
    for _ in 0..5 {
        alone(&mut passkey).await.problem(401, "invalid-credentials");
    }
    for _ in 0..10 {
        alone(&mut passkey).await.problem(429, "rate-limited");
    }
    let failed = app.get(&ada, "/audit/events?action=session.login-failed").await.expect(200);
    assert_eq!(failed["items"].as_array().unwrap().len(), 5, "what is held back is folded");
    // The password, and whoever is called so, are as before.
    let _ = half(&app, "ada").await;
    login(&app, "passkey", PASSWORD).await.problem(401, "invalid-credentials");
    passkey.origin = crate::soft_passkey::ORIGIN.to_owned();
    clock.advance(Duration::from_secs(3));
    let _ = alone(&mut passkey).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_proof_is_given_at_a_time() {
    let (app, _) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    for more in [json!({"code": "123456"}), json!({"passkey": {}}), json!({"recovery_code": "abcd"})] {
        let mut body = json!({"password": PASSWORD});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.post(&ada, "/auth/step-up", body).await.problem(422, "invalid");
    }
    let body = json!({"password": PASSWORD, "passkey": [1]});
    app.post(&ada, "/auth/step-up", body).await.problem(422, "invalid");
}

/// Their second factor protects the whole platform; the organisation that they are a member of is not it.
#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_does_not_disarm_who_runs_the_platform() {
    let (app, clock) = at_rest().await;
    let admin = app.register("ada", "Engines").await;
    let olga = app.member(&admin, SystemRole::Viewer).await;
    let _ = AuthApp::set_up(&app, &clock, &olga).await;
    add_admin(&app.app.kernel, &olga.username).await.unwrap();
    let path = format!("/users/{}/mfa", olga.user_id());
    app.delete(&admin, &path).await.problem(409, "conflict");
}
