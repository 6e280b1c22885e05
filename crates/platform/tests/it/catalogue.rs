//! Generated over PostgreSQL's catalogue: what no table may lack.

use sqlx::Row as _;
use tenure_kernel::Clock;
use tenure_platform::testkit::{Setup, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn every_tenant_table_is_isolated() {
    let app = TestApp::start().await;
    let mut admin = app.admin().await;
    let tables = sqlx::query(
        "select c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
                exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'tenant_isolation' and p.polroles = '{0}'
                        and pg_get_expr(p.polqual, p.polrelid) like '%current_tenant()%' and pg_get_expr(p.polwithcheck, p.polrelid) like '%current_tenant()%') as isolated
         from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname <> 'sessions' order by 1",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert!(tables.len() > 8, "the catalogue was not understood");
    for table in &tables {
        let name: String = table.get("relname");
        assert!(
            table.get::<bool, _>("relrowsecurity") && table.get::<bool, _>("relforcerowsecurity"),
            "{name} has no forced row-level security"
        );
        // A partition is reached through its parent; by itself it lets nobody see anything.
        assert!(
            table.get::<bool, _>("isolated") || table.get::<bool, _>("relispartition"),
            "{name} lacks the policy tenant_isolation"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_leads_every_key() {
    let app = TestApp::start().await;
    let mut admin = app.admin().await;
    let wrong: Vec<(String, String)> = sqlx::query_as(
        "select t.relname::text, i.relname::text
         from pg_index x join pg_class t on t.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
         join pg_attribute a on a.attrelid = t.oid and a.attname = 'tenant_id' and not a.attisdropped
         where t.relnamespace = 'public'::regnamespace and x.indkey[0] <> a.attnum order by 1, 2",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    insta::assert_debug_snapshot!("indexes_not_led_by_the_tenant", wrong);

    let keys: Vec<(String, String)> = sqlx::query_as(
        "select conrelid::regclass::text, conname::text from pg_constraint f
         join pg_attribute a on a.attrelid = f.conrelid and a.attname = 'tenant_id'
         join pg_attribute b on b.attrelid = f.confrelid and b.attname = 'tenant_id'
         where contype = 'f' and not (f.conkey[1] = a.attnum and f.confkey[1] = b.attnum) order by 1, 2",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert!(keys.is_empty(), "foreign keys past the tenant: {keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn views_and_functions_run_as_their_caller() {
    let app = TestApp::start().await;
    let mut admin = app.admin().await;
    let views: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('v', 'm')
         and not coalesce(reloptions::text like '%security_invoker=true%', false)",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert!(views.is_empty(), "views that run as their owner: {views:?}");
    let definers: Vec<String> = sqlx::query_scalar(
        "select proname::text from pg_proc where pronamespace = 'public'::regnamespace and prosecdef
         and has_function_privilege('tenure_app', oid, 'execute') order by 1",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert!(definers.is_empty(), "functions with the owner's rights that app may call: {definers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_and_policies_are_these() {
    let app = TestApp::start().await;
    let mut admin = app.admin().await;
    let grants: Vec<String> = sqlx::query_scalar(
        "select grantee || ' ' || string_agg(lower(privilege_type), ',' order by privilege_type) || ' on ' || table_name
         from information_schema.role_table_grants
         where table_schema = 'public' and grantee like 'tenure_%' and grantee <> 'tenure_owner'
         group by grantee, table_name order by grantee, table_name",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    insta::assert_snapshot!("grants", grants.join("\n"));
    let policies: Vec<String> = sqlx::query_scalar(
        "select tablename || ' ' || policyname || ' ' || lower(cmd) || ' to ' || array_to_string(roles, ',') || ' using ' || coalesce(qual, '-') || ' check ' || coalesce(with_check, '-')
         from pg_policies where schemaname = 'public' and policyname not in ('tenant_isolation', 'owner_migrates') order by 1",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    insta::assert_snapshot!("policies", policies.join("\n"));
}

/// What `role_table_grants` leaves out: columns, functions, sequences, the schema, and whatever PUBLIC may.
#[tokio::test(flavor = "multi_thread")]
async fn grants_beyond_tables_are_these() {
    let app = TestApp::start().await;
    let grants: Vec<String> = sqlx::query_scalar(
        "with acl as (
             select 'column ' || c.relname || '.' || a.attname as object, e.* from pg_class c
             join pg_attribute a on a.attrelid = c.oid and a.attacl is not null, aclexplode(a.attacl) e
             where c.relnamespace = 'public'::regnamespace
             union all
             select case relkind when 'S' then 'sequence ' else 'table ' end || relname, e.* from pg_class, aclexplode(relacl) e
             where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S') and (relkind = 'S' or e.grantee = 0)
             union all
             select case when prosecdef then 'definer ' else '' end || 'function ' || p.oid::regprocedure, e.*
             from pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) e where pronamespace = 'public'::regnamespace
             union all
             select 'schema ' || nspname, e.* from pg_namespace n, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) e
             where nspname = 'public'
         )
         select coalesce(r.rolname, 'PUBLIC') || ' ' || string_agg(lower(privilege_type), ',' order by privilege_type) || ' on ' || object
         from acl left join pg_roles r on r.oid = acl.grantee
         where grantee = 0 or (r.rolname like 'tenure_%' and r.rolname <> 'tenure_owner')
         group by r.rolname, object order by r.rolname nulls first, object",
    )
    .fetch_all(&mut app.admin().await)
    .await
    .unwrap();
    insta::assert_snapshot!("grants_beyond_tables", grants.join("\n"));
}

/// Every table, as `app`: without the setting, and with another tenant's id.
#[tokio::test(flavor = "multi_thread")]
async fn app_sees_nothing_without_a_tenant_and_only_its_own_with_one() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("Acme").await, app.tenant("Globex").await);
    let mut login = app.login("tenure_app").await;
    let readable: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.role_table_grants
         where table_schema = 'public' and grantee = 'tenure_app' and privilege_type = 'SELECT' order by 1",
    )
    .fetch_all(&mut app.admin().await)
    .await
    .unwrap();
    assert!(readable.len() > 5);
    for table in readable {
        let count = format!("select count(*) from {table}");
        let without: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&mut login).await.unwrap();
        assert_eq!(without, 0, "{table} shows rows without a tenant");
        let foreign = format!("begin; set local app.current_tenant_id = '{}'", acme.admin.tenant().uuid());
        sqlx::raw_sql(sqlx::AssertSqlSafe(foreign)).execute(&mut login).await.unwrap();
        let others = format!("select count(*) from {table} where tenant_id <> '{}'", acme.admin.tenant().uuid());
        let others: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(others)).fetch_one(&mut login).await.unwrap();
        sqlx::raw_sql("rollback").execute(&mut login).await.unwrap();
        assert_eq!(others, 0, "{table} shows another tenant's rows");
    }
    for table in ["users", "credentials", "sessions", "refresh_tokens", "signing_keys", "login_failures", "identities"]
    {
        let read = format!("select * from {table}");
        assert!(sqlx::query(sqlx::AssertSqlSafe(read)).fetch_all(&mut login).await.is_err(), "app may read {table}");
    }
    // A row of another tenant cannot be made; that none can hang under another tenant's row is a test of its own.
    let own = format!("begin; set local app.current_tenant_id = '{}'", acme.admin.tenant().uuid());
    sqlx::raw_sql(sqlx::AssertSqlSafe(own)).execute(&mut login).await.unwrap();
    let insert = format!(
        "insert into teams (tenant_id, id, name, created_at, updated_at) values ('{}', gen_random_uuid(), 'x', now(), now())",
        globex.admin.tenant().uuid()
    );
    assert!(sqlx::query(sqlx::AssertSqlSafe(insert)).execute(&mut login).await.is_err());
    sqlx::raw_sql("rollback").execute(&mut login).await.unwrap();
    assert!(sqlx::query("update events set reason = 'x'").execute(&mut login).await.is_err(), "app may change events");
    assert!(sqlx::query("delete from events").execute(&mut login).await.is_err(), "app may delete events");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_login_holds_nothing_by_itself() {
    let app = TestApp::start().await;
    let _ = app.register("ada", "Engines").await;
    let mut login = app.login("tenure_system").await;
    for table in ["tenants", "users", "events", "memberships", "teams"] {
        let read = format!("select * from {table}");
        assert!(
            sqlx::query(sqlx::AssertSqlSafe(read)).fetch_all(&mut login).await.is_err(),
            "system reads {table} without a role"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn written_events_are_in_the_catalogue() {
    let app = TestApp::start().await;
    let _ = app.tenant("Acme").await;
    let known: Vec<&str> = tenure_platform::app::events().iter().map(|action| action.name).collect();
    let written: Vec<String> =
        sqlx::query_scalar("select distinct action from events").fetch_all(&mut app.admin().await).await.unwrap();
    assert!(written.len() > 3);
    for action in written {
        assert!(known.contains(&action.as_str()), "{action} is in no catalogue");
    }
    let mut sorted = known.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), known.len(), "an action is listed twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_months_to_come_have_their_partitions() {
    let clock = Clock::manual("2031-11-15T12:00:00Z".parse().unwrap());
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let made = async |months: &[&str]| {
        let mut admin = app.admin().await;
        for month in months {
            let name = format!("events_{month}");
            let there =
                "select exists (select from pg_class where relname = $1 and relispartition and relforcerowsecurity)";
            while !sqlx::query_scalar::<_, bool>(there).bind(&name).fetch_one(&mut admin).await.unwrap() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, made(&["2031_11", "2031_12", "2032_01"])).await.expect("they are made at the start");
    clock.advance(std::time::Duration::from_secs(31 * 24 * 3600));
    tokio::time::timeout(patience, made(&["2032_02"])).await.expect("and when a month begins");
}

/// Nodes that start together make the same months.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_make_a_partition_at_once_none_fails() {
    let app = TestApp::start().await;
    app.app.kernel.make_event_partitions().await.unwrap();
    for year in 2051..2059 {
        let makers = (0..4).map(|_| async {
            let mut admin = app.admin().await;
            sqlx::query("set role tenure_platform").execute(&mut admin).await.unwrap();
            let month = format!("{year}-05-01");
            sqlx::query("select ensure_event_partition($1::text::date)").bind(month).execute(&mut admin).await
        });
        for made in futures::future::join_all(makers).await {
            made.unwrap();
        }
    }
}

/// Events of a month that had no partition yet lie in the default one. They do not stand in the way of the partition.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_comes_late_takes_its_events() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    // Those of the start are there: to copy events locks the table in another order than to make a partition does.
    app.app.kernel.make_event_partitions().await.unwrap();
    let mut admin = app.admin().await;
    let copied = sqlx::query(
        "insert into events select (jsonb_populate_record(e, jsonb_build_object('at', '2041-05-17T00:00:00Z'))).* from events e where tenant_id = $1",
    )
    .bind(ada.tenant().uuid())
    .execute(&mut admin)
    .await
    .unwrap()
    .rows_affected();
    assert!(copied > 0);
    let lie_in = async || -> Vec<(String, i64)> {
        sqlx::query_as(
            "select tableoid::regclass::text, count(*) from events where at > '2041-01-01' group by 1 order by 1",
        )
        .fetch_all(&mut app.admin().await)
        .await
        .unwrap()
    };
    let copied = i64::try_from(copied).unwrap();
    assert_eq!(lie_in().await, [("events_default".to_owned(), copied)]);
    for _ in 0..2 {
        sqlx::query("set role tenure_platform").execute(&mut admin).await.unwrap();
        sqlx::query("select ensure_event_partition('2041-05-20')").execute(&mut admin).await.unwrap();
        sqlx::query("reset role").execute(&mut admin).await.unwrap();
        assert_eq!(lie_in().await, [("events_2041_05".to_owned(), copied)]);
    }
}
