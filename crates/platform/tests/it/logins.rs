//! How logins begin, fail and end.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tenure_kernel::bus::Message;
use tenure_kernel::limits::{Rate, Rates};
use tenure_kernel::{Clock, SessionId, TenantId, Timestamp, UserId};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::identity::LocalLogin;
use tenure_platform::domain::tenancy::Plan;
use tenure_platform::testkit::{Actor, Answer, PASSWORD, Setup, TestApp, answer};

/// Without news a node would find out after a minute; how fast news is, a benchmark tells.
const NEWS_WITHIN: Duration = Duration::from_secs(20);

/// An installation whose time stands still until a test moves it.
async fn at_rest() -> (TestApp, Clock) {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    (TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await, clock)
}

async fn refresh(app: &TestApp, token: &str) -> Answer {
    app.send(Method::POST, "/auth/refresh", None, Some(&json!({"refresh_token": token}))).await
}

async fn login(app: &TestApp, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    app.send(Method::POST, "/auth/login", None, Some(&body)).await
}

/// Who was refused in this tenant's stream, and why.
async fn refusals(app: &TestApp, tenant: TenantId) -> Vec<(String, String)> {
    sqlx::query_as("select principal, reason from events where tenant_id = $1 and outcome = 'denied' order by at, id")
        .bind(tenant.uuid())
        .fetch_all(&mut app.admin().await)
        .await
        .unwrap()
}

async fn suspend(app: &TestApp, tenant: TenantId) {
    sqlx::query("update tenants set status = 'suspended' where tenant_id = $1")
        .bind(tenant.uuid())
        .execute(&mut app.admin().await)
        .await
        .unwrap();
    app.app.kernel.bus().wake(Message::TenantChanged { tenant });
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_locked_or_deactivated_cannot_refresh_and_their_logins_stay_ended() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    let path = format!("/users/{}", viewer.user_id());
    for status in ["locked", "deactivated"] {
        let actor = app.log_in(&viewer.username).await;
        let _ = app.patch(&admin, &path, json!({"status": status})).await.expect(200);
        refresh(&app, &actor.refresh_token).await.problem(401, "unauthenticated");
        app.get(&actor, "/auth/me").await.problem(401, "unauthenticated");
        let who = (viewer.user_id().to_owned(), "unauthenticated".to_owned());
        assert!(refusals(&app, admin.tenant()).await.contains(&who), "their administrator reads of it");
        // Whoever comes back logs in again.
        let _ = app.patch(&admin, &path, json!({"status": "active"})).await.expect(200);
        refresh(&app, &actor.refresh_token).await.problem(401, "unauthenticated");
        app.get(&actor, "/auth/me").await.problem(401, "unauthenticated");
    }
    let _ = app.log_in(&viewer.username).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_suspended_organisation_are_told_so_and_it_is_on_their_log() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let _ = app.get(&ada, "/auth/me").await.expect(200);
    suspend(&app, ada.tenant()).await;
    app.get(&ada, "/teams").await.problem(403, "tenant-suspended");
    refresh(&app, &ada.refresh_token).await.problem(403, "tenant-suspended");
    login(&app, "ada", PASSWORD).await.problem(403, "tenant-suspended");
    login(&app, "ada", "wrong wrong wrong").await.problem(401, "invalid-credentials");
    let refused = refusals(&app, ada.tenant()).await;
    let (me, suspended) = (ada.user_id().to_owned(), "tenant-suspended".to_owned());
    assert_eq!(refused[..3], [(me.clone(), suspended.clone()), (me.clone(), suspended.clone()), (me, suspended)]);
    assert_eq!(refused[3].1, "invalid-credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_is_enough_to_log_out() {
    let app = TestApp::start().await;
    let first = app.register("ada", "Engines").await;
    let second = app.log_in("ada").await;
    let out = async |token: &str| answer(app.request(Method::POST, "/auth/logout", Some(token))).await;
    let _ = out(&second.token).await.expect(204);
    app.get(&second, "/auth/me").await.problem(401, "unauthenticated");
    refresh(&app, &second.refresh_token).await.problem(401, "unauthenticated");
    let _ = out(&second.token).await.expect(204);
    let _ = app.get(&first, "/auth/me").await.expect(200);
    out("nonsense").await.problem(401, "unauthenticated");
    answer(app.request(Method::POST, "/auth/logout", None)).await.problem(401, "unauthenticated");
    let body = json!({"refresh_token": first.refresh_token});
    let _ = app.send(Method::POST, "/auth/logout", None, Some(&body)).await.expect(204);
    app.get(&first, "/auth/me").await.problem(401, "unauthenticated");
    let ended = app.actions(first.tenant()).await.iter().filter(|action| *action == "session.ended").count();
    assert_eq!(ended, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_reads_of_failed_logins_of_their_people() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    let other = app.register("hank", "Globex").await;
    login(&app, &viewer.username, "wrong wrong wrong").await.problem(401, "invalid-credentials");
    login(&app, "nobody", "wrong wrong wrong").await.problem(401, "invalid-credentials");
    let failed = async |actor: &Actor| {
        app.get(actor, "/audit/events?action=session.login-failed").await.expect(200)["items"].clone()
    };
    let seen = failed(&admin).await;
    assert_eq!(seen.as_array().unwrap().len(), 1, "{seen:#}");
    assert!(seen[0].to_string().contains(viewer.user_id()), "{seen:#}");
    assert_eq!(failed(&other).await, json!([]));
    let platform: i64 = sqlx::query_scalar(
        "select count(*) from events where action = 'session.login-failed' and tenant_id = '00000000-0000-7000-8000-000000000000'",
    )
    .fetch_one(&mut app.admin().await)
    .await
    .unwrap();
    assert_eq!(platform, 1, "somebody whom nobody knows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_when_it_says_and_its_end_is_on_the_log_of_its_tenant() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    clock.advance(Duration::from_secs(15 * 60 - 1));
    let _ = app.get(&ada, "/auth/me").await.expect(200);
    clock.advance(Duration::from_secs(1));
    app.get(&ada, "/auth/me").await.problem(401, "unauthenticated");
    let me = (ada.user_id().to_owned(), "unauthenticated".to_owned());
    assert_eq!(refusals(&app, ada.tenant()).await, [me]);
    let next = refresh(&app, &ada.refresh_token).await.expect(200);
    let token = next["access_token"].as_str().unwrap();
    let _ = app.send(Method::GET, "/auth/me", Some(token), None).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_another_tenant_than_its_logins_is_none() {
    let app = TestApp::start().await;
    let (ada, hank) = (app.register("ada", "Engines").await, app.register("hank", "Globex").await);
    let session: uuid::Uuid = sqlx::query_scalar("select id from sessions where tenant_id = $1")
        .bind(ada.tenant().uuid())
        .fetch_one(&mut app.admin().await)
        .await
        .unwrap();
    let (user, session): (UserId, _) = (ada.user_id().parse().unwrap(), SessionId::from_uuid(session));
    let now = app.app.kernel.clock().now();
    let issue = |tenant| app.app.tokens.issue(user, tenant, session, now).unwrap();
    // Ours by its signature, and known to the caches from a token that is right.
    let right = issue(ada.tenant());
    let _ = app.send(Method::GET, "/auth/me", Some(&right), None).await.expect(200);
    for _ in 0..2 {
        let wrong = issue(hank.tenant());
        app.send(Method::GET, "/teams", Some(&wrong), None).await.problem(401, "unauthenticated");
    }
    assert_eq!(refusals(&app, hank.tenant()).await, [], "it proves nothing about that tenant");
}

#[tokio::test(flavor = "multi_thread")]
async fn others_can_verify_a_token_with_the_published_keys() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let jwks = app.send(Method::GET, "/.well-known/jwks.json", None, None).await.expect(200);
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(jwks).unwrap();
    let header = jsonwebtoken::decode_header(&ada.token).unwrap();
    let key = set.find(&header.kid.unwrap()).expect("the key that the token names");
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_audience(&["tenure"]);
    let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
    let claims = jsonwebtoken::decode::<Value>(&ada.token, &key, &validation).unwrap().claims;
    assert_eq!(claims["sub"], ada.user["id"]);
    assert_eq!(claims["tid"], ada.organization["id"]);
    let flipped = format!("{}x", &ada.token[..ada.token.len() - 1]);
    assert!(jsonwebtoken::decode::<Value>(&flipped, &key, &validation).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_delays_the_names_that_fail_from_it_and_nobody_else() {
    let (app, clock) = at_rest().await;
    let _ = app.register("ada", "Engines").await;
    for number in 0..20 {
        login(&app, &format!("guess-{}", number % 10), "wrong wrong wrong").await.problem(401, "invalid-credentials");
    }
    // The first try of a name is free; from here on it is the last for a while.
    login(&app, "guess-20", "wrong wrong wrong").await.problem(401, "invalid-credentials");
    let locked = login(&app, "guess-20", "wrong wrong wrong").await;
    assert!(locked.headers.contains_key("retry-after"));
    locked.problem(429, "rate-limited");
    let _ = login(&app, "ada", PASSWORD).await.expect(200);
    login(&app, "guess-0", "wrong wrong wrong").await.problem(401, "invalid-credentials");
    login(&app, "guess-0", "wrong wrong wrong").await.problem(429, "rate-limited");
    // One failure a minute is forgiven.
    clock.advance(Duration::from_secs(30 * 60));
    for _ in 0..2 {
        login(&app, "guess-20", "wrong wrong wrong").await.problem(401, "invalid-credentials");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_counted_under_all_their_names_and_guesses_at_once_are_no_more_than_one_by_one() {
    let (app, clock) = at_rest().await;
    let _ = app.register("ada", "Engines").await;
    for name in ["ada", "ada@example.com", "ADA", "ada@example.com", "ada"] {
        login(&app, name, "wrong wrong wrong").await.problem(401, "invalid-credentials");
    }
    login(&app, "ada@example.com", PASSWORD).await.problem(429, "rate-limited");
    clock.advance(Duration::from_secs(60));
    let _ = login(&app, "ada", PASSWORD).await.expect(200);

    let guesses = (0..30).map(|_| login(&app, "ada", "wrong wrong wrong"));
    let answers = futures::future::join_all(guesses).await;
    let tried = answers.iter().filter(|answer| answer.status == StatusCode::UNAUTHORIZED).count();
    assert_eq!(tried, 5, "four are free, the fifth begins the wait");
    assert!(answers.iter().all(|answer| [401, 429].contains(&answer.status.as_u16())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_logins_is_answered_and_reading_goes_on() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let names: Vec<String> = (0..300).map(|number| format!("somebody-{number}")).collect();
    let storm = futures::future::join_all(names.iter().map(|name| login(&app, name, "wrong wrong wrong")));
    let reads = async {
        for _ in 0..50 {
            let _ = app.get(&ada, "/teams").await.expect(200);
        }
    };
    let (answers, ()) = tokio::join!(storm, reads);
    let mut busy = 0;
    for answer in answers {
        match answer.status.as_u16() {
            503 => {
                assert!(answer.headers.contains_key("retry-after"));
                answer.problem(503, "unavailable");
                busy += 1;
            }
            401 => drop(answer.problem(401, "invalid-credentials")),
            // So many names that fail are a spray.
            429 => drop(answer.problem(429, "rate-limited")),
            other => panic!("{other}: {:#}", answer.body),
        }
    }
    assert!(busy > 0, "the queue has an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_of_a_member_is_known_on_another_node_at_once() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let admin = app.register("ada", "Engines").await;
    let member = app.member(&admin, SystemRole::Developer).await;
    let path = format!("/users/{}", member.user_id());
    let known = async |wanted: u16, method: Method, path: &str| {
        let begun = std::time::Instant::now();
        loop {
            let body = json!({"name": format!("team {:?}", begun.elapsed())});
            let body = (method == Method::POST).then_some(&body);
            let status = other.send(method.clone(), path, Some(&member.token), body).await.status;
            if status == wanted {
                return;
            }
            assert!(begun.elapsed() < NEWS_WITHIN, "{path} is still answered with {status}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let settle = || tokio::time::sleep(Duration::from_millis(700));
    settle().await;
    let _ = other.get(&member, "/auth/me").await.expect(200);
    known(403, Method::POST, "/teams").await;

    let _ = app.patch(&admin, &path, json!({"roles": ["admin"]})).await.expect(200);
    known(201, Method::POST, "/teams").await;
    let _ = app.patch(&admin, &path, json!({"roles": ["auditor"]})).await.expect(200);
    known(403, Method::GET, "/teams").await;
    // A team brings no permission; that the node asks again shows in what it reads next.
    let _ = app.patch(&admin, &path, json!({"roles": ["viewer"]})).await.expect(200);
    known(200, Method::GET, "/teams").await;
    let _ = app.patch(&admin, &path, json!({"status": "deactivated"})).await.expect(200);
    known(401, Method::GET, "/auth/me").await;
    let _ = app.patch(&admin, &path, json!({"status": "active"})).await.expect(200);
    let again = app.log_in(&member.username).await;
    let _ = other.get(&again, "/auth/me").await.expect(200);
    suspend(&app, admin.tenant()).await;
    let begun = std::time::Instant::now();
    while other.get(&again, "/auth/me").await.status != 403 {
        assert!(begun.elapsed() < NEWS_WITHIN, "the suspension is not known");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_count_person_address_and_tenant_the_narrowest_first() {
    let rate = |requests| Rate { requests, seconds: 60 };
    let with = async |rates| TestApp::with(Setup { rates, ..Setup::default() }).await;
    let plenty = Setup::default().rates;

    // Three requests with valid tokens from one address, whoever sends them; registering was the first.
    let app = with(Rates { address: rate(5), ..plenty }).await;
    let (ada, hank) = (app.register("ada", "Engines").await, app.register("hank", "Globex").await);
    for actor in [&ada, &hank, &ada] {
        let _ = app.get(actor, "/auth/me").await.expect(200);
    }
    let limited = app.get(&hank, "/auth/me").await.problem(429, "rate-limited");
    assert_eq!(limited["limit"], "address");

    // Who is over their own limit takes nothing from their colleagues.
    let app = with(Rates { user: rate(4), tenant: rate(8), ..plenty }).await;
    let ada = app.register("ada", "Engines").await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    for _ in 0..20 {
        let _ = app.get(&viewer, "/auth/me").await;
    }
    let limited = app.get(&viewer, "/auth/me").await.problem(429, "rate-limited");
    assert_eq!(limited["limit"], "user");
    let _ = app.get(&ada, "/auth/me").await.expect(200);
}

/// Whoever works without logging in is in an organisation that is never small, whatever new ones get.
#[tokio::test(flavor = "multi_thread")]
async fn the_local_organisation_is_on_the_enterprise_plan() {
    let platform = PlatformConfig { default_plan: Plan::Free, ..PlatformConfig::default() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let plan = async |token: &str| {
        app.send(Method::GET, "/auth/me", Some(token), None).await.expect(200)["organization"]["plan"].clone()
    };
    let local = LocalLogin::begin(&app.app).await.unwrap();
    assert_eq!(plan(&local.access_token().unwrap()).await, "enterprise");
    assert_eq!(plan(&app.register("ada", "Engines").await.token).await, "free");
}
