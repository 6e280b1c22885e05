//! NOTICE: what the binary contains that others wrote, and under which licences.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use anyhow::Context as _;
use serde_json::Value;

use crate::{context::Context, files, shell};

const FILE: &str = "NOTICE";
const HOST: &str = "x86_64-unknown-linux-gnu";

/// Name and version, licence, where it comes from.
type Component = (String, String, String);

/// Writes NOTICE anew.
pub(crate) fn refresh(cx: &Context) -> anyhow::Result<()> {
    files::write_or_compare(&cx.root.join(FILE), notice(cx)?.as_bytes(), false, "")
}

/// Fails if the committed file is not what [`refresh`] would write.
pub(crate) fn check(cx: &Context) -> anyhow::Result<()> {
    files::write_or_compare(&cx.root.join(FILE), notice(cx)?.as_bytes(), true, "cargo xtask licenses")
}

/// Whether the file is there yet.
pub(crate) fn exists(cx: &Context) -> bool {
    cx.root.join(FILE).is_file()
}

fn notice(cx: &Context) -> anyhow::Result<String> {
    let mut text = String::from(
        "Tenure\n\nLicensed under the Apache License, Version 2.0 (see LICENSE).\n\n\
         Written by `cargo xtask licenses`. The binary contains the following works of others.\n",
    );
    section(&mut text, "Rust crates", &crates(cx, Path::new("Cargo.toml"), Some("tenure"), HOST)?)?;
    if cx.root.join("guests/Cargo.toml").is_file() {
        let inside = crates(cx, Path::new("guests/Cargo.toml"), None, "wasm32-unknown-unknown")?;
        section(&mut text, "Rust crates inside the sandbox's guests", &inside)?;
    }
    if cx.root.join("console/package-lock.json").is_file() {
        section(&mut text, "Packages of the web console", &packages(cx)?)?;
    }
    text.push_str(crate::passwords::NOTICE);
    Ok(text)
}

fn section(text: &mut String, title: &str, components: &BTreeSet<Component>) -> anyhow::Result<()> {
    write!(text, "\n{title}\n\n")?;
    for (name, license, source) in components {
        writeln!(text, "  {name}: {license}{}{source}", if source.is_empty() { "" } else { ", " })?;
    }
    Ok(())
}

/// What is linked into `from` (all members if `None`): normal dependencies for the target, build scripts left out.
fn crates(cx: &Context, manifest: &Path, from: Option<&str>, target: &str) -> anyhow::Result<BTreeSet<Component>> {
    let manifest = manifest.to_str().context("paths are UTF-8")?;
    let arguments =
        ["metadata", "--locked", "--format-version", "1", "--filter-platform", target, "--manifest-path", manifest];
    let metadata: Value = serde_json::from_slice(&shell::capture(&mut cx.cargo(&arguments))?)?;
    let by_id = |list: &'static str| -> BTreeMap<&str, &Value> {
        let items = metadata.pointer(list).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| Some((item.get("id")?.as_str()?, item))).collect()
    };
    let (packages, nodes) = (by_id("/packages"), by_id("/resolve/nodes"));

    let members =
        metadata.get("workspace_members").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut pending: Vec<&str> = members
        .filter(|id| from.is_none_or(|name| packages.get(id).is_some_and(|package| field(package, "name") == name)))
        .collect();
    let mut seen = BTreeSet::new();
    let mut components = BTreeSet::new();
    while let Some(id) = pending.pop() {
        let (true, Some(package)) = (seen.insert(id), packages.get(id)) else { continue };
        // What has no source is ours.
        if package.get("source").is_some_and(|source| !source.is_null()) {
            let name = format!("{} {}", field(package, "name"), field(package, "version"));
            components.insert((name, field(package, "license").to_owned(), field(package, "repository").to_owned()));
        }
        let dependencies = nodes.get(id).and_then(|node| node.get("deps")).and_then(Value::as_array);
        pending.extend(
            dependencies.into_iter().flatten().filter(|dependency| is_linked(dependency)).map(|d| field(d, "pkg")),
        );
    }
    Ok(components)
}

/// A dependency of kind `null` is neither for builds nor for tests.
fn is_linked(dependency: &Value) -> bool {
    let kinds = dependency.get("dep_kinds").and_then(Value::as_array);
    kinds.into_iter().flatten().any(|kind| kind.get("kind").is_some_and(Value::is_null))
}

/// What npm installs for use and not for development.
fn packages(cx: &Context) -> anyhow::Result<BTreeSet<Component>> {
    let lock: Value = serde_json::from_slice(&files::read(&cx.root.join("console/package-lock.json"))?)?;
    let packages = lock.get("packages").and_then(Value::as_object).context("package-lock.json lists packages")?;
    let of_others = packages.iter().filter_map(|(path, package)| {
        let name = path.rsplit_once("node_modules/")?.1;
        let development = ["dev", "devOptional"].iter().any(|key| package.get(key).is_some_and(|value| value == true));
        (!development).then(|| {
            (format!("{name} {}", field(package, "version")), field(package, "license").to_owned(), String::new())
        })
    });
    Ok(of_others.collect())
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
