//! Whose an imported API key is: it stays its organisation's when it is given up, and whoever brings another's is seen.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::platform::add_admin;
use tenure_platform::testkit::{Actor, Setup, TestApp};

use crate::api_keys::{make, parts, read, with_key};
use crate::imports::{columns, count, over_at, states};
use crate::key_imports::{LEGACY, OTHER, PATH, account, bearer, carry_out, key, lines, sha256, undo};
use crate::keys_and_factors::soon;
use crate::mfa::at_rest;

fn csv(owner: &str, text: &str) -> String {
    format!("name,owner,key,scopes\nMine,{owner},{text},team:read\n")
}

fn path(key: &Value) -> String {
    format!("/api-keys/{}", key["id"].as_str().unwrap())
}

/// The words of a refused line.
async fn told(app: &TestApp, actor: &Actor, import: &Value) -> Value {
    let line = lines(app, actor, import).await.remove(0);
    assert_eq!((&line["state"], columns(&line)), (&json!("refused"), vec!["key"]), "{line:#}");
    line["errors"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_let_go_is_nobody_elses() {
    let app = TestApp::start().await;
    let (olga, ada) = (app.register("olga", "Operations").await, app.register("ada", "Engines").await);
    let eve = app.register("eve", "Elsewhere").await;
    add_admin(&app.app.kernel, "olga").await.unwrap();
    let _ = account(&app, &ada, "mover").await;
    let there = carry_out(&app, &ada, &csv("ada", &format!("{LEGACY}9")), false).await;
    assert_eq!(there["added"], 1);
    let words = told(&app, &eve, &carry_out(&app, &eve, &csv("eve", &format!("{LEGACY}9")), true).await).await;

    // Undone, or gone with its owner, its programs go on to send it: whoever knows it does not get them.
    let undone = carry_out(&app, &ada, &csv("ada", LEGACY), false).await;
    assert_eq!(undo(&app, &ada, &undone).await["undone"], 1);
    assert_eq!(carry_out(&app, &ada, &csv("mover", OTHER), false).await["added"], 1);
    let _ = sqlx::query("delete from service_accounts").execute(&mut app.admin().await).await.unwrap();
    assert_eq!(count(&app, "api_keys where imported").await, 1);
    for text in [LEGACY, OTHER] {
        for dry_run in [true, false] {
            let tried = carry_out(&app, &eve, &csv("eve", text), dry_run).await;
            assert_eq!(told(&app, &eve, &tried).await, words, "{text}");
        }
        assert_eq!(bearer(&app, text).await, 401);
    }
    // Its own organisation takes it over again.
    assert_eq!(carry_out(&app, &ada, &csv("ada", LEGACY), false).await["added"], 1);
    assert_eq!(bearer(&app, LEGACY).await, 200);

    // The platform sees who tried, and nobody else does.
    let seen = app.get(&olga, "/platform/events?action=api-key.import-refused").await.expect(200);
    let seen = seen["items"].as_array().unwrap();
    assert_eq!(seen.len(), 5, "{seen:#?}");
    for event in seen {
        assert_eq!((&event["actor"]["name"], &event["outcome"]), (&json!("eve"), &json!("denied")), "{event:#}");
        let tenant = event["diff"].as_array().unwrap().iter().find(|change| change["path"] == "/tenant").unwrap();
        assert_eq!(tenant["value"], eve.organization["id"], "{event:#}");
    }
    for tenant in [ada.tenant(), eve.tenant()] {
        assert!(!app.actions(tenant).await.contains(&"api-key.import-refused".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_taken_over_by_nobody_any_more() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.register("ada", "Engines").await, app.register("eve", "Elsewhere").await);
    let done = carry_out(&app, &ada, &csv("ada", LEGACY), false).await;
    let revoked = key(&app, &ada, &done).await;
    let _ = app.post(&ada, &format!("{}/revoke", path(&revoked)), json!({})).await.expect(200);
    let undone = undo(&app, &ada, &done).await;
    assert_eq!((&undone["undone"], &undone["kept"]), (&json!(0), &json!(1)), "{undone:#}");
    assert!(lines(&app, &ada, &undone).await[0]["errors"][0]["detail"].as_str().unwrap().contains("revoked"));
    let mut words = Vec::new();
    for gone in [false, true] {
        if gone {
            // As the upkeep does 90 days later.
            let _ = sqlx::query("delete from api_keys").execute(&mut app.admin().await).await.unwrap();
        }
        for (actor, name) in [(&ada, "ada"), (&eve, "eve")] {
            let tried = carry_out(&app, actor, &csv(name, LEGACY), false).await;
            words.push(told(&app, actor, &tried).await);
        }
    }
    assert!(words.iter().all(|told| *told == words[0]), "{words:#?}");
    assert_eq!(bearer(&app, LEGACY).await, 401);
}

/// Keys that were taken over before there was a table of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_migration_knows_the_keys_that_are_there() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.register("ada", "Engines").await, app.register("eve", "Elsewhere").await);
    let done = carry_out(&app, &ada, &csv("ada", LEGACY), false).await;
    let ended = carry_out(&app, &ada, &csv("ada", OTHER), false).await;
    let _ = app.post(&ada, &format!("{}/revoke", path(&key(&app, &ada, &ended).await)), json!({})).await.expect(200);
    let (_, fill) = include_str!("../../../../migrations/0044_imported_digests.sql")
        .rsplit_once("insert into imported_digests")
        .unwrap();
    let all = "select jsonb_agg(d order by digest) from imported_digests d";
    let mut admin = app.admin().await;
    let before: Value = sqlx::query_scalar(all).fetch_one(&mut admin).await.unwrap();
    let again = sqlx::AssertSqlSafe(format!("truncate imported_digests; insert into imported_digests{fill}"));
    let _ = sqlx::raw_sql(again).execute(&mut admin).await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, Value>(all).fetch_one(&mut admin).await.unwrap(), before);
    assert_eq!(before.as_array().unwrap().len(), 2);
    assert_eq!(undo(&app, &ada, &done).await["undone"], 1);
    let tried = carry_out(&app, &eve, &csv("eve", LEGACY), false).await;
    let _ = told(&app, &eve, &tried).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tries_keys_out_is_stopped_after_five() {
    let app = TestApp::start().await;
    let (olga, ada) = (app.register("olga", "Operations").await, app.register("ada", "Engines").await);
    let eve = app.register("eve", "Elsewhere").await;
    add_admin(&app.app.kernel, "olga").await.unwrap();
    let of = |owner: &str, keys: &[u8]| {
        let rows: String = keys.iter().map(|n| format!("k{n},{owner},{LEGACY}{n},team:read\n")).collect();
        format!("name,owner,key,scopes\n{rows}")
    };
    assert_eq!(carry_out(&app, &ada, &of("ada", &[1, 2, 3, 4, 5, 6]), false).await["added"], 6);
    let file = of("eve", &[7, 1, 2, 3, 4, 5, 6, 8]);
    for dry_run in [true, false] {
        let tried = carry_out(&app, &eve, &file, dry_run).await;
        assert_eq!(
            (&tried["state"], &tried["added"], &tried["refused"]),
            (&json!("stopped"), &json!(1), &json!(5)),
            "{tried:#}"
        );
        assert!(tried["stopped_because"].as_str().unwrap().contains("other organisations"), "{tried:#}");
        assert_eq!(states(&lines(&app, &eve, &tried).await)[6..], ["skipped", "skipped"]);
        if !dry_run {
            assert_eq!(undo(&app, &eve, &tried).await["undone"], 1, "it can be undone all the same");
        }
    }
    let seen = app.get(&olga, "/platform/events?action=api-key.import-refused").await.expect(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 10);
    // One's own that are there already stop nothing.
    let again = carry_out(&app, &ada, &of("ada", &[1, 2, 3, 4, 5, 6, 9]), true).await;
    assert_eq!((&again["state"], &again["added"]), (&json!("finished"), &json!(1)), "{again:#}");
}

/// Whoever undoes an import while a key of it is being rotated does not remove the one that its programs still use.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_rotated_while_its_import_is_undone_stays() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let done = carry_out(&app, &ada, &csv("ada", LEGACY), false).await;
    let old = key(&app, &ada, &done).await;
    let mut holder = app.admin().await;
    for sql in ["begin", "select from api_keys for update"] {
        let _ = sqlx::raw_sql(sql).execute(&mut holder).await.unwrap();
    }
    let waiting = async |wanted: i64| {
        let begun = Instant::now();
        let waits = "pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        while count(&app, waits).await < wanted {
            assert!(begun.elapsed() < Duration::from_secs(20), "nobody waits");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let (rotate, removal) = (format!("{}/rotate", path(&old)), format!("{PATH}/{}/undo", done["id"].as_str().unwrap()));
    let (rotated, ()) = tokio::join!(app.post(&ada, &rotate, json!({})), async {
        waiting(1).await;
        let _ = app.post(&ada, &removal, json!({})).await.expect(200);
        waiting(2).await;
        let _ = sqlx::raw_sql("commit").execute(&mut holder).await.unwrap();
    });
    let (text, _) = parts(&rotated.expect(201));
    let undone = over_at(&app, &ada, PATH, &done).await;
    assert_eq!((&undone["undone"], &undone["kept"]), (&json!(0), &json!(1)), "{undone:#}");
    assert_eq!(app.get(&ada, &path(&old)).await.expect(200)["state"], "retiring");
    let _ = (read(&app, LEGACY).await.expect(200), read(&app, &text).await.expect(200));
}

/// What an import of keys may is what its login may, at each of its lines; and who changes one proves who they are, as who begins one.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_keys_ends_with_its_login() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.register("ada", "Engines").await, app.register("bob", "Builders").await);
    let due = app.register("due", "Dues").await;
    // Nobody goes through the lines until there is another node.
    app.app.stop(Duration::from_secs(20)).await;
    let hand_in = async |actor: &Actor, text: &str| {
        app.post(actor, PATH, json!({"csv": csv(&actor.username, text)})).await.expect(201)
    };
    let over = hand_in(&ada, LEGACY).await;
    let _ = app.send(Method::POST, "/auth/logout", Some(&ada.token), None).await.expect(204);
    let ada = app.log_in("ada").await;
    let _ = hand_in(&due, OTHER).await;
    let must =
        "update credentials set must_change = true where user_id = (select id from users where username = 'due')";
    let _ = sqlx::query(must).execute(&mut app.admin().await).await.unwrap();
    let good = hand_in(&bob, &format!("{LEGACY}1")).await;
    let other = app.another(Setup::default()).await;
    assert_eq!(over_at(&other, &bob, PATH, &good).await["added"], 1);
    let stopped = over_at(&other, &ada, PATH, &over).await;
    assert_eq!((&stopped["state"], &stopped["added"]), (&json!("stopped"), &json!(0)), "{stopped:#}");
    assert!(stopped["stopped_because"].as_str().unwrap().contains("login"), "{stopped:#}");
    let owes = "user_imports where state = 'stopped' and added = 0 and stopped_because like '%login%'";
    soon("what owes something first stops, too", async || count(&other, owes).await == 2).await;
    assert_eq!(bearer(&other, OTHER).await, 401);
    assert_eq!(bearer(&other, LEGACY).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_an_import_of_keys_has_just_logged_in() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let (all, _) = parts(&make(&app, &ada, &["*"], json!({})).await.expect(201));
    let done = carry_out(&app, &ada, &csv("ada", LEGACY), false).await;
    let of = |verb: &str| format!("{PATH}/{}/{verb}", done["id"].as_str().unwrap());
    for verb in ["cancel", "undo"] {
        with_key(&app, &all, Method::POST, &of(verb), None).await.problem(403, "permission-denied");
    }
    clock.advance(Duration::from_secs(6 * 60));
    for verb in ["cancel", "undo"] {
        app.post(&ada, &of(verb), json!({})).await.problem(403, "step-up-required");
    }
    let _ = read(&app, LEGACY).await.expect(200);
}

/// As one of ours: by its end, its networks, its owner and its organisation.
#[tokio::test(flavor = "multi_thread")]
async fn an_imported_key_works_no_longer_than_it_may() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let member = app.member(&ada, SystemRole::Developer).await;
    let more = json!({"permissions": ["service_account:write", "service_account:read"]});
    let _ = app.patch(&ada, &format!("/users/{}", member.user_id()), more).await.expect(200);
    let member = app.log_in(&member.username).await;
    let rows = format!(
        "name,owner,key,scopes,expires_at,allowed_cidrs\n\
         short,ada,{LEGACY}1,team:read,2027-01-15T08:30:00Z,\n\
         elsewhere,ada,{LEGACY}2,team:read,,192.0.2.0/24\n\
         long,ada,{LEGACY}3,team:read,,\n"
    );
    assert_eq!(carry_out(&app, &ada, &rows, false).await["added"], 3);
    let theirs = carry_out(&app, &member, &csv(&member.username, LEGACY), false).await;
    assert_eq!(theirs["added"], 1, "{theirs:#}");
    let works = async |text: &str| read(&app, text).await.status.as_u16();
    assert_eq!((works(&format!("{LEGACY}1")).await, works(LEGACY).await), (200, 200));
    assert_ne!(works(&format!("{LEGACY}2")).await, 200);
    clock.advance(Duration::from_secs(31 * 60));
    assert_eq!((works(&format!("{LEGACY}1")).await, works(LEGACY).await), (401, 200));
    let (ada, path) = (app.log_in("ada").await, format!("/users/{}", member.user_id()));
    let _ = app.patch(&ada, &path, json!({"status": "deactivated"})).await.expect(200);
    assert_eq!((works(LEGACY).await, works(&format!("{LEGACY}3")).await), (401, 200));
    let suspended = "update tenants set status = 'suspended'";
    let _ = sqlx::query(suspended).execute(&mut app.admin().await).await.unwrap();
    // A node that has asked nobody yet.
    let other = app.another(Setup { clock: clock.clone(), ..Setup::default() }).await;
    read(&other, &format!("{LEGACY}3")).await.problem(403, "tenant-suspended");
}

/// In a file whose columns were mixed up the key stands where a name is expected: no name of such a line is kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_under_the_wrong_column_is_kept_nowhere() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let file = format!("name,owner,key,scopes\n{LEGACY},ada,Nightly,team:read\n");
    let import = app.post(&ada, PATH, json!({"csv": file})).await.expect(201);
    let done = over_at(&app, &ada, PATH, &import).await;
    let found = lines(&app, &ada, &done).await;
    assert_eq!((states(&found), columns(&found[0])), (vec!["refused"], vec!["key"]), "{found:#?}");
    let report = app.get(&ada, &format!("{PATH}/{}/report", done["id"].as_str().unwrap())).await.expect(200);
    let kept: Vec<String> = sqlx::query_scalar("select to_jsonb(l)::text from user_import_lines l")
        .fetch_all(&mut app.admin().await)
        .await
        .unwrap();
    assert!(![found[0].to_string(), report.to_string(), kept.concat()].iter().any(|text| text.contains("sk_live")));
}

/// Names of a person's keys are for them and for who manages people, in lines and reports as in the list of keys.
#[tokio::test(flavor = "multi_thread")]
async fn lines_name_nobodys_own_keys_to_others() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let _ = account(&app, &ada, "mover").await;
    let keeper = app.member(&ada, SystemRole::Operator).await;
    let more =
        json!({"permissions": ["service_account:write", "service_account:read", "api_key:write", "api_key:read"]});
    let _ = app.patch(&ada, &format!("/users/{}", keeper.user_id()), more).await.expect(200);
    let keeper = app.log_in(&keeper.username).await;
    let file = format!("name,owner,key,scopes\nPrivate,ada,{LEGACY},team:read\nShared,mover,{OTHER},team:read\n");
    let done = carry_out(&app, &ada, &file, false).await;
    let own = lines(&app, &ada, &done).await;
    assert_eq!((&own[0]["name"], &own[1]["name"]), (&json!("Private"), &json!("Shared")));
    let seen = lines(&app, &keeper, &done).await;
    assert_eq!((&seen[0]["name"], &seen[0]["key"]), (&json!(""), &Value::Null), "{seen:#?}");
    assert_eq!((&seen[1]["name"], &seen[1]["key"]), (&json!("Shared"), &own[1]["key"]), "{seen:#?}");
    let report = app.get(&keeper, &format!("{PATH}/{}/report", done["id"].as_str().unwrap())).await.expect(200);
    let report = report.to_string();
    assert!(report.contains("Shared") && !report.contains("Private"), "{report}");
    assert!(!report.contains(own[0]["key"].as_str().unwrap()), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_has_so_many_keys_and_no_more() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let (_, one) = parts(&make(&app, &ada, &["team:read"], json!({})).await.expect(201));
    // As many as there may be, but for two that do not work any more.
    let fill = "insert into api_keys (tenant_id, id, user_id, name, environment, digest, scopes, allowed_cidrs,
                               created_at, updated_at, revoked_at, expires_at)
         select tenant_id, gen_random_uuid(), user_id, name, environment, sha256(n::text::bytea), scopes, allowed_cidrs,
                created_at, updated_at, case n when 1 then now() end, case n when 2 then created_at end
         from api_keys, generate_series(1, 10001) n";
    let _ = sqlx::raw_sql(fill).execute(&mut app.admin().await).await.unwrap();
    let refused = make(&app, &ada, &["team:read"], json!({})).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("10000"), "{refused:#}");
    let tried = carry_out(&app, &ada, &csv("ada", LEGACY), true).await;
    assert_eq!(tried["refused"], 1, "{tried:#}");
    // One is replaced by another all the same, and one that is revoked makes room.
    let _ = app.post(&ada, &format!("{one}/rotate"), json!({})).await.expect(201);
    make(&app, &ada, &["team:read"], json!({})).await.problem(409, "conflict");
    let last = app.get(&ada, "/api-keys?limit=1").await.expect(200);
    let _ = app.post(&ada, &format!("{}/revoke", path(&last["items"][0])), json!({})).await.expect(200);
    let _ = make(&app, &ada, &["team:read"], json!({})).await.expect(201);
}

/// RFC 7009 has the client told of what is not revoked here: an imported key, as one of ours.
#[tokio::test(flavor = "multi_thread")]
async fn revocation_says_that_it_does_not_revoke_imported_keys() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    assert_eq!(carry_out(&app, &ada, &csv("ada", LEGACY), false).await["added"], 1);
    let (native, _) = parts(&make(&app, &ada, &["team:read"], json!({})).await.expect(201));
    let ours = crate::revocation::revoke(&app, &native).await.expect(400);
    let imported = crate::revocation::revoke(&app, LEGACY).await.expect(400);
    assert_eq!((&imported["error"], &imported), (&json!("unsupported_token_type"), &ours));
    let _ = crate::revocation::revoke(&app, OTHER).await.expect(200);
    // By its hash nobody finds it.
    let _ = crate::revocation::revoke(&app, &sha256(LEGACY)).await.expect(200);
}
