//! The web console's build, cached by the digest of its sources.

use std::fs;

use anyhow::Context as _;

use crate::{
    context::Context,
    files,
    progress::{minutes, seconds, step},
    shell,
};

/// What the build depends on.
const SOURCES: [&str; 2] = ["console", "openapi.json"];

/// Whether the console is there yet.
pub(crate) fn exists(cx: &Context) -> bool {
    cx.root.join("console/package.json").is_file()
}

/// Puts the built console into `console/dist`, from the cache if its sources are unchanged.
pub(crate) fn build(cx: &Context) -> anyhow::Result<()> {
    if !exists(cx) {
        println!("- console: not there yet");
        return Ok(());
    }
    let digest = files::digest(cx, &SOURCES)?;
    let cached = cx.cache.join("console").join(&digest);
    let dist = cx.root.join("console/dist");
    if !cached.is_dir() {
        install(cx)?;
        step(cx, "build the console", seconds(40), || shell::run(&mut cx.npm(&["run", "--silent", "build"])))?;
        let draft = cached.with_extension("new");
        let _ = fs::remove_dir_all(&draft);
        files::copy_dir(&dist, &draft)?;
        fs::rename(&draft, &cached).with_context(|| format!("cannot write {}", cached.display()))?;
        return files::write(&dist.join(STAMP), digest);
    }
    if fs::read_to_string(dist.join(STAMP)).is_ok_and(|built| built == digest) {
        return Ok(());
    }
    let _ = fs::remove_dir_all(&dist);
    files::copy_dir(&cached, &dist)?;
    files::write(&dist.join(STAMP), digest)
}

/// Names the sources that `console/dist` was built from.
const STAMP: &str = ".digest";

/// Installs the packages that package-lock.json names, unless they are there.
pub(crate) fn install(cx: &Context) -> anyhow::Result<()> {
    let console = cx.root.join("console");
    let wanted = files::read_text(&console.join("package-lock.json"))?;
    let stamp = console.join("node_modules/.tenure-lock");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    step(cx, "install the console's packages", minutes(1), || {
        shell::run(&mut cx.npm(&["ci", "--no-audit", "--no-fund", "--loglevel=error"]))
    })?;
    files::write(&stamp, wanted)
}
