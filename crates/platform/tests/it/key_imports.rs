//! API keys of another system: taken over without their text being kept, used in both headers, rotated, given up.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tenure_kernel::limits::{Rate, Rates};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, Setup, TestApp};

use crate::api_keys::{make, parts, read, with_key};
use crate::imports::{columns, count, over_at, states};
use crate::keys_and_factors::soon;
use crate::mfa::{AuthApp, at_rest};

pub const PATH: &str = "/api-key-imports";
pub const LEGACY: &str = "sk_live_51HG7abzYq0Wn3Rd8KfTcVx2";
pub const OTHER: &str = "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";

pub async fn carry_out(app: &TestApp, actor: &Actor, csv: &str, dry_run: bool) -> Value {
    let import = app.post(actor, PATH, json!({"csv": csv, "dry_run": dry_run})).await.expect(201);
    over_at(app, actor, PATH, &import).await
}

pub async fn lines(app: &TestApp, actor: &Actor, import: &Value) -> Vec<Value> {
    let path = format!("{PATH}/{}/lines?limit=200", import["id"].as_str().unwrap());
    app.get(actor, &path).await.expect(200)["items"].as_array().unwrap().clone()
}

pub async fn undo(app: &TestApp, actor: &Actor, import: &Value) -> Value {
    let path = format!("{PATH}/{}/undo", import["id"].as_str().unwrap());
    let undoing = app.post(actor, &path, json!({})).await.expect(200);
    over_at(app, actor, PATH, &undoing).await
}

pub async fn account(app: &TestApp, admin: &Actor, name: &str) -> String {
    let body = json!({"name": name, "permissions": ["team:read", "workflow:read"]});
    app.post(admin, "/service-accounts", body).await.expect(201)["id"].as_str().unwrap().to_owned()
}

/// The one key of an import.
pub async fn key(app: &TestApp, actor: &Actor, import: &Value) -> Value {
    let line = lines(app, actor, import).await.remove(0);
    let id = line["key"].as_str().unwrap_or_else(|| panic!("{line:#}"));
    app.get(actor, &format!("/api-keys/{id}")).await.expect(200)
}

pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub async fn bearer(app: &TestApp, key: &str) -> u16 {
    app.send(Method::GET, "/teams", Some(key), None).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_tried_taken_over_used_rotated_and_given_up() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let ada = app.register("ada", "Engines").await;
    let mover = account(&app, &ada, "Mover").await;
    let hash = sha256(OTHER);
    let csv = format!(
        "name,owner,key,key_sha256,scopes,expires_at,allowed_cidrs,environment\n\
         Nightly,mover,{LEGACY},,team:read workflow:read,2090-01-01T00:00:00Z,127.0.0.0/8,prod\n\
         Mine,ada,,{},team:*,,,\n",
        hash.to_uppercase()
    );
    let tried = carry_out(&app, &ada, &csv, true).await;
    assert_eq!((&tried["kind"], &tried["added"]), (&json!("api_keys"), &json!(2)), "{tried:#}");
    assert_eq!(count(&app, "api_keys").await, 0, "nothing happened");
    assert_eq!(bearer(&app, LEGACY).await, 401);

    let done = carry_out(&app, &ada, &csv, false).await;
    let found = lines(&app, &ada, &done).await;
    assert_eq!(states(&found), ["added", "added"], "{found:#?}");
    // In both headers, on both nodes; what is known is not looked up again.
    for node in [&app, &other] {
        for text in [LEGACY, OTHER] {
            assert_eq!(bearer(node, text).await, 200, "{text}");
            assert_eq!(read(node, text).await.expect(200)["items"][0]["name"], "Everyone");
        }
    }
    let nightly = key(&app, &ada, &done).await;
    assert_eq!(
        (&nightly["imported"], &nightly["owner"], &nightly["environment"], &nightly["allowed_cidrs"]),
        (&json!(true), &json!({"kind": "service_account", "id": mover}), &json!("prod"), &json!(["127.0.0.0/8"]))
    );
    assert_eq!((&nightly["answerable"], &nightly["created_by"]), (&json!(ada.user_id()), &json!(ada.user_id())));
    let mine = app.get(&ada, &format!("/api-keys/{}", found[1]["key"].as_str().unwrap())).await.expect(200);
    assert_eq!(mine["owner"], json!({"kind": "user", "id": ada.user_id()}));
    // It may what its scopes say, and no more.
    with_key(&app, LEGACY, Method::POST, "/teams", Some(json!({"name": "x"}))).await.problem(403, "permission-denied");
    let _ = with_key(&app, OTHER, Method::POST, "/teams", Some(json!({"name": "x"}))).await.expect(201);

    // Rotated, it is one of ours, and the old one works on through the grace.
    let path = format!("/api-keys/{}", nightly["id"].as_str().unwrap());
    let rotated = app.post(&ada, &format!("{path}/rotate"), json!({})).await.expect(201);
    let (text, _) = parts(&rotated);
    assert!(text.starts_with("tnr_prod_"), "{text}");
    assert_eq!(rotated["api_key"]["imported"], false);
    let _ = (read(&app, &text).await.expect(200), read(&app, LEGACY).await.expect(200));
    assert_eq!(app.get(&ada, &path).await.expect(200)["state"], "retiring");

    // What was rotated stays; the other is gone within a second on every node, and can be taken over again.
    let undone = undo(&app, &ada, &done).await;
    assert_eq!((&undone["undone"], &undone["kept"]), (&json!(1), &json!(1)), "{undone:#}");
    assert!(lines(&app, &ada, &undone).await[0]["errors"][0]["detail"].as_str().unwrap().contains("rotated"));
    assert_eq!(bearer(&app, OTHER).await, 401);
    soon("the other node refuses", async || bearer(&other, OTHER).await == 401).await;
    let again = carry_out(&app, &ada, &format!("name,owner,key,scopes\nMine,ada,{OTHER},team:read\n"), false).await;
    assert_eq!(again["added"], 1, "{:#?}", lines(&app, &ada, &again).await);
    assert_eq!((bearer(&app, OTHER).await, bearer(&other, OTHER).await), (200, 200));
    // Also where nobody came between, so that a node remembers which key it was.
    assert_eq!(undo(&app, &ada, &again).await["undone"], 1);
    let again = carry_out(&app, &ada, &format!("name,owner,key,scopes\nMine,ada,{OTHER},team:read\n"), false).await;
    assert_eq!(again["added"], 1, "{:#?}", lines(&app, &ada, &again).await);
    assert_eq!(bearer(&app, OTHER).await, 200);
    soon("the other node knows the new one", async || bearer(&other, OTHER).await == 200).await;
    // Revoked, it is no more taken over than used.
    let mine = key(&app, &ada, &again).await;
    let _ = app.post(&ada, &format!("/api-keys/{}/revoke", mine["id"].as_str().unwrap()), json!({})).await.expect(200);
    assert_eq!(bearer(&app, OTHER).await, 401);
    soon("the other node refuses again", async || bearer(&other, OTHER).await == 401).await;

    let actions = app.actions(ada.tenant()).await;
    for action in ["api-key-import.started", "api-key-import.undone", "api-key.imported", "api-key.removed"] {
        assert!(actions.iter().any(|told| told == action), "{action} is missing in {actions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_wrong_with_a_line_is_told_in_its_column() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.register("bob", "Builders").await;
    let _ = account(&app, &ada, "mover").await;
    let (native, _) = parts(&make(&app, &ada, &["team:read"], json!({})).await.expect(201));
    let theirs = format!("name,owner,key,scopes\nTheirs,bob,{LEGACY},team:read\nMore,bob,{LEGACY}0,team:read\n");
    assert_eq!(carry_out(&app, &bob, &theirs, false).await["added"], 2);
    let rows = [
        (format!("a,mover,{LEGACY},,team:read,"), "key"),
        (format!("b,mover,,{},team:read,", sha256(&format!("{LEGACY}0"))), "key"),
        (format!("c,mover,,{},team:read,", sha256(&native)), "key"),
        (format!("d,mover,{native},,team:read,"), "key"),
        ("e,mover,hunter2,,team:read,".to_owned(), "key"),
        ("f,mover,,,team:read,".to_owned(), "key"),
        (format!("g,mover,{OTHER},{},team:read,", sha256(OTHER)), "key"),
        (format!("h,nobody,{OTHER}1,,team:read,"), "owner"),
        (format!("i,mover,{OTHER}2,,team:fly,"), "scopes"),
        (format!("j,mover,{OTHER}3,,team:read,2020-01-01T00:00:00Z"), "expires_at"),
        (format!("k,mover,{OTHER}4,,team:read,tomorrow"), "expires_at"),
        (format!("{OTHER}5,mover,{OTHER}5,,team:read,"), ""),
        (format!("l,mover,{OTHER}6,team:read"), ""),
    ];
    let body: String = rows.iter().map(|(row, _)| format!("{row}\n")).collect();
    let csv = format!("name,owner,key,key_sha256,scopes,expires_at\n{body}");
    for dry_run in [true, false] {
        let done = carry_out(&app, &ada, &csv, dry_run).await;
        let found = lines(&app, &ada, &done).await;
        for (line, (row, column)) in found.iter().zip(&rows) {
            assert_eq!((line["state"].as_str().unwrap(), columns(line)), ("refused", vec![*column]), "{row}: {line:#}");
        }
        // Whose key it is already, and whether in this organisation, is told to nobody.
        assert_eq!(found[0]["errors"], found[1]["errors"]);
        assert_eq!(found[0]["errors"], found[2]["errors"]);
        assert!(!format!("{found:?}").contains("SG.nge"), "{found:#?}");
        assert!(found[4]["errors"][0]["detail"].as_str().unwrap().contains("7 characters"), "{:#}", found[4]);
    }
    assert_eq!(count(&app, "api_keys where imported").await, 2);
    assert_eq!(bearer(&app, LEGACY).await, 200, "theirs works on");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_over_what_they_could_not_make() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let _ = account(&app, &ada, "mover").await;
    let developer = app.member(&ada, SystemRole::Developer).await;
    let wanted = json!({"csv": format!("name,owner,key,scopes\nx,mover,{LEGACY},team:read\n")});
    // Keys of service accounts are for who manages those.
    app.post(&developer, PATH, wanted.clone()).await.problem(403, "permission-denied");
    let more = json!({"permissions": ["service_account:write", "service_account:read"]});
    let _ = app.patch(&ada, &format!("/users/{}", developer.user_id()), more).await.expect(200);
    let helper = app.log_in(&developer.username).await;
    let csv = format!(
        "name,owner,key,scopes\n\
         large,mover,{LEGACY},audit:read\n\
         another's,ada,{LEGACY}2,team:read\n\
         small,mover,{LEGACY}3,team:read\n\
         own,{},{LEGACY}4,team:read\n",
        developer.username
    );
    let done = carry_out(&app, &helper, &csv, false).await;
    let found = lines(&app, &helper, &done).await;
    assert_eq!(states(&found), ["refused", "refused", "added", "added"], "{found:#?}");
    assert!(found[0]["errors"][0]["detail"].as_str().unwrap().contains("audit:read"), "{:#}", found[0]);
    assert_eq!(columns(&found[1]), ["owner"]);
    // As for one that is not there: nobody learns who is a member.
    let ghost = carry_out(&app, &helper, &format!("name,owner,key,scopes\nx,ghost,{LEGACY}5,team:read\n"), true).await;
    assert_eq!(lines(&app, &helper, &ghost).await[0]["errors"], found[1]["errors"]);

    // An API key makes none, neither one by one nor by the file.
    let (all, _) = parts(&make(&app, &ada, &["*"], json!({})).await.expect(201));
    with_key(&app, &all, Method::POST, PATH, Some(wanted)).await.problem(403, "permission-denied");

    // Another's own key is given up by who may end it alone.
    let keeper = app.member(&ada, SystemRole::Operator).await;
    let more = json!({"permissions": ["service_account:write", "service_account:read"]});
    let _ = app.patch(&ada, &format!("/users/{}", keeper.user_id()), more).await.expect(200);
    let keeper = app.log_in(&keeper.username).await;
    let undone = undo(&app, &keeper, &done).await;
    assert_eq!((&undone["undone"], &undone["kept"]), (&json!(1), &json!(1)), "{undone:#}");
    let kept = lines(&app, &ada, &undone).await.remove(3);
    assert!(kept["errors"][0]["detail"].as_str().unwrap().contains("user:write"), "{kept:#}");
    assert_eq!((bearer(&app, &format!("{LEGACY}3")).await, bearer(&app, &format!("{LEGACY}4")).await), (401, 200));
}

/// An import is as good as the login that handed it in: it goes round no second factor, and asks for a proof of the last minutes.
#[tokio::test(flavor = "multi_thread")]
async fn an_imported_key_goes_round_no_second_factor() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let csv = |text: &str| format!("name,owner,key,scopes\nMine,ada,{text},team:read api_key:*\n");
    assert_eq!(carry_out(&app, &ada, &csv(LEGACY), false).await["added"], 1);
    let _ = read(&app, LEGACY).await.expect(200);
    let _own = AuthApp::set_up(&app, &clock, &ada).await;
    read(&app, LEGACY).await.problem(403, "api-key-blocked");
    let done = carry_out(&app, &ada, &csv(OTHER), false).await;
    assert_eq!(key(&app, &ada, &done).await["second_factor"], true);
    let _ = read(&app, OTHER).await.expect(200);
    clock.advance(Duration::from_secs(6 * 60));
    let late = json!({"csv": csv(&format!("{LEGACY}2"))});
    app.post(&ada, PATH, late).await.problem(403, "step-up-required");
}

/// The text of a key is in no table, not while its line waits and not afterwards, and in no answer.
#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_key_is_kept_nowhere() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let everything = async || -> Vec<String> {
        let tables: Vec<String> = sqlx::query_scalar(
            "select quote_ident(relname) from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')",
        )
        .fetch_all(&mut app.admin().await)
        .await
        .unwrap();
        assert!(tables.len() > 40, "{tables:?}");
        let mut rows = Vec::new();
        for table in tables {
            let text = sqlx::AssertSqlSafe(format!("select to_jsonb(t)::text from {table} t"));
            rows.extend(sqlx::query_scalar::<_, String>(text).fetch_all(&mut app.admin().await).await.unwrap());
        }
        rows
    };
    let hex: String = LEGACY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let holds = |row: &String| row.contains(LEGACY) || row.contains(&hex);
    // Nobody goes through its lines yet.
    app.app.stop(Duration::from_secs(20)).await;
    let csv = format!("name,owner,key,scopes,allowed_cidrs\nMine,ada,{LEGACY},team:read,\n\"cut\",ada,,{LEGACY},,\n");
    let import = app.post(&ada, PATH, json!({"csv": csv})).await.expect(201);
    let waiting = everything().await;
    assert!(waiting.iter().any(|row| row.contains("\"waiting\"")));
    assert!(!waiting.iter().any(holds));

    let other = app.another(Setup::default()).await;
    let done = over_at(&other, &ada, PATH, &import).await;
    assert_eq!((&done["added"], &done["refused"]), (&json!(1), &json!(1)), "{done:#}");
    let _ = read(&other, LEGACY).await.expect(200);
    other.app.credentials.write_uses().await.unwrap();
    let found = lines(&other, &ada, &done).await;
    let report = other.get(&ada, &format!("{PATH}/{}/report", done["id"].as_str().unwrap())).await.expect(200);
    let keys = other.get(&ada, "/api-keys").await.expect(200);
    let events = other.get(&ada, "/audit/events?limit=200").await.expect(200);
    let mut all = everything().await;
    all.extend([import.to_string(), format!("{found:?}"), report.to_string(), keys.to_string(), events.to_string()]);
    assert!(!all.iter().any(holds), "{:#?}", all.iter().filter(|row| holds(row)).collect::<Vec<_>>());
    // Nor is its digest shown, by which one could look for it.
    let digest = sha256(LEGACY);
    assert!(![found[0].to_string(), keys.to_string(), events.to_string()].iter().any(|text| text.contains(&digest)));
    assert_eq!(count(&other, "user_import_lines where input is not null").await, 0);
    // Neither is a file without its header repeated, by which a key would stand in an answer.
    let headless = json!({"csv": format!("Mine,ada,{LEGACY},team:read\n")});
    let problem = other.post(&ada, PATH, headless).await.problem(422, "invalid");
    assert!(!problem.to_string().contains(LEGACY), "{problem:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_makes_up_strings_is_limited_like_who_makes_up_keys() {
    let rates = Rates { address: Rate { requests: 40, seconds: 3600 }, ..Setup::default().rates };
    let app = TestApp::with(Setup { rates, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let done = carry_out(&app, &ada, &format!("name,owner,key,scopes\nMine,ada,{LEGACY},team:read\n"), false).await;
    assert_eq!(done["added"], 1);
    let mut answers = Vec::new();
    for number in 0..40_u32 {
        let text = format!("sk_live_51HG7abzYq0Wn3Rd8KfTcV{number:02}");
        let status = if number % 2 == 0 { read(&app, &text).await.status.as_u16() } else { bearer(&app, &text).await };
        answers.push(status);
    }
    assert_eq!((answers[0], answers[1], answers[39]), (401, 401, 429), "{answers:?}");
    read(&app, LEGACY).await.problem(429, "rate-limited");
}

/// Changed behind the platform's back, without news: who still lets the key pass has asked no database.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_imported_key_costs_no_look_at_the_database() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let done = carry_out(&app, &ada, &format!("name,owner,key,scopes\nMine,ada,{LEGACY},team:read\n"), false).await;
    assert_eq!(done["added"], 1);
    let begun = Instant::now();
    while !app.app.kernel.bus().hears() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the node hears nothing");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _ = read(&app, LEGACY).await.expect(200);
    let _ = sqlx::query("update api_keys set revoked_at = now()").execute(&mut app.admin().await).await.unwrap();
    let _ = read(&app, LEGACY).await.expect(200);
    // What begins like a token is asked of who checks tokens, also where it has the length of a key.
    let problem = app.send(Method::GET, "/teams", Some("eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl"), None).await;
    let told = problem.problem(401, "unauthenticated")["detail"].clone();
    assert!(!told.as_str().unwrap().contains("API key"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_keys_survives_the_death_of_its_node() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let _ = account(&app, &ada, "mover").await;
    let many: String = (0..400).map(|n| format!("k{n},mover,{LEGACY}{n},team:read\n")).collect();
    let import = app.post(&ada, PATH, json!({"csv": format!("name,owner,key,scopes\n{many}")})).await.expect(201);
    let path = format!("{PATH}/{}", import["id"].as_str().unwrap());
    while app.get(&ada, &path).await.expect(200)["added"].as_i64().unwrap() < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    app.kill();
    let other = app.another(Setup::default()).await;
    let done = over_at(&other, &ada, PATH, &import).await;
    assert_eq!((&done["added"], &done["done"]), (&json!(400), &json!(400)), "{done:#}");
    assert_eq!(count(&other, "api_keys where imported").await, 400, "each is taken over once");
    assert_eq!(bearer(&other, &format!("{LEGACY}399")).await, 200);
}
