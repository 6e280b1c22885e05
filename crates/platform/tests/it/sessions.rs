//! A person's own logins: seen, and ended one by one or all.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::Clock;
use tenure_kernel::Timestamp;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, PASSWORD, Setup, TestApp, answer};

async fn sessions(app: &TestApp, actor: &Actor) -> Vec<Value> {
    app.get(actor, "/auth/sessions").await.expect(200)["items"].as_array().unwrap().clone()
}

/// The one that asks.
async fn current(app: &TestApp, actor: &Actor) -> String {
    let all = sessions(app, actor).await;
    let mut current = all.iter().filter(|session| session["current"] == true);
    let (one, more) = (current.next().unwrap(), current.next());
    assert!(more.is_none(), "{all:#?}");
    one["id"].as_str().unwrap().to_owned()
}

/// Fails unless the node refuses the token before the second is over.
async fn refused_within_a_second(node: &TestApp, actor: &Actor) {
    let begun = Instant::now();
    while node.get(actor, "/auth/me").await.status != 401 {
        assert!(begun.elapsed() < Duration::from_secs(1), "the node still answers");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_login_tells_from_where_and_through_what() {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    clock.advance(Duration::from_secs(60));
    let login = json!({"username": "ada", "password": PASSWORD, "refresh": "cookie"});
    let request = app.request(Method::POST, "/auth/login", None).json(&login);
    let request = request.header("X-Tenure-Console", "1").header("Origin", format!("http://{}", app.address));
    let _ = answer(request.header("User-Agent", "Firefox/150")).await.expect(200);
    let all = sessions(&app, &ada).await;
    let shown: Vec<_> =
        all.iter().map(|one| json!([one["client"], one["user_agent"], one["address"], one["current"]])).collect();
    assert_eq!(shown, [json!(["console", "Firefox/150", "127.0.0.1", false]), json!(["api", null, "127.0.0.1", true])]);
    assert_eq!(all[1]["organization"]["slug"], "engines");
    let first = app.get(&ada, "/auth/sessions?limit=1").await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&ada, &format!("/auth/sessions?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((&first["items"][0], &second["items"][0]), (&all[0], &all[1]));
    assert_eq!(second["next_cursor"], Value::Null);

    // Only a refresh says that it is used.
    clock.advance(Duration::from_secs(60));
    let body = json!({"refresh_token": ada.refresh_token});
    let _ = app.send(Method::POST, "/auth/refresh", None, Some(&body)).await.expect(200);
    let seen = sessions(&app, &ada).await[1].clone();
    assert!(seen["last_seen_at"].as_str() > all[1]["last_seen_at"].as_str());
    assert_eq!(seen["created_at"], all[1]["created_at"]);
    // What has run out is no login any more.
    clock.advance(Duration::from_secs(30 * 24 * 60 * 60 - 60));
    let again = app.log_in("ada").await;
    assert_eq!(sessions(&app, &again).await.len(), 2, "the console's is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_ended_is_refused_on_another_node_within_a_second() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let (ada, stolen) = (app.register("ada", "Engines").await, app.log_in("ada").await);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let _ = other.get(&stolen, "/auth/me").await.expect(200);
    let id = current(&app, &stolen).await;
    let path = format!("/auth/sessions/{id}");
    let _ = app.delete(&ada, &path).await.expect(204);
    refused_within_a_second(&other, &stolen).await;
    app.get(&stolen, "/auth/me").await.problem(401, "unauthenticated");
    let body = json!({"refresh_token": stolen.refresh_token});
    app.send(Method::POST, "/auth/refresh", None, Some(&body)).await.problem(401, "unauthenticated");
    let _ = other.get(&ada, "/auth/me").await.expect(200);
    app.delete(&ada, &path).await.problem(404, "not-found");
    let event = &app.get(&ada, "/audit/events?action=session.ended").await.expect(200)["items"][0];
    assert_eq!((&event["resource"]["id"], &event["reason"]), (&json!(id), &json!("ended-by-its-person")));
    assert_eq!(event["actor"]["id"], ada.user["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_others_end_at_once_and_this_one_if_asked() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let ada = app.register("ada", "Engines").await;
    let (second, third) = (app.log_in("ada").await, app.log_in("ada").await);
    tokio::time::sleep(Duration::from_millis(700)).await;
    for actor in [&second, &third] {
        let _ = other.get(actor, "/auth/me").await.expect(200);
    }
    let ended = app.delete(&ada, "/auth/sessions").await.expect(200);
    assert_eq!(ended, json!({"ended": 2}));
    for actor in [&second, &third] {
        refused_within_a_second(&other, actor).await;
    }
    assert_eq!(app.delete(&ada, "/auth/sessions").await.expect(200), json!({"ended": 0}));
    assert_eq!(sessions(&app, &ada).await.len(), 1);
    assert_eq!(app.delete(&ada, "/auth/sessions?include_current=true").await.expect(200), json!({"ended": 1}));
    app.get(&ada, "/auth/me").await.problem(401, "unauthenticated");
    app.delete(&ada, "/auth/sessions?include_current=yes").await.problem(401, "unauthenticated");
    let ends = app.actions(ada.tenant()).await.iter().filter(|action| *action == "session.ended").count();
    assert_eq!(ends, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_or_ends_what_is_not_theirs() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    let stranger = app.register("hank", "Globex").await;
    let theirs = current(&app, &viewer).await;
    for actor in [&admin, &stranger] {
        app.delete(actor, &format!("/auth/sessions/{theirs}")).await.problem(404, "not-found");
        let _ = app.delete(actor, "/auth/sessions").await.expect(200);
        assert_eq!(sessions(&app, actor).await.len(), 1);
    }
    let _ = app.get(&viewer, "/auth/me").await.expect(200);
    app.delete(&admin, "/auth/sessions/ses_nonsense").await.problem(404, "not-found");
    app.send(Method::GET, "/auth/sessions", None, None).await.problem(401, "unauthenticated");
}

/// A person in two organisations: each reads of the end of the login that is for it, and of nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_reads_only_of_logins_that_are_for_it() {
    let app = TestApp::start().await;
    let (ada, hank) = (app.register("ada", "Engines").await, app.register("hank", "Globex").await);
    let asked =
        json!({"email": "hank@example.com", "username": "hank-at-engines", "full_name": "Hank", "password": PASSWORD});
    let _ = app.post(&ada, "/users", asked).await.expect(201);
    // There is no way to accept yet; what it would do.
    sqlx::query(
        "update memberships set status = 'active', accepted_at = now() where tenant_id = $1 and status = 'invited'",
    )
    .bind(ada.tenant().uuid())
    .execute(&mut app.admin().await)
    .await
    .unwrap();
    let body = json!({"username": "hank", "password": PASSWORD, "organization": "engines"});
    let there = app.send(Method::POST, "/auth/login", None, Some(&body)).await.expect(200);
    assert_eq!(there["organization"]["slug"], "engines");
    let slugs: Vec<_> = sessions(&app, &hank).await.iter().map(|one| one["organization"]["slug"].clone()).collect();
    assert_eq!(slugs, ["engines", "globex"]);
    assert_eq!(app.delete(&hank, "/auth/sessions").await.expect(200), json!({"ended": 1}));
    let rows: Vec<(String, Option<uuid::Uuid>)> =
        sqlx::query_as("select principal, session_id from events where tenant_id = $1 and action = 'session.ended'")
            .bind(ada.tenant().uuid())
            .fetch_all(&mut app.admin().await)
            .await
            .unwrap();
    assert_eq!(rows, [(hank.user_id().to_owned(), None)], "not through which login elsewhere");
    assert!(!app.actions(hank.tenant()).await.contains(&"session.ended".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_forgets_the_cookie_of_what_it_ends() {
    let app = TestApp::start().await;
    let _ = app.register("ada", "Engines").await;
    let origin = format!("http://{}", app.address);
    let login = json!({"username": "ada", "password": PASSWORD, "refresh": "cookie"});
    let request = app.request(Method::POST, "/auth/login", None).json(&login);
    let logged_in = answer(request.header("X-Tenure-Console", "1").header("Origin", &origin)).await.expect(200);
    let token = logged_in["access_token"].as_str().unwrap();
    let others = app.send(Method::DELETE, "/auth/sessions", Some(token), None).await;
    assert!(!others.headers.contains_key("set-cookie"));
    assert_eq!(others.expect(200), json!({"ended": 1}));
    let own = app.send(Method::DELETE, "/auth/sessions?include_current=true", Some(token), None).await;
    assert!(own.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(own.expect(200), json!({"ended": 1}));
}

/// A call of the console's, from a browser that has this cookie.
async fn in_console(app: &TestApp, path: &str, mut body: Value, cookie: &str) -> tenure_platform::testkit::Answer {
    if path != "/auth/mfa" {
        body["refresh"] = json!("cookie");
    }
    let request = app.request(Method::POST, path, None).json(&body).header("Cookie", cookie);
    answer(request.header("X-Tenure-Console", "1").header("Origin", format!("http://{}", app.address))).await
}

fn cookie_of(answer: &tenure_platform::testkit::Answer) -> String {
    answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_a_login_ends_the_one_whose_cookie_it_takes() {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    let app = TestApp::with(crate::mfa::setup(&clock)).await;
    let other = app.another(crate::mfa::setup(&clock)).await;
    let (ada, bob) = (app.register("ada", "Engines").await, app.register("bob", "Globex").await);
    let login = |name: &str| json!({"username": name, "password": PASSWORD});
    let with = |actor: &Actor, answer: tenure_platform::testkit::Answer, status: u16| {
        let cookie = cookie_of(&answer);
        let token = answer.expect(status)["access_token"].as_str().unwrap().to_owned();
        (cookie, Actor { token, ..actor.clone() })
    };
    let (first_cookie, first) = with(&ada, in_console(&app, "/auth/login", login("ada"), "").await, 200);
    let _ = other.get(&first, "/auth/me").await.expect(200);
    let (cookie, second) = with(&ada, in_console(&app, "/auth/login", login("ada"), &first_cookie).await, 200);
    refused_within_a_second(&other, &first).await;
    let _ = in_console(&app, "/auth/refresh", json!({}), &first_cookie).await.expect(401);
    // What does not take the cookie ends nothing: a wrong password, another browser, a program.
    let _ = in_console(&app, "/auth/login", json!({"username": "ada", "password": "wrong it is"}), &cookie)
        .await
        .expect(401);
    let (_, elsewhere) = with(&ada, in_console(&app, "/auth/login", login("ada"), "").await, 200);
    let request = app.request(Method::POST, "/auth/login", None).json(&login("ada")).header("Cookie", &cookie);
    let _ = answer(request).await.expect(200);
    for alive in [&second, &elsewhere, &ada] {
        let _ = app.get(alive, "/auth/me").await.expect(200);
    }

    // Somebody else logs in there; Ada's organisation reads that her login ended, and not by whom.
    let own = crate::mfa::AuthApp::set_up(&app, &clock, &bob).await;
    let half = in_console(&app, "/auth/login", login("bob"), &cookie).await.expect(200);
    let _ = app.get(&second, "/auth/me").await.expect(200);
    let finish = json!({"mfa_token": half["mfa_token"], "code": own.next_code(&clock)});
    let (cookie, there) = with(&bob, in_console(&app, "/auth/mfa", finish, &cookie).await, 200);
    refused_within_a_second(&other, &second).await;
    let told = app.get(&ada, "/audit/events?action=session.ended").await.expect(200);
    let told: Vec<Value> =
        told["items"].as_array().unwrap().iter().map(|event| json!([event["actor"]["id"], event["reason"]])).collect();
    let ended = json!([ada.user_id(), "another-login-took-its-place"]);
    assert_eq!(told, [ended.clone(), ended]);

    let eve = json!({
        "organization_name": "Evil", "full_name": "Eve", "email": "eve@example.com", "username": "eve", "password": PASSWORD
    });
    let _ = with(&bob, in_console(&app, "/auth/register", eve, &cookie).await, 201);
    refused_within_a_second(&other, &there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_logins_tells_of_those_that_failed_too() {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let admin = app.register("ada", "Engines").await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    let auditor = app.member(&admin, SystemRole::Auditor).await;
    let stranger = app.register("hank", "Globex").await;
    for _ in 0..6 {
        clock.advance(Duration::from_secs(1));
        let body = json!({"username": viewer.username, "password": "wrong wrong wrong"});
        let request = app.request(Method::POST, "/auth/login", None).header("User-Agent", "guesser/1").json(&body);
        assert!(answer(request).await.status.is_client_error());
    }
    let own = app.get(&viewer, "/auth/logins").await.expect(200);
    let items = own["items"].as_array().unwrap();
    let shown: Vec<_> = items.iter().map(|one| (one["outcome"].as_str().unwrap(), one["reason"].as_str())).collect();
    assert_eq!(shown[0], ("denied", Some("rate-limited")));
    assert_eq!(shown[1..6], [("denied", Some("invalid-credentials")); 5]);
    assert_eq!(shown[6..], [("success", None)]);
    assert_eq!((&items[1]["address"], &items[1]["user_agent"]), (&json!("127.0.0.1"), &json!("guesser/1")));
    assert_eq!(items[6]["session"], current(&app, &viewer).await);

    let path = format!("/users/{}/logins", viewer.user_id());
    assert_eq!(app.get(&admin, &path).await.expect(200), own);
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&admin, &format!("{path}?limit=3{cursor}")).await.expect(200);
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(&paged, items);
    let reads = app.actions(admin.tenant()).await.iter().filter(|action| *action == "audit-log.read").count();
    assert_eq!(reads, 1, "of one person within a minute");
    app.get(&viewer, &path).await.problem(403, "permission-denied");
    app.get(&auditor, &path).await.problem(403, "permission-denied");
    app.get(&stranger, &path).await.problem(404, "not-found");
    assert_eq!(app.get(&stranger, "/auth/logins").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

/// A person's few events are found among the tenant's many by key, also behind row-level security.
#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_found_by_its_index() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let mut connection = app.login("tenure_app").await;
    sqlx::query("select set_config('app.current_tenant_id', $1, false), set_config('enable_seqscan', 'off', false)")
        .bind(ada.tenant().uuid().to_string())
        .execute(&mut connection)
        .await
        .unwrap();
    let plan: Vec<String> = sqlx::query_scalar(
        "explain select id from events where tenant_id = $1 and on_behalf_of = $2 and at > now() order by at desc, id desc",
    )
    .bind(ada.tenant().uuid())
    .bind(ada.user_id())
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let found = plan.iter().any(|line| line.contains("Index Cond") && line.contains("on_behalf_of"));
    assert!(found, "{plan:#?}");
}
