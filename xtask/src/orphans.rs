//! Files that nothing uses any more: snapshots without their test, modules of tests that no `mod` names.

use std::path::Path;

use anyhow::ensure;

use crate::{context::Context, files};

/// Looks for both.
pub(crate) fn find(cx: &Context) -> anyhow::Result<String> {
    let mut orphans = Vec::new();
    let snapshots = files::tracked(cx, &["crates/*.snap"])?;
    for snapshot in &snapshots {
        let name = snapshot.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Some((module, name)) = parts(&name) else {
            orphans.push(format!("{}: is not named as insta names it", snapshot.display()));
            continue;
        };
        let tests = snapshot.parent().and_then(Path::parent).unwrap_or(Path::new(""));
        let source = cx.root.join(tests).join(format!("{module}.rs"));
        if !files::read_text(&source).is_ok_and(|text| text.contains(&format!("\"{name}\""))) {
            orphans.push(format!("{}: no test in {module}.rs takes it", snapshot.display()));
        }
    }
    let modules = files::tracked(cx, &["crates/*/tests/*.rs"])?;
    for module in &modules {
        let (Some(parent), Some(stem)) = (module.parent(), module.file_stem()) else { continue };
        if stem == "main" || stem == "mod" || parent.file_name().is_some_and(|name| name == "tests") {
            continue;
        }
        let named = format!("mod {};", stem.to_string_lossy());
        // `tests/it/audit/tampering.rs` is named in `tests/it/audit.rs`, `tests/it/audit.rs` in `tests/it/main.rs`.
        let beside = [parent.join("main.rs"), parent.join("mod.rs"), parent.with_extension("rs")];
        if !beside.iter().any(|path| files::read_text(&cx.root.join(path)).is_ok_and(|text| text.contains(&named))) {
            orphans.push(format!("{}: no `{named}` names it, so it never runs", module.display()));
        }
    }
    ensure!(orphans.is_empty(), "nothing uses these any more:\n  {}", orphans.join("\n  "));
    Ok(format!("none among {} snapshots and {} modules of tests", snapshots.len(), modules.len()))
}

/// Innermost module and name of `it__bad_input__generated__taken`; it stands beside that module's source.
fn parts(stem: &str) -> Option<(&str, &str)> {
    let (_, rest) = stem.split_once("__")?;
    let (modules, name) = rest.rsplit_once("__")?;
    Some((modules.rsplit("__").next().unwrap_or(modules), name))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn this_repository_has_none() {
        find(&Context::new().unwrap()).unwrap();
    }

    #[test]
    fn snapshots_are_named_after_their_tests() {
        assert_eq!(parts("it__matrix__route_by_role"), Some(("matrix", "route_by_role")));
        assert_eq!(parts("routes"), None);
    }
}
