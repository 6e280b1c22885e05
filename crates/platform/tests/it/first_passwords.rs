//! A password that its person did not choose, or that is too short to stand alone, opens nothing but its own change.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::context::Owed;
use tenure_kernel::describe::Guard;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, Answer, PASSWORD, TestApp};

use crate::delegation::{form, refused as refused_by_oauth};
use crate::foreign::{Api, NOWHERE, path_of, value_of};
use crate::imports::over;
use crate::mfa::{AuthApp, at_rest, finish, half, login, setup, with};

const FIRST: &str = "an old grey harbour";
const OWN: &str = "a loud yellow morning";

/// Somebody whom an administrator made a moment ago, with their first login.
async fn newcomer(app: &TestApp, admin: &Actor, role: &str) -> Actor {
    let body = json!({
        "email": "new@example.com", "username": "newbie", "full_name": "Newbie", "password": FIRST, "roles": [role],
    });
    let _ = app.post(admin, "/users", body).await.expect(201);
    with(admin, &login(app, "newbie", FIRST).await.expect(200))
}

async fn change(app: &TestApp, actor: &Actor, current: &str, new: &str) -> Answer {
    app.post(actor, "/auth/password", json!({"current_password": current, "new_password": new})).await
}

/// Read off the guards, tried over the table.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_an_administrator_chose_opens_nothing_but_its_own_change() {
    let (app, clock) = at_rest().await;
    let other = app.another(setup(&clock)).await;
    let (api, admin) = (Api::new(), app.register("ada", "Engines").await);
    let newbie = newcomer(&app, &admin, "admin").await;
    let me = app.get(&newbie, "/auth/me").await.expect(200);
    assert_eq!((&me["password_change_required"], &me["permissions"]), (&json!(true), &json!([])));
    assert_eq!(app.get(&admin, "/auth/me").await.expect(200)["password_change_required"], false);

    let (mut reached, mut refused) = (Vec::new(), 0);
    for route in app.routes.iter().filter(|route| route.guard != Guard::Public) {
        let path = path_of(route, |name| {
            api.parameter(route, name).map_or_else(|| value_of(route, name), |kind| format!("{kind}_{NOWHERE}"))
        });
        let answer = app.send(route.method.clone(), &path, Some(&newbie.token), route.sample.as_ref()).await;
        if route.owing.contains(&Owed::NewPassword) {
            assert_ne!(answer.body["code"], "password-change-required", "{}", route.path);
            reached.push(format!("{} {}", route.method, route.path));
        } else {
            answer.problem(403, "password-change-required");
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
    insta::assert_snapshot!("reached_with_a_password_of_somebody_elses", reached.join("\n"));

    // No better: another login, a refreshed one, what is cut out of one, on whatever node.
    let again = login(&other, "newbie", FIRST).await.expect(200);
    other.get(&with(&newbie, &again), "/teams").await.problem(403, "password-change-required");
    let body = json!({"refresh_token": newbie.refresh_token});
    let newbie = with(&newbie, &app.send(Method::POST, "/auth/refresh", None, Some(&body)).await.expect(200));
    other.get(&newbie, "/teams").await.problem(403, "password-change-required");
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &*newbie.token),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ];
    // There is nothing that it could do.
    refused_by_oauth(form(&app, &exchange).await, "invalid_scope");

    // It asks who is there as ever, and for another password.
    clock.advance(Duration::from_secs(6 * 60));
    change(&app, &newbie, FIRST, OWN).await.problem(403, "step-up-required");
    let _ = app.post(&newbie, "/auth/step-up", json!({"password": FIRST})).await.expect(204);
    assert_eq!(
        change(&app, &newbie, FIRST, FIRST).await.problem(422, "invalid")["errors"][0]["pointer"],
        "/new_password"
    );
    other.get(&newbie, "/teams").await.problem(403, "password-change-required");
    let _ = change(&app, &newbie, FIRST, OWN).await.expect(204);
    let _ = app.get(&newbie, "/teams").await.expect(200);
    let heard = std::time::Instant::now();
    while other.get(&newbie, "/teams").await.status != 200 {
        assert!(heard.elapsed() < Duration::from_secs(1), "the other node has not heard of it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let me = app.get(&newbie, "/auth/me").await.expect(200);
    assert_eq!(me["password_change_required"], false);
    login(&app, "newbie", FIRST).await.problem(401, "invalid-credentials");
    let there = login(&app, "newbie", OWN).await.expect(200);
    let _ = app.get(&with(&newbie, &there), "/teams").await.expect(200);
}

/// An administrator who removes a second factor leaves a password behind that was long enough beside it alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_password_is_changed_once_its_second_factor_is_gone() {
    let (app, clock) = at_rest().await;
    let admin = app.register("ada", "Engines").await;
    let own = AuthApp::set_up(&app, &clock, &admin).await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    let theirs = AuthApp::set_up(&app, &clock, &viewer).await;
    let short = "vexing ow";
    let _ = change(&app, &viewer, PASSWORD, short).await.expect(204);
    let _ = app.get(&viewer, "/teams").await.expect(200);
    let asked = login(&app, &viewer.username, short).await.expect(200);
    let there = finish(&app, &asked, json!({"code": theirs.next_code(&clock)})).await.expect(200);
    let _ = app.get(&with(&viewer, &there), "/teams").await.expect(200);

    let _ = app.delete(&admin, &format!("/users/{}/mfa", viewer.user_id())).await.expect(204);
    let viewer = with(&viewer, &login(&app, &viewer.username, short).await.expect(200));
    app.get(&viewer, "/teams").await.problem(403, "password-change-required");
    // What an organisation asks for beside it comes after it.
    let asks = json!({"require_mfa": true});
    let asked = half(&app, "ada").await;
    let admin = with(&admin, &finish(&app, &asked, json!({"code": own.next_code(&clock)})).await.expect(200));
    let _ = app.put(&admin, "/organization/security", asks).await.expect(200);
    app.get(&viewer, "/teams").await.problem(403, "password-change-required");
    app.post(&viewer, "/auth/mfa/totp", json!(null)).await.problem(403, "password-change-required");
    let status = app.get(&viewer, "/auth/mfa").await.expect(200);
    assert_eq!(status["password_min_length"], 12);
    let problem = change(&app, &viewer, short, "vexing owl").await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/new_password");
    let _ = change(&app, &viewer, short, OWN).await.expect(204);
    app.get(&viewer, "/teams").await.problem(403, "mfa-enrolment-required");
    let _ = AuthApp::set_up(&app, &clock, &viewer).await;
    let _ = app.get(&viewer, "/teams").await.expect(200);
}

/// Of a file those who came with a password; not those whose own came along as a hash. And a link by mail is as good as a
/// change.
#[tokio::test(flavor = "multi_thread")]
async fn an_imported_password_is_changed_and_an_imported_hash_is_not() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    let csv = format!(
        "email,username,full_name,password,password_hash\ngrace@example.com,grace,Grace,{PASSWORD},\nhedy@example.com,hedy,Hedy,,{hash}\n"
    );
    let import = app.post(&ada, "/users/import", json!({"csv": csv})).await.expect(201);
    assert_eq!(over(&app, &ada, &import).await["added"], 2);
    let required = async |name: &str, password: &str| -> Value {
        let there = with(&ada, &login(&app, name, password).await.expect(200));
        app.get(&there, "/auth/me").await.expect(200)["password_change_required"].clone()
    };
    assert_eq!(required("grace", PASSWORD).await, true);
    assert_eq!(required("hedy", PASSWORD).await, false);
    // Nor a second time, once the hash was replaced by one of ours.
    assert_eq!(required("hedy", PASSWORD).await, false);

    let body = json!({"email": "grace@example.com"});
    let _ = app.send(Method::POST, "/auth/password/reset", None, Some(&body)).await.expect(204);
    let link = crate::mailbox::token(&crate::mailbox::latest(&app, "reset-password", "grace@example.com").await);
    let body = json!({"token": link, "new_password": OWN});
    let _ = app.send(Method::POST, "/auth/password/reset/confirm", None, Some(&body)).await.expect(204);
    assert_eq!(required("grace", OWN).await, false);
}
