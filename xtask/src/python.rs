//! Tools that are Python packages: each in an environment of its own in the cache, its version pinned.

use std::{path::PathBuf, process::Command};

use anyhow::Context as _;

use crate::{context::Context, shell};

/// Accepts messages in the tests of mail; `crates/platform/tests/it/mail` looks for it here.
const AIOSMTPD: &str = "aiosmtpd==1.4.6";

/// The mail server that the tests talk to.
pub(crate) fn mail_server(cx: &Context) -> anyhow::Result<()> {
    environment(cx, AIOSMTPD, "aiosmtpd").map(|_| ())
}

/// Installs `package` (`name==version`) unless that was done, and returns the path of its program.
pub(crate) fn environment(cx: &Context, package: &str, program: &str) -> anyhow::Result<PathBuf> {
    let venv = cx.cache.join("python").join(package.replace("==", "-"));
    let tool = venv.join("bin").join(program);
    if !shell::answers(&tool.to_string_lossy()) {
        shell::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
            .context("Python's venv is needed: on Debian `apt-get install python3-venv`")?;
        let mut pip = Command::new(venv.join("bin/pip"));
        shell::run(pip.args(["install", "--quiet", "--disable-pip-version-check", package]))?;
    }
    Ok(tool)
}
