//! How PostgreSQL's programs are started.

use std::{path::Path, process::Command};

use crate::account::Account;

/// A command for one of PostgreSQL's programs: as the right user, with an almost empty environment (ours holds keys and
/// URLs that are none of its business) and messages in English, which the supervisor reads.
pub(crate) fn command(program: &Path, account: &Account, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).env_clear().env("LC_ALL", "C").env("TZ", "UTC");
    for name in ["PATH", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    if account.switch {
        use std::os::unix::process::CommandExt as _;
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// Last few lines of a program's output, for an error message.
pub(crate) fn last_words(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.get(lines.len().saturating_sub(4)..).unwrap_or_default().join("; ")
}
