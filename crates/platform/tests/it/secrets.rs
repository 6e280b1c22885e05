use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tenure_kernel::permission::WorkflowExecute;
use tenure_kernel::{
    Actor as KernelActor, Authorized, Code, ExecutionId, Identity, Origin, Principal, TenantId, Timestamp, WorkflowId,
};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::secrets;
use tenure_platform::testkit::{Actor, TestApp, answer};

use crate::engine::save;

const VALUE: &str = "tr0ub4dor & 3, with / and % and \u{e9}";

/// A workflow of the actor's organisation.
async fn workflow(app: &TestApp, actor: &Actor, name: &str) -> WorkflowId {
    let definition = json!({
        "name": name,
        "nodes": {"rest": {"type": "wait", "for": "1s"}},
        "edges": [{"from": "start", "to": "rest"}, {"from": "rest", "to": "end"}],
    });
    save(app, actor, definition).await.parse().unwrap()
}

/// Somebody's permissions without their request: what the engine rebuilds from an execution's stored actor.
fn acting(app: &TestApp, actor: &Actor) -> Authorized<WorkflowExecute> {
    let identity = Identity {
        tenant: actor.tenant(),
        actor: KernelActor {
            principal: Principal::User(actor.user_id().parse().unwrap()),
            session: None,
            key: None,
            on_behalf_of: None,
            delegation: None,
        },
        // May run workflows and holds no permission on secrets: the grant to the workflow is what counts.
        permissions: SystemRole::Executor.permissions(),
        teams: Arc::new([]),
        rates: tenure_kernel::limits::OwnRates::default(),
        assurance: tenure_kernel::Assurance::default(),
        workflow: None,
    };
    app.app.kernel.act_as::<WorkflowExecute>(Arc::new(identity), Origin::default()).unwrap()
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// Every row of every table as text, as a superuser sees it.
pub async fn dump(app: &TestApp) -> Vec<(String, String)> {
    let mut admin = app.admin().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let mut rows = Vec::new();
    for table in tables {
        let all: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("select t::text from {table} t")))
            .fetch_all(&mut admin)
            .await
            .unwrap();
        rows.extend(all.into_iter().map(|row| (table.clone(), row)));
    }
    rows
}

/// The spellings in which a value could stand in a row or an answer.
fn spellings(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = form_urlencoded(bytes);
    let mut all = vec![
        value.to_owned(),
        serde_json::to_string(value).unwrap().trim_matches('"').to_owned(),
        hex.to_uppercase(),
        hex,
        percent.to_lowercase(),
        percent,
    ];
    // Base64 of a text that holds the value at any of three offsets: the middle of each is the same.
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        for offset in 0..3 {
            let padded = [vec![b'x'; offset], bytes.to_vec()].concat();
            let text = engine.encode(padded);
            all.push(text[4..text.len() - 4].to_owned());
        }
    }
    all
}

fn form_urlencoded(bytes: &[u8]) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    bytes
        .iter()
        .map(|byte| if unreserved(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn set_list_grant_replace_delete() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let body = json!({"value": VALUE, "description": "Token of the ticket system"});
    let created = app.put(&ada, "/secrets/ticket_token", body).await.expect(200);
    assert_eq!((&created["version"], &created["grants"]), (&json!(1), &json!([])));
    assert_eq!(created["updated_by"]["name"], "ada");
    assert!(created["key_id"].as_str().unwrap().starts_with("key_"));
    assert!(created.get("value").is_none());

    let wf = workflow(&app, &ada, "one").await.to_string();
    let grants = json!({"workflow_ids": [wf, wf]});
    let granted = app.put(&ada, "/secrets/ticket_token/grants", grants).await.expect(200);
    assert_eq!(granted["grants"], json!([{"id": wf}]));

    let replaced = app.put(&ada, "/secrets/ticket_token", json!({"value": "another value"})).await.expect(200);
    assert_eq!((&replaced["version"], &replaced["description"]), (&json!(2), &json!("Token of the ticket system")));
    assert_eq!((&replaced["id"], &replaced["grants"]), (&created["id"], &granted["grants"]));

    let _ = app.put(&ada, "/secrets/another", json!({"value": "four"})).await.expect(200);
    let page = app.get(&ada, "/secrets?limit=1").await.expect(200);
    assert_eq!(page["items"][0]["name"], "another");
    let next = format!("/secrets?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    let page = app.get(&ada, &next).await.expect(200);
    assert_eq!(page["items"], json!([replaced]));
    assert_eq!(page.get("next_cursor"), Some(&serde_json::Value::Null));

    let _ = app.delete(&ada, "/secrets/ticket_token").await.expect(204);
    app.delete(&ada, "/secrets/ticket_token").await.problem(404, "not-found");
    app.put(&ada, "/secrets/ticket_token/grants", json!({"workflow_ids": []})).await.problem(404, "not-found");
    let actions = app.actions(ada.tenant()).await;
    let of_secrets: Vec<&str> = actions.iter().map(String::as_str).filter(|name| name.starts_with("secret.")).collect();
    assert_eq!(of_secrets, ["secret.created", "secret.granted", "secret.replaced", "secret.created", "secret.deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_without_quoting_the_value() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    for (name, body, pointer) in [
        ("Upper", json!({"value": VALUE}), "#path/name"),
        ("1st", json!({"value": VALUE}), "#path/name"),
        ("short", json!({"value": "abc"}), "/value"),
        ("long", json!({"value": "x".repeat(64 * 1024 + 1)}), "/value"),
        ("number", json!({"value": 8_441_997_123_u64}), "/value"),
        ("list", json!({"value": [VALUE]}), "/value"),
        ("described", json!({"value": VALUE, "description": "x".repeat(501)}), "/description"),
        ("unknown", json!({"value": VALUE, "tags": []}), "/tags"),
    ] {
        let problem = app.put(&ada, &format!("/secrets/{name}"), body).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{name}");
        let text = problem.to_string();
        assert!(
            !text.contains("8441997123") && spellings(VALUE).iter().all(|spelling| !text.contains(spelling)),
            "{text}"
        );
    }
    app.put(&ada, "/secrets/nul", json!({"value": "abc\u{0}def"})).await.problem(422, "invalid");
    let longest = json!({"value": "\u{1}".repeat(64 * 1024)});
    let _ = app.put(&ada, "/secrets/longest", longest).await.expect(200);
    let wrong = json!({"workflow_ids": ["team_01jd0000000000000000000000"]});
    let problem = app.put(&ada, "/secrets/longest/grants", wrong).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/workflow_ids/0");
    // One that is nowhere, and one that is another organisation's.
    let grace = app.register("grace", "Compilers").await;
    let nowhere = WorkflowId::from_uuid(uuid::Uuid::from_u128(1));
    for unknown in [nowhere, workflow(&app, &grace, "one").await] {
        let grants = json!({"workflow_ids": [workflow(&app, &ada, &unknown.to_string()).await, unknown]});
        let problem = app.put(&ada, "/secrets/longest/grants", grants).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/workflow_ids");
    }
    assert_eq!(app.get(&ada, "/secrets").await.expect(200)["items"][0]["grants"], json!([]), "nothing was granted");
    assert_eq!(app.get(&ada, "/secrets").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_belongs_to_its_tenant() {
    let app = TestApp::start().await;
    let (ada, grace) = (app.register("ada", "Engines").await, app.register("grace", "Compilers").await);
    let _ = app.put(&ada, "/secrets/token", json!({"value": "value of engines"})).await.expect(200);
    app.delete(&grace, "/secrets/token").await.problem(404, "not-found");
    let _ = app.put(&grace, "/secrets/token", json!({"value": "value of compilers"})).await.expect(200);
    for actor in [&ada, &grace] {
        let wf = workflow(&app, actor, "one").await;
        let grants = json!({"workflow_ids": [wf]});
        let _ = app.put(actor, "/secrets/token/grants", grants).await.expect(200);
        let cx = acting(&app, actor);
        let opened =
            cx.read_audited(async |tx| secrets::resolve(tx, wf, tx.new_id(), &names(&["token"])).await).await.unwrap();
        let expected = if actor.username == "ada" { "value of engines" } else { "value of compilers" };
        assert_eq!(opened["token"].expose(), expected.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_granted_opens_and_each_opening_is_an_event() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let (granted_to, other) = (workflow(&app, &ada, "one").await, workflow(&app, &ada, "two").await);
    for name in ["first", "second", "third"] {
        let _ =
            app.put(&ada, &format!("/secrets/{name}"), json!({"value": format!("value of {name}")})).await.expect(200);
    }
    for name in ["first", "second"] {
        let grants = json!({"workflow_ids": [granted_to]});
        let _ = app.put(&ada, &format!("/secrets/{name}/grants"), grants).await.expect(200);
    }
    let cx = acting(&app, &ada);
    let execution = ExecutionId::new(Timestamp::from_micros(5));
    let open = async |of: WorkflowId, wanted: &[&str]| {
        cx.read_audited(async |tx| secrets::resolve(tx, of, execution, &names(wanted)).await).await
    };
    let opened = open(granted_to, &["first", "second"]).await.unwrap();
    assert_eq!(opened["second"].expose(), b"value of second");
    assert!(!format!("{opened:?}").contains("value of"));
    assert!(open(granted_to, &[]).await.unwrap().is_empty());
    for (of, wanted, missing) in [
        (granted_to, ["first", "third"], json!(["third"])),
        (granted_to, ["first", "nowhere"], json!(["nowhere"])),
        (other, ["first", "second"], json!(["first", "second"])),
    ] {
        let problem = open(of, &wanted).await.unwrap_err().problem();
        assert_eq!((problem.code, &problem.extensions["secrets"]), (Code::Denied, &missing));
    }
    let granted = cx.read(async |tx| secrets::granted_names(tx, granted_to).await).await.unwrap();
    assert_eq!(granted, names(&["first", "second"]));
    assert!(cx.read(async |tx| secrets::granted_names(tx, other).await).await.unwrap().is_empty());

    let events: Vec<Value> =
        sqlx::query_scalar("select diff from events where action = 'secret.opened' order by resource_id")
            .fetch_all(&mut app.admin().await)
            .await
            .unwrap();
    assert_eq!(events.len(), 2, "one for each opening, none for the refused");
    let text = events[0].to_string();
    assert!(text.contains(&granted_to.to_string()) && text.contains(&execution.to_string()), "{text}");
    let refused = app.actions(ada.tenant()).await.iter().filter(|action| *action == "request.refused").count();
    assert_eq!(refused, 1, "repeats are folded");

    // Taken back: nothing opens any more.
    let _ = app.put(&ada, "/secrets/first/grants", json!({"workflow_ids": []})).await.expect(200);
    assert!(open(granted_to, &["first"]).await.is_err());
    let _ = app.delete(&ada, "/secrets/second").await.expect(204);
    assert!(open(granted_to, &["second"]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_value_opens_nowhere_else() {
    let app = TestApp::start().await;
    let (ada, grace) = (app.register("ada", "Engines").await, app.register("grace", "Compilers").await);
    let (of_ada, of_grace) = (workflow(&app, &ada, "one").await, workflow(&app, &grace, "one").await);
    let of = |actor: &Actor| if actor.username == "ada" { of_ada } else { of_grace };
    for (actor, name) in [(&ada, "one"), (&ada, "two"), (&grace, "one")] {
        let _ = app.put(actor, &format!("/secrets/{name}"), json!({"value": "value of one tenant"})).await.expect(200);
        let grants = json!({"workflow_ids": [of(actor)]});
        let _ = app.put(actor, &format!("/secrets/{name}/grants"), grants).await.expect(200);
    }
    let opens = async |actor: &Actor, name: &str| {
        let cx = acting(&app, actor);
        cx.read_audited(async |tx| secrets::resolve(tx, of(actor), tx.new_id(), &names(&[name])).await).await.is_ok()
    };
    assert!(opens(&ada, "one").await && opens(&ada, "two").await && opens(&grace, "one").await);
    let copy = "update secrets t set value = s.value from secrets s where s.tenant_id = $1 and s.name = $2 and t.tenant_id = $3 and t.name = $4";
    let copy = async |from: TenantId, source: &str, to: TenantId, target: &str| {
        let done = sqlx::query(copy).bind(from.uuid()).bind(source).bind(to.uuid()).bind(target);
        assert_eq!(done.execute(&mut app.admin().await).await.unwrap().rows_affected(), 1);
    };
    copy(ada.tenant(), "one", ada.tenant(), "two").await;
    assert!(!opens(&ada, "two").await, "it opened in another row");
    copy(ada.tenant(), "one", grace.tenant(), "one").await;
    assert!(!opens(&grace, "one").await, "it opened in another tenant");
    sqlx::query("update secrets set value = set_byte(value, length(value) - 1, get_byte(value, length(value) - 1) # 1) where tenant_id = $1 and name = 'one'")
        .bind(ada.tenant().uuid())
        .execute(&mut app.admin().await)
        .await
        .unwrap();
    assert!(!opens(&ada, "one").await, "it opened after a bit was flipped");
}

/// A value that went through everything this slice does stands nowhere in the database, in no event, in no answer.
#[tokio::test(flavor = "multi_thread")]
async fn canary() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Acme").await;
    let ada = &tenant.admin;
    let wf = workflow(&app, ada, "one").await;
    let mut answers = Vec::new();
    let mut call = async |method: Method, path: &str, token: &str, body: Option<Value>| {
        // With a key, as a careful client sends it: what is stored for replays must not hold the value.
        let request = app.request(method, path, Some(token)).header("Idempotency-Key", format!("key of {path}"));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = answer(request).await;
        answers.push(format!("{:?} {}", answer.headers, answer.body));
    };
    let body = json!({"value": VALUE, "description": "canary"});
    for token in [&ada.token, &tenant.roles[&SystemRole::Viewer].token] {
        call(Method::PUT, "/secrets/canary", token, Some(body.clone())).await;
        call(Method::PUT, "/secrets/canary", token, Some(body.clone())).await;
        call(Method::PUT, "/secrets/NOT", token, Some(body.clone())).await;
        call(Method::POST, "/secrets/canary", token, Some(body.clone())).await;
        call(Method::PUT, "/secrets/canary/grants", token, Some(json!({"workflow_ids": [wf]}))).await;
        call(Method::GET, "/secrets", token, None).await;
    }
    let cx = acting(&app, ada);
    let opened =
        cx.read_audited(async |tx| secrets::resolve(tx, wf, tx.new_id(), &names(&["canary"])).await).await.unwrap();
    assert_eq!(opened["canary"].expose(), VALUE.as_bytes(), "it is there at all");
    answers.push(format!("{opened:?}"));
    app.app.kernel.flush_refusals(true).await.unwrap();

    let rows = dump(&app).await;
    assert!(rows.iter().any(|(table, row)| table == "secrets" && row.contains("canary")), "the dump shows the row");
    assert!(rows.iter().any(|(table, row)| table.starts_with("events_") && row.contains("secret.opened")));
    let spellings = spellings(VALUE);
    for (table, row) in &rows {
        assert!(spellings.iter().all(|spelling| !row.contains(spelling)), "{table} holds the value: {row}");
    }
    for answer in &answers {
        assert!(spellings.iter().all(|spelling| !answer.contains(spelling)), "an answer holds the value: {answer}");
    }

    let _ = app.delete(ada, "/secrets/canary").await.expect(204);
    let left: i64 = sqlx::query_scalar("select count(*) from secrets").fetch_one(&mut app.admin().await).await.unwrap();
    assert_eq!(left, 0);
}

/// Finds what it is to find: a search that never finds would pass the canary.
#[tokio::test(flavor = "multi_thread")]
async fn the_canary_search_finds_a_planted_value() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let base64 = STANDARD.encode(format!("x{VALUE}y"));
    for planted in [VALUE.to_owned(), form_urlencoded(VALUE.as_bytes()), format!("{{\"a\":\"{base64}\"}}")] {
        let body = json!({"name": "planted", "description": planted});
        let team = app.post(&ada, "/teams", body).await.expect(201);
        let rows = dump(&app).await;
        let found = rows.iter().any(|(_, row)| spellings(VALUE).iter().any(|spelling| row.contains(spelling)));
        assert!(found, "{planted}");
        let _ = app.delete(&ada, &format!("/teams/{}", team["id"].as_str().unwrap())).await.expect(204);
    }
}
