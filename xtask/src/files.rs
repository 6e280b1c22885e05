//! The repository's own files, and whether they changed.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{context::Context, shell};

/// Paths relative to the root of everything git tracks or would track below `below`, sorted.
pub(crate) fn tracked(cx: &Context, below: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.current_dir(&cx.root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]).args(below);
    let listed = String::from_utf8(shell::capture(&mut git)?).context("file names are UTF-8")?;
    let mut paths: Vec<PathBuf> = listed.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    // A file that was deleted and not yet staged is still listed.
    paths.retain(|path| cx.root.join(path).is_file());
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// A digest of names and contents, to tell whether something has to be built again; not a proof against malice.
pub(crate) fn digest(cx: &Context, below: &[&str]) -> anyhow::Result<String> {
    let mut hasher = DefaultHasher::new();
    for path in tracked(cx, below)? {
        path.hash(&mut hasher);
        read(&cx.root.join(&path))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes what a command generated, or with `check` compares it with what is committed.
pub(crate) fn write_or_compare(path: &Path, content: &[u8], check: bool, command: &str) -> anyhow::Result<()> {
    if !check {
        return write(path, content);
    }
    anyhow::ensure!(read(path)? == content, "{} is stale; run `{command}` and commit it", path.display());
    Ok(())
}

/// Copies a directory and everything in it.
pub(crate) fn copy_dir(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot write {}", target.display()))?;
        }
    }
    Ok(())
}
