//! `cargo xtask clients`: clients in Python and TypeScript, generated from `openapi.json`, and the tests that use the API from
//! outside with them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{console, context::Context, files, python, shell};

/// Where the generated clients are.
pub(crate) fn directory(cx: &Context) -> PathBuf {
    cx.target.join("clients")
}

/// The environment of everything that checks the API from outside.
pub(crate) fn environment(cx: &Context) -> anyhow::Result<PathBuf> {
    python::environment(cx, "interop", &files::read_text(&cx.root.join("interop/api/requirements.txt"))?)
}

/// Generates both clients anew.
pub(crate) fn generate(cx: &Context) -> anyhow::Result<()> {
    let to = directory(cx);
    let _ = fs::remove_dir_all(&to);
    fs::create_dir_all(to.join("typescript")).with_context(|| format!("cannot make {}", to.display()))?;
    python_client(cx, &to.join("python"))?;
    typescript_client(cx, &to.join("typescript"))?;
    println!("  clients in {}", to.display());
    Ok(())
}

fn python_client(cx: &Context, to: &Path) -> anyhow::Result<()> {
    let mut generator = Command::new(environment(cx)?.join("openapi-python-client"));
    generator.current_dir(&cx.root).args([
        "generate",
        "--path",
        "openapi.json",
        "--config",
        "clients/python/generator.yml",
    ]);
    // What it cannot express would be missing from the client without a word.
    shell::run(generator.args(["--fail-on-warning", "--output-path"]).arg(to))
}

fn typescript_client(cx: &Context, to: &Path) -> anyhow::Result<()> {
    console::install(cx)?;
    let schema = to.join("schema.d.ts");
    let mut generator = cx.npm(&["exec", "--offline", "--", "openapi-typescript", "../openapi.json", "--output"]);
    shell::run(generator.arg(&schema))?;
    for file in ["client.ts", "example.ts", "package.json", "tsconfig.json"] {
        let from = cx.root.join("clients/typescript").join(file);
        fs::copy(&from, to.join(file)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}
