//! Second factors: set up, asked for wherever a login begins, and lost.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::{Clock, Timestamp, UserId};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, Answer, PASSWORD, Setup, TestApp, answer};
use totp_rs::{Builder, Secret};

use crate::soft_passkey::SoftPasskey;

/// An installation whose time stands still until a test moves it.
pub async fn at_rest() -> (TestApp, Clock) {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    (TestApp::with(setup(&clock)).await, clock)
}

pub fn setup(clock: &Clock) -> Setup {
    Setup { clock: clock.clone(), ..Setup::default() }
}

/// Somebody's app.
pub struct AuthApp {
    secret: String,
    pub recovery_codes: Vec<String>,
}

impl AuthApp {
    /// Sets it up for who is logged in.
    pub async fn set_up(app: &TestApp, clock: &Clock, actor: &Actor) -> Self {
        let begun = app.post(actor, "/auth/mfa/totp", json!(null)).await.expect(200);
        let mut own = Self { secret: begun["secret"].as_str().unwrap().to_owned(), recovery_codes: Vec::new() };
        assert!(begun["otpauth_uri"].as_str().unwrap().contains(&own.secret));
        assert!(begun["qr_svg"].as_str().unwrap().contains("<svg"));
        let done = app.post(actor, "/auth/mfa/totp/confirm", json!({"code": own.code(clock)})).await.expect(200);
        let codes = done["recovery_codes"].as_array().unwrap();
        own.recovery_codes = codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
        own
    }

    /// What it shows now.
    pub fn code(&self, clock: &Clock) -> String {
        let secret = Secret::try_from_base32(&self.secret).unwrap();
        let seconds = u64::try_from(clock.now().as_seconds()).unwrap();
        Builder::new().with_secret(secret).build_noncompliant().generate(seconds).to_string()
    }

    /// What it shows a step later: each code works once.
    pub fn next_code(&self, clock: &Clock) -> String {
        clock.advance(Duration::from_secs(30));
        self.code(clock)
    }
}

pub async fn login(app: &TestApp, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    app.send(Method::POST, "/auth/login", None, Some(&body)).await
}

/// The first half of a login.
pub async fn half(app: &TestApp, name: &str) -> Value {
    let asked = login(app, name, PASSWORD).await.expect(200);
    assert_eq!(asked["mfa_required"], true, "{asked:#}");
    assert!(asked.get("access_token").is_none());
    asked
}

pub async fn finish(app: &TestApp, asked: &Value, mut second: Value) -> Answer {
    second["mfa_token"] = asked["mfa_token"].clone();
    app.send(Method::POST, "/auth/mfa", None, Some(&second)).await
}

/// The same person with another login.
pub fn with(actor: &Actor, logged_in: &Value) -> Actor {
    Actor {
        token: logged_in["access_token"].as_str().unwrap().to_owned(),
        refresh_token: logged_in["refresh_token"].as_str().unwrap().to_owned(),
        organization: logged_in["organization"].clone(),
        ..actor.clone()
    }
}

async fn refresh(app: &TestApp, actor: &Actor) -> Answer {
    let body = json!({"refresh_token": actor.refresh_token});
    app.send(Method::POST, "/auth/refresh", None, Some(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_asks_for_the_apps_code_and_takes_each_once_on_whatever_node() {
    let (app, clock) = at_rest().await;
    let other = app.another(setup(&clock)).await;
    let ada = app.register("ada", "Engines").await;
    let status = app.get(&ada, "/auth/mfa").await.expect(200);
    assert_eq!((&status["enabled"], &status["password_min_length"]), (&json!(false), &json!(12)));
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    assert_eq!(own.recovery_codes.len(), 10);
    let asked = half(&app, "ada").await;
    assert_eq!(asked["factors"], json!(["totp", "recovery_code"]));
    // The code that confirmed it was used by that.
    finish(&app, &asked, json!({"code": own.code(&clock)})).await.problem(401, "invalid-credentials");
    let code = own.next_code(&clock);
    let there = finish(&app, &asked, json!({"code": code})).await.expect(200);
    let _ = app.get(&with(&ada, &there), "/auth/me").await.expect(200);
    // Neither the token again nor the code, here or elsewhere.
    finish(&app, &asked, json!({"code": own.next_code(&clock)})).await.problem(401, "invalid-credentials");
    clock.advance(Duration::from_secs(15));
    let again = half(&other, "ada").await;
    finish(&other, &again, json!({"code": code})).await.problem(401, "invalid-credentials");
    let both = [half(&app, "ada").await, half(&other, "ada").await];
    let code = json!({"code": own.next_code(&clock)});
    let (a, b) = tokio::join!(finish(&app, &both[0], code.clone()), finish(&other, &both[1], code));
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401], "of two at once one");
    let status = app.get(&ada, "/auth/mfa").await.expect(200);
    assert_eq!(status["password_min_length"], 8);
    assert!(status["totp_since"].is_string());
    let actions = app.actions(ada.tenant()).await;
    assert!(actions.contains(&"user.factor-added".to_owned()), "{actions:?}");
    // What is stored opens nothing to who reads it.
    let secret: Vec<u8> =
        sqlx::query_scalar("select secret from totp_factors").fetch_one(&mut app.admin().await).await.unwrap();
    let plain = Secret::try_from_base32(&own.secret).unwrap();
    assert!(!secret.windows(20).any(|window| window == plain.as_ref()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_works_once_and_new_ones_end_the_old() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    let first = json!({"recovery_code": own.recovery_codes[0].to_uppercase()});
    let asked = half(&app, "ada").await;
    let there = finish(&app, &asked, first.clone()).await.expect(200);
    let there = with(&ada, &there);
    let asked = half(&app, "ada").await;
    finish(&app, &asked, first).await.problem(401, "invalid-credentials");
    assert_eq!(app.get(&there, "/auth/mfa").await.expect(200)["recovery_codes"], 9);
    let new = app.post(&there, "/auth/mfa/recovery-codes", json!(null)).await.expect(200);
    let codes = new["recovery_codes"].as_array().unwrap().clone();
    assert_eq!(codes.len(), 10);
    finish(&app, &asked, json!({"recovery_code": own.recovery_codes[1]})).await.problem(401, "invalid-credentials");
    let _ = finish(&app, &asked, json!({"recovery_code": codes[0]})).await.expect(200);
    let dump: Vec<String> =
        sqlx::query_scalar("select r::text from recovery_codes r union all select e::text from events e")
            .fetch_all(&mut app.admin().await)
            .await
            .unwrap();
    assert!(dump.iter().all(|row| !row.contains(codes[1].as_str().unwrap())), "stored as digests");
    let actions = app.actions(ada.tenant()).await;
    assert_eq!(actions.iter().filter(|action| *action == "user.recovery-code-used").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_login_is_for_one_address_five_minutes_and_five_tries() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    // From another address.
    let elsewhere = reqwest::Client::builder().local_address(Some("127.0.0.2".parse().unwrap())).build().unwrap();
    let asked = half(&app, "ada").await;
    let body = json!({"mfa_token": asked["mfa_token"], "code": own.next_code(&clock)});
    answer(elsewhere.post(app.url("/auth/mfa")).json(&body)).await.problem(401, "invalid-credentials");
    // Too late.
    clock.advance(Duration::from_secs(5 * 60));
    finish(&app, &asked, json!({"code": own.code(&clock)})).await.problem(401, "invalid-credentials");
    // What cannot be right is not counted.
    let asked = half(&app, "ada").await;
    for wrong in [json!({}), json!({"code": "1", "recovery_code": "2"}), json!({"code": "1".repeat(100)})] {
        finish(&app, &asked, wrong).await.problem(422, "invalid");
    }
    // Five wrong answers end it, and count like wrong passwords.
    for _ in 0..4 {
        finish(&app, &asked, json!({"code": "000000"})).await.problem(401, "invalid-credentials");
    }
    finish(&app, &asked, json!({"code": "wrong"})).await.problem(401, "invalid-credentials");
    finish(&app, &asked, json!({"code": own.next_code(&clock)})).await.problem(401, "invalid-credentials");
    let failed = app.get(&ada, "/audit/events?action=session.login-failed").await.expect(200);
    let reasons: Vec<_> = failed["items"].as_array().unwrap().iter().map(|event| event["reason"].clone()).collect();
    assert_eq!(reasons, vec![json!("invalid-second-factor"); 5]);
    // A change of the password ends what the old one had begun.
    clock.advance(Duration::from_secs(60));
    let asked = half(&app, "ada").await;
    let change = json!({"current_password": PASSWORD, "new_password": "a loud yellow morning"});
    app.post(&ada, "/auth/password", change.clone()).await.problem(403, "step-up-required");
    let _ = app.post(&ada, "/auth/step-up", json!({"code": own.next_code(&clock)})).await.expect(204);
    let _ = app.post(&ada, "/auth/password", change).await.expect(204);
    finish(&app, &asked, json!({"code": own.next_code(&clock)})).await.problem(401, "invalid-credentials");
}

/// The lockout counts codes: who knows the password cannot try them all.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_bring_on_the_wait_of_wrong_passwords() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    let asked = half(&app, "ada").await;
    for _ in 0..5 {
        finish(&app, &asked, json!({"code": "000000"})).await.problem(401, "invalid-credentials");
    }
    // Neither half, although the password is right, nor by a token from before.
    login(&app, "ada", PASSWORD).await.problem(429, "rate-limited");
    clock.advance(Duration::from_secs(3));
    let asked = half(&app, "ada").await;
    finish(&app, &asked, json!({"code": "000000"})).await.problem(401, "invalid-credentials");
    finish(&app, &asked, json!({"code": own.next_code(&clock)})).await.expect(200).as_object().unwrap();
    // Done: nothing is left of it.
    for _ in 0..4 {
        login(&app, "ada", "wrong wrong wrong").await.problem(401, "invalid-credentials");
    }
    let _ = half(&app, "ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_factor_ends_every_login_that_proved_none() {
    let (app, clock) = at_rest().await;
    let other = app.another(setup(&clock)).await;
    let (ada, before) = (app.register("ada", "Engines").await, app.log_in("ada").await);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let _ = other.get(&before, "/auth/me").await.expect(200);
    let key = app.post(&before, "/api-keys", json!({"name": "k", "scopes": ["team:read"]})).await.expect(201);
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    let begun = std::time::Instant::now();
    while other.get(&before, "/auth/me").await.status != 401 {
        assert!(begun.elapsed() < Duration::from_secs(1), "the other node still answers");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    refresh(&app, &before).await.problem(401, "unauthenticated");
    // The one that set it up has proven it, and refreshes.
    let _ = app.get(&ada, "/auth/me").await.expect(200);
    let _ = refresh(&app, &ada).await.expect(200);
    // A session that any way in made without it opens nothing: here one that was put past all of them.
    let forged = app.register("eve", "Forgers").await;
    let (user, victim): (UserId, UserId) = (forged.user_id().parse().unwrap(), ada.user_id().parse().unwrap());
    sqlx::query(
        "with s as (update sessions set user_id = $2, tenant_id = $3 where user_id = $1 returning id) select * from s",
    )
    .bind(user.uuid())
    .bind(victim.uuid())
    .bind(ada.tenant().uuid())
    .execute(&mut app.admin().await)
    .await
    .unwrap();
    refresh(&app, &forged).await.problem(401, "unauthenticated");
    // Nor does a key that such a login made.
    let key = key["key"].as_str().unwrap();
    app.send(Method::GET, "/teams", Some(key), None).await.problem(403, "api-key-blocked");
    let asked = half(&app, "ada").await;
    let _ = finish(&app, &asked, json!({"code": own.next_code(&clock)})).await.expect(200);
}

/// Read off the sources, so that another way in cannot make a session by itself.
#[test]
fn one_statement_makes_sessions_and_it_takes_a_proof() {
    let store = include_str!("../../src/domain/identity/store.rs");
    assert!(store.contains("new: &NewSession") && store.contains("pub(super) proof: Proof,"));
    let begin = include_str!("../../src/domain/identity/begin.rs");
    // By what a proof is made: each of these is a way in, and tested.
    let made: Vec<&str> = begin.lines().filter(|line| line.contains("{ user, mfa_at")).collect();
    assert_eq!(made.len(), 6, "a new way to make a proof wants a test here: {made:#?}");
    let mut statements = 0;
    let mut directories = vec![std::path::PathBuf::from("src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                directories.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
                statements += std::fs::read_to_string(entry.path()).unwrap().matches("insert into sessions").count();
            }
        }
    }
    assert_eq!(statements, 1, "sessions are made in one place");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organisation_is_reached_with_what_the_login_has_proven_and_no_more() {
    let (app, clock) = at_rest().await;
    let (ada, bob) = (app.register("ada", "Engines").await, app.register("bob", "Globex").await);
    clock.advance(Duration::from_secs(1));
    let asked = json!({"email": "bob@example.com", "username": "robert", "full_name": "Bob", "password": PASSWORD});
    let _ = app.post(&ada, "/users", asked).await.expect(201);
    let _ = AuthApp::set_up(&app, &clock, &ada).await;
    let _ = app.put(&ada, "/organization/security", json!({"require_mfa": true})).await.expect(200);
    // Without a second factor it is entered, and nothing in it is reached.
    app.confirmed("bob").await;
    let there = app.post(&bob, "/auth/switch", json!({"organization": "engines", "accept": true})).await.expect(200);
    let there = with(&bob, &there);
    app.get(&there, "/teams").await.problem(403, "mfa-enrolment-required");
    app.get(&there, "/auth/me").await.problem(403, "mfa-enrolment-required");
    let own = AuthApp::set_up(&app, &clock, &there).await;
    let _ = app.get(&there, "/teams").await.expect(200);
    // The login from before has ended; a new one proves both and takes that along.
    app.get(&bob, "/auth/me").await.problem(401, "unauthenticated");
    let asked = half(&app, "bob").await;
    let back = finish(&app, &asked, json!({"code": own.next_code(&clock)})).await.expect(200);
    let back = with(&bob, &back);
    let switched = app.post(&back, "/auth/switch", json!({"organization": "engines"})).await.expect(200);
    let _ = app.get(&with(&bob, &switched), "/teams").await.expect(200);
    clock.advance(Duration::from_secs(6 * 60));
    // Going there is no proof.
    let again = app.post(&back, "/auth/switch", json!({"organization": "engines"})).await.expect(200);
    let body = json!({"name": "k", "scopes": ["team:read"]});
    app.post(&with(&bob, &again), "/api-keys", body).await.problem(403, "permission-denied");
    app.delete(&with(&bob, &again), "/auth/mfa/totp").await.problem(403, "step-up-required");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_up_can_be_removed_and_a_short_password_holds_the_last_factor() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let change = |new: &str| json!({"current_password": PASSWORD, "new_password": new});
    let problem = app.post(&ada, "/auth/password", change("violet9k")).await.problem(422, "invalid");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("12"));
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    app.post(&ada, "/auth/mfa/totp", json!(null)).await.problem(409, "conflict");
    let problem = app.post(&ada, "/auth/password", change("violet9")).await.problem(422, "invalid");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains('8'));
    let _ = app.post(&ada, "/auth/password", change("violet9k")).await.expect(204);
    app.delete(&ada, "/auth/mfa/totp").await.problem(409, "conflict");
    let back = json!({"current_password": "violet9k", "new_password": PASSWORD});
    let _ = app.post(&ada, "/auth/password", back).await.expect(204);
    let _ = app.delete(&ada, "/auth/mfa/totp").await.expect(204);
    app.delete(&ada, "/auth/mfa/totp").await.problem(404, "not-found");
    let status = app.get(&ada, "/auth/mfa").await.expect(200);
    assert_eq!((&status["enabled"], &status["recovery_codes"]), (&json!(false), &json!(0)));
    let there = login(&app, "ada", PASSWORD).await.expect(200);
    assert!(there["access_token"].is_string());
    drop(own);
    assert!(app.actions(ada.tenant()).await.contains(&"user.factor-removed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_device_is_asked_for_no_second_factor_until_it_is_forgotten() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    let asked = half(&app, "ada").await;
    let second = json!({"code": own.next_code(&clock), "trust_device": true});
    let there = finish(&app, &asked, second).await.expect(200);
    let device = there["device_token"].as_str().unwrap().to_owned();
    let known = json!({"username": "ada", "password": PASSWORD, "device_token": device});
    let log_in = async || app.send(Method::POST, "/auth/login", None, Some(&known)).await.expect(200);
    let again = log_in().await;
    let again = with(&ada, &again);
    let _ = app.get(&again, "/teams").await.expect(200);
    // It lets in; what is sensitive asks for the factor itself.
    let problem = app.post(&again, "/auth/mfa/recovery-codes", json!(null)).await.problem(403, "step-up-required");
    assert_eq!(problem["factors"], json!(["totp", "recovery_code"]));
    // It is nobody else's.
    let bob = app.register("bob", "Globex").await;
    let _ = AuthApp::set_up(&app, &clock, &bob).await;
    let foreign = json!({"username": "bob", "password": PASSWORD, "device_token": device});
    let foreign = app.send(Method::POST, "/auth/login", None, Some(&foreign)).await.expect(200);
    assert_eq!(foreign["mfa_required"], true);
    let list = app.get(&again, "/auth/mfa/devices").await.expect(200);
    let devices = list["items"].as_array().unwrap();
    assert_eq!((devices.len(), &devices[0]["address"]), (1, &json!("127.0.0.1")));
    let path = format!("/auth/mfa/devices/{}", devices[0]["id"].as_str().unwrap());
    app.delete(&bob, &path).await.problem(404, "not-found");
    let _ = app.delete(&again, &path).await.expect(204);
    assert_eq!(log_in().await["mfa_required"], true);
    // Another, which runs out by itself; and which the console gets as a cookie that no script reads.
    let origin = format!("http://{}", app.address);
    let console = |path: &str, body: &Value, cookie: &str| {
        let request = app.request(Method::POST, path, None).json(body).header("X-Tenure-Console", "1");
        request.header("Origin", &origin).header("Cookie", cookie)
    };
    let by_cookie = json!({"username": "ada", "password": PASSWORD, "refresh": "cookie"});
    let asked = answer(console("/auth/login", &by_cookie, "")).await.expect(200);
    let second = json!({"mfa_token": asked["mfa_token"], "code": own.next_code(&clock), "trust_device": true});
    app.send(Method::POST, "/auth/mfa", None, Some(&second)).await.problem(400, "bad-request");
    let done = answer(console("/auth/mfa", &second, "")).await;
    let cookies: Vec<_> =
        done.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    let trusted = cookies.iter().find(|cookie| cookie.starts_with("tenure_device=")).unwrap();
    assert!(trusted.contains("HttpOnly") && trusted.contains("SameSite=Strict") && trusted.contains("Max-Age=2592000"));
    let body = done.expect(200);
    assert!(body.get("device_token").is_none() && body.get("refresh_token").is_none());
    let cookie = trusted.split(';').next().unwrap();
    let quick = answer(console("/auth/login", &by_cookie, cookie)).await.expect(200);
    assert!(quick["access_token"].is_string());
    clock.advance(Duration::from_secs(30 * 24 * 60 * 60));
    let late = answer(console("/auth/login", &by_cookie, cookie)).await.expect(200);
    assert_eq!(late["mfa_required"], true);
    clock.advance(Duration::from_secs(1));
    app.app.sweep().await.unwrap();
    let left: i64 =
        sqlx::query_scalar("select count(*) from trusted_devices").fetch_one(&mut app.admin().await).await.unwrap();
    assert_eq!(left, 0);
}

pub async fn add_passkey(app: &TestApp, actor: &Actor) -> SoftPasskey {
    let asked = app.post(actor, "/auth/mfa/passkeys/options", json!(null)).await.expect(200);
    let (passkey, credential) = SoftPasskey::make(&asked["options"]);
    let body = json!({"passkey_token": asked["passkey_token"], "name": "Telephone", "credential": credential});
    let added = app.post(actor, "/auth/mfa/passkeys", body.clone()).await.expect(201);
    assert_eq!(added["passkey"]["name"], "Telephone");
    assert_eq!(added["recovery_codes"].as_array().unwrap().len(), 10);
    app.post(actor, "/auth/mfa/passkeys", body).await.problem(422, "invalid");
    passkey
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_a_second_factor_and_enough_alone() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let mut passkey = add_passkey(&app, &ada).await;
    let asked = half(&app, "ada").await;
    assert_eq!(asked["factors"], json!(["passkey", "recovery_code"]));
    let signed = passkey.sign(&asked["passkey"]);
    let there = finish(&app, &asked, json!({"passkey": signed})).await.expect(200);
    let there = with(&ada, &there);
    // An answer to one question is none to another.
    let again = half(&app, "ada").await;
    finish(&app, &again, json!({"passkey": signed})).await.problem(401, "invalid-credentials");
    // A page that only looks like ours gets an answer that is worth nothing here.
    passkey.origin = "http://locahost:8080".to_owned();
    let phished = passkey.sign(&again["passkey"]);
    finish(&app, &again, json!({"passkey": phished})).await.problem(401, "invalid-credentials");
    passkey.origin = crate::soft_passkey::ORIGIN.to_owned();
    // A copy that was made earlier counts behind.
    passkey.counter = 0;
    let copied = passkey.sign(&again["passkey"]);
    finish(&app, &again, json!({"passkey": copied})).await.problem(401, "invalid-credentials");
    passkey.counter = 9;

    let alone = async |sent: &Value| app.send(Method::POST, "/auth/passkey", None, Some(sent)).await;
    let question = app.send(Method::POST, "/auth/passkey/options", None, None).await.expect(200);
    assert!(question["options"].get("allowCredentials").is_none_or(|list| list.as_array().is_none_or(Vec::is_empty)));
    let sent = json!({"passkey_token": question["passkey_token"], "credential": passkey.sign(&question["options"])});
    let by_itself = alone(&sent).await.expect(200);
    assert_eq!(by_itself["user"]["username"], "ada");
    let _ = app.get(&with(&ada, &by_itself), "/auth/me").await.expect(200);
    alone(&sent).await.problem(401, "invalid-credentials");
    // Of another person by the same device: nobody's.
    let question = app.send(Method::POST, "/auth/passkey/options", None, None).await.expect(200);
    let mut forged = passkey.sign(&question["options"]);
    let bob = app.register("bob", "Globex").await;
    let handle: UserId = bob.user_id().parse().unwrap();
    let handle = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, handle.uuid().as_bytes());
    forged["response"]["userHandle"] = json!(handle);
    let sent = json!({"passkey_token": question["passkey_token"], "credential": forged});
    alone(&sent).await.problem(401, "invalid-credentials");

    // A step-up by it, of the login that asked.
    clock.advance(Duration::from_secs(6 * 60));
    app.post(&there, "/auth/mfa/recovery-codes", json!(null)).await.problem(403, "step-up-required");
    let question = app.post(&there, "/auth/step-up/passkey", json!(null)).await.expect(200);
    let sent = json!({"passkey_token": question["passkey_token"], "passkey": passkey.sign(&question["options"])});
    app.post(&with(&ada, &by_itself), "/auth/step-up", sent.clone()).await.problem(422, "invalid");
    let _ = app.post(&there, "/auth/step-up", sent.clone()).await.expect(204);
    app.post(&there, "/auth/step-up", sent).await.problem(422, "invalid");
    let _ = app.post(&there, "/auth/mfa/recovery-codes", json!(null)).await.expect(200);

    let list = app.get(&there, "/auth/mfa/passkeys").await.expect(200);
    let path = format!("/auth/mfa/passkeys/{}", list["items"][0]["id"].as_str().unwrap());
    assert!(list["items"][0]["last_used_at"].is_string());
    let _ = app.post(&bob, "/auth/step-up", json!({"password": PASSWORD})).await.expect(204);
    app.delete(&bob, &path).await.problem(404, "not-found");
    let _ = app.delete(&there, &path).await.expect(204);
    let without = login(&app, "ada", PASSWORD).await.expect(200);
    assert!(without["access_token"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_resets_who_has_lost_theirs_and_nobody_beyond() {
    let (app, clock) = at_rest().await;
    let admin = app.register("ada", "Engines").await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    let path = format!("/users/{}/mfa", viewer.user_id());
    app.delete(&admin, &path).await.problem(409, "conflict");
    let member = async || app.get(&admin, &format!("/users/{}", viewer.user_id())).await.expect(200);
    assert_eq!(member().await["mfa"], false);
    let _ = AuthApp::set_up(&app, &clock, &viewer).await;
    assert_eq!(member().await["mfa"], true);
    assert_eq!(app.get(&admin, "/users?search=viewer").await.expect(200)["items"][0]["mfa"], true);
    clock.advance(Duration::from_secs(6 * 60));
    app.delete(&viewer, &path).await.problem(403, "permission-denied");
    app.delete(&admin, &path).await.problem(403, "step-up-required");
    let _ = app.post(&admin, "/auth/step-up", json!({"password": PASSWORD})).await.expect(204);
    // Who may less does not disarm who may more.
    let role = json!({"name": "helper", "permissions": ["user:*", "role:assign"]});
    let _ = app.post(&admin, "/roles", role).await.expect(201);
    let helper = app.member(&admin, SystemRole::Auditor).await;
    let assign = json!({"roles": ["helper"]});
    let _ = app.patch(&admin, &format!("/users/{}", helper.user_id()), assign).await.expect(200);
    app.delete(&helper, &format!("/users/{}/mfa", admin.user_id())).await.problem(403, "permission-denied");
    // Somebody who belongs elsewhere, too, and somebody of another organisation.
    let bob = app.register("bob", "Globex").await;
    app.delete(&admin, &format!("/users/{}/mfa", bob.user_id())).await.problem(404, "not-found");
    let asked = json!({"email": "bob@example.com", "username": "robert", "full_name": "Bob", "password": PASSWORD});
    let _ = app.post(&admin, "/users", asked).await.expect(201);
    let _ = AuthApp::set_up(&app, &clock, &bob).await;
    assert_eq!(app.get(&admin, "/users?search=robert").await.expect(200)["items"][0]["mfa"], false, "not agreed yet");
    let of_bob = format!("/users/{}", bob.user_id());
    app.delete(&admin, &format!("{of_bob}/mfa")).await.problem(404, "not-found");
    app.post(&admin, &format!("{of_bob}/unlock"), json!(null)).await.problem(404, "not-found");
    app.confirmed("bob").await;
    let _ = app.post(&bob, "/auth/switch", json!({"organization": "engines", "accept": true})).await.expect(200);
    app.delete(&admin, &format!("{of_bob}/mfa")).await.problem(409, "conflict");

    let _ = app.delete(&admin, &path).await.expect(204);
    app.get(&viewer, "/auth/me").await.problem(401, "unauthenticated");
    assert_eq!(member().await["mfa"], false);
    let there = login(&app, &viewer.username, PASSWORD).await.expect(200);
    assert!(there["access_token"].is_string());
    let event = &app.get(&admin, "/audit/events?action=user.mfa-reset").await.expect(200)["items"][0];
    assert_eq!((&event["actor"]["id"], &event["resource"]["id"]), (&admin.user["id"], &viewer.user["id"]));
}

/// A new password by mail is one factor: it begins no session, ends what was begun with the old one, and leaves the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_reset_by_mail_is_half_a_login() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    let asked = half(&app, "ada").await;
    let trusting = json!({"code": own.next_code(&clock), "trust_device": true});
    let device = finish(&app, &asked, trusting).await.expect(200)["device_token"].clone();
    let begun = half(&app, "ada").await;
    let body = json!({"email": "ada@example.com"});
    let _ = app.send(Method::POST, "/auth/password/reset", None, Some(&body)).await.expect(204);
    let link = crate::mailbox::token(&crate::mailbox::latest(&app, "reset-password", "ada@example.com").await);
    let new = "a loud yellow morning";
    let body = json!({"token": link, "new_password": new});
    let done = app.send(Method::POST, "/auth/password/reset/confirm", None, Some(&body)).await.expect(204);
    assert!(done.get("access_token").is_none());
    finish(&app, &begun, json!({"code": own.next_code(&clock)})).await.problem(401, "invalid-credentials");
    let again = json!({"username": "ada", "password": new, "device_token": device});
    let again = app.send(Method::POST, "/auth/login", None, Some(&again)).await.expect(200);
    assert_eq!(again["mfa_required"], true, "nor is the device trusted any more");
    let _ = finish(&app, &again, json!({"code": own.next_code(&clock)})).await.expect(200);
}
