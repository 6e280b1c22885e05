//! Passwords: chosen, changed, and refused where everybody has them.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::{Clock, Timestamp};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, Answer, PASSWORD, Setup, TestApp};

const NEXT: &str = "a loud yellow morning";

async fn change(app: &TestApp, actor: &Actor, current: &str, new: &str) -> Answer {
    app.post(actor, "/auth/password", json!({"current_password": current, "new_password": new})).await
}

async fn login(app: &TestApp, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    app.send(Method::POST, "/auth/login", None, Some(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_ends_every_other_login_and_the_old_password() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let (ada, elsewhere) = (app.register("ada", "Engines").await, app.log_in("ada").await);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let _ = other.get(&elsewhere, "/auth/me").await.expect(200);
    let _ = change(&app, &ada, PASSWORD, NEXT).await.expect(204);
    let begun = std::time::Instant::now();
    while other.get(&elsewhere, "/auth/me").await.status != 401 {
        assert!(begun.elapsed() < Duration::from_secs(1), "the other node still answers");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let _ = app.get(&ada, "/auth/me").await.expect(200);
    let body = json!({"refresh_token": ada.refresh_token});
    let _ = app.send(Method::POST, "/auth/refresh", None, Some(&body)).await.expect(200);
    login(&app, "ada", PASSWORD).await.problem(401, "invalid-credentials");
    let _ = login(&app, "ada", NEXT).await.expect(200);
    let actions = app.actions(ada.tenant()).await;
    for action in ["user.password-changed", "session.ended"] {
        assert_eq!(actions.iter().filter(|done| *done == action).count(), 1, "{action} in {actions:?}");
    }
    let dump: Vec<String> =
        sqlx::query_scalar("select e::text from events e").fetch_all(&mut app.admin().await).await.unwrap();
    assert!(dump.iter().all(|event| !event.contains("argon2") && !event.contains(NEXT)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_current_password_is_counted_apart_from_failed_logins_and_told() {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let admin = app.register("ada", "Engines").await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    for number in 0..5 {
        let wrong = if number == 0 { "x".repeat(100_000) } else { "wrong wrong wrong".to_owned() };
        let problem = change(&app, &viewer, &wrong, NEXT).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/current_password");
    }
    // Whatever is typed, until the wait is over. Who is not logged in is counted apart: neither side keeps the other out.
    let locked = change(&app, &viewer, PASSWORD, NEXT).await;
    assert!(locked.headers.contains_key("retry-after"));
    locked.problem(429, "rate-limited");
    let _ = login(&app, &viewer.username, PASSWORD).await.expect(200);
    let _ = app.get(&viewer, "/auth/me").await.expect(200);
    let failed = app.get(&admin, "/audit/events?action=user.password-change-failed").await.expect(200);
    let failed = failed["items"].as_array().unwrap();
    assert_eq!(failed.len(), 5);
    assert!(failed.iter().all(|event| event["actor"]["id"] == viewer.user["id"] && event["outcome"] == "denied"));
    clock.advance(Duration::from_secs(60));
    let _ = change(&app, &viewer, PASSWORD, NEXT).await.expect(204);
    let _ = login(&app, &viewer.username, NEXT).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_sent_at_once_are_no_more_than_one_by_one() {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    let app = TestApp::with(Setup { clock, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let answers = futures::future::join_all((0..20).map(|_| change(&app, &ada, "wrong wrong wrong", NEXT))).await;
    let tried = answers.iter().filter(|answer| answer.status == 422).count();
    assert_eq!(tried, 5, "four are free, the fifth begins the wait");
    assert!(answers.iter().all(|answer| [422, 429].contains(&answer.status.as_u16())));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_at_once_one_wins() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let (a, b) = tokio::join!(change(&app, &ada, PASSWORD, NEXT), change(&app, &ada, PASSWORD, "a slow violet noon"));
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 422], "the second gives a password that is no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_first_is_refused_wherever_a_password_is_chosen() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    for common in ["QWERTY123456", "administrator", "Password2024!", "sunshinesunshine"] {
        let register = json!({
            "email": "b@example.com", "username": "bob", "password": common, "full_name": "Bob", "organization_name": "Bob"
        });
        let member = json!({"email": "c@example.com", "username": "carol", "password": common, "full_name": "Carol"});
        let answers = [
            (app.send(Method::POST, "/auth/register", None, Some(&register)).await, "/password"),
            (app.post(&ada, "/users", member).await, "/password"),
            (change(&app, &ada, PASSWORD, common).await, "/new_password"),
        ];
        for (answer, pointer) in answers {
            let problem = answer.problem(422, "invalid");
            assert_eq!(problem["errors"][0]["pointer"], pointer);
            assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("tried first"), "{problem:#}");
        }
    }
    // A password that many have, within one that nobody else has, is none of them.
    let _ = change(&app, &ada, PASSWORD, "administrator of violets").await.expect(204);
    for (new, says) in [("short", "12"), ("ada@example.com", "name"), ("administrator of violets", "already")] {
        let problem: Value = change(&app, &ada, "administrator of violets", new).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/new_password");
        assert!(problem["errors"][0]["detail"].as_str().unwrap().contains(says), "{problem:#}");
    }
}

/// Puts what another system made of a password in the place of ours, as an import would.
async fn store(app: &TestApp, actor: &Actor, hash: &str) {
    let user: tenure_kernel::UserId = actor.user_id().parse().unwrap();
    let done = sqlx::query("update credentials set secret = $2 where user_id = $1")
        .bind(user.uuid())
        .bind(hash)
        .execute(&mut app.admin().await)
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
}

async fn stored(app: &TestApp, actor: &Actor) -> String {
    let user: tenure_kernel::UserId = actor.user_id().parse().unwrap();
    let secret = sqlx::query_scalar("select secret from credentials where user_id = $1").bind(user.uuid());
    secret.fetch_one(&mut app.admin().await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_another_system_opens_and_is_ours_from_then_on() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let scrypt = "$scrypt$ln=15,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$ZSM2AiB+wF1LT9PD915KC84CVC0MxtlLl80byw6FXvQ";
    let passlib = "$pbkdf2-sha256$29000$AAECAwQFBgcICQoLDA0ODw$1hjCc/QYKNXkF35V6D91dlVs7eiwx16R7a.QfEE/b.0";
    let django = "pbkdf2_sha256$1000000$seasalt$r1uLUxoxpP2Ued/qxvmje7UH9PUJBkRrvf9gGPL7Cps=";
    let bcrypt = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK";
    for (hash, password) in [(scrypt, PASSWORD), (passlib, PASSWORD), (django, "lètmein"), (bcrypt, "U*U*")] {
        store(&app, &ada, hash).await;
        login(&app, "ada", "wrong wrong wrong").await.problem(401, "invalid-credentials");
        assert_eq!(stored(&app, &ada).await, hash, "only the right password is hashed anew");
        let _ = login(&app, "ada", password).await.expect(200);
        let ours = stored(&app, &ada).await;
        assert!(ours.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{ours}");
        let _ = login(&app, "ada", password).await.expect(200);
        assert_eq!(stored(&app, &ada).await, ours, "once is enough");
    }
    let actions = app.actions(ada.tenant()).await;
    assert_eq!(actions.iter().filter(|action| *action == "user.password-rehashed").count(), 4);
    // A change finds it as well, and leaves one of ours.
    store(&app, &ada, scrypt).await;
    let _ = change(&app, &ada, PASSWORD, NEXT).await.expect(204);
    assert!(stored(&app, &ada).await.starts_with("$argon2id$"));
    let _ = login(&app, "ada", NEXT).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_would_burn_a_core_opens_nothing_and_costs_nothing() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let unknown = login(&app, "nobody", PASSWORD).await.problem(401, "invalid-credentials");
    for hash in [
        "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$scrypt$ln=30,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$ZSM2AiB+wF1LT9PD915KC84CVC0MxtlLl80byw6FXvQ",
        "$argon2id$v=19$m=4194304,t=100,p=1$AAECAwQFBgcICQoLDA0ODw$ZSM2AiB+wF1LT9PD915KC84CVC0MxtlLl80byw6FXvQ",
        "no hash at all",
    ] {
        store(&app, &ada, hash).await;
        let begun = std::time::Instant::now();
        assert_eq!(login(&app, "ada", PASSWORD).await.problem(401, "invalid-credentials"), unknown, "{hash}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{hash}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_taken_whole_up_to_512_bytes_and_refused_beyond() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    // Beyond the 72 bytes that bcrypt would look at, and in letters of two bytes.
    let mut long = "ein grüner Garten voller blauer Vögel ".repeat(12);
    long.push_str(&"x".repeat(511 - long.len()));
    let (kept, other) = (format!("{long}a"), format!("{long}b"));
    assert_eq!((kept.len(), kept.chars().count() > 64), (512, true));
    let _ = change(&app, &ada, PASSWORD, &kept).await.expect(204);
    let _ = login(&app, "ada", &kept).await.expect(200);
    for cut in [other.as_str(), &kept[..511], kept.trim_end_matches('a')] {
        login(&app, "ada", cut).await.problem(401, "invalid-credentials");
    }
    let problem = change(&app, &ada, &kept, &format!("{kept}a")).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/new_password");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("512 bytes"));
    login(&app, "ada", &format!("{kept}a")).await.problem(422, "invalid");
    // Spaces at either end are part of it.
    let _ = change(&app, &ada, &kept, "  a quiet green meadow  ").await.expect(204);
    login(&app, "ada", "a quiet green meadow").await.problem(401, "invalid-credentials");
    let _ = login(&app, "ada", "  a quiet green meadow  ").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_never_runs_out() {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let _ = app.register("ada", "Engines").await;
    for year in 1..=3 {
        clock.advance(Duration::from_secs(366 * 24 * 60 * 60));
        let said = login(&app, "ada", PASSWORD).await.expect(200);
        let (token, path) = (said["access_token"].as_str(), "/auth/me");
        let me = app.send(Method::GET, path, token, None).await.expect(200);
        assert_eq!(me["password_change_required"], false, "after {year} years");
    }
}
