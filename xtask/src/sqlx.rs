//! `.sqlx`: what PostgreSQL says about each `query!`, so that a build needs no database.
//!
//! What `cargo sqlx prepare --workspace` does, without its tool: the macros write a file per query into
//! `SQLX_OFFLINE_DIR` when they are expanded with a database at hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};
use tenure_pgembed::{Binaries, testing::TestCluster};

use crate::{
    checks::CLIPPY,
    context::Context,
    files,
    progress::{minutes, step},
    shell,
};

/// The variable that a crate's sqlx.toml names, so that nobody's `DATABASE_URL` is ever used by accident, and the one
/// that counts in a crate without it.
const URL_VARIABLES: [&str; 2] = ["TENURE_SQLX_URL", "DATABASE_URL"];
const STEP: &str = "compile every query against PostgreSQL";
const DATABASE: &str = "tenure_sqlx";
const OWNER: &str = "tenure_owner";

/// Whether there is a query to prepare at all.
pub(crate) fn is_used(cx: &Context) -> anyhow::Result<bool> {
    Ok(!crates_with_queries(cx)?.is_empty())
}

/// Writes `.sqlx` anew.
pub(crate) fn refresh(cx: &Context) -> anyhow::Result<()> {
    let fresh = step(cx, STEP, minutes(6), || prepare(cx))?;
    let committed = cx.root.join(".sqlx");
    fs::create_dir_all(&committed).context("cannot create .sqlx")?;
    for (name, _) in query_files(&committed)? {
        fs::remove_file(committed.join(&name)).with_context(|| format!("cannot remove .sqlx/{name}"))?;
    }
    for (name, content) in &fresh {
        files::write(&committed.join(name), content)?;
    }
    println!("  {} queries in .sqlx", fresh.len());
    remember(cx)
}

/// Fails if `.sqlx` is not what [`refresh`] would write.
pub(crate) fn check(cx: &Context) -> anyhow::Result<()> {
    if fs::read_to_string(stamp(cx)).is_ok_and(|seen| Some(seen) == inputs(cx).ok()) {
        println!("  unchanged since it was last compared");
        return Ok(());
    }
    let fresh = step(cx, STEP, minutes(6), || prepare(cx))?;
    let committed = query_files(&cx.root.join(".sqlx"))?;
    let names: BTreeSet<&String> = fresh.keys().chain(committed.keys()).collect();
    let stale: Vec<&str> =
        names.into_iter().filter(|name| fresh.get(*name) != committed.get(*name)).map(String::as_str).collect();
    ensure!(stale.is_empty(), ".sqlx is stale ({}); run `cargo xtask sqlx` and commit it", stale.join(", "));
    remember(cx)
}

/// Expands every query against a scratch database with all migrations, and returns the files that gives.
fn prepare(cx: &Context) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let url = scratch_database(cx)?;
    let out = cx.target.join("sqlx");
    let (fresh, drafts) = (out.join("fresh"), out.join("drafts"));
    let _ = fs::remove_dir_all(&out);
    for dir in [&fresh, &drafts] {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    // Cargo does not know that the macros' answer depends on a database.
    let crates = crates_with_queries(cx)?;
    for root in crates.iter().flat_map(|dir| ["src/lib.rs", "src/main.rs"].map(|file| dir.join(file))) {
        if root.is_file() {
            let file = File::options().append(true).open(&root)?;
            file.set_modified(now_of(&out)?).with_context(|| format!("cannot touch {}", root.display()))?;
        }
    }
    let mut cargo = cx.cargo(&CLIPPY);
    cargo.env("SQLX_OFFLINE", "false").env("SQLX_OFFLINE_DIR", &fresh).env("SQLX_TMP", &drafts);
    cargo.envs(URL_VARIABLES.map(|name| (name, &url)));
    shell::run(&mut cargo)?;
    query_files(&fresh)
}

/// The present, as the file system just stamped it.
fn now_of(fresh: &Path) -> anyhow::Result<std::time::SystemTime> {
    Ok(fresh.metadata()?.modified()?)
}

/// A database with the roles that migrations name and every migration applied by the owner of the schema.
fn scratch_database(cx: &Context) -> anyhow::Result<String> {
    let migrations: Vec<PathBuf> = files::tracked(cx, &["migrations"])?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .map(|path| cx.root.join(path))
        .collect();
    let mut roles = BTreeSet::from([OWNER.to_owned()]);
    for migration in &migrations {
        roles.extend(roles_in(&files::read_text(migration)?));
    }

    let cluster = TestCluster::shared();
    let maintenance = cluster.superuser_url("postgres");
    let mut statements: Vec<String> = roles.iter().map(|role| format!("create role {role} nologin")).collect();
    statements.push(format!("create database {DATABASE} owner {OWNER}"));
    for statement in &statements {
        psql(cx, &maintenance, &["--command", statement])?;
    }
    let url = cluster.superuser_url(DATABASE);
    let as_owner = format!("set role {OWNER}");
    for migration in &migrations {
        let path = migration.to_str().context("file names are UTF-8")?;
        psql(cx, &url, &["--single-transaction", "--command", &as_owner, "--file", path])?;
    }
    Ok(url)
}

fn psql(cx: &Context, url: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let wanted = std::env::var_os("TENURE_PG_BIN");
    let binaries = Binaries::find(wanted.as_deref().map(Path::new), Some(&cx.cache))?;
    let mut command = Command::new(binaries.program("psql"));
    command
        .args(["--no-psqlrc", "--quiet", "--no-password", "--set", "ON_ERROR_STOP=1", "--dbname", url])
        .args(arguments);
    shell::capture(&mut command).map(drop)
}

/// `tenure_app`, `tenure_owner` and so on: each word of this form in a migration that is granted something.
fn roles_in(sql: &str) -> BTreeSet<String> {
    let code = sql.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    code.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| word.strip_prefix("tenure_").is_some_and(|rest| !rest.is_empty()))
        .map(str::to_owned)
        .collect()
}

/// Directories of the crates that expand a checked query.
fn crates_with_queries(cx: &Context) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut crates = BTreeSet::new();
    for path in files::tracked(cx, &["crates/*.rs"])? {
        let text = files::read_text(&cx.root.join(&path))?;
        let mut code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        if code.any(|line| ["query!(", "query_as!(", "query_scalar!("].iter().any(|expansion| line.contains(expansion)))
        {
            crates.insert(cx.root.join(path.components().take(2).collect::<PathBuf>()));
        }
    }
    Ok(crates)
}

/// Query files by name, with line ends and order as they were written.
fn query_files(dir: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = fs::read_dir(dir) else { return Ok(found) };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { bail!("a file name in {} is not UTF-8", dir.display()) };
        if name.starts_with("query-") && name.ends_with(".json") {
            found.insert(name, files::read(&entry.path())?);
        }
    }
    Ok(found)
}

fn inputs(cx: &Context) -> anyhow::Result<String> {
    files::digest(cx, &["migrations", "crates/*.rs", "crates/*/sqlx.toml", "Cargo.lock", ".sqlx"])
}

fn stamp(cx: &Context) -> PathBuf {
    cx.cache.join("sqlx-fresh")
}

fn remember(cx: &Context) -> anyhow::Result<()> {
    files::write(&stamp(cx), inputs(cx)?)
}

#[cfg(test)]
mod unit {
    use super::roles_in;

    #[test]
    fn roles_are_read_from_migrations() {
        let sql = "-- tenure_comment\ngrant select on x to tenure_app, tenure_auth; -- tenure_late\ncreate table tenure_ (a int);";
        assert_eq!(roles_in(sql).into_iter().collect::<Vec<_>>(), ["tenure_app", "tenure_auth"]);
    }
}
