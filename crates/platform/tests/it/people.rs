//! Many people at once: lists with filters and orders, and changes of several members.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, PASSWORD, TestApp};

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|member| member["username"].as_str().unwrap()).collect()
}

async fn add(app: &TestApp, admin: &Actor, username: &str, roles: &[&str]) -> String {
    let body = json!({
        "email": format!("{username}@example.com"), "username": username, "full_name": format!("The {username}"),
        "password": PASSWORD, "roles": roles,
    });
    let added = app.post(admin, "/users", body).await.expect(201);
    app.chose_own_password(username).await;
    added["id"].as_str().unwrap().to_owned()
}

/// Sets when somebody was last here, in days before now; `None` for never.
async fn last_here(app: &TestApp, username: &str, days: Option<i32>) {
    sqlx::query(
        "update memberships set last_login_at = now() - make_interval(days => $2), last_active_at = now() - make_interval(days => $2)
         where username = $1",
    )
    .bind(username)
    .bind(days)
    .execute(&mut app.admin().await)
    .await
    .unwrap();
}

fn days_ago(days: u64) -> String {
    tenure_kernel::Clock::system().now().before(Duration::from_secs(days * 86_400)).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_found_by_what_they_are_and_when_they_were_here() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    for (name, roles) in [("bea", &["operator"][..]), ("cem", &["viewer"]), ("dov", &["viewer", "operator"])] {
        let _ = add(&app, &ada, name, roles).await;
    }
    let _ = app.log_in("bea").await;
    let dov = app.log_in("dov").await;
    last_here(&app, "bea", Some(40)).await;
    last_here(&app, "dov", Some(3)).await;
    let team = app.post(&ada, "/teams", json!({"name": "Night"})).await.expect(201);
    let team = team["id"].as_str().unwrap();
    let _ = app.put(&ada, &format!("/teams/{team}/members/{}", dov.user_id()), json!({})).await.expect(204);

    let (week, month) = (days_ago(7), days_ago(30));
    for (query, expected) in [
        (String::new(), &["ada", "bea", "cem", "dov"][..]),
        ("role=operator".to_owned(), &["bea", "dov"]),
        ("status=invited".to_owned(), &["cem"]),
        (format!("team={team}"), &["dov"]),
        ("search=BE%20th".to_owned(), &["bea"]),
        ("search=dov@ex".to_owned(), &["dov"]),
        ("search=ea".to_owned(), &[]),
        (format!("last_login_after={week}"), &["ada", "dov"]),
        (format!("last_login_before={month}"), &["bea", "cem"]),
        (format!("last_login_before={month}&never_logged_in=false"), &["bea"]),
        ("never_logged_in=true".to_owned(), &["cem"]),
        (format!("active_before={week}"), &["bea", "cem"]),
        (format!("active_after={week}&role=viewer"), &["dov"]),
        ("sort=created_at".to_owned(), &["ada", "bea", "cem", "dov"]),
        ("sort=-created_at".to_owned(), &["dov", "cem", "bea", "ada"]),
        ("sort=last_login_at".to_owned(), &["cem", "bea", "dov", "ada"]),
        ("sort=-last_login_at".to_owned(), &["ada", "dov", "bea", "cem"]),
    ] {
        let whole = app.get(&ada, &format!("/users?{query}")).await.expect(200);
        assert_eq!(names(&whole), expected, "{query}");
        // The same, a person at a time.
        let (mut one_by_one, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = app.get(&ada, &format!("/users?limit=1&{query}{cursor}")).await.expect(200);
            one_by_one.extend(names(&page).into_iter().map(str::to_owned));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(one_by_one, expected, "{query} by pages");
    }
    app.get(&ada, "/users?sort=password").await.problem(422, "invalid");
    app.get(&ada, "/users?last_login_after=yesterday").await.problem(422, "invalid");
    let first = app.get(&ada, "/users?limit=1&sort=created_at").await.expect(200);
    let foreign = format!("/users?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    app.get(&ada, &foreign).await.problem(422, "invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_a_refresh_and_a_key_are_activity_here_and_nowhere_else() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let hank = app.register("hank", "Globex").await;
    let pending = json!({"email": "ada@example.com", "username": "adele", "full_name": "Ada", "password": PASSWORD});
    let pending = app.post(&hank, "/users", pending).await.expect(201);
    let seen = async |actor: &Actor, id: &str| app.get(actor, &format!("/users/{id}")).await.expect(200);
    let here = seen(&ada, ada.user_id()).await;
    assert!(here["last_login_at"].is_string() && here["last_active_at"] == here["last_login_at"], "{here:#}");
    let elsewhere = seen(&hank, pending["id"].as_str().unwrap()).await;
    assert_eq!((&elsewhere["last_login_at"], &elsewhere["last_active_at"]), (&Value::Null, &Value::Null));

    last_here(&app, "ada", Some(9)).await;
    let body = json!({"refresh_token": ada.refresh_token});
    let _ = app.send(reqwest::Method::POST, "/auth/refresh", None, Some(&body)).await.expect(200);
    let refreshed = seen(&ada, ada.user_id()).await;
    assert!(refreshed["last_active_at"].as_str() > here["last_active_at"].as_str(), "{refreshed:#}");
    assert!(refreshed["last_login_at"].as_str() < here["last_login_at"].as_str(), "a refresh is no login");

    last_here(&app, "ada", Some(9)).await;
    let key = app.post(&ada, "/api-keys", json!({"name": "CI", "scopes": ["team:read"]})).await.expect(201);
    let _ = app.send(reqwest::Method::GET, "/teams", key["key"].as_str(), None).await.expect(200);
    app.app.credentials.write_uses().await.unwrap();
    let used = seen(&ada, ada.user_id()).await;
    assert!(used["last_active_at"].as_str() > here["last_active_at"].as_str(), "{used:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_changed_at_once_and_each_is_judged_alone() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let operator = app.member(&ada, SystemRole::Operator).await;
    let invited = add(&app, &ada, "newbie", &["viewer"]).await;
    let everybody = [ada.user_id(), viewer.user_id(), operator.user_id(), &invited];

    let body = json!({"users": everybody, "status": "active", "add_roles": ["operator"]});
    let result = app.post(&ada, "/users/bulk", body).await.expect(200);
    let verdicts: Vec<&str> =
        result["results"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["changed", "changed", "unchanged", "refused"], "{result:#}");
    assert!(result["results"][3]["detail"].as_str().unwrap().contains("has not agreed"), "{result:#}");
    let changed = app.get(&ada, &format!("/users/{}", viewer.user_id())).await.expect(200);
    assert_eq!(changed["roles"], json!(["operator", "viewer"]));

    // Whoever is last of the administrators stays, wherever they stand in the list.
    let second = add(&app, &ada, "eve", &["admin"]).await;
    let _ = app.log_in("eve").await;
    let body = json!({"users": [ada.user_id(), second, viewer.user_id()], "status": "deactivated"});
    let result = app.post(&ada, "/users/bulk", body).await.expect(200);
    assert_eq!((&result["changed"], &result["refused"]), (&json!(2), &json!(1)), "{result:#}");
    assert!(result["results"][1]["detail"].as_str().unwrap().contains("last administrator"), "{result:#}");
    // Deactivated a moment ago, and refused now; also with the token that had not run out.
    app.get(&ada, "/teams").await.problem(401, "unauthenticated");
    app.get(&viewer, "/teams").await.problem(401, "unauthenticated");

    let eve = app.log_in("eve").await;
    let actions = app.actions(eve.tenant()).await;
    let count = |name: &str| actions.iter().filter(|action| *action == name).count();
    assert_eq!((count("member.updated"), count("member.change-refused")), (4, 2), "{actions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_in_bulk_what_they_could_not_change_one_by_one() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let globex = app.register("hank", "Globex").await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    sqlx::query("update memberships set permissions = '{user:write,role:assign}' where username = $1")
        .bind(&viewer.username)
        .execute(&mut app.admin().await)
        .await
        .unwrap();
    let helper = app.log_in(&viewer.username).await;
    let other = add(&app, &ada, "newbie", &["viewer"]).await;
    let bulk = async |body: Value| app.post(&helper, "/users/bulk", body).await;
    bulk(json!({"users": [other], "add_roles": ["admin"]})).await.problem(403, "permission-denied");
    let result = bulk(json!({"users": [ada.user_id(), other], "status": "deactivated"})).await.expect(200);
    assert_eq!(
        (&result["results"][0]["outcome"], &result["results"][1]["outcome"]),
        (&json!("refused"), &json!("changed"))
    );
    assert_eq!(app.get(&ada, &format!("/users/{}", ada.user_id())).await.expect(200)["status"], "active");

    for (body, pointer) in [
        (json!({"users": [other, globex.user_id()], "status": "active"}), "/users/1"),
        (json!({"users": [], "status": "active"}), "/users"),
        (json!({"users": vec![other.as_str(); 201], "status": "active"}), "/users"),
        (json!({"users": [other], "status": "invited"}), "/status"),
        (json!({"users": [other], "add_roles": ["No Role"]}), "/add_roles/0"),
        (json!({"users": [other], "add_roles": ["viewer"], "remove_roles": ["viewer"]}), "/remove_roles"),
        (json!({"users": [other]}), ""),
    ] {
        let problem = bulk(body.clone()).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    let unknown =
        bulk(json!({"users": [other], "add_roles": ["viewer", "nobody-made-it"]})).await.problem(422, "invalid");
    let told = json!({"pointer": "/add_roles", "detail": "`nobody-made-it` is no role of this organisation"});
    assert_eq!(unknown["errors"][0], told);
}

/// A hundred thousand people: each order walks its own index, at the beginning as in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_members_are_listed_without_reading_them_all() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let mut admin = app.admin().await;
    sqlx::query(
        "insert into memberships (tenant_id, user_id, username, email, full_name, status, roles, created_at, updated_at, accepted_at, last_login_at)
         select $1, gen_random_uuid(), 'person-' || n, 'person-' || n || '@example.com', 'Person ' || n,
             case when n % 50 = 0 then 'locked' else 'active' end, array['viewer'], now() - n * interval '1 minute', now(), now(),
             case when n % 3 > 0 then now() - (n % 90000) * interval '1 minute' end
         from generate_series(1, 100000) n",
    )
    .bind(ada.tenant().uuid())
    .execute(&mut admin)
    .await
    .unwrap();
    sqlx::raw_sql("analyze memberships").execute(&mut admin).await.unwrap();
    let scans = async || {
        // PostgreSQL tells of a scan within a second of its end.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let count = "select seq_scan from pg_stat_user_tables where relname = 'memberships'";
        sqlx::query_scalar::<_, i64>(count).fetch_one(&mut app.admin().await).await.unwrap()
    };
    let before = scans().await;
    let mut slowest = (Duration::ZERO, String::new());
    let mut ask = async |query: String| {
        let begun = Instant::now();
        let page = app.get(&ada, &format!("/users?limit=50&{query}")).await.expect(200);
        slowest = slowest.clone().max((begun.elapsed(), query));
        page
    };
    for sort in ["username", "created_at", "-created_at", "last_login_at", "-last_login_at"] {
        let mut cursor = String::new();
        // Far beyond the executions after which PostgreSQL stops to plan anew for each.
        for _ in 0..12 {
            let page = ask(format!("sort={sort}{cursor}")).await;
            assert_eq!(page["items"].as_array().unwrap().len(), 50);
            cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap());
        }
    }
    assert_eq!(scans().await, before, "a page read the whole table");
    for filter in ["status=locked", "role=operator", "search=person-99999", "never_logged_in=true&sort=-created_at"] {
        let _ = ask(filter.to_owned()).await;
    }
    println!("slowest page of 100,000 members: {slowest:?}");
    assert!(slowest.0 < Duration::from_secs(2), "{slowest:?}");
}
