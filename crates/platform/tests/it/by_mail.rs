//! What a person does with their mailbox: shows that it is theirs, sets a forgotten password anew, ends a lock-out, changes it.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tenure_kernel::{Clock, Timestamp};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Answer, PASSWORD, Setup, TestApp};

use crate::mailbox::{latest, outbox, post, token};

const NEW: &str = "a loud yellow morning";

async fn at_rest() -> (TestApp, Clock) {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    (TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await, clock)
}

async fn login(app: &TestApp, name: &str, password: &str) -> Answer {
    post(app, "/auth/login", json!({"username": name, "password": password})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_confirmed_once_and_in_time() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let verified = async || app.get(&ada, "/auth/me").await.expect(200)["email_verified"].as_bool().unwrap();
    assert!(!verified().await);
    let confirm = async |token: &str| post(&app, "/auth/verify-email/confirm", json!({"token": token})).await;
    let first = token(&latest(&app, "verify-email", "ada@example.com").await);
    clock.advance(Duration::from_secs(3 * 24 * 3600 + 1));
    confirm(&first).await.problem(410, "link-over");
    let ada = app.log_in("ada").await;
    let _ = app.post(&ada, "/auth/verify-email", json!({})).await.expect(204);
    let second = token(&latest(&app, "verify-email", "ada@example.com").await);
    // A link is for one thing.
    post(&app, "/auth/unlock/confirm", json!({"token": second})).await.problem(410, "link-over");
    let reset = json!({"token": second, "new_password": NEW});
    post(&app, "/auth/password/reset/confirm", reset).await.problem(410, "link-over");
    post(&app, "/invitations/open", json!({"token": second})).await.problem(410, "link-over");
    let _ = confirm(&second).await.expect(204);
    let verified = app.get(&ada, "/auth/me").await.expect(200)["email_verified"].as_bool();
    assert_eq!(verified, Some(true));
    confirm(&second).await.problem(410, "link-over");
    for wrong in ["", "tnr_ml_", "tnr_ml_AAAA", &"x".repeat(500), "tnr_rt_AAAAAAAA"] {
        confirm(wrong).await.problem(410, "link-over");
    }
    app.post(&ada, "/auth/verify-email", json!({})).await.problem(409, "conflict");
    let actions = app.actions(ada.tenant()).await;
    for action in ["user.verification-requested", "user.email-verified"] {
        assert_eq!(actions.iter().filter(|done| *done == action).count(), 1, "{action} in {actions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_set_anew_and_every_login_ends() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let elsewhere = app.log_in("ada").await;
    let confirm = async |token: &str, password: &str| {
        post(&app, "/auth/password/reset/confirm", json!({"token": token, "new_password": password})).await
    };
    let ask = async || post(&app, "/auth/password/reset", json!({"email": " ADA@example.com "})).await.expect(204);
    let _ = ask().await;
    let late = token(&latest(&app, "reset-password", "ada@example.com").await);
    clock.advance(Duration::from_secs(3601));
    confirm(&late, NEW).await.problem(410, "link-over");

    let _ = ask().await;
    let unused = token(&latest(&app, "reset-password", "ada@example.com").await);
    clock.advance(Duration::from_secs(1));
    let _ = ask().await;
    let link = token(&latest(&app, "reset-password", "ada@example.com").await);
    assert_ne!(unused, link);
    // What is refused does not use the link up.
    confirm(&link, "short").await.problem(422, "invalid");
    confirm(&link, "administrator").await.problem(422, "invalid");
    // Locked out meanwhile: the new password opens.
    for _ in 0..6 {
        let _ = login(&app, "ada", "wrong wrong wrong").await;
    }
    login(&app, "ada", PASSWORD).await.problem(429, "rate-limited");
    let _ = confirm(&link, NEW).await.expect(204);
    for session in [&ada, &elsewhere] {
        app.get(session, "/auth/me").await.problem(401, "unauthenticated");
        let refresh = json!({"refresh_token": session.refresh_token});
        post(&app, "/auth/refresh", refresh).await.problem(401, "unauthenticated");
    }
    let answer = login(&app, "ada", NEW).await.expect(200);
    assert_eq!(answer["user"]["id"], ada.user_id());
    login(&app, "ada", PASSWORD).await.problem(401, "invalid-credentials");
    for used in [&link, &unused] {
        confirm(used, "another fine sentence").await.problem(410, "link-over");
    }
    let note = latest(&app, "password-changed", "ada@example.com").await;
    assert!(!note["text"].as_str().unwrap().contains("#token="));
    let actions = app.actions(ada.tenant()).await;
    for (action, times) in [
        ("user.password-reset-requested", 3),
        ("user.password-reset", 1),
        // Who read the link has the mailbox.
        ("user.email-verified", 1),
        ("session.ended", 2),
    ] {
        assert_eq!(actions.iter().filter(|done| *done == action).count(), times, "{action} in {actions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_nobody_has_is_answered_and_handled_alike() {
    let app = TestApp::start().await;
    let _ = app.register("ada", "Engines").await;
    let written = async || -> (i64, i64, i64) {
        sqlx::query_as(
            "select (select count(*) from mail_tokens), (select count(*) from mail_messages),
                    (select count(*) from events where action like 'user.%-requested')",
        )
        .fetch_one(&mut app.admin().await)
        .await
        .unwrap()
    };
    for path in ["/auth/password/reset", "/auth/unlock"] {
        let mut grown = Vec::new();
        let mut answers = Vec::new();
        for email in ["ada@example.com", "nobody@example.com"] {
            let before = written().await;
            let answer = post(&app, path, json!({"email": email})).await;
            answers.push((answer.status, answer.body));
            let after = written().await;
            grown.push((after.0 - before.0, after.1 - before.1, after.2 - before.2));
        }
        assert_eq!(answers[0], answers[1], "{path}");
        assert_eq!(grown, [(1, 1, 1), (1, 1, 1)], "{path}");
    }
    assert!(outbox(&app).await.iter().all(|message| message["to"] == "ada@example.com"), "nothing goes to nobody");
    let kinds: Vec<(String, i64)> = sqlx::query_as("select status, count(*) from mail_messages group by 1 order by 1")
        .fetch_all(&mut app.admin().await)
        .await
        .unwrap();
    assert_eq!(kinds, [("discarded".to_owned(), 2), ("waiting".to_owned(), 3)]);
    for wrong in ["ada", "", "a@b@c", "a b@c"] {
        post(&app, "/auth/password/reset", json!({"email": wrong})).await.problem(422, "invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_mailbox_is_filled() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    for email in ["ada@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            let _ = post(&app, "/auth/password/reset", json!({"email": email})).await.expect(204);
        }
        // Written otherwise it is the same mailbox.
        let again = post(&app, "/auth/password/reset", json!({"email": email.to_uppercase()})).await;
        assert!(again.headers.contains_key("retry-after"));
        again.problem(429, "rate-limited");
    }
    let resets = outbox(&app).await.iter().filter(|message| message["kind"] == "reset-password").count();
    assert_eq!(resets, 5);
    for _ in 0..5 {
        let _ = app.post(&ada, "/auth/verify-email", json!({})).await.expect(204);
    }
    app.post(&ada, "/auth/verify-email", json!({})).await.problem(429, "rate-limited");
    clock.advance(Duration::from_secs(3601));
    let _ = post(&app, "/auth/password/reset", json!({"email": "ada@example.com"})).await.expect(204);
    // From one address to many.
    let mut refused = 0;
    for number in 0..70 {
        let answer = post(&app, "/auth/unlock", json!({"email": format!("p{number}@example.com")})).await;
        refused += usize::from(answer.status == 429);
    }
    assert_eq!(refused, 11, "60 an hour, one of them before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_a_lock_out() {
    let (app, _clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    for _ in 0..7 {
        let _ = login(&app, "ada", "wrong wrong wrong").await;
    }
    login(&app, "ada", PASSWORD).await.problem(429, "rate-limited");
    let _ = post(&app, "/auth/unlock", json!({"email": "ada@example.com"})).await.expect(204);
    let link = token(&latest(&app, "unlock", "ada@example.com").await);
    let _ = post(&app, "/auth/unlock/confirm", json!({"token": link})).await.expect(204);
    let _ = login(&app, "ada", PASSWORD).await.expect(200);
    post(&app, "/auth/unlock/confirm", json!({"token": link})).await.problem(410, "link-over");
    assert!(app.actions(ada.tenant()).await.iter().any(|action| action == "user.unlocked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_changes_when_the_new_one_answers_and_the_old_one_hears_of_it() {
    let (app, _clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let hank = app.register("hank", "Globex").await;
    // Asked, and nothing agreed: what becomes of her account is not for them.
    let asked = json!({"email": "ada@example.com", "username": "ada-l", "full_name": "Ada", "password": PASSWORD, "roles": ["viewer"]});
    let _ = app.post(&hank, "/users", asked).await.expect(201);
    let change = async |email: &str, password: &str| {
        app.post(&ada, "/auth/email", json!({"email": email, "current_password": password})).await
    };
    let wrong = change("ada@new.example.com", "wrong wrong wrong").await.problem(422, "invalid");
    assert_eq!(wrong["errors"][0]["pointer"], "/current_password");
    change("Ada@example.com", PASSWORD).await.problem(422, "invalid");
    change("no address", PASSWORD).await.problem(422, "invalid");
    // Somebody else's: answered alike, and its owner is told.
    let _ = change("hank@example.com", PASSWORD).await.expect(204);
    assert!(!latest(&app, "email-taken", "hank@example.com").await["text"].as_str().unwrap().contains("#token="));

    let reset = async || {
        let _ = post(&app, "/auth/password/reset", json!({"email": "ada@example.com"})).await.expect(204);
        token(&latest(&app, "reset-password", "ada@example.com").await)
    };
    let before = reset().await;
    let _ = change("ada@new.example.com", PASSWORD).await.expect(204);
    let email = async || app.get(&ada, "/auth/me").await.expect(200)["user"]["email"].clone();
    assert_eq!(email().await, "ada@example.com", "not before the link was opened");
    let link = token(&latest(&app, "change-email", "ada@new.example.com").await);
    let _ = post(&app, "/auth/email/confirm", json!({"token": link})).await.expect(204);
    post(&app, "/auth/email/confirm", json!({"token": link})).await.problem(410, "link-over");
    assert_eq!(email().await, "ada@new.example.com");
    assert_eq!(app.get(&ada, "/auth/me").await.expect(200)["email_verified"], true);
    let _ = latest(&app, "email-changed", "ada@example.com").await;
    let members = app.get(&viewer, "/users?search=ada@new").await.expect(200);
    assert_eq!(members["items"][0]["id"], ada.user_id(), "the organisation knows the new one");
    let members = app.get(&hank, "/users?search=ada").await.expect(200);
    assert_eq!(members["items"][0]["email"], "ada@example.com", "and one that she never joined does not");
    // What was sent to the old address opens nothing.
    let body = json!({"token": before, "new_password": NEW});
    post(&app, "/auth/password/reset/confirm", body).await.problem(410, "link-over");
    let by_new = json!({"email": "ada@new.example.com", "password": PASSWORD});
    let _ = post(&app, "/auth/login", by_new).await.expect(200);
    // An address that was free when it was asked for may be taken when its link is opened.
    let _ = change("late@example.com", PASSWORD).await.expect(204);
    let link = token(&latest(&app, "change-email", "late@example.com").await);
    let _ = app.register("late", "Late").await;
    post(&app, "/auth/email/confirm", json!({"token": link})).await.problem(409, "conflict");
    let events = app.get(&ada, "/audit/events?action=user.email-changed").await.expect(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_told_by_mail() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let _ = post(&app, "/auth/password/reset", json!({"email": "ada@example.com"})).await.expect(204);
    let reset = token(&latest(&app, "reset-password", "ada@example.com").await);
    // Whoever had the old password has asked for an address of their own.
    let theirs = json!({"email": "thief@example.com", "current_password": PASSWORD});
    let _ = app.post(&ada, "/auth/email", theirs).await.expect(204);
    let theirs = token(&latest(&app, "change-email", "thief@example.com").await);
    let change = json!({"current_password": PASSWORD, "new_password": NEW});
    let _ = app.post(&ada, "/auth/password", change).await.expect(204);
    let note = latest(&app, "password-changed", "ada@example.com").await;
    assert_eq!(note["subject"], "Your password was changed");
    let body = json!({"token": reset, "new_password": "another fine sentence"});
    post(&app, "/auth/password/reset/confirm", body).await.problem(410, "link-over");
    post(&app, "/auth/email/confirm", json!({"token": theirs})).await.problem(410, "link-over");
    // No API key changes an address, and none asks for links.
    let key = app.post(&ada, "/api-keys", json!({"name": "k", "scopes": ["*"]})).await.expect(201);
    let key = key["key"].as_str().unwrap();
    let body = json!({"email": "x@example.com", "current_password": NEW});
    app.send(Method::POST, "/auth/email", Some(key), Some(&body)).await.problem(403, "permission-denied");
    let sent = app.send(Method::POST, "/auth/verify-email", Some(key), Some(&json!({}))).await;
    sent.problem(401, "unauthenticated");
}
