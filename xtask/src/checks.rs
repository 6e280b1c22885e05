//! `cargo xtask check`: everything that is not a test.

use std::{fs, process::Command};

use anyhow::{anyhow, ensure};

use crate::{
    bans, console,
    context::Context,
    licenses, migrations, openapi, orphans,
    progress::{minutes, step},
    setup, shell, sqlx,
};

/// What a check came to.
enum Outcome {
    Passed(String),
    /// It could not be done here; the reason.
    Skipped(String),
    /// What it looks at has not been written yet.
    NotYet,
}

/// One check by name.
type Check = (&'static str, fn(&Context) -> anyhow::Result<Outcome>);

/// What `.sqlx` is compared with too: the queries are expanded once for both.
pub(crate) const CLIPPY: [&str; 8] =
    ["clippy", "--quiet", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];

/// Cheap ones first. `.sqlx` before clippy, because it makes the crates with queries compile again.
const CHECKS: [Check; 15] = [
    ("file lengths", |cx| bans::file_lengths(cx).map(Outcome::Passed)),
    ("assembled SQL", |cx| bans::assembled_sql(cx).map(Outcome::Passed)),
    ("migrations", |cx| migrations::lint(cx).map(Outcome::Passed)),
    ("orphans", |cx| orphans::find(cx).map(Outcome::Passed)),
    ("formatting", formatting),
    ("formatting of the guests", guest_formatting),
    ("bans, licences, sources", bans_licences_sources),
    ("advisories", advisories),
    ("NOTICE", notice),
    (".sqlx", sqlx_fresh),
    ("clippy", clippy),
    ("documentation", documentation),
    ("openapi.json", openapi_fresh),
    ("console lint", |cx| npm(cx, "lint")),
    ("console types", |cx| npm(cx, "typecheck")),
];

/// Runs every check, whether or not an earlier one failed.
pub(crate) fn run(cx: &Context) -> anyhow::Result<()> {
    setup::run(cx)?;
    let mut report = Vec::new();
    let mut failed = 0;
    for (name, check) in CHECKS {
        let line = match check(cx) {
            Ok(Outcome::Passed(note)) if note.is_empty() => format!("✓ {name}"),
            Ok(Outcome::Passed(note)) => format!("✓ {name}: {note}"),
            Ok(Outcome::Skipped(reason)) => format!("- {name}: skipped, {reason}"),
            Ok(Outcome::NotYet) => format!("- {name}: not there yet"),
            Err(error) => {
                failed += 1;
                format!("✗ {name}: {error:#}")
            }
        };
        println!("{line}");
        report.push(line);
    }
    println!("\n{}", report.join("\n"));
    ensure!(failed == 0, "{failed} of {} checks failed", CHECKS.len());
    Ok(())
}

fn passed(outcome: anyhow::Result<()>) -> anyhow::Result<Outcome> {
    outcome.map(|()| Outcome::Passed(String::new()))
}

fn formatting(cx: &Context) -> anyhow::Result<Outcome> {
    passed(shell::run(&mut cx.cargo(&["fmt", "--all", "--check"])))
}

fn guest_formatting(cx: &Context) -> anyhow::Result<Outcome> {
    if !cx.root.join("guests/Cargo.toml").is_file() {
        return Ok(Outcome::NotYet);
    }
    passed(shell::run(&mut cx.cargo(&["fmt", "--all", "--check", "--manifest-path", "guests/Cargo.toml"])))
}

fn clippy(cx: &Context) -> anyhow::Result<Outcome> {
    passed(step(cx, "clippy", minutes(6), || shell::run(&mut cx.cargo(&CLIPPY))))
}

fn documentation(cx: &Context) -> anyhow::Result<Outcome> {
    let mut cargo = cx.cargo(&["doc", "--quiet", "--workspace", "--no-deps"]);
    passed(step(cx, "documentation", minutes(1), || shell::run(cargo.env("RUSTDOCFLAGS", "-D warnings"))))
}

fn bans_licences_sources(cx: &Context) -> anyhow::Result<Outcome> {
    let mut deny = deny(cx, &["check", "--hide-inclusion-graph", "bans", "licenses", "sources"])?;
    passed(shell::run(&mut deny))
}

fn advisories(cx: &Context) -> anyhow::Result<Outcome> {
    if shell::capture(&mut deny(cx, &["fetch", "db"])?).is_err() {
        return Ok(Outcome::Skipped("their database cannot be fetched here".to_owned()));
    }
    passed(shell::run(&mut deny(cx, &["check", "--disable-fetch", "advisories"])?))
}

/// A command of cargo-deny, which is built into the cache when it is missing.
fn deny(cx: &Context, arguments: &[&str]) -> anyhow::Result<Command> {
    let tools = cx.cache.join("tools");
    let program = tools.join("bin/cargo-deny");
    if !program.is_file() {
        fs::create_dir_all(&tools)?;
        let root = tools.to_str().ok_or_else(|| anyhow!("the cache's path is not UTF-8"))?;
        step(cx, "build cargo-deny", minutes(4), || {
            // Unoptimised: it is built more slowly than it ever runs.
            shell::run(&mut cx.cargo(&[
                "install",
                "--quiet",
                "--locked",
                "--debug",
                "--root",
                root,
                "cargo-deny@0.20.2",
            ]))
        })?;
    }
    let mut command = Command::new(program);
    command.current_dir(&cx.root).args(["--log-level", "error"]).args(arguments);
    Ok(command)
}

fn sqlx_fresh(cx: &Context) -> anyhow::Result<Outcome> {
    if !sqlx::is_used(cx)? {
        return Ok(Outcome::NotYet);
    }
    passed(sqlx::check(cx))
}

fn openapi_fresh(cx: &Context) -> anyhow::Result<Outcome> {
    // The console's types are made from it: without it nothing would say that it is stale.
    ensure!(openapi::exists(cx), "openapi.json is missing; make it with `cargo xtask openapi` and commit it");
    passed(openapi::check(cx))
}

fn notice(cx: &Context) -> anyhow::Result<Outcome> {
    if !licenses::exists(cx) {
        return Ok(Outcome::NotYet);
    }
    passed(licenses::check(cx))
}

fn npm(cx: &Context, script: &str) -> anyhow::Result<Outcome> {
    if !console::exists(cx) {
        return Ok(Outcome::NotYet);
    }
    console::install(cx)?;
    passed(shell::run(&mut cx.npm(&["run", "--silent", script])))
}
