//! Rate limits that are set, within what the platform gives, and counted by all nodes together.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::SystemReason;
use tenure_kernel::limits::{Rate, Rates, RedisUrl};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::rate_limits::{RateLimit, store};
use tenure_platform::testkit::{Actor, Setup, TestApp};

use crate::redis::{Redis, until_shared};

fn per_minute(per_minute: u32) -> Value {
    json!({"per_minute": per_minute, "per_hour": null, "per_day": null})
}

async fn bound(app: &TestApp, actor: &Actor, bounds: RateLimit) {
    let (system, tenant) = (app.app.kernel.system(SystemReason::Administer), actor.tenant());
    system.run(async |tx| store::set_bounds(tx, tenant, bounds).await).await.unwrap();
}

/// How many of so many requests pass; the last refusal.
async fn passed(app: &TestApp, token: &str, requests: usize) -> (usize, Option<(Value, reqwest::header::HeaderMap)>) {
    let (mut passed, mut refusal) = (0, None);
    for _ in 0..requests {
        let answer = app.send(Method::GET, "/teams", Some(token), None).await;
        match answer.status.as_u16() {
            200 => passed += 1,
            429 => refusal = Some((answer.body, answer.headers)),
            other => panic!("{other}: {:#}", answer.body),
        }
    }
    (passed, refusal)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_limits_the_organisation_within_what_the_platform_gives() {
    let tenant = Rate { requests: 500, seconds: 60 };
    let app = TestApp::with(Setup { rates: Rates { tenant, ..Setup::default().rates }, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let developer = app.member(&ada, SystemRole::Developer).await;
    let shown = app.get(&developer, "/rate-limits").await.expect(200);
    assert_eq!(shown["limit"], json!({"per_minute": null, "per_hour": null, "per_day": null}));
    assert_eq!(shown["most"], json!({"per_minute": 500, "per_hour": null, "per_day": null}));
    assert_eq!(shown["defaults"]["tenant"], json!({"requests": 500, "seconds": 60}));
    app.put(&developer, "/rate-limits", per_minute(5)).await.problem(403, "permission-denied");
    for (wrong, pointer) in [
        (per_minute(501), "/per_minute"),
        (per_minute(0), "/per_minute"),
        (json!({"per_day": 2_000_000_000}), "/per_day"),
    ] {
        let refused = app.put(&ada, "/rate-limits", wrong).await.problem(422, "invalid");
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }

    let set = json!({"per_minute": 400, "per_hour": null, "per_day": 8});
    assert_eq!(app.put(&ada, "/rate-limits", set.clone()).await.expect(200)["limit"], set);
    let _ = app.put(&ada, "/rate-limits", set).await.expect(200);
    let (let_through, refusal) = passed(&app, &ada.token, 12).await;
    assert_eq!(let_through, 7, "eight a day, one of which was the setting itself");
    let (body, headers) = refusal.unwrap();
    assert_eq!((&body["code"], &body["limit"]), (&json!("rate-limited"), &json!("tenant-day")));
    assert_eq!(headers["ratelimit-policy"], "\"tenant-day\";q=8;w=86400");
    assert_eq!(headers["x-ratelimit-limit"], "8");
    assert_eq!(headers["x-ratelimit-remaining"], "0");
    let wait: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((10_700..=10_800).contains(&wait), "an eighth of a day: {wait}");
    assert!(headers["ratelimit"].to_str().unwrap().starts_with("\"tenant-day\";r=0;t=86"), "{headers:?}");

    // What the platform gives can be less than what was set, and more than the installation's.
    bound(&app, &ada, RateLimit { per_minute: Some(2000), per_hour: None, per_day: Some(1_000_000) }).await;
    let shown = app.get(&developer, "/rate-limits").await;
    assert_eq!(shown.status, 429, "what was set stands, below the bound");
    let set =
        sqlx::query("update tenant_rate_limits set per_day = null").execute(&mut app.admin().await).await.unwrap();
    assert_eq!(set.rows_affected(), 1);
    bound(&app, &ada, RateLimit { per_minute: Some(1000), ..RateLimit::default() }).await;
    let most = app.get(&developer, "/rate-limits").await.expect(200)["most"].clone();
    assert_eq!(most, per_minute(1000));
    let _ = app.put(&ada, "/rate-limits", per_minute(1000)).await.expect(200);
    bound(&app, &ada, RateLimit { per_minute: Some(3), ..RateLimit::default() }).await;
    let (_, refusal) = passed(&app, &ada.token, 5).await;
    assert_eq!(refusal.unwrap().0["limit"], "tenant");
    let actions = app.actions(ada.tenant()).await;
    let told: Vec<&str> = actions.iter().map(String::as_str).filter(|name| name.starts_with("rate_limit")).collect();
    let (set, bounded) = ("rate_limit.set", "rate_limit.bounded");
    assert_eq!(told, [set, bounded, bounded, set, bounded]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_and_a_key_have_limits_of_their_own() {
    let app = TestApp::start().await;
    let (ada, grace) = (app.register("ada", "Engines").await, app.register("grace", "Compilers").await);
    let developer = app.member(&ada, SystemRole::Developer).await;
    let path = format!("/users/{}/rate-limit", developer.user_id());
    assert_eq!(app.get(&ada, &path).await.expect(200)["per_minute"], Value::Null);
    app.get(&grace, &path).await.problem(404, "not-found");
    app.put(&grace, &path, per_minute(1)).await.problem(404, "not-found");
    let limit = json!({"per_minute": null, "per_hour": 4, "per_day": null});
    let set = app.put(&ada, &path, limit).await.expect(200);
    assert_eq!((&set["user_id"], &set["per_hour"]), (&json!(developer.user_id()), &json!(4)));
    let (let_through, refusal) = passed(&app, &developer.token, 6).await;
    assert_eq!((let_through, refusal.unwrap().0["limit"].clone()), (4, json!("user-hour")));
    assert_eq!(passed(&app, &ada.token, 6).await.0, 6, "nobody else is");
    let _ = app.put(&ada, &path, json!({})).await.expect(200);
    assert_eq!(passed(&app, &developer.token, 6).await.0, 6, "taken away again");

    // Who may change members, and less than an administrator, does not limit one.
    let role = json!({"name": "people", "permissions": ["user:read", "user:write", "team:read"]});
    let _ = app.post(&ada, "/roles", role).await.expect(201);
    let people = app.member(&ada, SystemRole::Viewer).await;
    let _ = app.patch(&ada, &format!("/users/{}", people.user_id()), json!({"roles": ["people"]})).await.expect(200);
    let of_ada = format!("/users/{}/rate-limit", ada.user_id());
    app.put(&people, &of_ada, per_minute(1)).await.problem(403, "permission-denied");

    bound(&app, &ada, RateLimit { per_minute: Some(600), per_hour: None, per_day: Some(3) }).await;
    let key = |limit: Value| json!({"name": "k", "scopes": ["team:read"], "rate_limit": limit});
    let refused = app.post(&ada, "/api-keys", key(json!({"per_day": 4}))).await.problem(422, "invalid");
    assert_eq!((&refused["errors"][0]["pointer"], &refused["limit"]), (&json!("/rate_limit/per_day"), &json!(3)));
    let actions = app.actions(ada.tenant()).await;
    assert_eq!(actions.iter().filter(|action| *action == "member_rate_limit.set").count(), 2);
    bound(&app, &ada, RateLimit::default()).await;
    let made = app.post(&ada, "/api-keys", key(json!({"per_day": 2}))).await.expect(201);
    assert_eq!(made["api_key"]["rate_limit"], json!({"per_minute": null, "per_hour": null, "per_day": 2}));
    let (let_through, refusal) = passed(&app, made["key"].as_str().unwrap(), 4).await;
    assert_eq!((let_through, refusal.unwrap().0["limit"].clone()), (2, json!("key-day")));
}

/// Two nodes that count together, with a limit that does not come back while the test runs.
async fn two_nodes(url: RedisUrl) -> (TestApp, TestApp, Actor) {
    let user = Rate { requests: 20, seconds: 36_000 };
    let setup = || Setup {
        rates: Rates { user, ..Setup::default().rates },
        shared_limits: Some(url.clone()),
        ..Setup::default()
    };
    let first = TestApp::with(setup()).await;
    let second = first.another(setup()).await;
    until_shared(&first, true).await;
    until_shared(&second, true).await;
    let begun = Instant::now();
    while [&first, &second].iter().any(|node| node.app.kernel.bus().nodes() < 2) {
        assert!(begun.elapsed() < Duration::from_secs(20), "they do not hear each other");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ada = first.register("ada", "Engines").await;
    (first, second, ada)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_a_limit_and_neither_forgets_it_when_redis_is_gone() {
    let mut redis = Redis::start();
    let (first, second, ada) = two_nodes(redis.url("redis", "/0")).await;
    let (one, other) = tokio::join!(passed(&first, &ada.token, 15), passed(&second, &ada.token, 15));
    assert_eq!(one.0 + other.0, 20, "all together: {} and {}", one.0, other.0);

    let grace = first.register("grace", "Compilers").await;

    redis.kill();
    // Half of the limit on each, less what each has let through before, and every request is answered.
    let begun = Instant::now();
    let (one, other) = tokio::join!(passed(&first, &ada.token, 30), passed(&second, &ada.token, 30));
    assert!(one.0 + other.0 <= 10, "nobody begins anew: {} and {}", one.0, other.0);
    let (one, other) = tokio::join!(passed(&first, &grace.token, 30), passed(&second, &grace.token, 30));
    assert_eq!((one.0, other.0), (10, 10));
    assert!(begun.elapsed() < Duration::from_secs(10), "nobody waits for what is gone: {:?}", begun.elapsed());
    assert!(!first.app.kernel.limiter().is_shared() && !second.app.kernel.limiter().is_shared());

    redis.start_again();
    until_shared(&first, true).await;
    until_shared(&second, true).await;
    // It has forgotten what it knew, and the script with it.
    let (one, other) = tokio::join!(passed(&first, &ada.token, 15), passed(&second, &ada.token, 15));
    assert_eq!(one.0 + other.0, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_a_limit_in_a_cluster() {
    let cluster = Redis::cluster();
    let (first, second, ada) = two_nodes(cluster.url("redis+cluster", "")).await;
    let (one, other) = tokio::join!(passed(&first, &ada.token, 15), passed(&second, &ada.token, 15));
    assert_eq!(one.0 + other.0, 20);
    assert!(first.app.kernel.limiter().is_shared() && second.app.kernel.limiter().is_shared());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_a_limit_under_a_sentinel() {
    let master = Redis::start();
    let sentinel = Redis::sentinel(&master);
    let (first, second, ada) = two_nodes(sentinel.url("redis+sentinel", "/limits")).await;
    let (one, other) = tokio::join!(passed(&first, &ada.token, 15), passed(&second, &ada.token, 15));
    assert_eq!(one.0 + other.0, 20);
    assert!(first.app.kernel.limiter().is_shared() && second.app.kernel.limiter().is_shared());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_a_sentinel_makes_master_goes_on_with_what_was_counted() {
    let mut master = Redis::start();
    let replica = Redis::replica(&master);
    let sentinel = Redis::sentinel(&master);
    sentinel.until(&["sentinel", "replicas", "limits"], &replica.port.to_string());
    let (first, second, ada) = two_nodes(sentinel.url("redis+sentinel", "/limits")).await;
    let (grace, hopper) = (first.register("grace", "Compilers").await, first.register("hopper", "Ships").await);
    let both = async |actor: &Actor, requests: usize| {
        let (one, other) =
            tokio::join!(passed(&first, &actor.token, requests), passed(&second, &actor.token, requests));
        (one.0, other.0)
    };
    let (one, other) = both(&ada, 15).await;
    assert_eq!(one + other, 20);
    // Replication is asynchronous; here it has come so far.
    master.until(&["wait", "1", "1000"], "1");

    master.kill();
    assert_eq!(both(&grace, 30).await, (10, 10), "each node its part, until there is a master again");
    assert!(!first.app.kernel.limiter().is_shared() && !second.app.kernel.limiter().is_shared());
    replica.until(&["role"], "master");
    until_shared(&first, true).await;
    until_shared(&second, true).await;
    assert_eq!(both(&ada, 5).await, (0, 0), "the new master knows who has used up their limit");
    let (one, other) = both(&hopper, 15).await;
    assert_eq!(one + other, 20, "and counts for both: {one} and {other}");
}
