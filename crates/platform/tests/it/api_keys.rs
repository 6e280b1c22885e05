//! API keys, from their making to their end, and everything that must not work with one.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::limits::{Rate, Rates};
use tenure_kernel::{Clock, TenantId, Timestamp};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, Answer, Setup, TestApp, answer};

/// The answer to a new key with these scopes and whatever else is told.
pub async fn make(app: &TestApp, owner: &Actor, scopes: &[&str], more: Value) -> Answer {
    let mut body = json!({"name": "Import", "scopes": scopes});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.post(owner, "/api-keys", body).await
}

/// A key's text and its path.
pub fn parts(issued: &Value) -> (String, String) {
    let id = issued["api_key"]["id"].as_str().unwrap();
    (issued["key"].as_str().unwrap().to_owned(), format!("/api-keys/{id}"))
}

async fn issued(app: &TestApp, owner: &Actor, scopes: &[&str]) -> (String, String) {
    parts(&make(app, owner, scopes, json!({})).await.expect(201))
}

/// A request with nothing but this key.
pub async fn with_key(app: &TestApp, key: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = app.request(method, path, None).header("X-API-Key", key);
    answer(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

pub async fn read(app: &TestApp, key: &str) -> Answer {
    with_key(app, key, Method::GET, "/teams", None).await
}

fn setup_at(start: &str) -> (Setup, Clock) {
    let clock = Clock::manual(start.parse().unwrap());
    (Setup { clock: clock.clone(), ..Setup::default() }, clock)
}

/// Principal and key of the events of this action, the newest first.
pub async fn actors(app: &TestApp, tenant: TenantId, action: &str) -> Vec<(String, Option<uuid::Uuid>)> {
    sqlx::query_as(
        "select principal, key_id from events where tenant_id = $1 and action = $2 order by at desc, id desc",
    )
    .bind(tenant.uuid())
    .bind(action)
    .fetch_all(&mut app.admin().await)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_from_its_making_to_its_end() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let made = make(&app, &ada, &["team:*", "workflow:read"], json!({"environment": "prod"})).await.expect(201);
    let (key, path) = parts(&made);
    assert!(key.starts_with("tnr_prod_"), "{key}");
    assert_eq!(made["api_key"]["scopes"], json!(["workflow:read", "team:read", "team:write"]));
    assert_eq!(made["api_key"]["owner"], json!({"kind": "user", "id": ada.user_id()}));

    // Either header, and the scheme in any case.
    assert_eq!(read(&app, &key).await.expect(200)["items"][0]["name"], "Everyone");
    let _ = app.send(Method::GET, "/teams", Some(&key), None).await.expect(200);
    let team = with_key(&app, &key, Method::POST, "/teams", Some(json!({"name": "Fleet"}))).await.expect(201);
    assert_eq!(team["name"], "Fleet");
    let (principal, by) = actors(&app, ada.tenant(), "team.created").await.remove(0);
    let id: tenure_kernel::KeyId = made["api_key"]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!((principal.as_str(), by), (ada.user_id(), Some(id.uuid())), "the log tells person and key");

    // It is in no later answer, and nowhere in the database.
    let shown = app.get(&ada, &path).await.expect(200);
    let listed = app.get(&ada, "/api-keys").await.expect(200);
    assert_eq!(listed["items"][0], shown);
    let secret = key.split('_').nth(3).unwrap();
    assert!(!listed.to_string().contains(secret));
    let stored: Vec<String> = sqlx::query_scalar(
        "select to_jsonb(k)::text from api_keys k union all select to_jsonb(e)::text from events e
         union all select to_jsonb(i)::text from idempotency_keys i",
    )
    .fetch_all(&mut app.admin().await)
    .await
    .unwrap();
    assert!(stored.len() > 3 && stored.iter().all(|row| !row.contains(secret)));

    let revoked = app.post(&ada, &format!("{path}/revoke"), json!({})).await.expect(200);
    assert_eq!(revoked["state"], "revoked");
    read(&app, &key).await.problem(401, "unauthenticated");
    let again = app.post(&ada, &format!("{path}/revoke"), json!({})).await.expect(200);
    assert_eq!(again, revoked, "revoking twice is revoking once");
    app.patch(&ada, &path, json!({"name": "x"})).await.problem(409, "conflict");
    app.post(&ada, &format!("{path}/rotate"), json!({})).await.problem(409, "conflict");
    let actions = app.actions(ada.tenant()).await;
    assert_eq!(actions.iter().filter(|action| *action == "api-key.revoked").count(), 1);
    assert!(actions.iter().any(|action| action == "api-key.created"), "{actions:?}");
    let refusals = actors(&app, ada.tenant(), "request.refused").await;
    assert_eq!(refusals[0], (ada.user_id().to_owned(), Some(id.uuid())), "the use of a dead key is told to its tenant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_cut_down_to_its_scopes_and_to_what_its_owner_may_do_now() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let developer = app.member(&admin, SystemRole::Developer).await;
    let (reads, _) = issued(&app, &developer, &["workflow:read"]).await;
    let refused = read(&app, &reads).await.problem(403, "permission-denied");
    assert_eq!(refused["permission"], "team:read");
    let (key, path) = issued(&app, &developer, &["workflow:*", "team:read"]).await;
    let _ = read(&app, &key).await.expect(200);
    let workflows = async || with_key(&app, &key, Method::GET, "/workflows", None).await.status.as_u16();
    assert_eq!(workflows().await, 200);

    let roles = async |roles: &[&str]| {
        let body = json!({"roles": roles});
        app.patch(&admin, &format!("/users/{}", developer.user_id()), body).await.expect(200)
    };
    let _ = roles(&["auditor"]).await;
    read(&app, &key).await.problem(403, "permission-denied");
    assert_eq!(workflows().await, 403);
    let _ = roles(&["admin"]).await;
    let made = with_key(&app, &key, Method::POST, "/teams", Some(json!({"name": "x"}))).await;
    made.problem(403, "permission-denied");
    assert_eq!(workflows().await, 200);

    // Narrowed for good.
    let _ = app.patch(&developer, &path, json!({"scopes": ["workflow:read"]})).await.expect(200);
    read(&app, &key).await.problem(403, "permission-denied");
    let wider = app.patch(&developer, &path, json!({"scopes": ["workflow:read", "team:read"]})).await;
    assert_eq!(wider.problem(422, "invalid")["errors"][0]["pointer"], "/scopes");

    let _ =
        app.patch(&admin, &format!("/users/{}", developer.user_id()), json!({"status": "locked"})).await.expect(200);
    with_key(&app, &key, Method::GET, "/workflows", None).await.problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_a_key_more_than_they_hold_and_a_key_makes_none() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let developer = app.member(&admin, SystemRole::Developer).await;
    for scopes in [&["audit:read"][..], &["*"], &["workflow:read", "user:*"]] {
        let refused = make(&app, &developer, scopes, json!({})).await.problem(403, "permission-denied");
        assert!(refused["permission"].as_str().unwrap().contains(':'), "{refused}");
    }
    let (key, path) = issued(&app, &admin, &["*"]).await;
    let wanted = json!({"name": "child", "scopes": ["team:read"]});
    with_key(&app, &key, Method::POST, "/api-keys", Some(wanted)).await.problem(403, "permission-denied");
    let wider = json!({"allowed_cidrs": []});
    with_key(&app, &key, Method::PATCH, &path, Some(wider)).await.problem(403, "permission-denied");
    let (_, other) = issued(&app, &admin, &["*"]).await;
    with_key(&app, &key, Method::POST, &format!("{other}/rotate"), None).await.problem(403, "permission-denied");
    let rotated = with_key(&app, &key, Method::POST, &format!("{path}/rotate"), None).await.expect(201);
    let _ = read(&app, &parts(&rotated).0).await.expect(200);
    let _ = with_key(&app, &key, Method::POST, &format!("{other}/revoke"), None).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_manages_people_sees_and_revokes_their_keys_and_never_holds_one() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let developer = app.member(&admin, SystemRole::Developer).await;
    let operator = app.member(&admin, SystemRole::Operator).await;
    let (key, path) = issued(&app, &developer, &["team:read"]).await;
    assert_eq!(app.get(&operator, "/api-keys").await.expect(200)["items"], json!([]));
    app.get(&operator, &path).await.problem(404, "not-found");
    app.post(&operator, &format!("{path}/revoke"), json!({})).await.problem(404, "not-found");
    assert_eq!(app.get(&admin, "/api-keys").await.expect(200)["items"][0]["name"], "Import");
    app.post(&admin, &format!("{path}/rotate"), json!({})).await.problem(403, "permission-denied");
    app.patch(&admin, &path, json!({"name": "mine"})).await.problem(403, "permission-denied");
    let _ = read(&app, &key).await.expect(200);
    let _ = app.post(&admin, &format!("{path}/revoke"), json!({})).await.expect(200);
    read(&app, &key).await.problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_works_through_its_grace() {
    let (setup, clock) = setup_at("2026-03-01T12:00:00Z");
    let app = TestApp::with(setup).await;
    let ada = app.register("ada", "Engines").await;
    let made = make(&app, &ada, &["team:read"], json!({"allowed_cidrs": ["127.0.0.0/8"]})).await.expect(201);
    let (first, first_path) = parts(&made);
    let rotated = app.post(&ada, &format!("{first_path}/rotate"), json!({})).await.expect(201);
    let (second, second_path) = parts(&rotated);
    for same in ["name", "scopes", "allowed_cidrs", "environment", "owner", "expires_at"] {
        assert_eq!(rotated["api_key"][same], made["api_key"][same], "{same}");
    }
    assert_eq!(rotated["api_key"]["rotated_from"], made["api_key"]["id"]);
    let old = app.get(&ada, &first_path).await.expect(200);
    assert_eq!((&old["state"], &old["retires_at"]), (&json!("retiring"), &json!("2026-03-08T12:00:00Z")));
    app.post(&ada, &format!("{first_path}/rotate"), json!({})).await.problem(409, "conflict");
    let _ = (read(&app, &first).await.expect(200), read(&app, &second).await.expect(200));

    clock.advance(Duration::from_secs(7 * 24 * 60 * 60 - 1));
    let _ = read(&app, &first).await.expect(200);
    clock.advance(Duration::from_secs(1));
    read(&app, &first).await.problem(401, "unauthenticated");
    let _ = read(&app, &second).await.expect(200);

    app.post(&ada, &format!("{second_path}/rotate"), json!({})).await.problem(401, "unauthenticated");
    let ada = app.log_in("ada").await;
    clock.advance(Duration::from_secs(6 * 60));
    let ada_later = json!({"grace_seconds": 0});
    app.post(&ada, &format!("{second_path}/rotate"), ada_later).await.problem(403, "step-up-required");
    app.patch(&ada, &second_path, json!({"allowed_cidrs": []})).await.problem(403, "step-up-required");
    let ada = app.log_in("ada").await;
    let third = app.post(&ada, &format!("{second_path}/rotate"), json!({"grace_seconds": 0})).await.expect(201);
    read(&app, &second).await.problem(401, "unauthenticated");
    let _ = read(&app, &parts(&third).0).await.expect(200);
    let path = parts(&third).1;
    let wrong = app.post(&ada, &format!("{path}/rotate"), json!({"grace_seconds": 7_776_001})).await;
    assert_eq!(wrong.problem(422, "invalid")["errors"][0]["pointer"], "/grace_seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_when_it_says_also_where_it_is_known() {
    let (setup, clock) = setup_at("2026-03-01T12:00:00Z");
    let app = TestApp::with(setup).await;
    let ada = app.register("ada", "Engines").await;
    let end = json!({"expires_at": "2026-03-01T12:05:00Z"});
    let (key, path) = parts(&make(&app, &ada, &["team:read"], end).await.expect(201));
    let _ = read(&app, &key).await.expect(200);
    clock.advance(Duration::from_secs(5 * 60));
    read(&app, &key).await.problem(401, "unauthenticated");
    assert_eq!(app.get(&ada, &path).await.expect(200)["state"], "expired");
    // Making one asks for a proof of the last five minutes.
    let ada = app.log_in("ada").await;
    let past = make(&app, &ada, &["team:read"], json!({"expires_at": "2026-03-01T12:05:00Z"})).await;
    assert_eq!(past.problem(422, "invalid")["errors"][0]["pointer"], "/expires_at");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_from_its_networks_alone() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let made = make(&app, &ada, &["team:read"], json!({"allowed_cidrs": ["192.0.2.77/24"]})).await.expect(201);
    assert_eq!(made["api_key"]["allowed_cidrs"], json!(["192.0.2.0/24"]));
    let (key, path) = parts(&made);
    let elsewhere = read(&app, &key).await.problem(401, "unauthenticated");
    let unknown = key.replace("_dev_", "_test_");
    assert_eq!(elsewhere["detail"], read(&app, &unknown).await.problem(401, "unauthenticated")["detail"]);
    // What a client writes about its address is believed from trusted proxies alone, and there is none here.
    let claims = app.request(Method::GET, "/teams", Some(&key)).header("X-Forwarded-For", "192.0.2.1");
    answer(claims).await.problem(401, "unauthenticated");
    let _ = app.patch(&ada, &path, json!({"allowed_cidrs": ["127.0.0.1", "192.0.2.0/24"]})).await.expect(200);
    let _ = read(&app, &key).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_key_gets_one_answer() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let (key, path) = issued(&app, &ada, &["team:read"]).await;
    let (gone, gone_path) = issued(&app, &ada, &["team:read"]).await;
    let _ = app.post(&ada, &format!("{gone_path}/revoke"), json!({})).await.expect(200);
    // Another secret under the same identifier, with a checksum that fits: from another installation.
    let other = TestApp::start().await;
    let stranger = other.register("eve", "Elsewhere").await;
    let (foreign, _) = issued(&other, &stranger, &["team:read"]).await;
    let swapped = {
        let (ours, theirs): (Vec<_>, Vec<_>) = (key.split('_').collect(), foreign.split('_').collect());
        let body = ["tnr", "dev", ours[2], theirs[3]].join("_");
        format!("{body}_{}", checksum(&body))
    };
    let mut details = Vec::new();
    for wrong in [gone.as_str(), &foreign, &swapped, &key[..key.len() - 1], "tnr_", "nonsense", "", &ada.token] {
        let problem = with_key(&app, wrong, Method::GET, "/teams", None).await.problem(401, "unauthenticated");
        details.push(problem["detail"].clone());
    }
    details.dedup();
    assert_eq!(details.len(), 1, "{details:?}");

    let both = app.request(Method::GET, "/teams", Some(&ada.token)).header("X-API-Key", &key);
    let problem = answer(both).await.problem(401, "unauthenticated");
    assert!(problem["detail"].as_str().unwrap().contains("one credential"), "{problem}");
    let twice = app.request(Method::GET, "/teams", None).header("X-API-Key", &key).header("X-API-Key", &key);
    answer(twice).await.problem(401, "unauthenticated");
    // A key has no login.
    with_key(&app, &key, Method::GET, "/auth/me", None).await.problem(401, "unauthenticated");
    let _ = app.get(&ada, &path).await.expect(200);
    let _ = read(&app, &key).await.expect(200);
}

/// CRC-32 in base 62, written down once more.
fn checksum(text: &str) -> String {
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let mut rest = !crc;
    let mut digits = Vec::new();
    for _ in 0..6 {
        digits.push(char::from(
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[usize::try_from(rest % 62).unwrap()],
        ));
        rest /= 62;
    }
    digits.into_iter().rev().collect()
}

/// Changed behind the platform's back, without news: who still lets the key pass has asked no database.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_key_costs_no_look_at_the_database_and_news_reaches_other_nodes_within_a_second() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let ada = app.register("ada", "Engines").await;
    let (key, path) = issued(&app, &ada, &["team:read"]).await;
    let begun = Instant::now();
    while !(app.app.kernel.bus().hears() && other.app.kernel.bus().hears()) {
        assert!(begun.elapsed() < Duration::from_secs(20), "the nodes do not hear each other");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _ = (read(&app, &key).await.expect(200), read(&other, &key).await.expect(200));
    let silently = async |revoked: Option<Timestamp>| {
        let update = sqlx::query("update api_keys set revoked_at = $1").bind(revoked);
        let _ = update.execute(&mut app.admin().await).await.unwrap();
    };
    silently(Some(app.app.kernel.clock().now())).await;
    for node in [&app, &other] {
        let _ = read(node, &key).await.expect(200);
    }
    silently(None).await;
    let _ = app.post(&ada, &format!("{path}/revoke"), json!({})).await.expect(200);
    read(&app, &key).await.problem(401, "unauthenticated");
    let revoked = Instant::now();
    while read(&other, &key).await.status != 401 {
        assert!(revoked.elapsed() < Duration::from_secs(1), "another node still lets it pass");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_is_written_beside_the_requests() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let (key, path) = issued(&app, &ada, &["team:read"]).await;
    assert_eq!(app.get(&ada, &path).await.expect(200)["last_used_at"], Value::Null);
    let _ = read(&app, &key).await.expect(200);
    app.app.credentials.write_uses().await.unwrap();
    let shown = app.get(&ada, &path).await.expect(200);
    assert_eq!(shown["last_used_address"], "127.0.0.1");
    let first: Timestamp = shown["last_used_at"].as_str().unwrap().parse().unwrap();
    let _ = read(&app, &key).await.expect(200);
    app.app.credentials.write_uses().await.unwrap();
    let second: Timestamp = app.get(&ada, &path).await.expect(200)["last_used_at"].as_str().unwrap().parse().unwrap();
    assert!(first < second);
    app.app.credentials.write_uses().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_makes_up_keys_is_limited_like_anybody_without_a_login() {
    let rates = Rates { address: Rate { requests: 40, seconds: 3600 }, ..Setup::default().rates };
    let app = TestApp::with(Setup { rates, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let (key, _) = issued(&app, &ada, &["team:read"]).await;
    let mut answers = Vec::new();
    for number in 0..40_u32 {
        let body = format!("tnr_dev_01jd0000000000000000{number:06}_{}", "1".repeat(43));
        answers.push(read(&app, &format!("{body}_{}", checksum(&body))).await.status.as_u16());
    }
    assert_eq!((answers[0], answers[39]), (401, 429), "{answers:?}");
    read(&app, &key).await.problem(429, "rate-limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_has_limits_of_its_own() {
    let (key, key_long) = (Rate { requests: 3, seconds: 60 }, Rate { requests: 5, seconds: 3600 });
    let app =
        TestApp::with(Setup { rates: Rates { key, key_long, ..Setup::default().rates }, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let (usual, path) = issued(&app, &ada, &["team:read", "api_key:*"]).await;
    for left in ["2", "1", "0"] {
        let fine = read(&app, &usual).await;
        assert_eq!(fine.headers["x-ratelimit-remaining"], left);
        assert!(fine.headers["ratelimit-policy"].to_str().unwrap().starts_with("\"key\";q=3;w=60"));
        let _ = fine.expect(200);
    }
    let limited = read(&app, &usual).await;
    assert!(limited.headers.contains_key("retry-after"));
    assert_eq!(limited.problem(429, "rate-limited")["limit"], "key");
    // Not its owner's other keys, nor its owner.
    let (_, other) = issued(&app, &ada, &["team:read"]).await;
    let wide = json!({"rate_limit": {"per_minute": 100}});
    let (own, own_path) = parts(&make(&app, &ada, &["team:read"], wide).await.expect(201));
    for _ in 0..5 {
        let _ = read(&app, &own).await.expect(200);
    }
    assert_eq!(read(&app, &own).await.problem(429, "rate-limited")["limit"], "key-hour");
    let more = json!({"rate_limit": {"per_minute": 100, "per_hour": 100_000, "per_day": null}});
    let _ = app.patch(&ada, &own_path, more.clone()).await.expect(200);
    // The hour that was used up stays so; the next request is let through when the new limit has one again.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _ = read(&app, &own).await.expect(200);
    let rotated = app.post(&ada, &format!("{own_path}/rotate"), json!({})).await.expect(201);
    assert_eq!(rotated["api_key"]["rate_limit"], more["rate_limit"]);
    // A key does not lift its own limits.
    with_key(&app, &parts(&rotated).0, Method::PATCH, &other, Some(more)).await.problem(403, "permission-denied");
    assert_eq!(
        app.get(&ada, &path).await.expect(200)["rate_limit"],
        json!({"per_minute": null, "per_hour": null, "per_day": null})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_making_does_not_show_the_key_again() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let make = async || {
        let request = app.request(Method::POST, "/api-keys", Some(&ada.token)).header("Idempotency-Key", "k1");
        answer(request.json(&json!({"name": "Import", "scopes": ["team:read"]}))).await
    };
    let _ = make().await.expect(201);
    make().await.problem(409, "conflict");
    assert_eq!(app.get(&ada, "/api-keys").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_told_with_its_place() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    for (body, pointer) in [
        (json!({"name": "", "scopes": ["team:read"]}), "/name"),
        (json!({"name": "x".repeat(101), "scopes": ["team:read"]}), "/name"),
        (json!({"name": "a", "scopes": []}), "/scopes"),
        (json!({"name": "a", "scopes": ["team:read", "team:fly"]}), "/scopes/1"),
        (json!({"name": "a", "scopes": ["team:read"], "allowed_cidrs": ["10.0.0.0/40"]}), "/allowed_cidrs/0"),
        (json!({"name": "a", "scopes": ["team:read"], "environment": "live"}), "/environment"),
        (json!({"name": "a", "scopes": ["team:read"], "expires_at": "soon"}), "/expires_at"),
        (json!({"name": "a", "scopes": ["team:read"], "user": "usr_1"}), "/user"),
        (json!({"name": "a", "scopes": ["team:read"], "rate_limit": {"per_hour": 0}}), "/rate_limit/per_hour"),
        (
            json!({"name": "a", "scopes": ["team:read"], "rate_limit": {"per_minute": 1_000_001}}),
            "/rate_limit/per_minute",
        ),
    ] {
        let problem = app.post(&ada, "/api-keys", body.clone()).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_eq!(app.get(&ada, "/api-keys").await.expect(200)["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_go_some_time_after_their_end() {
    let clock = Clock::manual("2026-11-03T10:00:00Z".parse().unwrap());
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let mut ada = app.register("ada", "Engines").await;
    let day = Duration::from_secs(24 * 60 * 60);
    let (_, works) = issued(&app, &ada, &["team:read"]).await;
    let (_, revoked) = issued(&app, &ada, &["team:read"]).await;
    let _ = app.post(&ada, &format!("{revoked}/revoke"), json!({})).await.expect(200);
    let (_, rotated) = issued(&app, &ada, &["team:read"]).await;
    let next = app.post(&ada, &format!("{rotated}/rotate"), json!({})).await.expect(201);
    let _ = make(&app, &ada, &["team:read"], json!({"expires_at": "2026-11-04T00:00:00Z"})).await.expect(201);
    let keys = async |actor: &Actor| app.get(actor, "/api-keys").await.expect(200)["items"].as_array().unwrap().len();
    clock.advance(day * 89);
    ada = app.log_in("ada").await;
    app.app.sweep().await.unwrap();
    assert_eq!(keys(&ada).await, 5, "until then the list says what became of them");
    clock.advance(day * 9);
    ada = app.log_in("ada").await;
    app.app.sweep().await.unwrap();
    assert_eq!(keys(&ada).await, 2);
    let _ = app.get(&ada, &works).await.expect(200);
    let (_, successor) = parts(&next);
    assert_eq!(app.get(&ada, &successor).await.expect(200)["rotated_from"], Value::Null);
}
