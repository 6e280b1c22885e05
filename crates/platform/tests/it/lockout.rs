//! Who guesses waits; whose password it is does not.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::{Clock, Timestamp, UserId};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, Answer, PASSWORD, Setup, TestApp, answer};

use crate::mfa::{AuthApp, at_rest, finish, half, login};

const WRONG: &str = "wrong wrong wrong";
/// Of another system, and as quick to check as such hashes get.
const IMPORTED: &str = "$2y$10$abcdefghijklmnopqrstuuMVK1xMBgTqqgjRUqpwXJ8lHg5z4cFtu";

/// Guesses until the account waits; from here, without anything that the person has.
async fn locked_out(app: &TestApp, name: &str) {
    for _ in 0..5 {
        login(app, name, WRONG).await.problem(401, "invalid-credentials");
    }
    login(app, name, PASSWORD).await.problem(429, "rate-limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_device_and_an_open_login_get_in_while_outsiders_guess() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    let asked = half(&app, "ada").await;
    let trusting = json!({"code": own.next_code(&clock), "trust_device": true});
    let device = finish(&app, &asked, trusting).await.expect(200)["device_token"].clone();
    let bob = app.register("bob", "Globex").await;
    for name in ["ada", "bob"] {
        locked_out(&app, name).await;
    }
    let with_device = |password: &str| json!({"username": "ada", "password": password, "device_token": device.clone()});
    let from_device = async |password: &str| -> Answer {
        app.send(Method::POST, "/auth/login", None, Some(&with_device(password))).await
    };
    assert!(from_device(PASSWORD).await.expect(200)["access_token"].is_string());
    // A browser that is logged in sends its cookie along.
    let cookie = format!("tenure_refresh={}", bob.refresh_token);
    let body = json!({"username": "bob", "password": PASSWORD});
    let request = app.request(Method::POST, "/auth/login", None).json(&body).header("Cookie", &cookie);
    let _ = answer(request).await.expect(200);
    let _ = app.post(&bob, "/auth/step-up", json!({"password": PASSWORD})).await.expect(204);
    // Another person's device or login is worth nothing.
    let foreign = json!({"username": "bob", "password": PASSWORD, "device_token": device});
    app.send(Method::POST, "/auth/login", None, Some(&foreign)).await.problem(429, "rate-limited");
    let body = json!({"username": "ada", "password": PASSWORD});
    let request = app.request(Method::POST, "/auth/login", None).json(&body).header("Cookie", &cookie);
    answer(request).await.problem(429, "rate-limited");
    // The device has a count of its own, and outsiders are let in again without regard to it.
    for _ in 0..5 {
        from_device(WRONG).await.problem(401, "invalid-credentials");
    }
    from_device(PASSWORD).await.problem(429, "rate-limited");
    clock.advance(Duration::from_secs(3));
    let _ = from_device(PASSWORD).await.expect(200);
    // A login that has ended is no sign of anybody.
    let _ = app.delete(&bob, "/auth/sessions?include_current=true").await.expect(200);
    for _ in 0..3 {
        login(&app, "bob", WRONG).await;
    }
    let body = json!({"username": "bob", "password": PASSWORD});
    let request = app.request(Method::POST, "/auth/login", None).json(&body).header("Cookie", &cookie);
    answer(request).await.problem(429, "rate-limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_ends_the_wait_and_cannot_have_a_password_guessed_by_that() {
    let (app, clock) = at_rest().await;
    let admin = app.register("ada", "Engines").await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    let stranger = app.register("hank", "Globex").await;
    let path = format!("/users/{}/unlock", viewer.user_id());
    locked_out(&app, &viewer.username).await;
    app.post(&viewer, &path, json!(null)).await.problem(403, "permission-denied");
    app.post(&stranger, &path, json!(null)).await.problem(404, "not-found");
    let _ = app.post(&admin, &path, json!(null)).await.expect(204);
    let wait = async || {
        login(&app, &viewer.username, WRONG).await.problem(401, "invalid-credentials");
        let waits = login(&app, &viewer.username, PASSWORD).await;
        waits.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap()
    };
    // The next failure waits longer than the one before, as if nobody had helped.
    let first = wait().await;
    let _ = app.post(&admin, &path, json!(null)).await.expect(204);
    let second = wait().await;
    assert!(first > 3 && second > first, "{first}, then {second}");
    let _ = app.post(&admin, &path, json!(null)).await.expect(204);
    // Three guesses were enough; the next wait is waited.
    let third = wait().await;
    app.post(&admin, &path, json!(null)).await.problem(409, "conflict");
    login(&app, &viewer.username, PASSWORD).await.problem(429, "rate-limited");
    clock.advance(Duration::from_secs(third));
    let _ = login(&app, &viewer.username, PASSWORD).await.expect(200);
    let events = app.get(&admin, "/audit/events?action=user.unlocked").await.expect(200);
    let events = events["items"].as_array().unwrap();
    assert_eq!((events.len(), &events[0]["actor"]["id"]), (3, &admin.user["id"]));
    // By time as well, and after a success from the beginning.
    locked_out(&app, &viewer.username).await;
    clock.advance(Duration::from_secs(3));
    let _ = login(&app, &viewer.username, PASSWORD).await.expect(200);
}

/// One account as another system left it, one of ours, and a name that nobody has.
async fn three(app: &TestApp) -> [&'static str; 3] {
    let _ = app.register("ours", "Engines").await;
    let imported: Actor = app.register("imported", "Globex").await;
    let user: UserId = imported.user_id().parse().unwrap();
    sqlx::query("update credentials set secret = $2 where user_id = $1")
        .bind(user.uuid())
        .bind(IMPORTED)
        .execute(&mut app.admin().await)
        .await
        .unwrap();
    ["nobody", "ours", "imported"]
}

fn beats(beat: Duration) -> Setup {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    let platform = PlatformConfig { failed_login_takes: beat, ..PlatformConfig::default() };
    Setup { clock, platform, ..Setup::default() }
}

/// The same words, the same rows counted, and one check of a password, whoever was tried. What a check costs differs with who
/// made the hash; that is what the beat is for.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_login_does_the_same_work_whoever_was_tried() {
    let beat = Duration::from_millis(1_500);
    let setup = beats(beat);
    let clock = setup.clock.clone();
    let app = TestApp::with(setup).await;
    let mut seen: Vec<(Value, u64, i64)> = Vec::new();
    for name in three(&app).await {
        let mut admin = app.admin().await;
        let count = "select count(*) from login_failures";
        let before: i64 = sqlx::query_scalar(count).fetch_one(&mut admin).await.unwrap();
        let checks = app.app.passwords.checked();
        let begun = Instant::now();
        let problem = login(&app, name, WRONG).await.problem(401, "invalid-credentials");
        let took = begun.elapsed();
        assert!(took >= beat, "{name} was answered after {took:?}, before the beat");
        let after: i64 = sqlx::query_scalar(count).fetch_one(&mut admin).await.unwrap();
        // The address, and the names that fail from it, are counted once for all three.
        let rows = after - before - if seen.is_empty() { 2 } else { 0 };
        seen.push((problem, app.app.passwords.checked() - checks, rows));
        clock.advance(Duration::from_secs(1));
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
    assert_eq!((seen[0].1, seen[0].2), (1, 2));
}

/// Mann and Whitney's U as a standard normal deviate, for samples without many ties.
fn deviate(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = a.iter().map(|x| (*x, true)).chain(b.iter().map(|x| (*x, false))).collect();
    all.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
    let ranks: f64 = (1_u32..).zip(&all).filter(|(_, (_, first))| *first).map(|(rank, _)| f64::from(rank)).sum();
    let [n, m] = [a.len(), b.len()].map(|length| f64::from(u32::try_from(length).unwrap()));
    let u = ranks - n * (n + 1.0) / 2.0;
    (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Failed logins of the three, interleaved; milliseconds of each.
async fn measured(beat: Duration, rounds: usize) -> [Vec<f64>; 3] {
    let app = TestApp::with(beats(beat)).await;
    let (names, mut admin) = (three(&app).await, app.admin().await);
    let mut samples: [Vec<f64>; 3] = Default::default();
    for round in 0..rounds + 10 {
        for turn in 0..3 {
            let which = (round + turn) % 3;
            // None waits for those before it.
            sqlx::query("truncate login_failures").execute(&mut admin).await.unwrap();
            let begun = Instant::now();
            login(&app, names[which], WRONG).await.problem(401, "invalid-credentials");
            if round >= 10 {
                samples[which].push(begun.elapsed().as_secs_f64() * 1_000.0);
            }
        }
    }
    samples
}

/// `cargo test --workspace --test it -- --ignored --nocapture timing`: on a machine that does little else.
///
/// Bounds: |z| < 3.29 (one false alarm in a thousand) or medians that differ by less than 1 ms, which no network lets an
/// attacker see in fewer tries than the lockout allows.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: it wants a quiet machine"]
async fn timing_tells_nothing_of_whether_an_account_exists() {
    for (what, beat, pairs) in [
        ("without the beat, an unknown name and an account", Duration::ZERO, [(0, 1)].as_slice()),
        ("with the beat, all three", Duration::from_millis(400), [(0, 1), (0, 2), (1, 2)].as_slice()),
    ] {
        let samples = measured(beat, if beat.is_zero() { 300 } else { 60 }).await;
        for (a, b) in pairs {
            let (one, other) = (&samples[*a], &samples[*b]);
            let (z, apart) = (deviate(one, other), (median(one) - median(other)).abs());
            eprintln!(
                "{what}: {} of {a} at {:.2} ms, {} of {b} at {:.2} ms; z = {z:.2}, medians {apart:.3} ms apart",
                one.len(),
                median(one),
                other.len(),
                median(other)
            );
            assert!(z.abs() < 3.29 || apart < 1.0, "the time tells");
        }
    }
}

#[test]
fn the_deviate_tells_shifted_samples_from_equal_ones() {
    let of = |shift: f64| (0..200).map(|n| f64::from((n * 7919) % 1000) / 100.0 + shift).collect::<Vec<_>>();
    assert!(deviate(&of(0.0), &of(0.005)).abs() < 1.0);
    assert!(deviate(&of(0.0), &of(2.0)).abs() > 5.0);
}

/// One password on so many names: how many were judged.
async fn spray(app: &TestApp, names: std::ops::Range<u32>) -> usize {
    let mut judged = 0;
    for number in names {
        let answer = login(app, &format!("guess-{number}"), WRONG).await;
        match answer.status.as_u16() {
            401 => judged += 1,
            _ => drop(answer.problem(429, "rate-limited")),
        }
    }
    judged
}

#[tokio::test(flavor = "multi_thread")]
async fn one_password_on_many_names_makes_the_address_wait_and_nobody_known() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    let asked = half(&app, "ada").await;
    let trusting = json!({"code": own.next_code(&clock), "trust_device": true});
    let device = finish(&app, &asked, trusting).await.expect(200)["device_token"].clone();
    let bob = app.register("bob", "Globex").await;
    assert_eq!(spray(&app, 0..200).await, 21, "twenty are free, and the next begins the wait");
    // Whoever there is and whoever is not, whatever the password is.
    let mut answers = Vec::new();
    for (name, password) in [("bob", PASSWORD), ("bob", WRONG), ("nobody", WRONG), ("guess-0", WRONG)] {
        let answer = login(&app, name, password).await;
        answers.push((answer.status, answer.headers["retry-after"].clone(), answer.problem(429, "rate-limited")));
    }
    answers.iter_mut().for_each(|(_, _, problem)| drop(problem.as_object_mut().unwrap().remove("request_id")));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    // Who has been here before comes in from the same address.
    let known = json!({"username": "ada", "password": PASSWORD, "device_token": device});
    let _ = app.send(Method::POST, "/auth/login", None, Some(&known)).await.expect(200);
    let cookie = format!("tenure_refresh={}", bob.refresh_token);
    let body = json!({"username": "bob", "password": PASSWORD});
    let _ =
        answer(app.request(Method::POST, "/auth/login", None).json(&body).header("Cookie", &cookie)).await.expect(200);
    // It ends by time: after the wait somebody new gets in, and a further name waits twice as long.
    clock.advance(Duration::from_secs(3));
    let _ = login(&app, "bob", PASSWORD).await.expect(200);
    assert_eq!(spray(&app, 200..210).await, 1);
    clock.advance(Duration::from_secs(3));
    login(&app, "bob", PASSWORD).await.problem(429, "rate-limited");
    clock.advance(Duration::from_secs(2));
    let _ = login(&app, "bob", PASSWORD).await.expect(200);
    // Twenty an hour are forgiven, so that an office is let in again, and a list of names takes a day and not a minute.
    clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(spray(&app, 300..500).await, 18 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spray_that_comes_at_once_is_judged_no_further_and_another_address_is_untouched() {
    let (app, clock) = at_rest().await;
    let _ = app.register("ada", "Engines").await;
    let names: Vec<String> = (0..60).map(|number| format!("guess-{number}")).collect();
    let answers = futures::future::join_all(names.iter().map(|name| login(&app, name, WRONG))).await;
    let of = |status: u16| answers.iter().filter(|answer| answer.status.as_u16() == status).count();
    assert_eq!((of(401), of(401) + of(429)), (21, 60), "the password's pool takes sixty");
    login(&app, "ada", PASSWORD).await.problem(429, "rate-limited");
    // Each name once more a while later is a spray of the second password, and no list of names that are known already.
    clock.advance(Duration::from_secs(16 * 60));
    assert_eq!(spray(&app, 0..60).await, 5, "five were forgiven");
    // Another address waits for nothing.
    login(&app, "ada", PASSWORD).await.problem(429, "rate-limited");
    let elsewhere = reqwest::Client::builder().local_address(std::net::IpAddr::from([127, 0, 0, 2])).build().unwrap();
    let url = format!("http://{}/api/v1/auth/login", app.address);
    let body = json!({"username": "ada", "password": PASSWORD});
    let _ = answer(elsewhere.post(url).json(&body)).await.expect(200);
}
