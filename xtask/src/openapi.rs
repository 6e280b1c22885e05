//! `openapi.json`, as the binary describes itself.

use std::process::Command;

use crate::{
    context::Context,
    demo, files,
    progress::{minutes, step},
    shell,
};

const FILE: &str = "openapi.json";

/// Writes `openapi.json` anew.
pub(crate) fn refresh(cx: &Context) -> anyhow::Result<()> {
    generate(cx, false)
}

/// Fails if the committed file is not what [`refresh`] would write.
pub(crate) fn check(cx: &Context) -> anyhow::Result<()> {
    generate(cx, true)
}

/// Whether the file is there yet.
pub(crate) fn exists(cx: &Context) -> bool {
    cx.root.join(FILE).is_file()
}

fn generate(cx: &Context, check: bool) -> anyhow::Result<()> {
    step(cx, "build tenure", minutes(8), || shell::run(&mut cx.cargo(&demo::DEBUG)))?;
    let document = shell::capture(Command::new(cx.target.join("debug/tenure")).arg("openapi"))?;
    files::write_or_compare(&cx.root.join(FILE), &document, check, "cargo xtask openapi")
}
