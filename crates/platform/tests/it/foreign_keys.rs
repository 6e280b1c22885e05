//! Every foreign key between tenants' tables, as the catalogue has them: a row of one tenant cannot hang under a row of
//! another's. PostgreSQL checks foreign keys past row-level security, so the key itself must hold the tenant.

use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Row as _};
use tenure_platform::testkit::{Actor, Admin, TestApp};
use uuid::Uuid;

use crate::engine::{run, save};
use crate::guests;
use crate::policies::single;

/// A foreign key: which columns of the child name which columns of the parent.
struct Key {
    name: String,
    child: String,
    parent: String,
    columns: Vec<(String, String)>,
    /// Of the primary key and of every unique index.
    unique: Vec<String>,
    app_inserts: bool,
}

async fn keys(admin: &mut Admin) -> Vec<Key> {
    let rows = sqlx::query(
        r"select f.conname::text as name, f.conrelid::regclass::text as child, f.confrelid::regclass::text as parent,
                array(select a.attname::text from unnest(f.conkey) with ordinality k (n, i)
                      join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.n order by i) as from_columns,
                array(select a.attname::text from unnest(f.confkey) with ordinality k (n, i)
                      join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.n order by i) as to_columns,
                array(select a.attname::text from pg_attribute a
                      where a.attrelid = f.conrelid and a.attnum > 0 and not a.attisdropped
                        and exists (select from pg_index x where x.indrelid = f.conrelid and x.indisunique
                                    and pg_get_indexdef(x.indexrelid) ~ ('\m' || a.attname || '\M'))) as unique_columns,
                has_table_privilege('tenure_app', f.conrelid, 'insert') as app_inserts
         from pg_constraint f
         where f.contype = 'f' and f.connamespace = 'public'::regnamespace and f.conparentid = 0
           and f.confrelid <> 'tenants'::regclass
           and exists (select from pg_attribute where attrelid = f.conrelid and attname = 'tenant_id')
           and exists (select from pg_attribute where attrelid = f.confrelid and attname = 'tenant_id')
         order by 2, 1",
    )
    .fetch_all(admin)
    .await
    .unwrap();
    let columns = |row: &sqlx::postgres::PgRow, name: &str| row.get::<Vec<String>, _>(name);
    rows.iter()
        .map(|row| Key {
            name: row.get("name"),
            child: row.get("child"),
            parent: row.get("parent"),
            columns: columns(row, "from_columns").into_iter().zip(columns(row, "to_columns")).collect(),
            unique: columns(row, "unique_columns"),
            app_inserts: row.get("app_inserts"),
        })
        .collect()
}

/// A tenant with a row in each table that hangs under another.
async fn fill(app: &TestApp, name: &str) -> Actor {
    let admin = app.register(&name.to_lowercase(), name).await;
    let member = app.member(&admin, tenure_platform::domain::access::SystemRole::Operator).await;
    let team = app.post(&admin, "/teams", json!({"name": "Crew"})).await.expect(201)["id"].as_str().unwrap().to_owned();
    assert!(
        app.put(&admin, &format!("/teams/{team}/members/{}", member.user_id()), json!({})).await.status.is_success()
    );
    let limit = json!({"per_minute": 1000});
    let _ = app.put(&admin, &format!("/users/{}/rate-limit", member.user_id()), limit).await.expect(200);
    let csv =
        format!("email,username,full_name,password\n{name}@import.example,{name}-imported,X,a loud yellow morning\n");
    let import = app.post(&admin, "/users/import", json!({"csv": csv})).await.expect(201);
    let _ = crate::imports::over(app, &admin, &import).await;
    let key = json!({"name": "Import", "scopes": ["team:read"]});
    let key = app.post(&admin, "/api-keys", key).await.expect(201)["api_key"]["id"].as_str().unwrap().to_owned();
    let _ = app.post(&admin, &format!("/api-keys/{key}/rotate"), json!({})).await.expect(201);
    let account = app.post(&admin, "/service-accounts", json!({"name": "robot"})).await.expect(201)["id"].clone();
    let key = json!({"name": "Import", "scopes": ["team:read"], "service_account": account});
    let _ = app.post(&admin, "/api-keys", key).await.expect(201);
    let manifest = "name: acme/one\nversion: 1.0.0\nkind: node\n";
    let upload = json!({"manifest": manifest, "source": "def execute(state, config):\n    return 1\n"});
    let plugin = app.post(&admin, "/plugins", upload).await.expect(201)["version"]["plugin_id"].clone();
    let path = format!("/plugins/{}/versions/1.0.0/status", plugin.as_str().unwrap());
    let _ = app.put(&admin, &path, json!({"status": "active"})).await.expect(200);
    let mut calls = single("calls", json!({"type": "plugin", "plugin": "acme/one@^1"}));
    calls["nodes"]["asks"] = json!({"type": "approval", "approvers": {"roles": ["operator"], "at_least": 2}});
    calls["edges"] =
        json!([{"from": "start", "to": "only"}, {"from": "only", "to": "asks"}, {"from": "asks", "to": "end"}]);
    let workflow = save(app, &admin, calls).await;
    let _ = app.put(&admin, "/secrets/hook", json!({"value": "a secret"})).await.expect(200);
    let _ = app.put(&admin, "/secrets/hook/grants", json!({"workflow_ids": [workflow]})).await.expect(200);
    let plain = save(app, &admin, single("plain", json!({"type": "transform", "jq": "1"}))).await;
    let _ = run(app, &admin, &plain, json!({})).await;
    let _ = app.post(&admin, &format!("/workflows/{workflow}/executions"), json!({"input": {}})).await.expect(202);
    let begun = std::time::Instant::now();
    let approval = loop {
        let list = app.get(&member, "/approvals").await.expect(200);
        if let Some(id) = list["items"][0]["id"].as_str() {
            break id.to_owned();
        }
        assert!(begun.elapsed().as_secs() < 40, "no approval is asked for");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let decision = json!({"decision": "approve"});
    let _ = app.post(&member, &format!("/approvals/{approval}/decision"), decision).await.expect(200);
    admin
}

async fn one_row(admin: &mut Admin, table: &str, tenant: Uuid) -> Option<Map<String, Value>> {
    let query = format!("select to_jsonb(t) from {table} t where tenant_id = '{tenant}' limit 1");
    let row: Option<Value> = sqlx::query_scalar(AssertSqlSafe(query)).fetch_optional(admin).await.unwrap();
    row.map(|row| row.as_object().unwrap().clone())
}

/// Another value of the same type, so that the new row has a key of its own.
fn another(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_i64().unwrap() + 1_000_000),
        Value::String(text) if text.parse::<Uuid>().is_ok() => json!(Uuid::new_v4()),
        // Bytes, of the same length.
        Value::String(text) if text.starts_with("\\x") => {
            json!(format!("\\x{}", text[2..].chars().rev().collect::<String>()))
        }
        Value::String(text) => json!(format!("{text}x")),
        Value::Null => Value::Null,
        other => panic!("no other value for {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_row_hangs_under_another_tenants_row() {
    let app = guests::app().await;
    let (acme, globex) = (fill(&app, "Acme").await, fill(&app, "Globex").await);
    app.halt();
    let mut admin = app.admin().await;
    // What an execution that calls a plugin keeps of it, also where none has kept anything yet.
    let kept = "insert into execution_plugins (tenant_id, execution_id, reference, plugin_id, version, digest)
         select e.tenant_id, e.id, 'acme/kept@^1', v.plugin_id, v.version, v.digest
         from executions e join plugin_versions v on v.tenant_id = e.tenant_id";
    sqlx::query(kept).execute(&mut admin).await.unwrap();
    let mut login = app.login("tenure_app").await;
    let keys = keys(&mut admin).await;
    assert!(keys.len() > 6, "the catalogue was not understood");
    let mut owners = keys.iter().filter(|key| key.child == "api_keys").flat_map(|key| key.columns.clone());
    assert!(owners.any(|(from, _)| from == "service_account_id"), "the owners of keys were not understood");
    for key in keys {
        let Key { name, child, parent, columns, unique, app_inserts } = key;
        let template = one_row(&mut admin, &child, acme.tenant().uuid()).await;
        let Some(mut row) = template else { panic!("no row in {child}: make one in fill()") };
        for column in unique.iter().filter(|column| *column != "tenant_id") {
            row[column] = another(&row[column]);
        }
        // One of several parents, and a row has exactly one of them.
        if columns.iter().any(|(from, _)| from == "service_account_id") {
            row["user_id"] = Value::Null;
        } else if row.contains_key("service_account_id") && columns.iter().any(|(from, _)| from == "user_id") {
            row["service_account_id"] = Value::Null;
        }
        let theirs = one_row(&mut admin, &parent, globex.tenant().uuid()).await.unwrap();
        // Rows of ours and of theirs that share a name (a version 1) would not tell.
        let mut differs = false;
        for (from, to) in columns.iter().filter(|(from, _)| from != "tenant_id") {
            differs |= theirs[to].as_str().is_some_and(|text| text.parse::<Uuid>().is_ok());
            row[from] = theirs[to].clone();
        }
        assert!(differs, "{name} names nothing that is one tenant's alone");
        let insert = format!(
            "set local app.current_tenant_id = '{}'; insert into {child} select (jsonb_populate_record(null::{child}, $row${}$row$)).*",
            acme.tenant().uuid(),
            Value::Object(row)
        );
        // What only the engine inserts is tried as a superuser: the key must hold whoever inserts.
        let connection = if app_inserts { &mut login } else { &mut admin };
        sqlx::raw_sql("begin").execute(&mut *connection).await.unwrap();
        let refused = sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut *connection).await;
        sqlx::raw_sql("rollback").execute(&mut *connection).await.unwrap();
        let Err(sqlx::Error::Database(refused)) = refused else {
            panic!("{name}: a row of {child} hangs under another tenant's {parent}")
        };
        assert_eq!(refused.code().as_deref(), Some("23503"), "{name}: {refused}");
    }
}
