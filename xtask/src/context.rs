//! Where things are.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

/// The directories every command works with.
#[derive(Debug)]
pub(crate) struct Context {
    /// The repository.
    pub(crate) root: PathBuf,
    /// `TENURE_CACHE`, else `~/.cache/tenure`: what outlives a clone.
    pub(crate) cache: PathBuf,
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
}

impl Context {
    pub(crate) fn new() -> anyhow::Result<Self> {
        // As cargo says now, not as compiled: with a shared target directory one build serves several clones.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").context("run it as `cargo xtask`")?;
        let root = Path::new(&manifest).parent().context("xtask lies in the repository")?.to_owned();
        let cache = match env::var_os("TENURE_CACHE") {
            Some(cache) => PathBuf::from(cache),
            None => PathBuf::from(env::var_os("HOME").context("neither TENURE_CACHE nor HOME is set")?)
                .join(".cache/tenure"),
        };
        fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self { root, cache, target })
    }

    /// A cargo command in the repository.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(&self.root)
            .args(arguments)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("TENURE_CACHE", &self.cache);
        // Set for xtask by `cargo run`, and not meant for what it starts: each would make build scripts run again.
        for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
            command.env_remove(name);
        }
        command
    }

    /// An npm command in the console's directory.
    pub(crate) fn npm(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("npm");
        // Debian's browser is used; Playwright must not fetch its own.
        command.current_dir(self.root.join("console")).args(arguments).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
        command
    }
}
