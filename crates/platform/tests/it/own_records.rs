//! What a person saves of themselves: whatever column names them is in it, and no name of what they do not see.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::offboarding::{PERSON_COLUMNS, Then};
use tenure_platform::testkit::{Actor, PASSWORD, TestApp};

use crate::api_keys::with_key;
use crate::delegation::account;
use crate::engine::{save, start, until};
use crate::mailbox::{latest, post, token};
use crate::policies::single;

/// Where the document tells of each column that names somebody in an organisation: a list of its own, or the kind and relation
/// of a record.
const TOLD: &[(&str, &str, &str, &str)] = &[
    ("api_keys", "answerable", "api-key", "answers for"),
    ("api_keys", "created_by", "api-key", "created"),
    ("api_keys", "user_id", "api_keys", ""),
    ("approval_decisions", "user_id", "approval", "approve"),
    ("approvals", "answerable", "approval", "answers for"),
    ("approvals", "requested_by", "approval", "asked for"),
    ("delegated_tokens", "user_id", "delegated_tokens", ""),
    ("executions", "answerable", "execution", "answers for"),
    ("executions", "requested_by", "execution", "asked for"),
    ("invitations", "accepted_by", "invitation", "accepted"),
    ("invitations", "invited_by", "invitation", "sent"),
    ("member_rate_limits", "user_id", "rate-limit", "is limited by"),
    ("memberships", "user_id", "memberships", ""),
    ("plugin_versions", "created_by", "plugin", "uploaded"),
    ("plugins", "created_by", "plugin", "created"),
    ("plugins", "owner_id", "plugin", "owns"),
    ("secrets", "updated_by", "secret", "set"),
    ("sessions", "user_id", "sessions", ""),
    ("team_members", "user_id", "team", "member"),
    ("user_import_lines", "user_id", "user-import", "is named in"),
    ("user_imports", "created_by", "user-import", "handed in"),
    ("workflow_versions", "author", "workflow", "saved"),
    ("workflows", "created_by", "workflow", "created"),
    ("workflows", "owner_id", "workflow", "owns"),
];

async fn hidden_team(app: &TestApp, admin: &Actor, member: &Actor) -> String {
    let team = app.post(admin, "/teams", json!({"name": "Hidden"})).await.expect(201);
    let id = team["id"].as_str().unwrap().to_owned();
    let _ = app.put(admin, &format!("/teams/{id}/members/{}", member.user_id()), json!({})).await.expect(204);
    id
}

fn upload(name: &str, team: Option<&str>) -> Value {
    let manifest = format!("name: acme/{name}\nversion: 1.0.0\nkind: node\n");
    json!({"manifest": manifest, "source": "def execute(state, config):\n    return 1\n", "team_id": team})
}

/// Somebody who came by an invitation and has had to do with everything there is.
async fn busy(app: &TestApp, ada: &Actor) -> Actor {
    let _ = app.post(ada, "/invitations", json!({"email": "dev@example.com", "roles": ["admin"]})).await.expect(201);
    let link = token(&latest(app, "invitation", "dev@example.com").await);
    let person = json!({"token": link, "username": "dev", "full_name": "Dev", "password": PASSWORD});
    let _ = post(app, "/invitations/accept", person).await.expect(201);
    let dev = app.log_in("dev").await;

    let asks = single("asks", json!({"type": "approval", "approvers": {"roles": ["admin"]}}));
    let workflow = save(app, &dev, asks).await;
    let own = start(app, &dev, &workflow, json!({})).await;
    until(app, &dev, &own, &["waiting"]).await;
    let (_, key, _) = account(app, &dev, "Robot", &["workflow:read", "workflow:execute", "execution:read"]).await;
    let path = format!("/workflows/{workflow}/executions");
    let of_robot = with_key(app, &key, Method::POST, &path, Some(json!({"input": {}}))).await.expect(202);
    until(app, &dev, of_robot["id"].as_str().unwrap(), &["waiting"]).await;
    let of_ada = start(app, ada, &workflow, json!({})).await;
    until(app, ada, &of_ada, &["waiting"]).await;
    let asked = app.get(&dev, &format!("/approvals?execution_id={of_ada}")).await.expect(200);
    let path = format!("/approvals/{}/decision", asked["items"][0]["id"].as_str().unwrap());
    let _ = app.post(&dev, &path, json!({"decision": "approve", "comment": "fine"})).await.expect(200);

    let _ = app.post(&dev, "/plugins", upload("open", None)).await.expect(201);
    let _ = app.put(&dev, "/secrets/hook", json!({"value": "only for some"})).await.expect(200);
    let _ = app.post(&dev, "/api-keys", json!({"name": "CI", "scopes": ["workflow:read"]})).await.expect(201);
    let _ = crate::delegation::exchange(app, &dev.token, &[("scope", "workflow:read")]).await.expect(200);
    let _ = app.post(&dev, "/invitations", json!({"email": "next@example.com"})).await.expect(201);
    let limit = json!({"per_minute": 500, "per_hour": null, "per_day": null});
    let _ = app.put(ada, &format!("/users/{}/rate-limit", dev.user_id()), limit).await.expect(200);
    let csv = format!("email,username,full_name,password\nx@example.com,xavier,X,{PASSWORD}\n");
    let import = app.post(&dev, "/users/import", json!({"csv": csv})).await.expect(201);
    assert_eq!(crate::imports::over(app, &dev, &import).await["added"], 1);
    // Another's import named them.
    let user = dev.user_id().parse::<tenure_kernel::UserId>().unwrap().uuid();
    let named = sqlx::query("update user_import_lines set user_id = $1").bind(user);
    named.execute(&mut app.admin().await).await.unwrap();
    dev
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_that_names_a_person_is_in_what_they_save() {
    let of_organisations = PERSON_COLUMNS.iter().filter(|known| known.then != Then::Person);
    let known: BTreeSet<(&str, &str)> = of_organisations.map(|known| (known.table, known.column)).collect();
    let told: BTreeSet<(&str, &str)> = TOLD.iter().map(|(table, column, ..)| (*table, *column)).collect();
    assert_eq!(told, known, "what a person saves tells of each column in offboarding/columns.rs");

    let app = crate::guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let dev = busy(&app, &ada).await;
    let team = hidden_team(&app, &ada, &dev).await;
    let saved = app.get(&dev, "/auth/me/export").await.expect(200);
    let found: Vec<(&str, &str)> = saved["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| (record["kind"].as_str().unwrap(), record["relation"].as_str().unwrap()))
        .collect();
    for (table, column, kind, relation) in TOLD {
        if relation.is_empty() {
            assert!(!saved[kind].as_array().unwrap().is_empty(), "{table}.{column}");
        } else {
            assert!(found.contains(&(kind, relation)), "{table}.{column} is not in {found:?}");
        }
    }

    // What is private to a team has no name for those who have left it.
    let dev = app.log_in("dev").await;
    let _ = app.post(&dev, "/plugins", upload("inside", Some(&team))).await.expect(201);
    let _ = app.put(&dev, "/secrets/inside", json!({"value": "only for insiders", "team_id": team})).await.expect(200);
    let inside = single("inside", json!({"type": "wait", "for": "1s"}));
    let _ = app.post(&dev, &format!("/workflows?team={team}"), inside).await.expect(201);
    let names = async |dev: &Actor| -> Vec<Value> {
        let saved = app.get(dev, "/auth/me/export").await.expect(200);
        saved["records"].as_array().unwrap().iter().map(|record| record["name"].clone()).collect()
    };
    let private = |name: &&Value| name.as_str().is_some_and(|name| name.contains("inside"));
    let before = names(&dev).await;
    assert_eq!(before.iter().filter(private).count(), 5, "{before:?}");
    let _ = app.delete(&ada, &format!("/teams/{team}/members/{}", dev.user_id())).await.expect(204);
    let dev = app.log_in("dev").await;
    let after = names(&dev).await;
    assert_eq!((after.iter().filter(private).count(), after.len()), (0, before.len() - 1), "{after:?}");
}
