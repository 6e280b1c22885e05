//! What every request gets: its route's own limits, keys that make it happen once, and lists that end.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::database::{self, ConnectError, PoolSizes};
use tenure_kernel::{Clock, Timestamp};
use tenure_pgembed::testing::TestCluster;
use tenure_platform::testkit::{Setup, TestApp, answer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::foreign::{Api, Tenant, path_of, value_of};

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_routes_own_limit_counts_with_and_without_an_idempotency_key() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let execute = "/workflows/wf_01jd0000000000000000000000/executions";
    for (path, size, key, expected) in [
        (execute, 2 * MIB, None, (404, None)),
        (execute, 2 * MIB, Some("a"), (404, None)),
        (execute, 17 * MIB, None, (413, Some(16 * MIB))),
        (execute, 17 * MIB, Some("b"), (413, Some(16 * MIB))),
        ("/teams", 2 * MIB, None, (413, Some(MIB))),
        ("/teams", 2 * MIB, Some("c"), (413, Some(MIB))),
    ] {
        let body = json!({"input": "x".repeat(size)}).to_string();
        let request = app.request(Method::POST, path, Some(&ada.token)).header("Content-Type", "application/json");
        let request = match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        };
        let answer = answer(request.body(body)).await;
        let told = (answer.status.as_u16(), answer.body["limit"].as_u64().map(|limit| limit as usize));
        assert_eq!(told, expected, "{path} {size} {key:?} {:#}", answer.body);
    }
}

/// Whoever is not let in is answered before they have sent their body: nothing of it is held for them.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_read_before_they_are_let_in() {
    let app = TestApp::start().await;
    let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
    let head = "POST /api/v1/teams HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nidempotency-key: k\r\ncontent-length: 900000\r\n\r\n{\"name\": \"";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    tokio::time::timeout(Duration::from_secs(30), stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
}

/// A connection whose `begin` was still under way when its request went away must not be the next one's, in a transaction.
#[tokio::test(flavor = "multi_thread")]
async fn callers_who_go_away_leave_no_transaction_open() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    for round in 0..400 {
        let read = app.get(&ada, "/teams");
        let _ = tokio::time::timeout(Duration::from_micros(100 + round * 7), read).await;
    }
    // More at once than there are connections: each of them is used.
    let writes = (0..32).map(|number| app.post(&ada, "/teams", json!({"name": format!("team {number}")})));
    for answer in futures::future::join_all(writes).await {
        let _ = answer.expect(201);
    }
}

/// Every route that creates of its sample, read off the table: the same request twice makes one thing.
#[tokio::test(flavor = "multi_thread")]
async fn every_creating_route_honours_the_key() {
    let app = crate::guests::app().await;
    let (api, own) = (Api::new(), Tenant::fill(&app, "Engines").await);
    let mut honoured = Vec::new();
    for route in app.routes.iter().filter(|route| route.method == "POST") {
        let path = path_of(route, |name| {
            api.parameter(route, name).map_or_else(|| value_of(route, name), |kind| own.id(&kind))
        });
        let send = async || {
            let request = app.request(Method::POST, &path, Some(&own.admin.token)).header("Idempotency-Key", "same");
            answer(match &route.sample {
                Some(sample) => request.json(sample),
                None => request,
            })
            .await
        };
        let first = send().await;
        if ![201, 202].contains(&first.status.as_u16()) {
            continue;
        }
        let second = send().await;
        // Their answers hold secrets and are not kept.
        if ["/api/v1/auth/register", "/api/v1/api-keys", "/api/v1/api-keys/{id}/rotate"].contains(&route.path.as_str())
        {
            second.problem(409, "conflict");
        } else {
            assert_eq!((second.status, &second.body), (first.status, &first.body), "{}", route.path);
        }
        honoured.push(route.path.clone());
    }
    for route in [
        "/api/v1/auth/register",
        "/api/v1/api-keys",
        "/api/v1/api-keys/{id}/rotate",
        "/api/v1/teams",
        "/api/v1/users",
        "/api/v1/workflows/{id}/executions",
    ] {
        assert!(honoured.iter().any(|path| path == route), "{route} created nothing: {honoured:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_run_out_is_deleted_and_nothing_else() {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let day = Duration::from_secs(24 * 60 * 60);
    let create = async |token: &str, name: &str| {
        let request = app.request(Method::POST, "/teams", Some(token)).header("Idempotency-Key", name);
        answer(request.json(&json!({"name": name}))).await
    };
    let ada = app.register("ada", "Engines").await;
    let _ = create(&ada.token, "old").await.expect(201);
    let wrong = json!({"username": "ada", "password": "wrong wrong wrong"});
    app.send(Method::POST, "/auth/login", None, Some(&wrong)).await.problem(401, "invalid-credentials");
    let count = async |table: &'static str| -> i64 {
        let count = format!("select count(*) from {table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&mut app.admin().await).await.unwrap()
    };
    app.app.sweep().await.unwrap();
    assert_eq!((count("idempotency_keys").await, count("login_failures").await > 0), (1, true));

    clock.advance(day + Duration::from_secs(1));
    let again = app.log_in("ada").await;
    let _ = create(&again.token, "new").await.expect(201);
    app.app.sweep().await.unwrap();
    assert_eq!((count("idempotency_keys").await, count("login_failures").await), (1, 0));
    let _ = create(&again.token, "new").await.expect(201);

    // A login that is used stays, its used refresh tokens do not stay for ever; one that ended goes after a month.
    let mut token = again.refresh_token.clone();
    let mut access = again.token;
    for _ in 0..4 {
        clock.advance(day * 20);
        let body = json!({"refresh_token": token});
        let next = app.send(Method::POST, "/auth/refresh", None, Some(&body)).await.expect(200);
        token = next["refresh_token"].as_str().unwrap().to_owned();
        access = next["access_token"].as_str().unwrap().to_owned();
    }
    assert_eq!((count("sessions").await, count("refresh_tokens").await), (2, 6));
    app.app.sweep().await.unwrap();
    assert_eq!((count("sessions").await, count("refresh_tokens").await), (1, 3));
    let _ = app.send(Method::GET, "/auth/me", Some(&access), None).await.expect(200);
}

/// A power that a login may take on is refused like one that it holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_could_take_on_power_does_not_start() {
    let app = TestApp::start().await;
    let mut admin = app.admin().await;
    for (role, power) in [
        (
            "heir_of_owner",
            "create role heir_of_owner login noinherit password 'x'; grant tenure_owner to heir_of_owner",
        ),
        (
            "heir_of_bypass",
            "create role bypass_holder bypassrls; create role heir_of_bypass login noinherit password 'x'; grant bypass_holder to heir_of_bypass",
        ),
    ] {
        sqlx::raw_sql(power).execute(&mut admin).await.unwrap();
        let grant = format!("grant connect on database {} to {role}", app.database);
        sqlx::raw_sql(sqlx::AssertSqlSafe(grant)).execute(&mut admin).await.unwrap();
        let url = TestCluster::shared().endpoint().url(&app.database, role, Some("x"));
        let error = database::connect(&url, &url, PoolSizes { app: 1, system: 1 }).await.unwrap_err();
        assert!(matches!(error, ConnectError::TooPowerful { .. }), "{role}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_says_where_it_ends() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let actions = app.get(&ada, "/audit/actions?limit=200").await.expect(200);
    assert_eq!(actions.get("next_cursor"), Some(&Value::Null));
    let names: Vec<&str> =
        actions["items"].as_array().unwrap().iter().map(|item| item["action"].as_str().unwrap()).collect();
    let first = app.get(&ada, "/audit/actions?limit=5").await.expect(200);
    let next = format!("/audit/actions?limit=200&cursor={}", first["next_cursor"].as_str().unwrap());
    let rest = app.get(&ada, &next).await.expect(200);
    assert_eq!(rest["items"][0]["action"], names[5]);
    for route in app.routes.iter().filter(|route| route.method == "GET" && !route.path.contains('{')) {
        let answer = app.get(&ada, &route.path).await;
        if let Some(list) = answer.body.as_object().filter(|body| body.contains_key("items")) {
            assert!(list.contains_key("next_cursor"), "{} does not say", route.path);
        }
    }
}
