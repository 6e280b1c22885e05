//! Somebody leaves: what they own goes to somebody who stays, what acts in their name ends.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::offboarding::{PERSON_COLUMNS, Then};
use tenure_platform::testkit::{Actor, TestApp};

use crate::api_keys::with_key;
use crate::delegation::account;
use crate::engine::{save, until};
use crate::policies::single;

/// What other columns of the type `uuid` hold: anything that is called otherwise may be a person.
const NO_PERSONS: &[&str] = &[
    "id",
    "tenant_id",
    "acting_id",
    "approval_id",
    "created_in",
    "event_id",
    "execution_id",
    "hmac_key_id",
    "import_id",
    "key_id",
    "lease_owner",
    "node",
    "parent_id",
    "personal_key_id",
    "plugin_id",
    "request_id",
    "rotated_from",
    "secret_id",
    "service_account_id",
    "session_id",
    "taken_by",
    "team_id",
    "workflow_id",
];

/// Every column of the schema that names a person is known, and everything that is owned changes hands.
#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_every_column_that_names_a_person_is_decided() {
    let app = TestApp::start().await;
    let found: Vec<(String, String)> = sqlx::query_as(
        "select c.table_name::text, c.column_name::text from information_schema.columns c
         join information_schema.tables t using (table_schema, table_name)
         where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.table_name !~ '^events_' and c.data_type = 'uuid'
           and c.column_name <> all($1)",
    )
    .bind(NO_PERSONS)
    .fetch_all(&mut app.admin().await)
    .await
    .unwrap();
    let found: BTreeSet<(&str, &str)> = found.iter().map(|(table, column)| (table.as_str(), column.as_str())).collect();
    let known: BTreeSet<(&str, &str)> = PERSON_COLUMNS.iter().map(|known| (known.table, known.column)).collect();
    let missing: Vec<_> = found.difference(&known).collect();
    assert!(missing.is_empty(), "say in offboarding/columns.rs what becomes of {missing:?} when somebody leaves");
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(gone.is_empty(), "offboarding/columns.rs tells of columns that are not there: {gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_leaves_nothing_that_acts_or_that_nobody_owns() {
    let app = crate::guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let dev = app.member(&ada, SystemRole::Developer).await;
    let heir = app.member(&ada, SystemRole::Viewer).await;
    let secret_team =
        app.post(&ada, "/teams", json!({"name": "Hidden"})).await.expect(201)["id"].as_str().unwrap().to_owned();
    let _ = app.put(&ada, &format!("/teams/{secret_team}/members/{}", dev.user_id()), json!({})).await.expect(204);
    let dev = app.log_in(&dev.username).await;
    let open = save(&app, &dev, single("open", json!({"type": "transform", "jq": "1"}))).await;
    let asks = json!({"type": "approval", "approvers": {"users": [dev.username]}});
    let asking = save(&app, &ada, single("asking", asks)).await;
    let hidden = save(&app, &dev, single("hidden", json!({"type": "transform", "jq": "1"}))).await;
    sqlx::query("update workflows set team_id = $1 where id = $2")
        .bind(secret_team.parse::<tenure_kernel::TeamId>().unwrap().uuid())
        .bind(hidden.parse::<tenure_kernel::WorkflowId>().unwrap().uuid())
        .execute(&mut app.admin().await)
        .await
        .unwrap();
    let upload = json!({"manifest": "name: acme/one\nversion: 1.0.0\nkind: node\n", "source": "def execute(state, config):\n    return 1\n"});
    let plugin =
        app.post(&dev, "/plugins", upload).await.expect(201)["version"]["plugin_id"].as_str().unwrap().to_owned();
    let key = app.post(&dev, "/api-keys", json!({"name": "CI", "scopes": ["workflow:read"]})).await.expect(201);
    let secret = key["key"].as_str().unwrap().to_owned();
    let _ = app.post(&ada, &format!("/workflows/{asking}/executions"), json!({"input": {}})).await.expect(202);
    while app.get(&ada, "/approvals").await.expect(200)["items"].as_array().unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    let assets = app.get(&ada, &format!("/users/{}/assets", dev.user_id())).await.expect(200);
    let names = |kind: &str| -> Vec<&str> {
        assets[kind]["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
    };
    assert_eq!((&assets["workflows"]["total"], names("workflows")), (&json!(2), vec!["open"]), "{assets:#}");
    assert_eq!((names("plugins"), names("api_keys"), names("teams")), (vec!["acme/one"], vec!["CI"], vec!["Hidden"]));
    assert_eq!((&assets["approvals"], &assets["sessions"]), (&json!(1), &json!(2)), "{assets:#}");
    app.get(&dev, &format!("/users/{}/assets", dev.user_id())).await.problem(403, "permission-denied");

    let path = format!("/users/{}/offboard", dev.user_id());
    for to in [dev.user_id(), "usr_01jd0000000000000000000000"] {
        let problem = app.post(&ada, &path, json!({"to": to})).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/to");
    }
    app.post(&ada, &format!("/users/{}/offboard", ada.user_id()), json!({"to": heir.user_id()}))
        .await
        .problem(409, "conflict");
    let done = app.post(&ada, &path, json!({"to": heir.user_id()})).await.expect(200);
    assert_eq!(
        (&done["workflows"], &done["plugins"], &done["revoked_keys"], &done["left_teams"], &done["member"]["status"]),
        (&json!(2), &json!(1), &json!(1), &json!(1), &json!("deactivated")),
        "{done:#}"
    );
    assert_eq!((&done["approvals"], &done["approvals_left"]), (&json!(0), &json!(1)), "a viewer decides nothing");
    assert_eq!(done["approvals_left_because"], json!([{"because": "not_permitted", "approvals": 1}]));
    app.get(&dev, "/workflows").await.problem(401, "unauthenticated");
    app.send(Method::GET, "/workflows", Some(&secret), None).await.problem(401, "unauthenticated");
    let workflow = app.get(&ada, &format!("/workflows/{open}")).await.expect(200);
    assert_eq!(
        (workflow["owner_id"].as_str(), workflow["created_by"].as_str()),
        (Some(heir.user_id()), Some(dev.user_id()))
    );
    let plugin = app.get(&ada, &format!("/plugins/{plugin}")).await.expect(200);
    assert_eq!(plugin["owner_id"].as_str(), Some(heir.user_id()));

    // Nothing that changes hands names them any more.
    let gone = dev.user_id().parse::<tenure_kernel::UserId>().unwrap().uuid();
    for column in PERSON_COLUMNS.iter().filter(|column| column.then == Then::Transferred) {
        let left =
            sqlx::AssertSqlSafe(format!("select count(*) from {} where {} = '{gone}'", column.table, column.column));
        let left: i64 = sqlx::query_scalar(left).fetch_one(&mut app.admin().await).await.unwrap();
        assert_eq!(left, 0, "{column:?}");
    }
    let assets = app.get(&ada, &format!("/users/{}/assets", dev.user_id())).await.expect(200);
    for kind in ["workflows", "plugins", "api_keys", "teams"] {
        assert_eq!(assets[kind]["total"], 0, "{kind}");
    }
    assert_eq!(assets["sessions"], 0);
    let actions = app.actions(ada.tenant()).await;
    for action in [
        "member.offboarded",
        "workflow.owner-changed",
        "plugin.owner-changed",
        "api-key.revoked",
        "team.member-removed",
    ] {
        assert!(actions.iter().any(|done| done == action), "{action} is missing in {actions:?}");
    }
    // What they did is still told of them.
    let activity = app.get(&ada, &format!("/users/{}/activity?limit=200", dev.user_id())).await.expect(200);
    let did: Vec<&str> =
        activity["items"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert!(did.contains(&"workflow.created") && did.contains(&"api-key.created"), "{did:?}");
    assert!(activity["items"].as_array().unwrap().iter().all(|event| event["actor"]["id"] == *dev.user_id()));
}

/// A service account's key stays when the one leaves who made it: who takes over answers for what it starts, and may not approve
/// that.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_stays_answers_for_what_service_accounts_start() {
    let app = crate::guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.member(&ada, SystemRole::Admin).await;
    let heir = app.member(&ada, SystemRole::Operator).await;
    let permissions = ["workflow:read", "workflow:execute", "api_key:write"];
    let (_, robots, path) = account(&app, &bob, "Robot", &permissions).await;
    let (_, _, revoked) = account(&app, &bob, "Other robot", &permissions).await;
    let _ = app.post(&bob, &format!("{revoked}/revoke"), json!({})).await.expect(200);
    let _ = account(&app, &ada, "Third robot", &permissions).await;
    let asks = single("asks", json!({"type": "approval", "approvers": {"roles": ["admin", "operator"]}}));
    let workflow = save(&app, &ada, asks).await;

    let of_bob = format!("/users/{}", bob.user_id());
    let assets = app.get(&ada, &format!("{of_bob}/assets")).await.expect(200);
    assert_eq!(assets["service_account_keys"]["total"], 1, "{assets:#}");
    let done = app.post(&ada, &format!("{of_bob}/offboard"), json!({"to": heir.user_id()})).await.expect(200);
    assert_eq!((&done["service_account_keys"], &done["revoked_keys"]), (&json!(1), &json!(0)), "{done:#}");
    let events = app.get(&ada, "/audit/events?action=api-key.handed-over").await.expect(200);
    let events = events["items"].as_array().unwrap();
    assert_eq!(events.len(), 1, "{events:#?}");
    assert!(path.ends_with(events[0]["resource"]["id"].as_str().unwrap()));
    let assets = app.get(&ada, &format!("/users/{}/assets", heir.user_id())).await.expect(200);
    assert_eq!(assets["service_account_keys"]["total"], 1, "{assets:#}");

    // It works on, also as what it rotated itself into, and the log knows who made it.
    let rotated = with_key(&app, &robots, Method::POST, &format!("{path}/rotate"), None).await.expect(201);
    for shown in [&app.get(&ada, &path).await.expect(200), &rotated["api_key"]] {
        assert_eq!(
            (shown["answerable"].as_str(), shown["created_by"].as_str()),
            (Some(heir.user_id()), Some(bob.user_id()))
        );
    }
    for key in [&*robots, rotated["key"].as_str().unwrap()] {
        let start = format!("/workflows/{workflow}/executions");
        let execution = with_key(&app, key, Method::POST, &start, Some(json!({"input": {}}))).await.expect(202);
        let id = execution["id"].as_str().unwrap();
        let _ = until(&app, &ada, id, &["waiting"]).await;
        let approval = async |who: &Actor| {
            app.get(who, &format!("/approvals?execution_id={id}")).await.expect(200)["items"][0].clone()
        };
        assert_eq!(approval(&heir).await["can_decide"], false);
        assert_eq!(approval(&ada).await["can_decide"], true);
    }
}

/// Who takes over decides what who leaves was asked to; what they asked for themselves stays with whoever else may.
#[tokio::test(flavor = "multi_thread")]
async fn open_approvals_name_who_takes_over() {
    let app = crate::guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.member(&ada, SystemRole::Operator).await;
    let heir = app.member(&ada, SystemRole::Admin).await;
    let asks = |name: &str, users: Value, more: Value| {
        let mut approvers = json!({"users": users});
        approvers.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        single(name, json!({"type": "approval", "approvers": approvers}))
    };
    let email = format!("{}@example.com", bob.username.to_uppercase());
    let by_mail = save(&app, &ada, asks("by mail", json!([email, "somebody"]), json!({}))).await;
    let by_id = save(&app, &ada, asks("by id", json!([bob.user_id(), heir.username]), json!({}))).await;
    let several = save(&app, &ada, asks("several", json!([bob.username, ada.username]), json!({"at_least": 2}))).await;
    let role = save(&app, &ada, asks("role", json!([]), json!({"roles": ["operator"]}))).await;
    let approval = async |who: &Actor, workflow: &str| {
        let path = format!("/workflows/{workflow}/executions");
        let id = app.post(who, &path, json!({"input": {}})).await.expect(202)["id"].as_str().unwrap().to_owned();
        until(&app, &ada, &id, &["waiting"]).await;
        let list = app.get(&ada, &format!("/approvals?execution_id={id}")).await.expect(200);
        format!("/approvals/{}", list["items"][0]["id"].as_str().unwrap())
    };
    let first = approval(&ada, &by_mail).await;
    let second = approval(&ada, &by_id).await;
    let decided = approval(&heir, &several).await;
    let own = approval(&heir, &by_mail).await;
    let of_role = approval(&ada, &role).await;
    let _ = app.post(&bob, &format!("{decided}/decision"), json!({"decision": "approve"})).await.expect(200);

    let of_bob = format!("/users/{}", bob.user_id());
    assert_eq!(app.get(&ada, &format!("{of_bob}/assets")).await.expect(200)["approvals"], 3);
    let done = app.post(&ada, &format!("{of_bob}/offboard"), json!({"to": heir.user_id()})).await.expect(200);
    assert_eq!((&done["approvals"], &done["approvals_left"]), (&json!(2), &json!(1)), "{done:#}");
    let users = async |path: &str| -> Vec<String> {
        let approval = app.get(&ada, path).await.expect(200);
        let users = approval["approvers"]["users"].as_array().unwrap();
        let mut users: Vec<_> = users.iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect();
        users.sort();
        users
    };
    assert_eq!(users(&first).await, ["somebody", heir.user_id()]);
    assert_eq!(users(&second).await, [heir.user_id()], "once, who was named beside");
    assert!(users(&decided).await.contains(&bob.user_id().to_owned()), "what was decided stands");
    assert!(users(&own).await.contains(&bob.user_id().to_owned()));
    assert_eq!(users(&of_role).await, [""; 0]);
    let can = async |path: &str| app.get(&heir, path).await.expect(200)["can_decide"] == true;
    assert!(can(&first).await && can(&second).await && !can(&own).await && !can(&of_role).await);
    let _ = app.post(&heir, &format!("{first}/decision"), json!({"decision": "approve"})).await.expect(200);
    let events = app.get(&ada, "/audit/events?action=approval.handed-over").await.expect(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 2, "{events:#}");
    assert_eq!(app.get(&ada, &format!("{of_bob}/assets")).await.expect(200)["approvals"], 1, "what is left is told");
}

/// A workflow of one step that asks these, by whichever of their names.
async fn asking(app: &TestApp, by: &Actor, name: &str, users: Value, at_least: u32) -> String {
    let approvers = json!({"users": users, "at_least": at_least});
    save(app, by, single(name, json!({"type": "approval", "approvers": approvers}))).await
}

/// The path of the request for approval of what this token starts.
async fn asked(app: &TestApp, token: &str, watcher: &Actor, workflow: &str) -> String {
    let start = format!("/workflows/{workflow}/executions");
    let execution = app.send(Method::POST, &start, Some(token), Some(&json!({"input": {}}))).await.expect(202);
    let id = execution["id"].as_str().unwrap();
    until(app, watcher, id, &["waiting"]).await;
    let list = app.get(watcher, &format!("/approvals?execution_id={id}")).await.expect(200);
    format!("/approvals/{}", list["items"][0]["id"].as_str().unwrap())
}

/// Whom a request for approval names, as it is stored.
async fn named(app: &TestApp, approval: &str) -> Vec<String> {
    let id: tenure_kernel::ApprovalId = approval.rsplit('/').next().unwrap().parse().unwrap();
    let named: Value = sqlx::query_scalar("select approvers -> 'users' from approvals where id = $1")
        .bind(id.uuid())
        .fetch_one(&mut app.admin().await)
        .await
        .unwrap();
    serde_json::from_value(named).unwrap()
}

/// What who takes over could not decide, or would decide on their own, stays as it is, and the answer says why.
#[tokio::test(flavor = "multi_thread")]
async fn open_approvals_are_left_that_who_takes_over_may_not_decide() {
    let app = crate::guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.member(&ada, SystemRole::Admin).await;
    let heir = app.member(&ada, SystemRole::Operator).await;
    let third = app.member(&ada, SystemRole::Developer).await;
    let path = format!("/users/{}", third.user_id());
    let _ = app.patch(&ada, &path, json!({"roles": ["operator"]})).await.expect(200);
    let third = app.log_in(&third.username).await;
    let team = app.post(&ada, "/teams", json!({"name": "Hidden"})).await.expect(201)["id"].as_str().unwrap().to_owned();
    let (b, h, t) = (&*bob.username, &*heir.username, &*third.username);

    let private = asking(&app, &ada, "private", json!([b]), 1).await;
    let out_of_reach = asked(&app, &ada.token, &ada, &private).await;
    sqlx::query("update workflows set team_id = $1 where id = $2")
        .bind(team.parse::<tenure_kernel::TeamId>().unwrap().uuid())
        .bind(private.parse::<tenure_kernel::WorkflowId>().unwrap().uuid())
        .execute(&mut app.admin().await)
        .await
        .unwrap();
    let two_of_two = asking(&app, &ada, "two of two", json!([b, heir.user_id()]), 2).await;
    let too_few = asked(&app, &ada.token, &ada, &two_of_two).await;
    let two_of_three = asking(&app, &ada, "two of three", json!([b, h, t]), 2).await;
    let enough = asked(&app, &ada.token, &ada, &two_of_three).await;
    // Of three that are named the requester may not decide, so two of them are one too few.
    let own_third = asked(&app, &third.token, &ada, &two_of_three).await;
    let decided = asked(&app, &ada.token, &ada, &two_of_three).await;
    let _ = app.post(&heir, &format!("{decided}/decision"), json!({"decision": "approve"})).await.expect(200);
    // Who takes over answers for the key that asks from then on.
    let permissions = ["workflow:read", "workflow:execute"];
    let (_, robot, _) = account(&app, &bob, "Robot", &permissions).await;
    let only_bob = asking(&app, &ada, "only bob", json!([b]), 1).await;
    let of_key = asked(&app, &robot, &ada, &only_bob).await;
    let plain = asked(&app, &ada.token, &ada, &only_bob).await;

    let path = format!("/users/{}/offboard", bob.user_id());
    let done = app.post(&ada, &path, json!({"to": heir.user_id()})).await.expect(200);
    assert_eq!((&done["approvals"], &done["approvals_left"]), (&json!(2), &json!(5)), "{done:#}");
    let because = json!([
        {"because": "out_of_reach", "approvals": 1},
        {"because": "requester", "approvals": 1},
        {"because": "decided", "approvals": 1},
        {"because": "too_few", "approvals": 2},
    ]);
    assert_eq!(done["approvals_left_because"], because);
    for left in [&out_of_reach, &too_few, &own_third, &decided, &of_key] {
        assert!(named(&app, left).await.contains(&bob.username), "{left}");
    }
    assert_eq!(named(&app, &plain).await, [heir.user_id()]);
    for who in [&heir, &third] {
        let answer = app.post(who, &format!("{enough}/decision"), json!({"decision": "approve"})).await;
        let _ = answer.expect(200);
    }
    assert_eq!(app.get(&ada, &enough).await.expect(200)["state"], "approved");
    let events = app.get(&ada, "/audit/events?action=member.offboarded").await.expect(200);
    let told = events["items"][0]["diff"].as_array().unwrap();
    assert!(told.iter().any(|step| step["path"] == "/approvals_left_because" && step["value"] == because), "{told:#?}");
}

/// An approver who is in the way is not put out of it by who wants the approval.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_themselves_an_approver() {
    let app = crate::guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.member(&ada, SystemRole::Operator).await;
    let other = app.member(&ada, SystemRole::Admin).await;
    let workflow = asking(&app, &ada, "only bob", json!([bob.username]), 1).await;
    let approval = asked(&app, &ada.token, &ada, &workflow).await;
    let path = format!("/users/{}/offboard", bob.user_id());
    let done = app.post(&other, &path, json!({"to": other.user_id()})).await.expect(200);
    assert_eq!((&done["approvals"], &done["approvals_left"]), (&json!(0), &json!(1)), "{done:#}");
    assert_eq!(done["approvals_left_because"], json!([{"because": "yourself", "approvals": 1}]));
    let refused = app.post(&other, &format!("{approval}/decision"), json!({"decision": "approve"})).await;
    assert_eq!(refused.problem(403, "permission-denied")["reason"], "not-an-approver");
    assert_eq!(named(&app, &approval).await, [bob.username.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_is_not_offboarded_nor_who_holds_more() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let operator = app.member(&ada, SystemRole::Operator).await;
    let give = async |username: &str| {
        sqlx::query("update memberships set permissions = '{user:write,role:assign}' where username = $1")
            .bind(username)
            .execute(&mut app.admin().await)
            .await
            .unwrap();
        app.log_in(username).await
    };
    let helper = give(&viewer.username).await;
    let to = json!({"to": helper.user_id()});
    app.post(&helper, &format!("/users/{}/offboard", ada.user_id()), to.clone())
        .await
        .problem(403, "permission-denied");
    app.post(&helper, &format!("/users/{}/offboard", operator.user_id()), to.clone())
        .await
        .problem(403, "permission-denied");
    // Somebody who holds everything without being administrator meets the rule that one stays.
    sqlx::query("update memberships set permissions = '{*}' where username = $1")
        .bind(&viewer.username)
        .execute(&mut app.admin().await)
        .await
        .unwrap();
    let helper = app.log_in(&viewer.username).await;
    let refused = app.post(&helper, &format!("/users/{}/offboard", ada.user_id()), to).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("last administrator"), "{refused:#}");
    let _: Value = app.get(&ada, "/auth/me").await.expect(200);
}
