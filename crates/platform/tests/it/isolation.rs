//! Generated over the catalogue: what the application's own login can do to each table with another tenant's rows, past everything
//! that the kernel does. Whoever gets SQL into a request stands here.

use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tenure_platform::testkit::{Admin, Tenant, TestApp};

use crate::guests;

/// A table that `tenure_app` holds rights on.
struct Table {
    name: String,
    rights: Vec<String>,
    columns: Vec<String>,
}

async fn tables(app: &TestApp) -> Vec<Table> {
    let rows = sqlx::query(
        "select c.relname::text as name,
                array(select p from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
                      where has_table_privilege('tenure_app', c.oid, p) or (p <> 'DELETE' and has_any_column_privilege('tenure_app', c.oid, p))) as rights,
                array(select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped and attgenerated = ''
                      order by attnum) as columns
         from pg_class c
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
           and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped) order by 1",
    )
    .fetch_all(&mut app.admin().await)
    .await
    .unwrap();
    let table = |row: sqlx::postgres::PgRow| Table {
        name: row.get("name"),
        rights: row.get("rights"),
        columns: row.get("columns"),
    };
    let tables: Vec<Table> = rows.into_iter().map(table).filter(|table| !table.rights.is_empty()).collect();
    assert!(tables.len() > 10, "the catalogue was not understood: {}", tables.len());
    tables
}

/// Two tenants with rows in as many tables as their users can fill.
async fn stage() -> (TestApp, Tenant, Tenant) {
    let app = guests::app().await;
    let (acme, globex) = (app.tenant("Acme").await, app.tenant("Globex").await);
    for tenant in [&acme, &globex] {
        let admin = &tenant.admin;
        let plain = serde_json::json!({
            "name": "plain", "nodes": { "a": { "type": "wait", "for": "1ms" },
                "ask": { "type": "approval", "approvers": { "roles": ["operator"] }, "expires": "1h" } },
            "edges": [{ "from": "start", "to": "a" }, { "from": "a", "to": "ask" }, { "from": "ask", "to": "end" }],
        });
        let workflow = app.post(admin, "/workflows", plain).await.expect(201);
        let id = workflow["id"].as_str().unwrap();
        let _ = app.put(admin, "/secrets/hook", serde_json::json!({ "value": "a value" })).await.expect(200);
        let grants = serde_json::json!({ "workflow_ids": [id] });
        let _ = app.put(admin, "/secrets/hook/grants", grants).await.expect(200);
        let _ = app.post(admin, "/teams", serde_json::json!({ "name": "Night shift" })).await.expect(201);
        let path = format!("/workflows/{id}/executions");
        let _ = app.post(admin, &path, serde_json::json!({ "input": null })).await.expect(202);
    }
    (app, acme, globex)
}

async fn run(login: &mut Admin, sql: String) -> Result<u64, String> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(login)
        .await
        .map(|done| done.rows_affected())
        .map_err(|error| error.to_string())
}

async fn count(admin: &mut Admin, sql: String) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.clone()))
        .fetch_one(admin)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// A transaction of the application's login, as this tenant or as none.
async fn begin(app: &TestApp, tenant: Option<&Tenant>) -> Admin {
    let mut login = app.login("tenure_app").await;
    let setting =
        tenant.map(|tenant| format!("; set local app.current_tenant_id = '{}'", tenant.admin.tenant().uuid()));
    run(&mut login, format!("begin{}", setting.unwrap_or_default())).await.unwrap();
    login
}

#[tokio::test(flavor = "multi_thread")]
async fn no_right_reaches_another_tenants_rows() {
    let (app, acme, globex) = stage().await;
    let (mut admin, theirs) = (app.admin().await, globex.admin.tenant().uuid());
    let (mut filled, mut tried) = (0, 0);
    for table in tables(&app).await {
        let name = &table.name;
        let rows = count(&mut admin, format!("select count(*) from {name} where tenant_id = '{theirs}'")).await;
        filled += usize::from(rows > 0);
        let columns: Vec<&str> =
            table.columns.iter().map(String::as_str).filter(|column| *column != "tenant_id").collect();
        for right in &table.rights {
            // Without a tenant, and as another.
            for tenant in [None, Some(&acme)] {
                let mut login = begin(&app, tenant).await;
                let as_whom = tenant.map_or("nobody", |_| "another tenant");
                let condition = format!("where tenant_id = '{theirs}'");
                let statements = match right.as_str() {
                    "SELECT" => vec![
                        format!("select * from {name} {condition}"),
                        format!("select * from {name} where tenant_id::text = '{theirs}'"),
                        format!("select * from only {name} {condition}"),
                        format!(
                            "select {name}::text from {name} where tenant_id <> coalesce(nullif(current_setting('app.current_tenant_id', true), ''), gen_random_uuid()::text)::uuid"
                        ),
                    ],
                    "INSERT" => vec![format!("insert into {name} (tenant_id) values ('{theirs}')")],
                    "UPDATE" => {
                        let set =
                            columns.iter().map(|column| format!("update {name} set {column} = {column} {condition}"));
                        set.chain([format!("update {name} set tenant_id = '{theirs}'")]).collect()
                    }
                    _ => vec![format!("delete from {name} {condition}")],
                };
                for statement in statements {
                    tried += 1;
                    run(&mut login, "savepoint attempt".to_owned()).await.unwrap();
                    // Refused, or as if there were no such rows.
                    if let Ok(rows) = run(&mut login, statement.clone()).await {
                        assert_eq!(rows, 0, "as {as_whom}: {statement}");
                    }
                    run(&mut login, "rollback to savepoint attempt".to_owned()).await.unwrap();
                }
                login.close().await.unwrap();
            }
        }
        let after = count(&mut admin, format!("select count(*) from {name} where tenant_id = '{theirs}'")).await;
        assert!(after >= rows, "{name} lost rows");
    }
    assert!(filled > 12, "only {filled} tables hold rows of the other tenant");
    assert!(tried > 200, "{tried} statements");
}

/// A key may be another tenant's, a row that hangs under it may not: foreign keys are checked past row-level security.
#[tokio::test(flavor = "multi_thread")]
async fn no_foreign_key_leads_to_another_tenant() {
    let (app, acme, globex) = stage().await;
    let mut admin = app.admin().await;
    let keys = sqlx::query(
        "select f.conrelid::regclass::text as child, f.confrelid::regclass::text as parent,
                array(select attname::text from unnest(f.conkey) with ordinality k (num, at) join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.num order by at) as columns,
                array(select attname::text from unnest(f.confkey) with ordinality k (num, at) join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.num order by at) as targets
         from pg_constraint f
         where f.contype = 'f' and f.connamespace = 'public'::regnamespace and f.conparentid = 0
           and exists (select from pg_attribute a where a.attrelid = f.conrelid and a.attname = 'tenant_id')
           and exists (select from pg_attribute a where a.attrelid = f.confrelid and a.attname = 'tenant_id') order by 1, 2",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert!(keys.len() > 5, "the catalogue was not understood");
    let (ours, theirs) = (acme.admin.tenant().uuid(), globex.admin.tenant().uuid());
    let mut bent = 0;
    for key in keys {
        let (child, parent): (String, String) = (key.get("child"), key.get("parent"));
        let (columns, targets): (Vec<String>, Vec<String>) = (key.get("columns"), key.get("targets"));
        // A row of ours pointed at a row of theirs, by a superuser, whom no policy stops: the key itself must.
        for (column, target) in columns.iter().zip(&targets).filter(|(column, _)| *column != "tenant_id") {
            let sql = format!(
                "update {child} set {column} = (select {target} from {parent} where tenant_id = '{theirs}' limit 1)
                 where ctid in (select ctid from {child} where tenant_id = '{ours}' limit 1) and exists (select from {parent} where tenant_id = '{theirs}')"
            );
            run(&mut admin, "begin".to_owned()).await.unwrap();
            let moved = run(&mut admin, sql.clone()).await;
            let kept = match &moved {
                Ok(0) => true,
                Ok(_) => run(&mut admin, "set constraints all immediate".to_owned()).await.is_err(),
                Err(_) => {
                    bent += 1;
                    true
                }
            };
            // The same value in both tenants (a version's number, say) is no way across.
            let same = format!(
                "select count(*) from {child} c join {parent} p on p.tenant_id = c.tenant_id and p.{target} = c.{column} where c.tenant_id = '{ours}'"
            );
            let harmless = !kept && count(&mut admin, same).await > 0;
            run(&mut admin, "rollback".to_owned()).await.unwrap();
            assert!(kept || harmless, "{child}.{column} reaches {parent} of another tenant: {sql}");
        }
    }
    assert!(bent >= 3, "hardly any key could be tried: {bent}");
}

/// What SQL that somebody slips in would try first.
#[tokio::test(flavor = "multi_thread")]
async fn the_login_cannot_widen_its_own_rights() {
    let (app, acme, globex) = stage().await;
    let theirs = globex.admin.tenant().uuid();
    for statement in [
        "set role tenure_owner",
        "set role tenure_system",
        "set role tenure_engine",
        "set role tenure_auth",
        "set role tenure_platform",
        "set role tenure_sealer",
        "set role postgres",
        "set session authorization postgres",
        "alter role tenure_app bypassrls",
        "alter role tenure_app superuser",
        "alter table teams disable row level security",
        "alter table teams no force row level security",
        "drop policy tenant_isolation on teams",
        "create policy all_of_it on teams using (true)",
        "alter table teams owner to tenure_app",
        "create view everything as select * from teams",
        "create table mine (x int)",
        "create temporary table mine (x int)",
        "create schema mine",
        "create function f() returns int language sql security definer as 'select 1'",
        "create extension dblink",
        "create extension plpython3u",
        "do $$ begin perform 1; end $$ language plperlu",
        "copy teams to '/tmp/teams'",
        "copy teams from '/etc/passwd'",
        "copy teams to program 'id'",
        "select pg_read_file('/etc/passwd')",
        "select pg_ls_dir('/')",
        "select lo_import('/etc/passwd')",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'tenure_system'",
        "select * from pg_authid",
        "select * from users",
        "select * from credentials",
        "select * from sessions",
        "select * from signing_keys",
        "update events set reason = 'x'",
        "delete from events",
        "truncate events",
        "truncate teams",
        "update event_seals set root = 'x'",
        "vacuum teams",
        "comment on table teams is 'x'",
        "alter system set log_statement = 'all'",
        "load 'auto_explain'",
    ] {
        let mut login = begin(&app, Some(&acme)).await;
        let refused = run(&mut login, statement.to_owned()).await;
        assert!(refused.is_err(), "the application may: {statement}");
        login.close().await.unwrap();
    }
    // What stays possible must show nothing of others: whole-database exports, statistics, sizes by name.
    for statement in [
        format!("select 1 where database_to_xml(true, false, '')::text like '%{theirs}%'"),
        format!("select 1 where schema_to_xml('public', true, false, '')::text like '%{theirs}%'"),
        format!("select 1 where query_to_xml('select * from workflows', true, false, '')::text like '%{theirs}%'"),
        format!(
            "select 1 from pg_stats where most_common_vals::text like '%{theirs}%' or histogram_bounds::text like '%{theirs}%'"
        ),
        format!("select 1 from pg_stat_activity where query like '%{theirs}%' and pid <> pg_backend_pid()"),
        format!("select 1 from pg_stat_statements where query like '%{theirs}%'"),
    ] {
        let mut login = begin(&app, Some(&acme)).await;
        // An export that meets a table without a grant ends there, which is as good.
        if let Ok(rows) = run(&mut login, statement.clone()).await {
            assert_eq!(rows, 0, "{statement}");
        }
        login.close().await.unwrap();
    }
}

/// Each function of ours that the login may call, with another tenant's id for every id it takes.
#[tokio::test(flavor = "multi_thread")]
async fn no_function_answers_about_another_tenant() {
    let (app, acme, globex) = stage().await;
    let functions = sqlx::query(
        "select p.proname::text as name, pg_get_function_identity_arguments(p.oid) as arguments, p.prosecdef as definer, p.prokind::text as kind,
                array(select format_type(t, null) from unnest(p.proargtypes) t) as types
         from pg_proc p where p.pronamespace = 'public'::regnamespace and has_function_privilege('tenure_app', p.oid, 'execute') and p.prorettype <> 'trigger'::regtype order by 1",
    )
    .fetch_all(&mut app.admin().await)
    .await
    .unwrap();
    assert!(!functions.is_empty(), "current_tenant() at least");
    let theirs = globex.admin.tenant().uuid();
    for function in functions {
        let (name, types): (String, Vec<String>) = (function.get("name"), function.get("types"));
        assert!(!function.get::<bool, _>("definer"), "{name} runs with its owner's rights");
        let value = |kind: &String| match kind.as_str() {
            "uuid" => format!("'{theirs}'::uuid"),
            "text" | "name" => format!("'{theirs}'"),
            other => format!("null::{other}"),
        };
        let arguments = types.iter().map(value).collect::<Vec<_>>().join(", ");
        let call = if function.get::<String, _>("kind") == "p" { "call" } else { "select" };
        let mut login = begin(&app, Some(&acme)).await;
        if call == "select" {
            let shown: Result<Vec<String>, _> =
                sqlx::query_scalar(AssertSqlSafe(format!("select coalesce({name}({arguments})::text, '')")))
                    .fetch_all(&mut login)
                    .await;
            assert!(shown.is_err() || !shown.unwrap().concat().contains(&theirs.to_string()), "{name}");
        } else {
            let done = run(&mut login, format!("call {name}({arguments})")).await;
            assert!(done.is_err(), "the application may call {name}");
        }
        login.close().await.unwrap();
    }
}
