//! Python packages, each set in a virtual environment of its own in the cache.

use std::{fs, path::PathBuf, process::Command};

use anyhow::Context as _;

use crate::{
    context::Context,
    files,
    progress::{minutes, step},
    shell,
};

/// The environment's `bin`, with exactly these requirements installed (`package==version`, one a line).
pub(crate) fn environment(cx: &Context, name: &str, requirements: &str) -> anyhow::Result<PathBuf> {
    let at = cx.cache.join("python").join(name);
    let (bin, stamp) = (at.join("bin"), at.join("requirements.txt"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == requirements) {
        return Ok(bin);
    }
    step(cx, &format!("install Python packages for {name}"), minutes(1), || {
        shell::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&at))
            .context("Python's venv is needed: on Debian `apt-get install python3-venv`")?;
        let wanted = at.join("wanted.txt");
        files::write(&wanted, requirements)?;
        let mut pip = Command::new(bin.join("pip"));
        shell::run(pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&wanted))?;
        // Last: an environment that was not finished is made anew.
        files::write(&stamp, requirements)
    })?;
    Ok(bin)
}

/// Accepts messages in the tests of mail, which look for it here.
const AIOSMTPD: &str = "aiosmtpd==1.4.6";

/// The mail server that the tests talk to.
pub(crate) fn mail_server(cx: &Context) -> anyhow::Result<()> {
    environment(cx, &AIOSMTPD.replace("==", "-"), AIOSMTPD).map(|_| ())
}
