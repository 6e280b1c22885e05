//! People from CSV: tried, carried out, reported and undone, under the rules of a single creation.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, PASSWORD, Setup, TestApp};

use crate::api_keys::{make, parts};
use crate::delegation::{account, acting, cut};

/// bcrypt (cost 4) of [`PASSWORD`], as another system would have made it.
fn hashed() -> String {
    bcrypt::hash(PASSWORD, 4).unwrap()
}

pub async fn over(app: &TestApp, actor: &Actor, import: &Value) -> Value {
    over_at(app, actor, "/users/imports", import).await
}

/// The import of a kind, once it moves no more.
pub async fn over_at(app: &TestApp, actor: &Actor, of_kind: &str, import: &Value) -> Value {
    let path = format!("{of_kind}/{}", import["id"].as_str().unwrap());
    let begun = Instant::now();
    loop {
        let now = app.get(actor, &path).await.expect(200);
        if !["waiting", "running", "undoing"].contains(&now["state"].as_str().unwrap()) {
            return now;
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "it does not end: {now:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn carry_out(app: &TestApp, actor: &Actor, csv: &str, dry_run: bool) -> Value {
    let import = app.post(actor, "/users/import", json!({"csv": csv, "dry_run": dry_run})).await.expect(201);
    over(app, actor, &import).await
}

pub async fn lines(app: &TestApp, actor: &Actor, import: &Value) -> Vec<Value> {
    let path = format!("/users/imports/{}/lines?limit=200", import["id"].as_str().unwrap());
    app.get(actor, &path).await.expect(200)["items"].as_array().unwrap().clone()
}

pub fn states(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["state"].as_str().unwrap()).collect()
}

pub fn columns(line: &Value) -> Vec<&str> {
    line["errors"].as_array().unwrap().iter().map(|error| error["column"].as_str().unwrap_or("")).collect()
}

pub async fn count(app: &TestApp, what: &str) -> i64 {
    let count = sqlx::AssertSqlSafe(format!("select count(*) from {what}"));
    sqlx::query_scalar(count).fetch_one(&mut app.admin().await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_tried_carried_out_and_undone() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.register("bob", "Builders").await;
    let team = app.post(&ada, "/teams", json!({"name": "Night Shift"})).await.expect(201);
    let _ = app.post(&ada, "/roles", json!({"name": "keeper", "permissions": ["team:read"]})).await.expect(201);
    let head =
        "email,username,full_name,password,password_hash,roles,teams,attributes.department,attributes.level:number";
    let rows = [
        format!("grace@example.com,grace,Grace Hopper,{PASSWORD},,keeper;viewer,night shift,Legal,3"),
        format!("hedy@example.com,hedy,Hedy Lamarr,,{},,,,", hashed()),
        format!("BOB@example.com,robert,Robert,{PASSWORD},,,,,"),
        format!("carl@example.com,bob,Carl,{PASSWORD},,,,,"),
        "nobody,x,,short,,Admin,,,much".to_owned(),
        format!("ada@example.com,adele,Ada,{PASSWORD},,,,,"),
        format!("Grace@Example.com,gracious,Grace,{PASSWORD},,,,,"),
        format!("team@example.com,teamless,T,{PASSWORD},,,No such,,"),
        format!("role@example.com,roleless,R,{PASSWORD},,no-such,,,"),
        "cut@example.com,cut".to_owned(),
        "=1+1@example.com,formula,F,,$2b$99$bad,,,,".to_owned(),
    ];
    let csv = format!("{head}\n{}\n", rows.join("\n"));
    let people = count(&app, "users").await;

    let tried = carry_out(&app, &ada, &csv, true).await;
    assert_eq!(
        (&tried["state"], &tried["done"], &tried["total"]),
        (&json!("finished"), &json!(11), &json!(11)),
        "{tried:#}"
    );
    let of_dry_run = lines(&app, &ada, &tried).await;
    let [ok, no] = ["planned", "refused"];
    assert_eq!(states(&of_dry_run), [ok, ok, ok, no, no, no, no, no, no, no, no], "{of_dry_run:#?}");
    assert_eq!((count(&app, "users").await, count(&app, "memberships").await), (people, people), "nothing happened");
    app.post(&ada, &format!("/users/imports/{}/undo", tried["id"].as_str().unwrap()), json!({}))
        .await
        .problem(409, "conflict");

    let done = carry_out(&app, &ada, &csv, false).await;
    assert_eq!(
        (&done["added"], &done["refused"], &done["state"]),
        (&json!(3), &json!(8), &json!("finished")),
        "{done:#}"
    );
    let found = lines(&app, &ada, &done).await;
    for (line, expected) in found.iter().zip([
        &[][..],
        &[],
        &[],
        &["username"],
        &["username", "email", "full_name", "password", "roles", "attributes.level:number"],
        &[""],
        &[""],
        &["teams"],
        &["roles"],
        &[""],
        &["password_hash"],
    ]) {
        assert_eq!(columns(line), expected, "{line:#}");
    }
    assert_eq!(
        found.iter().map(|line| &line["errors"]).collect::<Vec<_>>(),
        of_dry_run.iter().map(|line| &line["errors"]).collect::<Vec<_>>()
    );
    assert!(found[6]["errors"][0]["detail"].as_str().unwrap().contains("line 2"));
    assert_eq!(count(&app, "user_import_lines where input is not null").await, 0, "passwords stay in no table");

    // Who was known is told like who was not, to the last member.
    let alike = |line: &Value| {
        let mut line = line.clone();
        for member in ["line", "user", "email", "username"] {
            line[member] = json!("…");
        }
        line
    };
    assert_eq!(alike(&found[1]), alike(&found[2]));
    let member =
        async |line: &Value| app.get(&ada, &format!("/users/{}", line["user"].as_str().unwrap())).await.expect(200);
    let (hedy, robert) = (member(&found[1]).await, member(&found[2]).await);
    assert_eq!(
        (&hedy["status"], &robert["status"], &robert["username"]),
        (&json!("invited"), &json!("invited"), &json!("robert"))
    );
    let grace = member(&found[0]).await;
    assert_eq!(
        (&grace["roles"], &grace["attributes"]),
        (&json!(["keeper", "viewer"]), &json!({"department": "Legal", "level": 3.0}))
    );
    let of_team = app.get(&ada, &format!("/teams/{}/members", team["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(of_team["items"][0]["username"], "grace");
    // The hash of the other system opens the first login.
    assert_eq!(app.log_in("hedy").await.organization["slug"], "engines");

    let undone =
        app.post(&ada, &format!("/users/imports/{}/undo", done["id"].as_str().unwrap()), json!({})).await.expect(200);
    let undone = over(&app, &ada, &undone).await;
    assert_eq!(
        (&undone["state"], &undone["undone"], &undone["kept"]),
        (&json!("undone"), &json!(2), &json!(1)),
        "{undone:#}"
    );
    let after = lines(&app, &ada, &undone).await;
    assert_eq!(states(&after)[..4], ["undone", "kept", "undone", "refused"]);
    assert!(after[1]["errors"][0]["detail"].as_str().unwrap().contains("agreed"), "{:#}", after[1]);
    assert_eq!(count(&app, "users").await, people + 1, "only hedy is left of those who were made");
    let _ = app.get(&bob, "/auth/me").await.expect(200);
    let body = json!({"username": "grace", "password": PASSWORD});
    app.send(reqwest::Method::POST, "/auth/login", None, Some(&body)).await.problem(401, "invalid-credentials");
    app.post(&ada, &format!("/users/imports/{}/undo", done["id"].as_str().unwrap()), json!({}))
        .await
        .problem(409, "conflict");

    let actions = app.actions(ada.tenant()).await;
    for action in [
        "user-import.started",
        "user-import.finished",
        "user-import.undo-started",
        "user-import.undone",
        "member.added",
        "member.removed",
        "team.member-added",
    ] {
        assert!(actions.iter().any(|done| done == action), "{action} is missing in {actions:?}");
    }
    assert!(!actions.iter().any(|action| action == "user.created" || action == "user.removed"), "{actions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_a_file_without_formulas() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let csv = "email;username;full_name;password\n=HYPERLINK(1);@cmd;-1+1;x\n";
    let done = carry_out(&app, &ada, csv, true).await;
    let path = format!("/users/imports/{}/report", done["id"].as_str().unwrap());
    let answer = app.get(&ada, &path).await;
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    assert!(answer.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let text = answer.expect(200).as_str().unwrap().to_owned();
    assert!(text.contains("'=HYPERLINK(1)") && text.contains("'@cmd") && text.contains("username: must be"), "{text}");
    assert!(app.actions(ada.tenant()).await.contains(&"user-import.reported".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_imports_what_they_could_not_give_and_only_as_long_as_they_may() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    sqlx::query("update memberships set permissions = '{user:write,role:assign}' where username = $1")
        .bind(&viewer.username)
        .execute(&mut app.admin().await)
        .await
        .unwrap();
    let helper = app.log_in(&viewer.username).await;
    let hash = hashed();
    let csv = format!(
        "email,username,full_name,password_hash,roles,teams\na@x.com,aa,A,{hash},admin,\nb@x.com,bb,B,{hash},viewer,Everyone\nc@x.com,cc,C,{hash},viewer,\n"
    );
    let done = carry_out(&app, &helper, &csv, false).await;
    let found = lines(&app, &helper, &done).await;
    assert_eq!(states(&found), ["refused", "refused", "added"], "{found:#?}");
    assert!(found[0]["errors"][0]["detail"].as_str().unwrap().contains("do not hold"), "{:#}", found[0]);
    assert!(found[1]["errors"][0]["detail"].as_str().unwrap().contains("team:write"), "{:#}", found[1]);

    // What was taken from them while it runs is missing from the next line on.
    let many: String = (0..3000).map(|n| format!("m{n}@x.com,many-{n},M,{hash}\n")).collect();
    let body = json!({"csv": format!("email,username,full_name,password_hash\n{many}")});
    let import = app.post(&helper, "/users/import", body.clone()).await.expect(201);
    app.post(&ada, "/users/import", body).await.problem(409, "conflict");
    let path = format!("/users/imports/{}", import["id"].as_str().unwrap());
    while app.get(&ada, &path).await.expect(200)["added"].as_i64().unwrap() < 5 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _ = app.patch(&ada, &format!("/users/{}", viewer.user_id()), json!({"permissions": []})).await.expect(200);
    let stopped = over(&app, &ada, &import).await;
    assert_eq!(stopped["state"], "stopped", "{stopped:#}");
    assert!(stopped["stopped_because"].as_str().unwrap().contains("may not"), "{stopped:#}");
    assert!(stopped["added"].as_i64().unwrap() < 3000);
    assert_eq!(count(&app, "user_import_lines where state = 'waiting' or input is not null").await, 0);

    // The rest of them cannot be kept from being undone, in the administrator's name.
    let _ = app.post(&ada, &format!("{path}/undo"), json!({})).await.expect(200);
    let _ = app.post(&ada, &format!("{path}/cancel"), json!({})).await.expect(200);
    let stopped = over(&app, &ada, &import).await;
    assert_eq!(stopped["stopped_because"], "somebody cancelled it", "{stopped:#}");
    let _ = app.post(&ada, &format!("{path}/undo"), json!({})).await.expect(200);
    let undone = over(&app, &ada, &import).await;
    assert_eq!((&undone["state"], &undone["undone"]), (&json!("undone"), &undone["added"]), "{undone:#}");
    assert_eq!(count(&app, "users where username like 'many-%'").await, 0);
}

/// A key that runs out, or may less; somebody in between who may not act for others any more: an import stops at whatever stops an
/// execution.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_stops_with_what_it_was_handed_in_by() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let (expiring, expiring_path) = parts(&make(&app, &ada, &["*"], json!({})).await.expect(201));
    let (narrowed, narrowed_path) = parts(&make(&app, &ada, &["*"], json!({})).await.expect(201));
    let (robot, robots, _) = account(&app, &ada, "Robot", &["delegation:act"]).await;
    let (clerk, clerks, _) = account(&app, &ada, "Clerk", &["delegation:act"]).await;
    let by_robot = cut(&app, &ada.token, &acting(&robots)).await;
    let by_clerk = cut(&app, &ada.token, &acting(&clerks)).await;
    let expire = async || {
        let id: tenure_kernel::KeyId = expiring_path.trim_start_matches("/api-keys/").parse().unwrap();
        let expire = sqlx::query("update api_keys set expires_at = now() - interval '1 minute' where id = $1");
        expire.bind(id.uuid()).execute(&mut app.admin().await).await.unwrap();
    };
    let change = async |path: &str, body: Value| drop(app.patch(&ada, path, body).await.expect(200));
    let hash = hashed();
    for (name, token) in [("e", &expiring), ("n", &narrowed), ("r", &by_robot), ("c", &by_clerk)] {
        let many: String = (0..2000).map(|n| format!("{name}{n}@x.com,{name}-{n},M,{hash}\n")).collect();
        let body = json!({"csv": format!("email,username,full_name,password_hash\n{many}")});
        let import = app.send(Method::POST, "/users/import", Some(token), Some(&body)).await.expect(201);
        let path = format!("/users/imports/{}", import["id"].as_str().unwrap());
        while app.get(&ada, &path).await.expect(200)["added"].as_i64().unwrap() < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        match name {
            "e" => expire().await,
            "n" => change(&narrowed_path, json!({"scopes": ["user:read"]})).await,
            "r" => change(&format!("/service-accounts/{robot}"), json!({"status": "deactivated"})).await,
            _ => change(&format!("/service-accounts/{clerk}"), json!({"permissions": ["team:read"]})).await,
        }
        let stopped = over(&app, &ada, &import).await;
        assert_eq!(stopped["state"], "stopped", "{name}: {stopped:#}");
        assert!(stopped["stopped_because"].as_str().unwrap().contains("may not"), "{stopped:#}");
    }
}

/// A node that stops finishes the lines it is at and takes up none; the next goes on at once.
#[tokio::test(flavor = "multi_thread")]
async fn who_stops_leaves_imports_to_the_next() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    app.app.stop(Duration::from_secs(20)).await;
    let hash = hashed();
    let body = json!({"csv": format!("email,username,full_name,password_hash\nm@x.com,many-0,M,{hash}\n")});
    let import = app.post(&ada, "/users/import", body).await.expect(201);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let path = format!("/users/imports/{}", import["id"].as_str().unwrap());
    assert_eq!(app.get(&ada, &path).await.expect(200)["done"], 0);
    let (begun, other) = (Instant::now(), app.another(Setup::default()).await);
    let done = over(&other, &ada, &import).await;
    assert_eq!((&done["state"], &done["added"]), (&json!("finished"), &json!(1)), "{done:#}");
    assert!(begun.elapsed() < Duration::from_secs(15), "no lease is waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_survives_the_death_of_its_node() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let hash = hashed();
    let many: String = (0..600).map(|n| format!("m{n}@x.com,many-{n},M,{hash}\n")).collect();
    let body = json!({"csv": format!("email,username,full_name,password_hash\n{many}")});
    let import = app.post(&ada, "/users/import", body).await.expect(201);
    let path = format!("/users/imports/{}", import["id"].as_str().unwrap());
    while app.get(&ada, &path).await.expect(200)["added"].as_i64().unwrap() < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    app.kill();
    let (begun, other) = (Instant::now(), app.another(Setup::default()).await);
    let done = over(&other, &ada, &import).await;
    println!("600 lines, one death: {:?}", begun.elapsed());
    assert_eq!(
        (&done["state"], &done["added"], &done["done"]),
        (&json!("finished"), &json!(600), &json!(600)),
        "{done:#}"
    );
    assert_eq!(count(&other, "memberships where username like 'many-%'").await, 600, "each is added once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_none_is_refused_with_its_place() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    for csv in [
        "",
        "email,username\na,b\n",
        "email,username,full_name,password,salary\n",
        "email,username,full_name,password\n",
    ] {
        let problem = app.post(&ada, "/users/import", json!({"csv": csv})).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/csv", "{csv:?}");
    }
    app.post(&ada, "/users/import", json!({"csv": "a", "dryrun": true})).await.problem(422, "invalid");
    assert_eq!(app.get(&ada, "/users/imports").await.expect(200)["items"], json!([]));
    let large = "x".repeat(9 << 20);
    app.post(&ada, "/users/import", json!({"csv": large})).await.problem(413, "too-large");
}
