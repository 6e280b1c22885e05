//! People as one organisation knows them: nobody learns who was known before, nobody joins without consent.

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, Answer, PASSWORD, TestApp, answer};

fn somebody(email: &str, username: &str) -> Value {
    json!({"email": email, "username": username, "full_name": "Somebody", "password": PASSWORD, "roles": ["viewer"]})
}

/// What two answers may differ in: what was asked for, and identifiers that tell nothing.
fn alike(mut value: Value) -> Value {
    for member in ["id", "email", "username", "created_at", "updated_at"] {
        value[member] = json!("…");
    }
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_known_before_cannot_be_told_from_who_was_not() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let _ = app.register("bob", "Builders").await;
    let known = app.post(&ada, "/users", somebody("bob@example.com", "robert")).await.expect(201);
    let new = app.post(&ada, "/users", somebody("new@example.com", "newbie")).await.expect(201);
    assert_eq!(alike(known.clone()), alike(new.clone()));
    assert_eq!(known["status"], "invited");
    for member in [&known, &new] {
        // UUIDv4: the version stands where a UUIDv7 has its own, and no time stands anywhere.
        let id: tenure_kernel::UserId = member["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(id.uuid().get_version_num(), 4);
        let seen = app.get(&ada, &format!("/users/{}", member["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(alike(seen), alike(known.clone()));
    }
    let list = app.get(&ada, "/users?status=invited").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let added =
        |actions: Vec<String>| actions.into_iter().filter(|action| !action.starts_with("audit.")).collect::<Vec<_>>();
    let actions = added(app.actions(ada.tenant()).await);
    assert_eq!(actions[actions.len() - 2..], ["member.added", "member.added"], "the same event for both");
    assert!(!actions.contains(&"user.created".to_owned()), "{actions:?}");
    // A name that is taken is taken, whoever's the address is.
    app.post(&ada, "/users", somebody("carl@example.com", "bob")).await.problem(409, "conflict");
    let _ = app.register("eve", "Evil").await;
    app.post(&ada, "/users", somebody("eve@example.com", "bob")).await.problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_joins_without_their_own_consent() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.register("bob", "Builders").await;
    let path = |member: &Value| format!("/users/{}", member["id"].as_str().unwrap());
    let known = app.post(&ada, "/users", somebody("bob@example.com", "robert")).await.expect(201);
    let organizations = async || {
        let bob = app.log_in("bob").await;
        app.get(&bob, "/auth/me").await.expect(200)["organizations"].as_array().unwrap().len()
    };
    for detour in
        [&["active"][..], &["locked"], &["deactivated", "active"], &["deactivated", "locked"], &["invited", "active"]]
    {
        for status in detour {
            let wanted = if ["active", "locked"].contains(status) { 409 } else { 200 };
            let answer = app.patch(&ada, &path(&known), json!({"status": status})).await;
            assert_eq!(answer.status.as_u16(), wanted, "{detour:?} {:#}", answer.body);
        }
        assert_eq!(organizations().await, 1, "{detour:?}");
    }
    let body = json!({"username": "bob", "password": PASSWORD, "organization": "engines"});
    app.send(Method::POST, "/auth/login", None, Some(&body)).await.problem(401, "invalid-credentials");
    let _ = app.get(&bob, "/auth/me").await.expect(200);

    // A new person agrees with their first login, and is asked only once.
    let new = app.post(&ada, "/users", somebody("new@example.com", "newbie")).await.expect(201);
    let newbie = app.log_in("newbie").await;
    assert_eq!(newbie.organization["slug"], "engines");
    assert_eq!(app.get(&ada, &path(&new)).await.expect(200)["status"], "active");
    assert!(app.actions(ada.tenant()).await.contains(&"user.joined".to_owned()));
    app.patch(&ada, &path(&new), json!({"status": "invited"})).await.problem(409, "conflict");
    for status in ["locked", "active", "deactivated", "active"] {
        let _ = app.patch(&ada, &path(&new), json!({"status": status})).await.expect(200);
    }
    // Who was created elsewhere agrees to nothing by logging in there.
    let hank = app.register("hank", "Globex").await;
    let pending = app.post(&hank, "/users", somebody("new@example.com", "newer")).await.expect(201);
    let _ = app.log_in("newbie").await;
    assert_eq!(app.get(&hank, &path(&pending)).await.expect(200)["status"], "invited");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hands_out_more_than_they_hold_is_refused_and_it_is_on_the_log() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let viewer = app.member(&admin, SystemRole::Viewer).await;
    // May add people and give roles, and holds nothing else that the roles hold.
    sqlx::query("update memberships set permissions = '{user:write,role:assign}' where user_id = $1")
        .bind(viewer.user_id().parse::<tenure_kernel::UserId>().unwrap().uuid())
        .execute(&mut app.admin().await)
        .await
        .unwrap();
    let helper = app.log_in(&viewer.username).await;
    let body = json!({"email": "x@example.com", "username": "xavier", "full_name": "X", "password": PASSWORD, "roles": ["admin"]});
    app.post(&helper, "/users", body).await.problem(403, "permission-denied");
    let refused: i64 = sqlx::query_scalar(
        "select count(*) from events where tenant_id = $1 and principal = $2 and reason = 'permission-denied' and resource_id = 'POST /api/v1/users'",
    )
    .bind(admin.tenant().uuid())
    .bind(viewer.user_id())
    .fetch_one(&mut app.admin().await)
    .await
    .unwrap();
    assert_eq!(refused, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_made_once_however_often_the_request_comes() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let create = async |body: Value, key: &str| -> Answer {
        let request = app.request(Method::POST, "/users", Some(&ada.token)).header("Idempotency-Key", key);
        answer(request.json(&body)).await
    };
    let body = somebody("new@example.com", "newbie");
    let first = create(body.clone(), "k1").await.expect(201);
    assert_eq!(create(body.clone(), "k1").await.expect(201), first);
    create(somebody("other@example.com", "newbie"), "k1").await.problem(422, "idempotency-mismatch");
    create(body, "k2").await.problem(409, "conflict");
    let added = app.actions(ada.tenant()).await.iter().filter(|action| *action == "member.added").count();
    assert_eq!(added, 1);

    let register = async |username: &str, key: &str| {
        let body = json!({
            "email": format!("{username}@example.com"), "username": username, "password": PASSWORD, "full_name": "X",
            "organization_name": "Retry"
        });
        answer(app.request(Method::POST, "/auth/register", None).header("Idempotency-Key", key).json(&body)).await
    };
    let _ = register("grace", "r1").await.expect(201);
    let told = register("grace", "r1").await.problem(409, "conflict");
    assert!(told["detail"].as_str().unwrap().contains("carried out before"), "{told:#}");
    register("heidi", "r1").await.problem(422, "idempotency-mismatch");
    let _ = register("heidi", "r2").await.expect(201);
    // What is stored cannot be tried out against a list of passwords: it is no plain hash of the body.
    let digests: Vec<Vec<u8>> =
        sqlx::query_scalar("select body_digest from idempotency_keys").fetch_all(&mut app.admin().await).await.unwrap();
    assert_eq!(digests.len(), 3);
}

/// Organisations that add the same new person at once learn nothing of each other.
#[tokio::test(flavor = "multi_thread")]
async fn one_address_added_at_once_is_one_person() {
    let app = TestApp::start().await;
    let names: Vec<String> = (0..6).map(|number| format!("founder-{number}")).collect();
    let admins = futures::future::join_all(names.iter().map(|name| app.register(name, name))).await;
    for round in 0..3 {
        let add = async |admin: &Actor| {
            let name = format!("new-{round}-{}", admin.organization["slug"].as_str().unwrap());
            let person = json!({"email": format!("grace-{round}@example.com"), "username": name, "full_name": "Grace", "password": PASSWORD});
            loop {
                let answer = app.post(admin, "/users", person.clone()).await;
                if answer.status != 503 {
                    break answer.expect(201);
                }
            }
        };
        let added = futures::future::join_all(admins.iter().map(add)).await;
        assert!(added.iter().all(|member| member["id"] == added[0]["id"]), "one person");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn organisations_of_one_name_at_once_get_numbers() {
    let app = TestApp::start().await;
    let founders: Vec<String> = (0..6).map(|number| format!("founder-{number}")).collect();
    let founded = futures::future::join_all(founders.iter().map(|name| app.register(name, "Acme"))).await;
    let mut slugs: Vec<&str> = founded.iter().map(|actor| actor.organization["slug"].as_str().unwrap()).collect();
    slugs.sort_unstable();
    assert_eq!(slugs, ["acme", "acme-2", "acme-3", "acme-4", "acme-5", "acme-6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teams_members_come_in_pages() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let team = app.post(&ada, "/teams", json!({"name": "Fleet"})).await.expect(201);
    let path = format!("/teams/{}/members", team["id"].as_str().unwrap());
    for role in [SystemRole::Viewer, SystemRole::Operator, SystemRole::Auditor] {
        let member = app.member(&ada, role).await;
        let _ = app.put(&ada, &format!("{path}/{}", member.user_id()), json!({})).await.expect(204);
    }
    let first = app.get(&ada, &format!("{path}?limit=2")).await.expect(200);
    let next = format!("{path}?limit=2&cursor={}", first["next_cursor"].as_str().unwrap());
    let last = app.get(&ada, &next).await.expect(200);
    let names = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["username"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!([names(&first), names(&last)].concat(), ["auditor-engines", "operator-engines", "viewer-engines"]);
    assert_eq!(last.get("next_cursor"), Some(&Value::Null), "the last page says that it is the last");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_found_by_how_words_of_their_names_begin() {
    let app = TestApp::start().await;
    let (ada, hank) = (app.register("ada", "Engines").await, app.register("hank", "Globex").await);
    for (username, email, full_name) in [
        ("grace.hopper", "grace@navy.example.com", "Grace Brewster Hopper"),
        ("gracie", "g-allen@radio.example.com", "Gracie O'Allen"),
        ("karen_s", "karen@example.org", "Karen Spärck Jones"),
    ] {
        let person = json!({"email": email, "username": username, "full_name": full_name, "password": PASSWORD});
        let _ = app.post(&ada, "/users", person).await.expect(201);
    }
    let found = async |who: &Actor, search: &str| {
        let search: String = form_urlencoded::byte_serialize(search.as_bytes()).collect();
        let page = app.get(who, &format!("/users?search={search}")).await.expect(200);
        let names =
            page["items"].as_array().unwrap().iter().map(|member| member["username"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    for (search, names) in [
        ("grac", vec!["grace.hopper", "gracie"]),
        ("GRACE", vec!["grace.hopper"]),
        ("hop gra", vec!["grace.hopper"]),
        ("grace@navy.example", vec!["grace.hopper"]),
        ("o'all", vec!["gracie"]),
        ("spärck", vec!["karen_s"]),
        ("s", vec!["karen_s"]),
        ("example.com", vec!["ada", "grace.hopper", "gracie"]),
        ("race", vec![]),
        ("grace karen", vec![]),
        ("  ", vec!["ada", "grace.hopper", "gracie", "karen_s"]),
        ("@", vec![]),
    ] {
        assert_eq!(found(&ada, search).await, names, "{search}");
    }
    assert_eq!(found(&hank, "grac").await, Vec::<String>::new(), "another organisation's are nobody's");
    // Whatever is typed is a question, and none of the database's own language.
    for odd in
        ["'", "''", "\\", "z:*", "z & !b | (c)", "<->", "z\u{301}", "\u{feff}", "%_", "' or 1=1 --", &"x".repeat(512)]
    {
        assert_eq!(found(&ada, odd).await, Vec::<String>::new(), "{odd}");
    }
    app.get(&ada, &format!("/users?search={}", "x".repeat(513))).await.problem(422, "invalid");
    // A page goes on where the one before ended, also among those that are found.
    let first = app.get(&ada, "/users?search=grac&limit=1").await.expect(200);
    let next = format!("/users?search=grac&limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(app.get(&ada, &next).await.expect(200)["items"][0]["username"], "gracie");
}

/// So many that they are walked to: the same are found, in the same order.
#[tokio::test(flavor = "multi_thread")]
async fn of_very_many_the_same_are_found() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    sqlx::query(
        "with made as (
             insert into users (id, username, email, full_name, created_at)
             select gen_random_uuid(), 'crowd-' || n, 'crowd-' || n || '@example.com', 'Somebody Crowded', now()
             from generate_series(1, 2100) n returning *)
         insert into memberships (tenant_id, user_id, username, email, full_name, status, roles, created_at, updated_at, accepted_at)
         select $1, id, username, email, full_name, 'active', array['viewer'], created_at, created_at, created_at from made",
    )
    .bind(ada.tenant().uuid())
    .execute(&mut app.admin().await)
    .await
    .unwrap();
    let mut path = "/users?search=crowd&limit=200".to_owned();
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let page = app.get(&ada, &path).await.expect(200);
        for member in page["items"].as_array().unwrap() {
            assert!(seen.insert(member["username"].as_str().unwrap().to_owned()));
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/users?search=crowd&limit=200&cursor={next}");
    }
    assert_eq!(seen.len(), 2100);
    let few = app.get(&ada, "/users?search=crowd-210").await.expect(200);
    let few: Vec<&str> = few["items"].as_array().unwrap().iter().map(|one| one["username"].as_str().unwrap()).collect();
    assert_eq!(few, ["crowd-210", "crowd-2100"]);
}
