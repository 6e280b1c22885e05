//! Executions that are deleted, by people and by time: nothing of them stays but what the log tells, and what they held is given
//! back, exactly and once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::{Audited, Clock, ExecutionId, SystemReason};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::executions;
use tenure_platform::domain::platform::add_admin;
use tenure_platform::domain::quotas::{self, Quota};
use tenure_platform::testkit::{Actor, Setup, TestApp};
use tenure_workflow::machine::{ObjectRef, StoredValue};

use crate::engine::{run, save, start, until};
use crate::guests;
use crate::policies::single;
use crate::quotas::shown;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn storage(app: &TestApp, actor: &Actor) -> u64 {
    shown(app, actor, Quota::StorageBytes).await["used"].as_u64().unwrap()
}

fn path(execution: &str) -> String {
    format!("/executions/{execution}")
}

/// Where an execution's large values lie.
fn directory(app: &TestApp, actor: &Actor, execution: &str) -> PathBuf {
    let id: ExecutionId = execution.parse().unwrap();
    let tenant = app.app.config.engine.objects.join(actor.tenant().uuid().to_string());
    tenant.join(id.uuid().to_string())
}

/// Rows that name the execution, by table, whatever tables there are.
async fn rows(app: &TestApp, execution: &str) -> Vec<(String, i64)> {
    let id = execution.parse::<ExecutionId>().unwrap().uuid();
    let tables: Vec<(String, String)> = sqlx::query_as(
        "select c.table_name::text, c.column_name::text from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
         where c.table_schema = 'public' and t.table_type = 'BASE TABLE'
           and (c.column_name = 'execution_id' or c.table_name in ('executions', 'jobs') and c.column_name = 'id')",
    )
    .fetch_all(&mut app.admin().await)
    .await
    .unwrap();
    assert!(tables.len() > 6, "the catalogue was not understood: {tables:?}");
    let mut found = Vec::new();
    for (table, column) in tables {
        let count = sqlx::AssertSqlSafe(format!("select count(*) from {table} where {column} = '{id}'"));
        let count: i64 = sqlx::query_scalar(count).fetch_one(&mut app.admin().await).await.unwrap();
        if count > 0 {
            found.push((table, count));
        }
    }
    found.sort();
    found
}

fn large() -> Value {
    json!({"text": "x".repeat(100_000)})
}

fn upload(version: &str) -> Value {
    let manifest = format!("name: acme/one\nversion: {version}\nkind: node\n");
    json!({"manifest": manifest, "source": "def execute(state, config):\n    return 1\n"})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_gone_and_what_it_held_is_free() {
    let app = guests::app().await;
    let (ada, grace) = (app.register("ada", "Engines").await, app.register("grace", "Compilers").await);
    let operator = app.member(&ada, SystemRole::Operator).await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let definition = json!({
        "name": "asks",
        "nodes": {"echo": {"type": "transform", "jq": ".input"}, "ask": {"type": "approval", "approvers": {"roles": ["operator"]}, "show": "1"}},
        "edges": [{"from": "start", "to": "echo"}, {"from": "echo", "to": "ask"}, {"from": "ask", "to": "end"}],
    });
    let asks = save(&app, &ada, definition).await;
    let other = save(&app, &ada, single("echo", json!({"type": "transform", "jq": ".input"}))).await;
    let kept = run(&app, &ada, &other, large()).await["id"].as_str().unwrap().to_owned();
    let before = storage(&app, &ada).await;
    let id = start(&app, &ada, &asks, large()).await;
    until(&app, &ada, &id, &["waiting"]).await;
    assert!(storage(&app, &ada).await > before + 100_000 && directory(&app, &ada, &id).exists());

    // While it is not over nobody deletes it, not even past the platform.
    let refused = app.delete(&ada, &path(&id)).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("cancel it first"), "{refused:#}");
    let mut login = app.login("tenure_app").await;
    let inside = format!("begin; set local app.current_tenant_id = '{}'", ada.tenant().uuid());
    sqlx::raw_sql(sqlx::AssertSqlSafe(inside)).execute(&mut login).await.unwrap();
    let uuid = id.parse::<ExecutionId>().unwrap().uuid();
    for table in ["execution_journal", "approvals"] {
        let delete = sqlx::AssertSqlSafe(format!("delete from {table} where execution_id = '{uuid}'"));
        assert_eq!(sqlx::query(delete).execute(&mut login).await.unwrap().rows_affected(), 0, "{table}");
    }
    sqlx::raw_sql("rollback").execute(&mut login).await.unwrap();

    let approval = app.get(&operator, "/approvals").await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let decide = format!("/approvals/{approval}/decision");
    let _ = app.post(&operator, &decide, json!({"decision": "approve"})).await.expect(200);
    until(&app, &ada, &id, &["succeeded"]).await;
    app.delete(&viewer, &path(&id)).await.problem(403, "permission-denied");
    app.delete(&grace, &path(&id)).await.problem(404, "not-found");
    assert!(rows(&app, &id).await.len() > 3);

    assert_eq!(app.delete(&operator, &path(&id)).await.status, 204);
    assert_eq!(rows(&app, &id).await, [], "nothing names it");
    assert_eq!(storage(&app, &ada).await, before);
    assert!(!directory(&app, &ada, &id).exists());
    app.get(&ada, &path(&id)).await.problem(404, "not-found");
    app.get(&ada, &format!("/approvals/{approval}")).await.problem(404, "not-found");
    app.delete(&ada, &path(&id)).await.problem(404, "not-found");
    app.post(&ada, &format!("{}/retry", path(&id)), json!({})).await.problem(404, "not-found");
    // The others stand, and the log tells of what is gone.
    let input = format!("{}/input", path(&kept));
    assert_eq!(app.get(&ada, &input).await.expect(200), large());
    let listed = app.get(&ada, "/executions").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let events = app.get(&ada, &format!("/audit/events?resource_id={id}")).await.expect(200);
    let told: Vec<&str> =
        events["items"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert!(told.contains(&"execution.requested") && told.contains(&"execution.succeeded"), "{told:?}");
    let deleted = events["items"].as_array().unwrap().iter().find(|event| event["action"] == "execution.deleted");
    assert_eq!(deleted.unwrap()["actor"]["id"], *operator.user_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_delete_one_execution_one_does() {
    let app = guests::app().await;
    let other = app.another(Setup { platform: guests::platform(), ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let echo = save(&app, &ada, single("echo", json!({"type": "transform", "jq": ".input"}))).await;
    let kept = run(&app, &ada, &echo, large()).await["id"].as_str().unwrap().to_owned();
    let before = storage(&app, &ada).await;
    let id = run(&app, &ada, &echo, large()).await["id"].as_str().unwrap().to_owned();
    let attempts = (0..20).map(|attempt| {
        let node = if attempt % 2 == 0 { &app } else { &other };
        let (ada, id) = (&ada, &id);
        async move { node.delete(ada, &path(id)).await.status.as_u16() }
    });
    let mut answers = futures::future::join_all(attempts).await;
    answers.sort_unstable();
    assert_eq!((answers[0], answers[1], answers[19]), (204, 404, 404), "{answers:?}");
    assert_eq!(storage(&app, &ada).await, before, "given back once");
    assert_eq!(app.actions(ada.tenant()).await.iter().filter(|action| *action == "execution.deleted").count(), 1);

    // One deletes, one has it go on: never both.
    let fails = save(&app, &ada, single("fails", json!({"type": "transform", "jq": "error(\"no\")"}))).await;
    for _ in 0..8 {
        let id = run(&app, &ada, &fails, large()).await["id"].as_str().unwrap().to_owned();
        let retry = format!("{}/retry", path(&id));
        let of_it = path(&id);
        let (deleted, retried) = tokio::join!(app.delete(&ada, &of_it), other.post(&ada, &retry, json!({})));
        match (deleted.status.as_u16(), retried.status.as_u16()) {
            (204, 404 | 409) => assert_eq!(rows(&app, &id).await, []),
            (409, 202) => {
                until(&app, &ada, &id, &["failed"]).await;
                assert_eq!(app.delete(&ada, &path(&id)).await.status, 204);
            }
            answers => panic!("{answers:?}"),
        }
    }
    assert_eq!(storage(&app, &ada).await, before);
    let _ = app.get(&ada, &path(&kept)).await.expect(200);
}

/// A crash before the commit leaves everything, one after it leaves files that the sweep finds.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_midst_of_a_deletion_loses_nothing_and_leaks_nothing() {
    let app = guests::app().await;
    let other = app.another(Setup { platform: guests::platform(), ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let echo = save(&app, &ada, single("echo", json!({"type": "transform", "jq": ".input"}))).await;
    let id = run(&app, &ada, &echo, large()).await["id"].as_str().unwrap().to_owned();
    let held = storage(&app, &ada).await;
    let files = |directory: &PathBuf| std::fs::read_dir(directory).into_iter().flatten().count();
    let directory = directory(&app, &ada, &id);
    let there = files(&directory);
    assert!(there > 0);

    // The deletion waits at the last thing it does, and its node dies.
    let mut admin = app.admin().await;
    sqlx::raw_sql("begin; select from quota_usage where quota = 'storage_bytes' for update")
        .execute(&mut admin)
        .await
        .unwrap();
    let of_it = path(&id);
    let request = app.request(Method::DELETE, &of_it, Some(&ada.token)).send();
    let waiting = async {
        let waits = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())";
        let mut admin = app.admin().await;
        let begun = Instant::now();
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut admin).await.unwrap() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the deletion does not come to the quota");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        answer = request => panic!("answered before its end: {answer:?}"),
        () = waiting => {}
    }
    app.kill();
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    sqlx::query(end).execute(&mut admin).await.unwrap();
    sqlx::raw_sql("rollback").execute(&mut admin).await.unwrap();
    assert_eq!((storage(&other, &ada).await, files(&directory)), (held, there));
    let input = format!("{}/input", path(&id));
    assert_eq!(other.get(&ada, &input).await.expect(200), large());

    // The commit is there, and the files were not yet removed.
    let aside = directory.with_extension("aside");
    std::fs::rename(&directory, &aside).unwrap();
    assert_eq!(other.delete(&ada, &path(&id)).await.status, 204);
    std::fs::rename(&aside, &directory).unwrap();
    assert_eq!(storage(&other, &ada).await, 0);
    assert_eq!(other.app.engine.sweep_objects(Duration::ZERO).await.unwrap(), 1);
    assert!(!directory.exists());
}

/// A step of a node that lost its lease may end after its execution was deleted.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_counted_for_what_is_gone() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let one = save(&app, &ada, single("one", json!({"type": "transform", "jq": "1"}))).await;
    let id = run(&app, &ada, &one, json!({})).await["id"].as_str().unwrap().to_owned();
    let (tenant, execution) = (ada.tenant(), id.parse::<ExecutionId>().unwrap());
    let keep = async |name: &str| {
        let key = format!("{}/{}/{name}", tenant.uuid(), execution.uuid());
        let object = ObjectRef { key, size: 100_000, digest: "0".repeat(64), sensitive: None };
        let value = StoredValue::Object(Arc::new(object));
        let system = app.app.kernel.system(SystemReason::EngineBatch);
        let kept = system.run(async |tx| {
            quotas::keep_of(tx, tenant, execution, &value).await?;
            Ok(Audited::none("a test of counting alone", ()))
        });
        kept.await.unwrap();
        storage(&app, &ada).await
    };
    assert_eq!((keep("a").await, keep("a").await, keep("b").await), (100_000, 100_000, 200_000));
    assert_eq!(app.delete(&ada, &path(&id)).await.status, 204);
    assert_eq!(storage(&app, &ada).await, 0);
    assert_eq!(keep("c").await, 0);
    assert_eq!(rows(&app, &id).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_execution_that_keeps_a_plugin_gives_it_back() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let stored = app.post(&ada, "/plugins", upload("1.0.0")).await.expect(201);
    let plugin = stored["version"]["plugin_id"].as_str().unwrap().to_owned();
    let _ = app.put(&ada, &format!("/plugins/{plugin}/status"), json!({"status": "active"})).await.expect(200);
    let calls = save(&app, &ada, single("calls", json!({"type": "plugin", "plugin": "acme/one@^1"}))).await;
    let mut executions = Vec::new();
    for _ in 0..6 {
        executions.push(run(&app, &ada, &calls, json!({})).await["id"].as_str().unwrap().to_owned());
    }
    let held = storage(&app, &ada).await;
    assert!(held > 0);
    let first = executions.pop().unwrap();
    assert_eq!(app.delete(&ada, &path(&first)).await.status, 204);
    assert_eq!(storage(&app, &ada).await, held, "the plugin is there");
    let _ = app.delete(&ada, &format!("/workflows/{calls}")).await.expect(204);
    // The plugin goes at the same time as one that keeps it.
    let (second, of_plugin) = (path(&executions.pop().unwrap()), format!("/plugins/{plugin}"));
    let (one, other) = tokio::join!(app.delete(&ada, &second), app.delete(&ada, &of_plugin));
    assert_eq!((one.status.as_u16(), other.status.as_u16()), (204, 204));
    assert_eq!(storage(&app, &ada).await, held, "four keep it");
    let all = executions.iter().map(|id| {
        let (app, ada, of_it) = (&app, &ada, path(id));
        async move { app.delete(ada, &of_it).await.status.as_u16() }
    });
    assert_eq!(futures::future::join_all(all).await, [204; 4]);
    assert_eq!(storage(&app, &ada).await, 0, "whichever was the last gave it back");
    let left: i64 =
        sqlx::query_scalar("select count(*) from plugin_versions").fetch_one(&mut app.admin().await).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_go_once_they_were_kept_long_enough() {
    let clock = Clock::manual("2026-11-03T10:00:00Z".parse().unwrap());
    let platform = || PlatformConfig { keep_executions: Some(30 * DAY), ..guests::platform() };
    let setup = || Setup { clock: clock.clone(), platform: platform(), ..Setup::default() };
    let app = TestApp::with(setup()).await;
    let other = app.another(setup()).await;
    let (mut ada, mut grace) = (app.register("ada", "Engines").await, app.register("grace", "Compilers").await);
    let developer = app.member(&ada, SystemRole::Developer).await;
    let retention = "/executions/retention";
    let said =
        |keep: Value, in_force: u32| json!({"keep_days": keep, "installation_days": 30, "in_force_days": in_force});
    assert_eq!(app.get(&developer, retention).await.expect(200), said(Value::Null, 30));
    app.put(&developer, retention, json!({"keep_days": 7})).await.problem(403, "permission-denied");
    for days in [0, 31, 40_000] {
        let refused = app.put(&ada, retention, json!({"keep_days": days})).await.problem(422, "invalid");
        assert_eq!(refused["errors"][0]["pointer"], "/keep_days", "{refused:#}");
    }
    for _ in 0..2 {
        assert_eq!(app.put(&ada, retention, json!({"keep_days": 7})).await.expect(200), said(json!(7), 7));
    }
    let told = |actions: &[String], action: &str| actions.iter().filter(|told| *told == action).count();
    assert_eq!(told(&app.actions(ada.tenant()).await, "execution-retention.set"), 1);

    let echo = single("echo", json!({"type": "transform", "jq": ".input"}));
    let asks = single("asks", json!({"type": "approval", "approvers": {"roles": ["admin"]}}));
    let (echoes, asking) = (save(&app, &ada, echo.clone()).await, save(&app, &ada, asks).await);
    let theirs = save(&app, &grace, echo).await;
    let _ = run(&app, &grace, &theirs, large()).await;
    // More than a batch, and one of them large.
    let mut ended = Vec::new();
    for number in 0..60 {
        let input = if number == 0 { large() } else { json!({}) };
        let execution = run(&app, &ada, &echoes, input).await;
        assert_eq!(execution["state"], "succeeded");
        ended.push(execution["id"].as_str().unwrap().to_owned());
    }
    let waits = start(&app, &ada, &asking, large()).await;
    until(&app, &ada, &waits, &["waiting"]).await;
    clock.advance(DAY);
    ada = app.log_in("ada").await;
    let later = run(&app, &ada, &echoes, large()).await["id"].as_str().unwrap().to_owned();
    let held = storage(&app, &ada).await;
    assert_eq!(executions::expire(&app.app).await.unwrap(), 0, "none is old enough");

    clock.advance(6 * DAY + Duration::from_secs(60));
    (ada, grace) = (app.log_in("ada").await, app.log_in("grace").await);
    // Two nodes at once delete each of them once.
    let (one, two) = tokio::join!(executions::expire(&app.app), executions::expire(&other.app));
    let rest = executions::expire(&app.app).await.unwrap();
    assert_eq!(one.unwrap() + two.unwrap() + rest, 60);
    let left = app.get(&ada, "/executions?limit=200").await.expect(200);
    let left: Vec<&str> =
        left["items"].as_array().unwrap().iter().map(|execution| execution["id"].as_str().unwrap()).collect();
    assert_eq!(left, [later.as_str(), waits.as_str()], "what is younger, and what is not over");
    let object = u64::try_from(serde_json::to_vec(&large()).unwrap().len()).unwrap();
    assert_eq!(storage(&app, &ada).await, held - object, "the input, which is the output too, is kept once");
    let of_tenant = directory(&app, &ada, &later).parent().unwrap().to_owned();
    assert_eq!(std::fs::read_dir(of_tenant).unwrap().count(), 2);
    let _ = app.get(&ada, &path(&waits)).await.expect(200);

    // The log tells of each batch.
    let events = app.get(&ada, "/audit/events?action=execution-retention.applied").await.expect(200);
    let batches = events["items"].as_array().unwrap();
    assert_eq!(batches.len(), 2, "{events:#}");
    let number = |event: &Value, name: &str| {
        let diff = event["diff"].as_array().unwrap();
        diff.iter().find(|step| step["path"] == format!("/{name}")).unwrap()["value"].as_u64().unwrap()
    };
    assert_eq!(batches.iter().map(|event| number(event, "executions")).sum::<u64>(), 60);
    assert_eq!(batches.iter().map(|event| number(event, "bytes")).sum::<u64>(), object);
    // And, found by its identifier, of the end of each.
    for id in [&ended[0], &ended[59]] {
        let events = app.get(&ada, &format!("/audit/events?resource_id={id}")).await.expect(200);
        let events = events["items"].as_array().unwrap();
        let told: Vec<&str> = events.iter().map(|event| event["action"].as_str().unwrap()).collect();
        // The clock stood still while it ran, so the first two are in no order.
        assert_eq!((told[0], told.len()), ("execution.deleted", 3));
        assert!(told.contains(&"execution.succeeded") && told.contains(&"execution.requested"), "{told:?}");
        assert_eq!(events[0]["actor"]["type"], "system", "{:#}", events[0]);
        let told: Vec<&str> =
            events[0]["diff"].as_array().unwrap().iter().map(|step| step["path"].as_str().unwrap()).collect();
        assert_eq!(told, ["/workflow", "/state", "/finished_at", "/ended_before"]);
    }
    assert_eq!(told(&app.actions(ada.tenant()).await, "execution.deleted"), 60);

    // Who said nothing is kept as the installation says.
    assert_eq!(app.get(&grace, "/executions").await.expect(200)["items"].as_array().unwrap().len(), 1);
    clock.advance(24 * DAY);
    (ada, grace) = (app.log_in("ada").await, app.log_in("grace").await);
    assert_eq!(executions::expire(&other.app).await.unwrap(), 2, "hers, and what was younger");
    assert_eq!(storage(&app, &grace).await, 0);
    assert_eq!(app.get(&ada, "/executions").await.expect(200)["items"][0]["id"], *waits);
    assert_eq!(app.put(&ada, retention, json!({"keep_days": null})).await.expect(200), said(Value::Null, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_organisation_loses_nothing_nor_does_one_that_was_just_resumed() {
    let clock = Clock::manual("2026-11-03T10:00:00Z".parse().unwrap());
    let platform = PlatformConfig { keep_executions: Some(30 * DAY), ..guests::platform() };
    let app = TestApp::with(Setup { clock: clock.clone(), platform, ..Setup::default() }).await;
    let (ada, grace) = (app.register("ada", "Engines").await, app.register("grace", "Compilers").await);
    add_admin(&app.app.kernel, "grace").await.unwrap();
    let echo = single("echo", json!({"type": "transform", "jq": ".input"}));
    for actor in [&ada, &grace] {
        let workflow = save(&app, actor, echo.clone()).await;
        assert_eq!(run(&app, actor, &workflow, json!({})).await["state"], "succeeded");
    }
    let decide = async |verb: &str| {
        let path = format!("/platform/organizations/{}/{verb}", ada.tenant());
        let grace = app.log_in("grace").await;
        let _ = app.post(&grace, &path, json!({"reason": "two invoices are open"})).await.expect(200);
    };
    decide("suspend").await;
    clock.advance(60 * DAY);
    assert_eq!(executions::expire(&app.app).await.unwrap(), 1, "of who is not suspended");
    decide("resume").await;
    for waits in [Duration::ZERO, 7 * DAY - Duration::from_secs(60)] {
        clock.advance(waits);
        assert_eq!(executions::expire(&app.app).await.unwrap(), 0, "its people have a week");
    }
    let ada = app.log_in("ada").await;
    assert_eq!(app.get(&ada, "/executions").await.expect(200)["items"].as_array().unwrap().len(), 1);
    // A change of the plan is no resumption.
    let path = format!("/platform/organizations/{}", ada.tenant());
    let _ = app.patch(&app.log_in("grace").await, &path, json!({"plan": "pro"})).await.expect(200);
    clock.advance(Duration::from_secs(120));
    assert_eq!(executions::expire(&app.app).await.unwrap(), 1);
}
