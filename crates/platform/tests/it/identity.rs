use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::identity::Registration;
use tenure_platform::testkit::{PASSWORD, Setup, TestApp, answer};

#[tokio::test(flavor = "multi_thread")]
async fn register_log_in_refresh_log_out() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Analytical Engines").await;
    assert_eq!(ada.organization["slug"], "analytical-engines");
    let me = app.get(&ada, "/auth/me").await.expect(200);
    assert_eq!(me["roles"], json!(["admin"]));
    assert_eq!(me["user"]["email"], "ada@example.com");
    assert_eq!(me["organization"]["plan"], "enterprise");

    let by_mail = json!({"email": "ADA@example.com", "password": PASSWORD});
    let again = app.send(Method::POST, "/auth/login", None, Some(&by_mail)).await.expect(200);
    let refresh = async |token: &serde_json::Value| {
        let body = json!({"refresh_token": token});
        app.send(Method::POST, "/auth/refresh", None, Some(&body)).await
    };
    let next = refresh(&again["refresh_token"]).await.expect(200);
    assert_ne!(next["refresh_token"], again["refresh_token"]);

    // The old token again: somebody has a copy, so the login ends for both.
    refresh(&again["refresh_token"]).await.problem(401, "unauthenticated");
    refresh(&next["refresh_token"]).await.problem(401, "unauthenticated");
    let token = next["access_token"].as_str().unwrap();
    app.send(Method::GET, "/auth/me", Some(token), None).await.problem(401, "unauthenticated");

    let body = json!({"refresh_token": ada.refresh_token});
    let _ = app.send(Method::POST, "/auth/logout", None, Some(&body)).await.expect(204);
    app.get(&ada, "/auth/me").await.problem(401, "unauthenticated");
    let actions = app.actions(ada.tenant()).await;
    for action in
        ["organization.created", "user.registered", "session.started", "session.reuse-detected", "session.ended"]
    {
        assert!(actions.iter().any(|done| done == action), "{action} is missing in {actions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_is_known_on_another_node_within_a_second() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let ada = app.register("ada", "Engines").await;
    // Both have it in their caches.
    let _ = app.get(&ada, "/auth/me").await.expect(200);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let _ = other.get(&ada, "/auth/me").await.expect(200);
    let body = json!({"refresh_token": ada.refresh_token});
    let _ = app.send(Method::POST, "/auth/logout", None, Some(&body)).await.expect(204);
    let begun = std::time::Instant::now();
    loop {
        let answer = other.get(&ada, "/auth/me").await;
        if answer.status == 401 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "the other node still answers {answer:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_logins_say_nothing_and_wait_longer_and_longer() {
    let app = TestApp::start().await;
    let _ = app.register("ada", "Engines").await;
    let login = async |name: &str, password: &str| {
        let body = json!({"username": name, "password": password});
        app.send(Method::POST, "/auth/login", None, Some(&body)).await
    };
    let wrong = login("ada", "wrong wrong wrong").await.problem(401, "invalid-credentials");
    let unknown = login("nobody", "wrong wrong wrong").await.problem(401, "invalid-credentials");
    assert_eq!(wrong, unknown, "the answer does not tell whether the account exists");
    for _ in 0..4 {
        login("ada", "wrong wrong wrong").await.problem(401, "invalid-credentials");
    }
    let locked = login("ada", PASSWORD).await;
    assert_eq!(locked.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap(), 2);
    locked.problem(429, "rate-limited");
    let failures: i64 = sqlx::query_scalar("select count(*) from events where action = 'session.login-failed'")
        .fetch_one(&mut app.admin().await)
        .await
        .unwrap();
    assert_eq!(failures, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_ours_are_refused() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let parts: Vec<&str> = ada.token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("a token has three parts") };
    // {"alg":"none","typ":"JWT"} and {"alg":"HS256","typ":"JWT"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let hs256 = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
    let flipped = format!("{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    for token in [
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{hs256}.{claims}.{signature}"),
        format!("{header}.{claims}.{flipped}"),
        format!("{header}.{claims}"),
        "nonsense".to_owned(),
        String::new(),
    ] {
        app.send(Method::GET, "/auth/me", Some(&token), None).await.problem(401, "unauthenticated");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_needs_our_own_pages() {
    let app = TestApp::start().await;
    let _ = app.register("ada", "Engines").await;
    let login = json!({"username": "ada", "password": PASSWORD, "refresh": "cookie"});
    let plain = answer(app.request(Method::POST, "/auth/login", None).json(&login)).await;
    plain.problem(400, "bad-request");
    let origin = format!("http://{}", app.address);
    let ours = |request: reqwest::RequestBuilder| request.header("X-Tenure-Console", "1").header("Origin", &origin);
    let logged_in = answer(ours(app.request(Method::POST, "/auth/login", None).json(&login))).await;
    let cookie = logged_in.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/api/v1/auth"),
        "{cookie}"
    );
    assert!(logged_in.expect(200).get("refresh_token").is_none());
    let pair = cookie.split(';').next().unwrap();
    let refresh = || app.request(Method::POST, "/auth/refresh", None).header("Cookie", pair).json(&json!({}));
    answer(refresh()).await.problem(400, "bad-request");
    answer(refresh().header("X-Tenure-Console", "1").header("Origin", "https://evil.example"))
        .await
        .problem(400, "bad-request");
    let _ = answer(ours(refresh())).await.expect(200);
}

/// Over loopback there is no TLS; everywhere else no cookie travels without.
#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_secure_wherever_the_browser_did_not_come_over_loopback() {
    let app = TestApp::start().await;
    let _ = app.register("ada", "Engines").await;
    let login = json!({"username": "ada", "password": PASSWORD, "refresh": "cookie"});
    for (host, loopback) in [
        ("localhost:8080", true),
        ("127.0.0.1", true),
        ("[::1]", true),
        ("[::1]:8080", true),
        ("tenure.example.com", false),
        ("tenure.example.com:8443", false),
        ("localhost.example.com", false),
        ("127.0.0.1.example.com:80", false),
        ("10.0.0.7:8080", false),
        ("[2001:db8::1]:8080", false),
    ] {
        let ours = |path: &str| {
            let request = app.request(Method::POST, path, None).header("Host", host).header("X-Tenure-Console", "1");
            request.header("Origin", format!("https://{host}"))
        };
        let logged_in = answer(ours("/auth/login").json(&login)).await;
        let cookie = logged_in.headers["set-cookie"].to_str().unwrap().to_owned();
        let token = logged_in.expect(200)["access_token"].as_str().unwrap().to_owned();
        let pair = cookie.split(';').next().unwrap();
        let refreshed = answer(ours("/auth/refresh").header("Cookie", pair).json(&json!({}))).await;
        let next = refreshed.headers["set-cookie"].to_str().unwrap().to_owned();
        // The console's mark that the answer was under way goes with the answer, where a page can see that it is gone.
        let arrived = refreshed.headers.get_all("set-cookie").iter().nth(1).unwrap().to_str().unwrap().to_owned();
        assert!(arrived.starts_with("tenure_turning=; Path=/; SameSite=Strict; Max-Age=0"), "{arrived}");
        let pair = next.split(';').next().unwrap();
        let out = ours("/auth/logout").bearer_auth(&token).header("Cookie", pair).json(&json!({}));
        let gone = answer(out).await.headers["set-cookie"].to_str().unwrap().to_owned();
        assert!(gone.contains("Max-Age=0"), "{gone}");
        for cookie in [&cookie, &next, &arrived, &gone] {
            let secure = cookie.split("; ").any(|attribute| attribute == "Secure");
            assert_eq!(secure, !loopback, "{host}: {cookie}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_registration_is_closed_and_recorded() {
    let platform = PlatformConfig { registration: Registration::Closed, ..PlatformConfig::default() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let body = json!({
        "email": "a@example.com", "username": "ada", "password": PASSWORD, "full_name": "Ada", "organization_name": "Engines"
    });
    app.send(Method::POST, "/auth/register", None, Some(&body)).await.problem(403, "registration-closed");
    let refused: i64 = sqlx::query_scalar(
        "select count(*) from events where action = 'request.refused' and reason = 'registration-closed'",
    )
    .fetch_one(&mut app.admin().await)
    .await
    .unwrap();
    assert_eq!(refused, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_grants_what_they_lack_and_the_last_admin_stays() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    app.patch(&viewer, &format!("/users/{}", viewer.user_id()), json!({"roles": ["admin"]}))
        .await
        .problem(403, "permission-denied");
    let me = format!("/users/{}", admin.user_id());
    app.patch(&admin, &me, json!({"roles": ["viewer"]})).await.problem(409, "conflict");
    app.patch(&admin, &me, json!({"status": "deactivated"})).await.problem(409, "conflict");
    let path = format!("/users/{}", viewer.user_id());
    let _ = app.patch(&admin, &path, json!({"status": "deactivated"})).await.expect(200);
    app.get(&viewer, "/auth/me").await.problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_address_gets_a_pending_membership_and_the_same_answer() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.register("bob", "Builders").await;
    let body = |email: &str, username: &str| json!({"email": email, "username": username, "full_name": "Somebody", "password": PASSWORD, "roles": ["viewer"]});
    let known = app.post(&ada, "/users", body("bob@example.com", "robert")).await.expect(201);
    let new = app.post(&ada, "/users", body("new@example.com", "newbie")).await.expect(201);
    let shape = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((shape(&known), &known["status"]), (shape(&new), &new["status"]));
    assert_eq!(known["full_name"], "Somebody", "nothing of the known person's profile is shown");
    let me = app.get(&bob, "/auth/me").await.expect(200);
    assert_eq!(me["organizations"].as_array().unwrap().len(), 1, "a pending membership opens nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_recorded_and_repeats_are_folded() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    for _ in 0..5 {
        app.post(&viewer, "/teams", json!({"name": "x"})).await.problem(403, "permission-denied");
    }
    app.app.kernel.flush_refusals(true).await.unwrap();
    let rows: Vec<(String, Option<serde_json::Value>)> = sqlx::query_as(
        "select principal, diff from events where action = 'request.refused' and tenant_id = $1 order by at",
    )
    .bind(admin.tenant().uuid())
    .fetch_all(&mut app.admin().await)
    .await
    .unwrap();
    assert_eq!(rows.len(), 2, "one at once, one for the rest: {rows:?}");
    assert_eq!(rows[0].0, viewer.user_id());
    assert_eq!(rows[1].1.as_ref().unwrap()[0]["value"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_told_in_headers_and_kept() {
    use tenure_kernel::limits::{Rate, Rates};
    let rates = Rates { user: Rate { requests: 3, seconds: 60 }, ..Setup::default().rates };
    let app = TestApp::with(Setup { rates, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    for left in [2, 1, 0] {
        let fine = app.get(&ada, "/auth/me").await;
        assert_eq!(fine.headers["x-ratelimit-remaining"], left.to_string());
        let _ = fine.expect(200);
    }
    let limited = app.get(&ada, "/auth/me").await;
    assert!(limited.headers.contains_key("retry-after") && limited.headers.contains_key("ratelimit"));
    limited.problem(429, "rate-limited");
}
