//! From one organisation of a person to another: without the password, never where they are no member, and into a new one only
//! with their consent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::testkit::{Actor, Answer, PASSWORD, Setup, TestApp, answer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Ada's organisation asks Bob, who has one of his own.
async fn invited(app: &TestApp) -> (Actor, Actor) {
    let (ada, bob) = (app.register("ada", "Engines").await, app.register("bob", "Builders").await);
    let body = json!({"email": "bob@example.com", "username": "robert", "full_name": "Bob", "password": PASSWORD, "roles": ["viewer"]});
    let _ = app.post(&ada, "/users", body).await.expect(201);
    app.confirmed("bob").await;
    (ada, bob)
}

fn slugs(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["slug"].as_str().unwrap()).collect()
}

async fn me(app: &TestApp, token: &str) -> Value {
    app.send(Method::GET, "/api/v1/auth/me", Some(token), None).await.expect(200)
}

async fn switch(app: &TestApp, actor: &Actor, body: Value) -> Answer {
    app.post(actor, "/auth/switch", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_seen_accepted_and_left_again() {
    let app = TestApp::start().await;
    let (ada, bob) = invited(&app).await;
    let before = me(&app, &bob.token).await;
    assert_eq!((slugs(&before["organizations"]), slugs(&before["invitations"])), (vec!["builders"], vec!["engines"]));
    switch(&app, &bob, json!({"organization": "engines"})).await.problem(409, "conflict");
    assert_eq!(slugs(&me(&app, &bob.token).await["invitations"]), ["engines"], "nobody joins by asking");

    let there = switch(&app, &bob, json!({"organization": "engines", "accept": true})).await.expect(200);
    assert_eq!(there["organization"]["slug"], "engines");
    let token = there["access_token"].as_str().unwrap();
    let now = me(&app, token).await;
    assert_eq!((slugs(&now["organizations"]), &now["invitations"]), (vec!["builders", "engines"], &json!([])));
    assert_eq!((&now["roles"], &now["organization"]["slug"]), (&json!(["viewer"]), &json!("engines")));
    let members = app.get(&ada, "/users?status=active").await.expect(200);
    assert_eq!(members["items"].as_array().unwrap().len(), 2);
    // A program may be in both at once; and back it goes without consent, which was given.
    assert_eq!(me(&app, &bob.token).await["organization"]["slug"], "builders");
    let refresh = json!({"refresh_token": there["refresh_token"]});
    let _ = app.send(Method::POST, "/api/v1/auth/refresh", None, Some(&refresh)).await.expect(200);
    switch(&app, &bob, json!({"organization": "builders"})).await.problem(409, "conflict");
    let again = switch(&app, &bob, json!({"organization": "engines"})).await.expect(200);
    assert_eq!(again["organization"]["slug"], "engines");

    let told = app.actions(ada.tenant()).await;
    let count = |action: &str| told.iter().filter(|told| *told == action).count();
    // Ada's registration, and Bob twice.
    assert_eq!((count("user.joined"), count("session.started")), (1, 3), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_console_the_login_before_ends_everywhere() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let (ada, bob) = invited(&app).await;
    let _ = other.get(&bob, "/auth/me").await.expect(200);
    let body = json!({"organization": "engines", "accept": true, "refresh": "cookie"});
    let bare = switch(&app, &bob, body.clone()).await;
    assert_eq!(bare.status, 400, "a cookie is set for our own pages alone: {:#}", bare.body);
    let request = app.request(Method::POST, "/auth/switch", Some(&bob.token)).json(&body);
    let request = request.header("X-Tenure-Console", "1").header("Origin", format!("http://{}", app.address));
    let answered = answer(request).await;
    let cookie = answered.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("tenure_refresh=tnr_rt_") && cookie.contains("HttpOnly"), "{cookie}");
    let there = answered.expect(200);
    assert!(there.get("refresh_token").is_none());
    assert_eq!(me(&app, there["access_token"].as_str().unwrap()).await["organization"]["slug"], "engines");
    let begun = Instant::now();
    while other.get(&bob, "/auth/me").await.status != 401 {
        assert!(begun.elapsed() < Duration::from_secs(1), "the login before still answers");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ended = app.actions(bob.tenant()).await;
    assert!(ended.iter().any(|action| action == "session.ended"), "{ended:?}");
    assert!(!app.actions(ada.tenant()).await.contains(&"session.ended".to_owned()), "not theirs to read");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_goes_where_they_are_no_member() {
    let app = TestApp::start().await;
    let (ada, bob) = invited(&app).await;
    let _ = app.register("eve", "Evil").await;
    let unknown =
        switch(&app, &bob, json!({"organization": "nowhere", "accept": true})).await.problem(404, "not-found");
    let foreign = switch(&app, &bob, json!({"organization": "evil", "accept": true})).await.problem(404, "not-found");
    assert_eq!(foreign["detail"], unknown["detail"]);

    let there = switch(&app, &bob, json!({"organization": "engines", "accept": true})).await.expect(200);
    let _ = me(&app, there["access_token"].as_str().unwrap()).await;
    let list = app.get(&ada, "/users?search=robert").await.expect(200);
    let path = format!("/users/{}", list["items"][0]["id"].as_str().unwrap());
    for status in ["locked", "deactivated"] {
        let _ = app.patch(&ada, &path, json!({"status": status})).await.expect(200);
        switch(&app, &bob, json!({"organization": "engines", "accept": true})).await.problem(404, "not-found");
    }
    let _ = app.patch(&ada, &path, json!({"status": "active"})).await.expect(200);
    let mut admin = app.admin().await;
    sqlx::query("update tenants set status = 'suspended' where slug = 'engines'").execute(&mut admin).await.unwrap();
    switch(&app, &bob, json!({"organization": "engines"})).await.problem(403, "tenant-suspended");
    assert!(app.actions(bob.tenant()).await.contains(&"request.refused".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_declined() {
    let app = TestApp::start().await;
    let (ada, bob) = invited(&app).await;
    let id = me(&app, &bob.token).await["invitations"][0]["id"].as_str().unwrap().to_owned();
    app.delete(&ada, &format!("/auth/invitations/{id}")).await.problem(404, "not-found");
    let _ = app.delete(&bob, &format!("/auth/invitations/{id}")).await.expect(204);
    app.delete(&bob, &format!("/auth/invitations/{id}")).await.problem(404, "not-found");
    assert_eq!(me(&app, &bob.token).await["invitations"], json!([]));
    switch(&app, &bob, json!({"organization": "engines", "accept": true})).await.problem(404, "not-found");
    let list = app.get(&ada, "/users?status=deactivated").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert!(app.actions(ada.tenant()).await.contains(&"user.declined".to_owned()));
}

/// Going to and fro does not stretch the ninety days after which everybody logs in again; nor does letting a program in.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_entered_from_another_ends_when_that_one_would() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let (app, clock) = crate::mfa::at_rest().await;
    let (_, mut bob) = invited(&app).await;
    let end = clock.now().after(90 * DAY).to_string();
    let next = async |there: &Value| -> Answer {
        let body = json!({"refresh_token": there["refresh_token"]});
        app.send(Method::POST, "/auth/refresh", None, Some(&body)).await
    };
    let ends =
        async |there: &Value| me(&app, there["access_token"].as_str().unwrap()).await["session_expires_at"].clone();
    let mut there = Value::Null;
    for (day, to) in [(20, "engines"), (40, "builders"), (60, "engines"), (80, "builders")] {
        clock.advance(20 * DAY);
        if there.is_object() {
            there = next(&there).await.expect(200);
        } else {
            let body = json!({"refresh_token": bob.refresh_token});
            there = app.send(Method::POST, "/auth/refresh", None, Some(&body)).await.expect(200);
        }
        bob = crate::mfa::with(&bob, &there);
        there = switch(&app, &bob, json!({"organization": to, "accept": true})).await.expect(200);
        let expected = if day < 60 { clock.now().after(30 * DAY).to_string() } else { end.clone() };
        assert_eq!(ends(&there).await, expected, "on day {day}");
    }
    // Refreshed once more it ends no later; and a program that is let in by it neither.
    there = next(&there).await.expect(200);
    assert_eq!(ends(&there).await, end);
    bob = crate::mfa::with(&bob, &there);
    let program = crate::device::log_in(&app, &bob).await;
    assert_eq!(ends(&program).await, end);
    clock.advance(10 * DAY);
    for over in [&there, &program] {
        next(over).await.problem(401, "unauthenticated");
    }
    let again = app.log_in("bob").await;
    let _ = app.get(&again, "/teams").await.expect(200);
}

/// The request was let in while the login lasted; what it asks for comes when that has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ended_meanwhile_begins_no_other() {
    let app = TestApp::start().await;
    let (_, bob) = invited(&app).await;
    let elsewhere = app.log_in("bob").await;
    let body = json!({"organization": "engines", "accept": true}).to_string();
    let mut slow = tokio::net::TcpStream::connect(app.address).await.unwrap();
    let head = format!(
        "POST /api/v1/auth/switch HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        app.address,
        bob.token,
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // The last byte alone is held back.
    let (most, last) = body.split_at(body.len() - 1);
    slow.write_all(most.as_bytes()).await.unwrap();
    slow.flush().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let _ = app.delete(&elsewhere, "/auth/sessions?include_current=true").await.expect(200);
    app.get(&bob, "/auth/me").await.problem(401, "unauthenticated");
    slow.write_all(last.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let sessions: i64 = sqlx::query_scalar("select count(*) from sessions where revoked_at is null and user_id = $1")
        .bind(bob.user_id().parse::<tenure_kernel::UserId>().unwrap().uuid())
        .fetch_one(&mut app.admin().await)
        .await
        .unwrap();
    assert_eq!(sessions, 0);
}

/// Whoever registered under an address first is not by that who the organisation means.
#[tokio::test(flavor = "multi_thread")]
async fn only_who_reads_mail_to_the_address_becomes_a_member_by_it() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.register("ada", "Engines").await, app.register("eve", "Evil").await);
    let grace = json!({"email": "eve@example.com", "username": "grace", "full_name": "Grace", "password": PASSWORD, "roles": ["admin"]});
    let _ = app.post(&ada, "/users", grace).await.expect(201);
    let accept = json!({"organization": "engines", "accept": true});
    switch(&app, &eve, accept.clone()).await.problem(403, "email-unverified");
    assert_eq!(slugs(&me(&app, &eve.token).await["organizations"]), ["evil"]);
    assert!(app.actions(eve.tenant()).await.contains(&"request.refused".to_owned()));

    let _ = app.post(&eve, "/auth/verify-email", json!({})).await.expect(204);
    let link = crate::mailbox::token(&crate::mailbox::latest(&app, "verify-email", "eve@example.com").await);
    let _ = crate::mailbox::post(&app, "/auth/verify-email/confirm", json!({"token": link})).await.expect(204);
    let _ = switch(&app, &eve, accept).await.expect(200);
    // Their administrator reads of the login that began there.
    let logins = app.get(&ada, &format!("/users/{}/logins", eve.user_id())).await.expect(200);
    assert_eq!(logins["items"].as_array().unwrap().len(), 1, "{logins:#}");
}

/// A second factor that was set up before anybody had shown to read the address stays its guard: by a link from the mail nobody
/// comes by that address with somebody else's factor.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_confirms_no_address_that_a_second_factor_guards() {
    let (app, clock) = crate::mfa::at_rest().await;
    let (eve, bob) = (app.register("eve", "Evil").await, app.register("bob", "Builders").await);
    let _ = crate::mfa::AuthApp::set_up(&app, &clock, &eve).await;
    for (who, verified) in [(&eve, false), (&bob, true)] {
        let email = who.user["email"].as_str().unwrap().to_owned();
        let _ = crate::mailbox::post(&app, "/auth/password/reset", json!({"email": email})).await.expect(204);
        let link = crate::mailbox::token(&crate::mailbox::latest(&app, "reset-password", &email).await);
        let body = json!({"token": link, "new_password": "three other green meadows"});
        let _ = crate::mailbox::post(&app, "/auth/password/reset/confirm", body).await.expect(204);
        let known: bool = sqlx::query_scalar("select email_verified_at is not null from users where email = $1")
            .bind(&email)
            .fetch_one(&mut app.admin().await)
            .await
            .unwrap();
        assert_eq!(known, verified, "{email}");
    }
}

/// A login that begins out of another while all are ended is ended with them, or does not begin.
#[tokio::test(flavor = "multi_thread")]
async fn no_login_slips_out_of_the_end_of_all() {
    let app = TestApp::start().await;
    let (_, bob) = invited(&app).await;
    let _ = switch(&app, &bob, json!({"organization": "engines", "accept": true})).await.expect(200);
    let keeps = app.log_in("bob").await;
    for round in 0..8 {
        let thief = app.log_in("bob").await;
        let begun = AtomicUsize::new(0);
        let slips = async || {
            while switch(&app, &thief, json!({"organization": "engines"})).await.status == 200 {
                begun.fetch_add(1, Ordering::SeqCst);
            }
        };
        let ends = async {
            while begun.load(Ordering::SeqCst) < 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(Duration::from_millis(3 * round)).await;
            app.delete(&keeps, "/auth/sessions").await.expect(200)
        };
        tokio::join!(slips(), slips(), slips(), ends);
        let open: Vec<String> =
            sqlx::query_scalar("select id::text from sessions where revoked_at is null and user_id = $1")
                .bind(bob.user_id().parse::<tenure_kernel::UserId>().unwrap().uuid())
                .fetch_all(&mut app.admin().await)
                .await
                .unwrap();
        assert_eq!(open.len(), 1, "in round {round}");
    }
}
