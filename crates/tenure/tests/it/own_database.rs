//! A PostgreSQL server of the operator's own: made ready by `tenure migrate --create-roles`, served from with the logins
//! that it prints, and refused with any that could read past row-level security.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tenure_pgembed::Binaries;
use tenure_pgembed::testing::TestCluster;

use crate::harness::{Server, data_dir, run, tenure};

/// A database of its own on the shared server; the superuser's URL.
pub fn database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("own_{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    sql(&TestCluster::shared().superuser_url("postgres"), &format!("create database {name}"));
    TestCluster::shared().superuser_url(&name)
}

pub fn sql(url: &str, statements: &str) -> String {
    let wanted = std::env::var_os("TENURE_PG_BIN");
    let cache = std::env::var_os("TENURE_CACHE");
    let found = Binaries::find(wanted.as_deref().map(Path::new), cache.as_deref().map(Path::new)).unwrap();
    let psql = Command::new(found.bin().join("psql"))
        .args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
            "--command",
            statements,
            url,
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(psql.status.success(), "{statements}\n{}", String::from_utf8_lossy(&psql.stderr));
    String::from_utf8(psql.stdout).unwrap().trim().to_owned()
}

/// Roles belong to the whole server: who gives them new passwords must not do so under another test's feet.
pub static ROLES: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// The URLs of the two logins that `tenure migrate --create-roles` prints, and how many migrations it applied.
pub fn migrate(data: &Path, owner: &str) -> (String, String, u64) {
    let mut command = tenure(data);
    command.env("TENURE_OWNER_DATABASE_URL", owner).args(["migrate", "--create-roles", "--json"]);
    let (code, out, errors) = run(&mut command);
    assert_eq!(code, 0, "{errors}");
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    let url = |name: &str| document[name].as_str().unwrap().to_owned();
    (url("DATABASE_URL"), url("TENURE_SYSTEM_DATABASE_URL"), document["applied"].as_u64().unwrap())
}

pub fn serve(data: &Path, app: &str, system: &str) -> Command {
    let mut command = tenure(data);
    command.env("DATABASE_URL", app).env("TENURE_SYSTEM_DATABASE_URL", system).args(["--log-format", "text"]);
    command
}

/// What `tenure serve` says when it does not start.
fn refused(data: &Path, app: &str, system: &str) -> String {
    let mut command = serve(data, app, system);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let (code, _, errors) = run(&mut command);
    assert_eq!(code, 1, "{errors}");
    errors
}

#[test]
fn a_server_of_ones_own_is_made_ready_and_served_from() {
    let _roles = ROLES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (data, owner) = (data_dir(), database());
    let (app, system, applied) = migrate(data.path(), &owner);
    assert!(applied > 3, "{applied}");
    assert!(app.contains("tenure_app") && system.contains("tenure_system"), "{app} {system}");
    {
        let server = Server::start_with(&mut serve(data.path(), &app, &system));
        assert_eq!(server.get("/readyz").status, 200);
        let token = server.register("ada");
        assert_eq!(server.me(&token).status, 200);
    }
    assert!(!data.path().join("postgres").exists(), "no cluster of our own was made");
    assert_eq!(sql(&owner, "select count(*) from users"), "1");

    // Before each new version: nothing to do is said, and the logins go on with what is there.
    let mut again = tenure(data.path());
    again.env("TENURE_OWNER_DATABASE_URL", &owner).args(["migrate", "--json"]);
    let (code, out, errors) = run(&mut again);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["applied"], 0);
    assert!(!out.contains("DATABASE_URL"), "without --create-roles no password changes");
    let server = Server::start_with(&mut serve(data.path(), &app, &system));
    // The port, and with it the issuer of tokens, is another one after a restart on a free port.
    let login = serde_json::json!({"username": "ada", "password": "a quiet green meadow"});
    let login = server.post("/api/v1/auth/login", &login);
    assert_eq!(login.status, 200, "same keys, same people: {}", login.text());
}

#[test]
fn logins_that_could_read_past_row_level_security_are_refused() {
    let _roles = ROLES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (data, owner) = (data_dir(), database());
    let (app, system, _) = migrate(data.path(), &owner);
    sql(
        &owner,
        "create role past_rows login bypassrls password 'x'; create role owns_rows login password 'x';
         grant create on schema public to owns_rows; set role owns_rows; create table public.mine (a int);",
    );
    let name = owner.split("///").nth(1).unwrap().split('?').next().unwrap();
    let as_login = |login: &str| TestCluster::shared().endpoint().url(name, login, Some("x"));
    sql(&owner, &format!("grant connect on database {name} to past_rows, owns_rows"));
    for (login, fault) in [
        (owner.clone(), "is a superuser"),
        (as_login("past_rows"), "has BYPASSRLS"),
        (as_login("owns_rows"), "owns tables"),
    ] {
        for errors in [refused(data.path(), &login, &system), refused(data.path(), &app, &login)] {
            assert!(errors.contains(fault), "{errors}");
            assert!(errors.contains("tenure migrate --create-roles"), "it says what to do: {errors}");
            assert!(!errors.contains("password="), "{errors}");
        }
    }
    sql(&owner, "drop table mine; revoke all on schema public from owns_rows");

    // No server as old as that can be had here: this one says that it is, to this login.
    sql(
        &owner,
        "create schema old; grant usage on schema old to tenure_app;
         create function old.current_setting(name text) returns text language sql as
         $$ select case name when 'server_version_num' then '140019' when 'server_version' then '14.19' else pg_catalog.current_setting(name) end $$;",
    );
    sql(&owner, &format!("alter role tenure_app in database {name} set search_path = old, pg_catalog, public"));
    let errors = refused(data.path(), &app, &system);
    assert!(errors.contains("PostgreSQL 14.19 is too old; 15 or newer is needed"), "{errors}");
    sql(&owner, &format!("alter role tenure_app in database {name} reset search_path"));
    drop(Server::start_with(&mut serve(data.path(), &app, &system)));
}

#[test]
fn what_is_missing_for_a_server_of_ones_own_is_named() {
    let data = data_dir();
    let (code, _, errors) = run(tenure(data.path()).args(["migrate", "--create-roles"]));
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("TENURE_OWNER_DATABASE_URL"), "{errors}");
    let nowhere = "postgresql://nobody@127.0.0.1:1/nothing";
    let (code, _, errors) = run(tenure(data.path()).env("TENURE_OWNER_DATABASE_URL", nowhere).arg("migrate"));
    assert_eq!(code, 1, "{errors}");
    let errors = refused(data.path(), nowhere, nowhere);
    assert!(errors.contains("cannot connect to PostgreSQL"), "{errors}");
}
