//! Roles from CSV, under the rules of a single creation, on the machinery of every import.

use std::time::Duration;

use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, PASSWORD, TestApp};

use crate::imports::{columns, count, over_at, states};

const PATH: &str = "/role-imports";

async fn carry_out(app: &TestApp, actor: &Actor, csv: &str, dry_run: bool) -> Value {
    let import = app.post(actor, PATH, json!({"csv": csv, "dry_run": dry_run})).await.expect(201);
    over_at(app, actor, PATH, &import).await
}

async fn lines(app: &TestApp, actor: &Actor, import: &Value) -> Vec<Value> {
    let path = format!("{PATH}/{}/lines?limit=200", import["id"].as_str().unwrap());
    app.get(actor, &path).await.expect(200)["items"].as_array().unwrap().clone()
}

async fn undo(app: &TestApp, actor: &Actor, import: &Value) -> Value {
    let path = format!("{PATH}/{}/undo", import["id"].as_str().unwrap());
    let undoing = app.post(actor, &path, json!({})).await.expect(200);
    over_at(app, actor, PATH, &undoing).await
}

async fn role(app: &TestApp, actor: &Actor, name: &str) -> u16 {
    app.get(actor, &format!("/roles/{name}")).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_tried_made_used_and_taken_back() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let _ = app.post(&ada, "/roles", json!({"name": "there", "permissions": ["team:read"]})).await.expect(201);
    let csv = "name,description,permissions\n\
        night-shift,Keeps things running,execution:* workflow:read\n\
        reader,,\"workflow:read team:read\"\n\
        there,Again,team:read\n\
        admin,The system's,team:read\n\
        Night Shift,Not a name,workflow:raed\n\
        reader,Twice,team:read\n\
        empty,,\n\
        spare,,team:*\n\
        replaced,,team:read\n";
    let expected = ["added", "added", "refused", "refused", "refused", "refused", "added", "added", "added"];
    let tried = carry_out(&app, &ada, csv, true).await;
    assert_eq!(
        (&tried["kind"], &tried["added"], &tried["refused"]),
        (&json!("roles"), &json!(5), &json!(4)),
        "{tried:#}"
    );
    let planned: Vec<_> = expected.map(|state| if state == "added" { "planned" } else { state }).to_vec();
    let of_dry_run = lines(&app, &ada, &tried).await;
    assert_eq!(states(&of_dry_run), planned);
    assert_eq!(count(&app, "roles").await, 1, "nothing happened");

    let done = carry_out(&app, &ada, csv, false).await;
    let found = lines(&app, &ada, &done).await;
    assert_eq!(states(&found), expected, "{found:#?}");
    for (line, wrong) in found.iter().zip([&[][..], &[], &["name"], &["name"], &["name", "permissions"], &[""]]) {
        assert_eq!(columns(line), wrong, "{line:#}");
    }
    assert_eq!(found[4]["name"], "Night Shift");
    let made = app.get(&ada, "/roles/night-shift").await.expect(200);
    assert_eq!(
        (&made["permissions"], &made["description"]),
        (&json!(["execution:*", "workflow:read"]), &json!("Keeps things running"))
    );

    // People of the other system come with its roles.
    let people = format!("email,username,full_name,password,roles\ngrace@x.com,grace,Grace,{PASSWORD},night-shift\n");
    let import = app.post(&ada, "/users/import", json!({"csv": people})).await.expect(201);
    assert_eq!(crate::imports::over(&app, &ada, &import).await["added"], 1);

    // An import is found under its own kind alone.
    let id = done["id"].as_str().unwrap();
    for path in [format!("/users/imports/{id}"), format!("/users/imports/{id}/lines"), format!("/api-key-imports/{id}")]
    {
        app.get(&ada, &path).await.problem(404, "not-found");
    }
    app.post(&ada, &format!("/users/imports/{id}/undo"), json!({})).await.problem(404, "not-found");
    let listed = app.get(&ada, PATH).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(app.get(&ada, "/users/imports").await.expect(200)["items"].as_array().unwrap().len(), 1);
    let report = app.get(&ada, &format!("{PATH}/{id}/report")).await.expect(200);
    let report = report.as_str().unwrap();
    assert!(report.starts_with("line,state,name,errors\n2,added,night-shift,"), "{report}");

    // What somebody has stays; what somebody made anew under its name is not the import's.
    let _ = app.delete(&ada, "/roles/replaced").await.expect(204);
    let _ = app.post(&ada, "/roles", json!({"name": "replaced", "permissions": ["team:read"]})).await.expect(201);
    let _ = app.patch(&ada, "/roles/spare", json!({"description": "Changed"})).await.expect(200);
    let undone = undo(&app, &ada, &done).await;
    assert_eq!(
        (&undone["state"], &undone["undone"], &undone["kept"]),
        (&json!("undone"), &json!(4), &json!(1)),
        "{undone:#}"
    );
    let after = lines(&app, &ada, &undone).await;
    assert_eq!(after[0]["state"], "kept");
    assert!(after[0]["errors"][0]["detail"].as_str().unwrap().contains("have this role"), "{:#}", after[0]);
    let there = async |name: &str| role(&app, &ada, name).await;
    assert_eq!([there("night-shift").await, there("replaced").await, there("there").await], [200; 3]);
    assert_eq!([there("reader").await, there("spare").await, there("empty").await], [404; 3]);

    let actions = app.actions(ada.tenant()).await;
    for action in ["started", "finished", "reported", "undo-started", "undone"] {
        assert!(actions.contains(&format!("role-import.{action}")), "{action} is missing in {actions:?}");
    }
    let told = |action: &str| actions.iter().filter(|told| *told == action).count();
    assert_eq!((told("role.created"), told("role.deleted")), (7, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_imports_a_role_that_holds_more_than_they_do() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let wanted = json!({"csv": "name,permissions\nx,team:read\n"});
    app.post(&viewer, PATH, wanted).await.problem(403, "permission-denied");
    let permissions = json!({"permissions": ["role:write"]});
    let _ = app.patch(&ada, &format!("/users/{}", viewer.user_id()), permissions).await.expect(200);
    let helper = app.log_in(&viewer.username).await;
    let csv = "name,permissions\nsmall,team:read\nlarge,team:read audit:read\nall,*\n";
    let done = carry_out(&app, &helper, csv, false).await;
    let found = lines(&app, &helper, &done).await;
    assert_eq!(states(&found), ["added", "refused", "refused"], "{found:#?}");
    assert!(found[1]["errors"][0]["detail"].as_str().unwrap().contains("audit:read"), "{:#}", found[1]);

    // Who undoes it takes no permission that they do not hold.
    let _ = app.patch(&ada, "/roles/small", json!({"permissions": ["audit:read"]})).await.expect(200);
    let undone = undo(&app, &helper, &done).await;
    assert_eq!((&undone["undone"], &undone["kept"]), (&json!(0), &json!(1)), "{undone:#}");
    assert_eq!(role(&app, &ada, "small").await, 200);

    // What was taken from them while it runs is missing from the next line on.
    let many: String = (0..150).map(|n| format!("r{n},team:read\n")).collect();
    let import = app.post(&helper, PATH, json!({"csv": format!("name,permissions\n{many}")})).await.expect(201);
    let path = format!("{PATH}/{}", import["id"].as_str().unwrap());
    while app.get(&ada, &path).await.expect(200)["added"].as_i64().unwrap() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let _ = app.patch(&ada, &format!("/users/{}", viewer.user_id()), json!({"permissions": []})).await.expect(200);
    let stopped = over_at(&app, &ada, PATH, &import).await;
    assert_eq!(stopped["state"], "stopped", "{stopped:#}");
    assert!(stopped["stopped_because"].as_str().unwrap().contains("may not"), "{stopped:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_stops_at_as_many_roles_as_there_can_be() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let many: String = (0..203).map(|n| format!("r{n},team:read\n")).collect();
    let done = carry_out(&app, &ada, &format!("name,permissions\n{many}"), false).await;
    assert_eq!((&done["added"], &done["refused"]), (&json!(200), &json!(3)), "{done:#}");
    let undone = undo(&app, &ada, &done).await;
    assert_eq!((&undone["undone"], count(&app, "roles").await), (&json!(200), 0), "{undone:#}");
}

/// The version before knows imports of people alone: it claims what waits, and writes nothing into the column of later versions.
#[tokio::test(flavor = "multi_thread")]
async fn the_version_before_gets_no_import_that_it_would_misread() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    app.app.stop(Duration::from_secs(20)).await;
    let import = app.post(&ada, PATH, json!({"csv": "name,permissions\nx,team:read\n"})).await.expect(201);
    let claim = "update user_imports set lease_owner = gen_random_uuid(), lease_until = now() + interval '20 seconds', state = 'running'";
    let refused = sqlx::query(claim).execute(&mut app.admin().await).await.unwrap_err();
    assert!(refused.to_string().contains("user_imports_taken_by"), "{refused}");
    let other = app.another(tenure_platform::testkit::Setup::default()).await;
    assert_eq!(over_at(&other, &ada, PATH, &import).await["added"], 1);
}
