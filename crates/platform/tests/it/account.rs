//! What a person may have of what is known of them, and the end of their account.

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, PASSWORD, TestApp, answer};

async fn delete(app: &TestApp, actor: &Actor, password: &str) -> tenure_platform::testkit::Answer {
    app.post(actor, "/auth/me/delete", json!({"current_password": password})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_saves_everything_that_names_them_and_nobody_elses() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let hank = app.register("hank", "Globex").await;
    let dev = app.member(&ada, SystemRole::Developer).await;
    let pending =
        json!({"email": "developer-engines@example.com", "username": "devs", "full_name": "D", "password": PASSWORD});
    let _ = app.post(&hank, "/users", pending).await.expect(201);
    let _ =
        app.patch(&ada, &format!("/users/{}", dev.user_id()), json!({"attributes": {"level": 3}})).await.expect(200);
    let key = app.post(&dev, "/api-keys", json!({"name": "CI", "scopes": ["workflow:read"]})).await.expect(201);
    let wrong = json!({"username": dev.username, "password": "wrong wrong wrong"});
    app.send(Method::POST, "/auth/login", None, Some(&wrong)).await.problem(401, "invalid-credentials");
    let workflow = json!({"name": "Mine", "nodes": {"a": {"type": "wait", "for": "1s"}}, "edges": [{"from": "start", "to": "a"}, {"from": "a", "to": "end"}]});
    let _ = app.post(&dev, "/workflows", workflow.clone()).await.expect(201);
    let theirs = app
        .post(&ada, "/workflows", json!({"name": "Not mine", "nodes": workflow["nodes"], "edges": workflow["edges"]}))
        .await
        .expect(201);

    let saved = app.get(&dev, "/auth/me/export").await;
    assert!(saved.headers["content-disposition"].to_str().unwrap().contains(dev.user_id()));
    assert_eq!(saved.headers["cache-control"], "no-store");
    let saved = saved.expect(200);
    assert_eq!(saved["profile"]["email"], "developer-engines@example.com");
    assert_eq!(saved["credentials"][0]["kind"], "password");
    let memberships: Vec<_> = saved["memberships"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["organization"].as_str().unwrap(), one["status"].as_str().unwrap()))
        .collect();
    assert_eq!(memberships, [("engines", "active"), ("globex", "invited")]);
    assert_eq!(saved["memberships"][0]["attributes"], json!({"level": 3.0}));
    assert_eq!(saved["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(saved["api_keys"][0]["name"], "CI");
    let outcomes: Vec<&str> =
        saved["logins"].as_array().unwrap().iter().map(|login| login["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["denied", "success"]);
    let relations: Vec<_> = saved["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["kind"].as_str().unwrap(), one["relation"].as_str().unwrap(), one["name"].as_str()))
        .collect();
    assert!(
        relations.contains(&("workflow", "created", Some("Mine")))
            && relations.contains(&("api-key", "created", Some("CI"))),
        "{relations:?}"
    );
    assert!(saved["events"].as_array().unwrap().iter().any(|event| event["action"] == "workflow.created"));
    assert_eq!(saved["truncated"], false);
    let text = saved.to_string();
    for foreign in [
        ada.user_id(),
        "ada@example.com",
        "Not mine",
        theirs["id"].as_str().unwrap(),
        key["key"].as_str().unwrap(),
        "argon2",
    ] {
        assert!(!text.contains(foreign), "{foreign} is in the export");
    }
    assert!(app.actions(ada.tenant()).await.contains(&"user.exported".to_owned()));
    let _ = app.delete(&dev, &format!("/auth/invitations/{}", hank.tenant())).await.expect(204);
    let declined = &app.get(&dev, "/auth/me/export").await.expect(200)["memberships"][1];
    assert!(declined["declined_at"].is_string() && declined["accepted_at"].is_null(), "{declined:#}");
    let answer = app.send(Method::GET, "/auth/me/export", key["key"].as_str(), None).await;
    answer.problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_ends_with_everything_that_names_its_person() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let hank = app.register("hank", "Globex").await;
    let dev = app.member(&ada, SystemRole::Developer).await;
    let pending =
        json!({"email": "developer-engines@example.com", "username": "devs", "full_name": "D", "password": PASSWORD});
    let pending = app.post(&hank, "/users", pending).await.expect(201);
    let key = app.post(&dev, "/api-keys", json!({"name": "CI", "scopes": ["workflow:read"]})).await.expect(201);
    let team = app.get(&ada, "/teams").await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let _ = app.put(&ada, &format!("/teams/{team}/members/{}", dev.user_id()), json!({})).await.expect(204);

    // A line of an import that was refused because they are a member already names them, too.
    let csv = format!("email,username,full_name,password\nDeveloper-Engines@example.com,again,D,{PASSWORD}\n");
    let import = app.post(&ada, "/users/import", json!({"csv": csv})).await.expect(201);
    assert_eq!(crate::imports::over(&app, &ada, &import).await["refused"], 1);

    let refused = delete(&app, &dev, "not my password at all").await.problem(422, "invalid");
    assert_eq!(refused["errors"][0]["pointer"], "/current_password");
    let _ = app.get(&dev, "/auth/me").await.expect(200);
    assert!(app.actions(ada.tenant()).await.contains(&"user.password-change-failed".to_owned()));

    let cookie = app.request(Method::POST, "/auth/me/delete", Some(&dev.token)).header("cookie", "x=y");
    let gone = answer(cookie.json(&json!({"current_password": PASSWORD}))).await;
    assert_eq!(gone.status, 204, "{:#}", gone.body);
    assert!(gone.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    app.get(&dev, "/auth/me").await.problem(401, "unauthenticated");
    app.send(Method::GET, "/workflows", key["key"].as_str(), None).await.problem(401, "unauthenticated");
    let body = json!({"username": dev.username, "password": PASSWORD});
    app.send(Method::POST, "/auth/login", None, Some(&body)).await.problem(401, "invalid-credentials");
    let body = json!({"refresh_token": dev.refresh_token});
    app.send(Method::POST, "/auth/refresh", None, Some(&body)).await.problem(401, "unauthenticated");

    let left = app.get(&ada, &format!("/users/{}", dev.user_id())).await.expect(200);
    assert_eq!(
        (&left["status"], &left["full_name"], &left["email"], &left["roles"]),
        (&json!("deactivated"), &json!("Deleted account"), &json!(""), &json!([]))
    );
    assert_eq!(
        app.get(&ada, &format!("/teams/{team}/members")).await.expect(200)["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["id"] == *dev.user_id())
            .count(),
        0
    );
    // Whoever only asked them reads that they declined, under what was typed there.
    let asked = app.get(&hank, &format!("/users/{}", pending["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&asked["status"], &asked["username"]), (&json!("deactivated"), &json!("devs")));
    assert!(app.actions(hank.tenant()).await.contains(&"user.declined".to_owned()));
    assert!(!app.actions(hank.tenant()).await.contains(&"user.deleted".to_owned()));
    assert!(app.actions(ada.tenant()).await.contains(&"user.deleted".to_owned()));

    // No table that can be read holds their name or address any more, but for what the other organisation typed.
    let mut admin = app.admin().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    for table in tables {
        let found = sqlx::AssertSqlSafe(format!(
            "select to_jsonb(t)::text from {table} t where to_jsonb(t)::text ilike '%developer-engines%'"
        ));
        let found: Vec<String> = sqlx::query_scalar(found).fetch_all(&mut admin).await.unwrap();
        let known = |row: &String| table == "memberships" && row.contains("devs");
        assert!(found.iter().all(known), "{table} still names them: {found:?}");
    }
    // Their name and address are free again.
    let body = json!({"email": "developer-engines@example.com", "username": dev.username, "password": PASSWORD, "full_name": "D", "organization_name": "New"});
    let again = app.send(Method::POST, "/auth/register", None, Some(&body)).await.expect(201);
    assert_ne!(again["user"]["id"], *dev.user_id());
    // And the log holds.
    let verified: Value = app.post(&ada, "/audit/verify", json!({})).await.expect(200);
    assert_eq!(verified["ok"], true, "{verified:#}");
}

/// Whatever later hangs on a person must not keep their account from ending.
#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_on_a_person_goes_with_them() {
    let app = TestApp::start().await;
    let stays: Vec<String> = sqlx::query_scalar(
        "select conrelid::regclass::text || '.' || conname from pg_constraint
         where contype = 'f' and confrelid = 'users'::regclass and confdeltype not in ('c', 'n') order by 1",
    )
    .fetch_all(&mut app.admin().await)
    .await
    .unwrap();
    assert!(stays.is_empty(), "foreign keys on users without `on delete cascade` or `set null`: {stays:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_stays_and_guesses_are_counted() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let refused = delete(&app, &ada, PASSWORD).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("last administrator of Engines"), "{refused:#}");
    assert_eq!(app.log_in("ada").await.organization["slug"], "engines");
    for _ in 0..5 {
        delete(&app, &ada, "a wrong guess entirely").await.problem(422, "invalid");
    }
    delete(&app, &ada, PASSWORD).await.problem(429, "rate-limited");
}
