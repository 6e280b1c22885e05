//! Processes of an earlier run that still work on the data.
//!
//! PostgreSQL's own guard is `postmaster.pid`. It trusts a process id that may since belong to somebody else (ids start
//! over in each container), and refuses to start then. Every process of a cluster has the data directory as its working
//! directory, which is a fact and not a note, so that is what is asked.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{Error, Result, error::IoContext as _};

/// A fast shutdown writes a checkpoint first.
const FAST_SHUTDOWN: Duration = Duration::from_secs(20);
const IMMEDIATE_SHUTDOWN: Duration = Duration::from_secs(5);

/// Stops what an earlier owner left running on `data`, then removes its stale `postmaster.pid`.
///
/// The caller holds the directory's lock, so whatever runs here has no owner any more.
pub(crate) fn clear(data: &Path) -> Result<()> {
    let pid_file = data.join("postmaster.pid");
    let postmaster =
        fs::read_to_string(&pid_file).ok().and_then(|text| text.lines().next()?.trim().parse::<i32>().ok());

    let mut pids = running_on(data, postmaster);
    if !pids.is_empty() {
        tracing::warn!(?pids, data = %data.display(), "stopping PostgreSQL processes of an earlier run");
    }
    for (signal, patience) in [(Signal::SIGINT, FAST_SHUTDOWN), (Signal::SIGQUIT, IMMEDIATE_SHUTDOWN)] {
        // The postmaster ends its children; without it they end by themselves, the signal only hurries them.
        let targets = postmaster.filter(|pid| pids.contains(pid)).map_or(pids.clone(), |pid| vec![pid]);
        for pid in targets {
            // It may have ended since: what counts is who is left below.
            let _ = kill(Pid::from_raw(pid), signal);
        }
        let deadline = Instant::now() + patience;
        while !pids.is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
            pids = running_on(data, postmaster);
        }
    }
    if !pids.is_empty() {
        return Err(Error::Leftovers { dir: data.to_owned(), pids });
    }
    match fs::remove_file(&pid_file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", &pid_file),
        _ => Ok(()),
    }
}

/// Ids of the processes named `postgres` whose working directory is `data`.
#[cfg(target_os = "linux")]
fn running_on(data: &Path, _postmaster: Option<i32>) -> Vec<i32> {
    let Ok(data) = data.canonicalize() else { return Vec::new() };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok().map(|pid| (pid, entry.path())))
        .filter(|(_, proc)| fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd == data))
        .filter(|(_, proc)| fs::read_to_string(proc.join("comm")).is_ok_and(|name| name.trim() == "postgres"))
        .map(|(pid, _)| pid)
        .collect()
}

/// Without `/proc` the note in `postmaster.pid` is all there is.
#[cfg(not(target_os = "linux"))]
fn running_on(_data: &Path, postmaster: Option<i32>) -> Vec<i32> {
    postmaster.filter(|pid| kill(Pid::from_raw(*pid), None).is_ok()).into_iter().collect()
}
