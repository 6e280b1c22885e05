//! The audit log: read, sealed, verified.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test wants the first thing that goes wrong to stop it, and speaks to the tables as a superuser"
)]

mod tampering;

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::TenantId;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::audit::{Depth, Held, Outside, Sealer, Trusted, Verification, verify_tenant};
use tenure_platform::testkit::{Actor, Setup, TestApp};

/// The files of this tenant's log.
fn held(app: &TestApp, tenant: TenantId) -> Held {
    Outside::new(app.app.config.audit.directory.clone().unwrap()).of(tenant)
}

fn sealer(app: &TestApp) -> Sealer {
    app.app.sealer()
}

/// Everything that waits is sealed.
async fn seal_all(app: &TestApp) {
    let mut sealer = sealer(app);
    while waiting(app).await > 0 {
        let _ = sealer.round().await.unwrap();
    }
}

async fn waiting(app: &TestApp) -> i64 {
    count(app, "select count(*) from unsealed_events").await
}

async fn count(app: &TestApp, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&mut app.admin().await).await.unwrap()
}

/// Verified with the newest checkpoint outside and the leaf hashes beside it.
async fn verify(app: &TestApp, tenant: TenantId) -> Verification {
    let files = held(app, tenant);
    let trusted = Trusted { notes: files.newest().unwrap().into_iter().collect(), files: Some(files) };
    verify_tenant(&app.app.kernel, tenant, trusted, Depth::Whole).await.unwrap()
}

async fn execute(app: &TestApp, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut app.admin().await).await.unwrap();
}

async fn teams(app: &TestApp, actor: &Actor, names: std::ops::Range<usize>) {
    for name in names {
        let _ = app.post(actor, "/teams", json!({"name": format!("team {name}")})).await.expect(201);
    }
}

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_filtered_and_paged() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    teams(&app, &ada, 0..5).await;
    let bob = app.member(&ada, SystemRole::Auditor).await;

    let all = app.get(&bob, "/audit/events?action=team.").await.expect(200);
    assert_eq!(items(&all).len(), 5);
    let newest = &items(&all)[0];
    assert_eq!(newest["resource"]["name"], "team 4");
    assert_eq!(newest["actor"]["id"], ada.user_id());
    assert_eq!(newest["actor"]["name"], "ada of Engines");
    assert_eq!(newest["address"], "127.0.0.1");
    assert_eq!(newest["diff"][0]["op"], "add");
    assert!(items(&all).windows(2).all(|pair| pair[0]["time"].as_str() >= pair[1]["time"].as_str()));

    // Page by page, the same.
    let (mut seen, mut path) = (Vec::new(), "/audit/events?action=team.&limit=2".to_owned());
    loop {
        let page = app.get(&bob, &path).await.expect(200);
        seen.extend(items(&page).clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/audit/events?action=team.&limit=2&cursor={cursor}");
    }
    let ids = |events: &[Value]| events.iter().map(|event| event["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&seen), ids(items(&all)));

    let team = newest["resource"]["id"].as_str().unwrap();
    let at = newest["time"].as_str().unwrap();
    let request = newest["request_id"].as_str().unwrap();
    for (filter, expected) in [
        (format!("resource_id={team}"), 1),
        (format!("resource_type=team&actor_id={}", ada.user_id()), 5),
        (format!("actor_id={}&action=team.created", bob.user_id()), 0),
        (format!("request_id={request}"), 1),
        ("q=TEAM.CRE".to_owned(), 5),
        ("q=100%25".to_owned(), 0),
        (format!("action=team.&from={at}"), 1),
        (format!("action=team.&to={at}"), 4),
        ("outcome=denied".to_owned(), 0),
    ] {
        let page = app.get(&bob, &format!("/audit/events?{filter}")).await.expect(200);
        assert_eq!(items(&page).len(), expected, "{filter}: {page:#}");
    }
    app.get(&bob, "/audit/events?outcome=maybe").await.problem(422, "invalid");
    app.get(&bob, "/audit/events?colour=red").await.problem(422, "invalid");

    let id = newest["id"].as_str().unwrap();
    let one = app.get(&bob, &format!("/audit/events/{id}")).await.expect(200);
    assert_eq!(one["diff"], newest["diff"]);

    let other = app.register("eve", "Elsewhere").await;
    app.get(&other, &format!("/audit/events/{id}")).await.problem(404, "not-found");
    let page = app.get(&other, &format!("/audit/events?resource_id={team}")).await.expect(200);
    assert!(items(&page).is_empty(), "another tenant's events: {page:#}");
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    app.get(&viewer, "/audit/events").await.problem(403, "permission-denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_show_old_and_new_and_personal_values_are_opened() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let team = app.post(&ada, "/teams", json!({"name": "old"})).await.expect(201);
    let path = format!("/teams/{}", team["id"].as_str().unwrap());
    let _ = app.patch(&ada, &path, json!({"name": "new"})).await.expect(200);
    let page = app.get(&ada, "/audit/events?action=team.updated").await.expect(200);
    let name = items(&page)[0]["diff"].as_array().unwrap().iter().find(|change| change["path"] == "/name").unwrap();
    assert_eq!((&name["op"], &name["before"], &name["value"]), (&json!("replace"), &json!("old"), &json!("new")));

    let page = app.get(&ada, "/audit/events?action=user.registered").await.expect(200);
    let email = |page: &Value| {
        items(page)[0]["diff"].as_array().unwrap().iter().find(|change| change["path"] == "/email").unwrap().clone()
    };
    assert_eq!(email(&page)["value"], "ada@example.com");
    let stored: Value = sqlx::query_scalar("select diff from events where action = 'user.registered'")
        .fetch_one(&mut app.admin().await)
        .await
        .unwrap();
    assert!(!stored.to_string().contains("ada@example.com"), "the diff holds a personal value in the clear");

    // Erased: the value is gone, the log stands.
    app.halt();
    seal_all(&app).await;
    execute(&app, "update events set personal = null").await;
    let page = app.get(&ada, "/audit/events?action=user.registered&limit=7").await.expect(200);
    assert_eq!(email(&page)["erased"], true);
    assert!(email(&page).get("value").is_none() && items(&page)[0]["address"].is_null());
    let found = verify(&app, ada.tenant()).await;
    assert!(found.ok, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_is_an_event_once_a_minute_per_reader_and_filter() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    for _ in 0..4 {
        let _ = app.get(&ada, "/audit/events?action=team.&limit=3").await.expect(200);
    }
    let _ = app.get(&ada, "/audit/events").await.expect(200);
    let reads: Vec<Value> = sqlx::query_scalar("select diff from events where action = 'audit-log.read' order by at")
        .fetch_all(&mut app.admin().await)
        .await
        .unwrap();
    let filters: Vec<&Value> = reads.iter().map(|diff| &diff[0]["value"]).collect();
    assert_eq!(filters, [&json!({"action": "team."}), &json!({})]);
    let actions = app.get(&ada, "/audit/actions").await.expect(200);
    assert!(items(&actions).iter().any(|action| action["action"] == "audit-log.read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_sealed_within_a_second_and_verifies() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let writers = (0..8).map(|writer| teams(&app, &ada, writer * 10..writer * 10 + 10));
    futures::future::join_all(writers).await;
    let begun = Instant::now();
    while waiting(&app).await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(1), "events wait longer than a second");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let page = app.get(&ada, "/audit/events?action=team.&limit=200").await.expect(200);
    assert!(items(&page).iter().all(|event| event["index"].is_u64()), "{page:#}");

    let checkpoints = app.get(&ada, "/audit/checkpoints").await.expect(200);
    let newest = &items(&checkpoints)[0];
    assert!(newest["note"].as_str().unwrap().starts_with(&format!("tenure/{}\n", ada.tenant())));
    let found = app.send(Method::POST, "/audit/verify", Some(&ada.token), None).await.expect(200);
    assert_eq!(found["ok"], true, "{found:#}");
    assert_eq!(found["compared_with_outside"], true);
    assert!(found["events_checked"].as_u64().unwrap() >= 82);
    assert!(found["checkpoint"]["size"].as_u64() >= newest["size"].as_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_seal_one_log() {
    let app = TestApp::start().await;
    // Its own files, as on another machine.
    let elsewhere = tempfile::tempdir().unwrap();
    let mut setup = Setup::default();
    setup.platform.audit.directory = Some(elsewhere.path().to_owned());
    let other = app.another(setup).await;
    let sharing = app.another(Setup::default()).await;
    let ada = app.register("ada", "Engines").await;
    let nodes = [&app, &other, &sharing];
    let writers = (0..9).map(|writer| teams(nodes[writer % 3], &ada, writer * 12..writer * 12 + 12));
    futures::future::join_all(writers).await;
    nodes.iter().for_each(|node| node.halt());
    tokio::time::sleep(Duration::from_millis(300)).await;
    seal_all(&app).await;
    let _ = app.post(&ada, "/teams", json!({"name": "last"})).await.expect(201);
    seal_all(&other).await;
    for node in nodes {
        let found = verify(node, ada.tenant()).await;
        assert!(found.ok, "{found:?}");
    }
    // What either kept is a prefix of one list.
    let leaves = |node: &TestApp| held(node, ada.tenant()).leaves(0).unwrap().collect::<Vec<_>>();
    let (here, there) = (leaves(&app), leaves(&other));
    let common = here.len().min(there.len());
    assert!(common > 100 && here[..common] == there[..common]);
    let places = count(&app, "select count(distinct (tenant_id, seq)) - count(*) from event_seals").await;
    let gaps = count(&app, "select count(*) from (select max(seq) + 1 - count(*) as gap from event_seals group by tenant_id) g where gap <> 0").await;
    assert_eq!((places, gaps), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_commit_and_files_is_made_up_for() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    app.halt();
    seal_all(&app).await;
    let directory = app.app.config.audit.directory.clone().unwrap().join(ada.tenant().to_string());
    let copy = |name: &str| std::fs::read(directory.join(name)).unwrap();
    for round in 0..4 {
        let (checkpoints, leaves) = (copy("checkpoints"), copy("leaves"));
        teams(&app, &ada, round * 3..round * 3 + 3).await;
        seal_all(&app).await;
        // As if the process had died before it wrote them, or in the middle.
        let torn = copy("checkpoints");
        let cut = checkpoints.len() + (torn.len() - checkpoints.len()) * round / 4;
        std::fs::write(directory.join("checkpoints"), &torn[..cut]).unwrap();
        let torn = copy("leaves");
        let cut = if round == 3 { 7 } else { leaves.len() + round * 20 };
        std::fs::write(directory.join("leaves"), &torn[..cut]).unwrap();
        let _ = app.post(&ada, "/teams", json!({"name": format!("after {round}")})).await.expect(201);
        seal_all(&app).await;
        let found = verify(&app, ada.tenant()).await;
        assert!(found.ok, "{found:?}");
        let size = held(&app, ada.tenant()).leaves(0).unwrap().count();
        assert_eq!(size as u64, found.size, "the files have caught up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sealed_on_a_log_that_was_rolled_back_or_rewritten() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.register("bob", "Builders").await;
    teams(&app, &ada, 0..4).await;
    app.halt();
    seal_all(&app).await;
    let tenant = ada.tenant().uuid();
    let sabotage = [
        // Everything behind the second event is gone, and the state says so.
        format!(
            "delete from event_seals where tenant_id = '{tenant}' and seq >= 2; delete from checkpoints where tenant_id = '{tenant}';
             update tree_states set size = 2, frontier = substr(frontier, 1, 32) where tenant_id = '{tenant}'"
        ),
        format!("update tree_states set frontier = set_byte(frontier, 0, get_byte(frontier, 0) # 1) where tenant_id = '{tenant}'"),
        format!("delete from tree_states where tenant_id = '{tenant}'"),
    ];
    for (number, sql) in sabotage.iter().enumerate() {
        execute(&app, "create schema if not exists kept; create table kept.s as table event_seals; create table kept.c as table checkpoints; create table kept.t as table tree_states").await;
        execute(&app, sql).await;
        teams(&app, &ada, 10 * (number + 1)..10 * (number + 1) + 2).await;
        let _ = app.post(&bob, "/teams", json!({"name": format!("{number}")})).await.expect(201);
        let mut sealer = sealer(&app);
        for _ in 0..3 {
            let _ = sealer.round().await.unwrap();
        }
        let of =
            |tenant: TenantId| format!("select count(*) from unsealed_events where tenant_id = '{}'", tenant.uuid());
        let left = async |tenant| -> i64 {
            sqlx::query_scalar(sqlx::AssertSqlSafe(of(tenant))).fetch_one(&mut app.admin().await).await.unwrap()
        };
        assert!(left(ada.tenant()).await >= 2, "sealed onto a log that was not the one last signed");
        assert_eq!(left(bob.tenant()).await, 0, "another tenant had to wait");
        let found = verify(&app, ada.tenant()).await;
        assert!(!found.ok);
        let told = count(&app, "select count(*) from events where action = 'audit-log.sealing-stopped'").await;
        assert_eq!(told, number as i64 + 1, "told once each time");
        execute(
            &app,
            &format!(
                "delete from event_seals where tenant_id = '{tenant}'; delete from checkpoints where tenant_id = '{tenant}'; delete from tree_states where tenant_id = '{tenant}';
                 insert into event_seals select * from kept.s where tenant_id = '{tenant}'; insert into checkpoints select * from kept.c where tenant_id = '{tenant}';
                 insert into tree_states select * from kept.t where tenant_id = '{tenant}'; drop schema kept cascade"
            ),
        )
        .await;
        // What is right again goes on.
        seal_all(&app).await;
        let found = verify(&app, ada.tenant()).await;
        assert!(found.ok, "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_row_is_not_sealed_and_not_shown() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    app.halt();
    teams(&app, &ada, 0..2).await;
    let tenant = ada.tenant().uuid();
    // A copy of a true row under another name, an edited one that waits, and a turn without an event.
    execute(
        &app,
        &format!(
            "create temp table planted as select * from events where tenant_id = '{tenant}' and action = 'team.created' limit 1;
             update planted set id = gen_random_uuid(), principal = 'usr_00000000000000000000000000';
             insert into events select * from planted;
             insert into unsealed_events select tenant_id, at, id from planted;
             update events set reason = 'because' where tenant_id = '{tenant}' and action = 'organization.created';
             insert into unsealed_events values ('{tenant}', now(), gen_random_uuid())"
        ),
    )
    .await;
    seal_all(&app).await;
    let refused = count(&app, "select count(*) from events where action = 'audit-log.row-refused'").await;
    assert_eq!(refused, 3);
    assert_eq!(count(&app, "select count(*) from event_seals s join events e on e.id = s.event_id where e.principal = 'usr_00000000000000000000000000'").await, 0);
    let page = app.get(&ada, "/audit/events?actor_id=usr_00000000000000000000000000").await.expect(200);
    assert!(items(&page).is_empty());
    let found = verify(&app, ada.tenant()).await;
    assert_eq!(found.first_fault.unwrap().kind, "inserted");

    // Its turn taken away, a true event is missed.
    execute(&app, "delete from events where principal = 'usr_00000000000000000000000000' or reason = 'because'").await;
    assert!(verify(&app, ada.tenant()).await.ok);
    let _ = app.post(&ada, "/teams", json!({"name": "hidden"})).await.expect(201);
    execute(&app, "delete from unsealed_events").await;
    assert_eq!(verify(&app, ada.tenant()).await.first_fault.unwrap().kind, "withheld");
}
