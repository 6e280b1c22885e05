//! `cargo xtask release`: one file that needs nothing but PostgreSQL's programs beside it.

use std::path::PathBuf;

use crate::{
    console,
    context::Context,
    guests,
    progress::{minutes, step},
    shell,
};

/// Builds `tenure` with optimisation, the console and the guests' images inside; returns its path.
pub(crate) fn build(cx: &Context) -> anyhow::Result<PathBuf> {
    let built = guests::build(cx)?;
    console::build(cx)?;
    let packed = cx.target.join("embed/guests");
    guests::pack(cx, &built, &packed)?;
    step(cx, "build tenure (release)", minutes(15), || {
        let mut cargo = cx.cargo(&["build", "--package", "tenure", "--release"]);
        cargo.env("TENURE_EMBED_GUESTS", &packed).env("TENURE_EMBED_CONSOLE", cx.root.join("console/dist"));
        shell::run(&mut cargo)
    })?;
    Ok(cx.target.join("release/tenure"))
}

/// Builds it and says what came of it.
pub(crate) fn run(cx: &Context) -> anyhow::Result<()> {
    let tenure = build(cx)?;
    let bytes = std::fs::metadata(&tenure)?.len();
    println!("{} ({} MiB)", tenure.display(), bytes.div_ceil(1 << 20));
    Ok(())
}
