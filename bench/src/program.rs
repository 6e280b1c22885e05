//! The program that is measured: found or built, started, watched.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::client::{Connection, request};

/// The longest that a start may take before it counts as failed; a start that has to compile the guests takes a while.
const START_WITHIN: Duration = Duration::from_secs(180);
const STOP_WITHIN: Duration = Duration::from_secs(40);
/// More requests than any bench sends: what is measured is not the limiter.
const NO_LIMIT: &str = "1000000/1s";

/// The `tenure` binary and the guests it runs.
#[derive(Debug, Clone)]
pub struct Program {
    /// The binary.
    pub path: PathBuf,
    guests: Option<PathBuf>,
}

impl Program {
    /// `tenure` as given, else built with this program's profile, beside it. `guests` as given, else where `cargo xtask
    /// guests` puts them.
    ///
    /// # Errors
    /// If it cannot be built.
    pub async fn find(tenure: Option<PathBuf>, guests: Option<PathBuf>) -> Result<Self> {
        let path = match tenure {
            Some(path) => path,
            None => build().await?,
        };
        let usual = || {
            let cache = std::env::var_os("TENURE_CACHE").map(PathBuf::from);
            let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/tenure")));
            Some(cache?.join("guests/current")).filter(|path| path.join("expressions.wasm").is_file())
        };
        Ok(Self { path, guests: guests.or_else(usual) })
    }

    /// A command of it, in an environment in which only what is given is set.
    #[must_use]
    pub fn command(&self, data: &Path) -> Command {
        let mut command = Command::new(&self.path);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TENURE_")) {
            if name != "TENURE_PG_BIN" && name != "TENURE_CACHE" {
                command.env_remove(name);
            }
        }
        command.env_remove("DATABASE_URL").env("TENURE_DATA_DIR", data).env("TENURE_CONFIG", "/dev/null");
        if let Some(guests) = &self.guests {
            command.env("TENURE_GUESTS_DIR", guests);
        }
        for limit in ["TENURE_LIMITS_ADDRESS", "TENURE_LIMITS_USER", "TENURE_LIMITS_TENANT"] {
            command.env(limit, NO_LIMIT);
        }
        command.env("TENURE_LOG", "warn,tenure=info").stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts `tenure serve` and waits until it listens.
    ///
    /// # Errors
    /// If it does not start, with what it said.
    pub async fn serve(&self, data: &Path, listen: &str, env: &[(&str, String)]) -> Result<Server> {
        let mut command = self.command(data);
        command
            .args(["--log-format", "text", "serve", "--listen", listen])
            .envs(env.iter().map(|(name, value)| (name, value)));
        Server::start(command, "listening on http://").await
    }
}

/// Cargo knows what is fresh; both packages at once, so that their dependencies are built with the same features.
async fn build() -> Result<PathBuf> {
    let directory = std::env::current_exe()?.parent().context("this program lies in no directory")?.to_owned();
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--quiet", "--profile", profile, "--package", "tenure", "--package", "tenure-bench"];
    let status = Command::new(cargo).args(arguments).stdin(Stdio::null()).status().await.context("cannot run cargo")?;
    let path = directory.join("tenure");
    if !status.success() || !path.is_file() {
        bail!("tenure could not be built beside this program; build it and pass --tenure PATH");
    }
    Ok(path)
}

/// A server in a process of its own; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start to the line that says so.
    pub listening_after: Duration,
    started: Instant,
    said: Arc<Mutex<String>>,
}

impl Server {
    /// Starts `command` and waits for a line on standard error that holds `marker` and then an address.
    ///
    /// # Errors
    /// If it does not start, with what it said.
    pub async fn start(mut command: Command, marker: &'static str) -> Result<Self> {
        let started = Instant::now();
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("cannot start the server")?;
        let mut lines = BufReader::new(child.stderr.take().context("standard error is piped")?).lines();
        let mut said = String::new();
        let find = async {
            while let Ok(Some(line)) = lines.next_line().await {
                said.push_str(&line);
                said.push('\n');
                if let Some((_, address)) = line.split_once(marker) {
                    return address.trim().parse::<SocketAddr>().ok();
                }
            }
            None
        };
        let found = tokio::time::timeout(START_WITHIN, find).await.ok().flatten();
        let Some(address) = found else { bail!("the server did not start:\n{said}") };
        let listening_after = started.elapsed();
        let said = Arc::new(Mutex::new(said));
        let more = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut said = more.lock().unwrap_or_else(PoisonError::into_inner);
                said.push_str(&line);
                said.push('\n');
            }
        });
        Ok(Self { child, address, listening_after, started, said })
    }

    /// What it wrote on standard error.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From its start to its first `200` on `/readyz`.
    ///
    /// # Errors
    /// If it does not get ready.
    pub async fn ready_after(&self) -> Result<Duration> {
        let ask = request("GET", "/readyz", &[], None);
        loop {
            if let Ok(mut connection) = Connection::open(self.address).await
                && connection.send(&ask).await.is_ok_and(|answer| answer.status == 200)
            {
                return Ok(self.started.elapsed());
            }
            if self.started.elapsed() > START_WITHIN {
                bail!("the server does not get ready:\n{}", self.said());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// A value of `/proc/<pid>/status` in MiB: `VmRSS` now, `VmHWM` the most so far.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn memory(&self, field: &str) -> Result<f64> {
        let pid = self.child.id().context("the server has ended")?;
        let status =
            std::fs::read_to_string(format!("/proc/{pid}/status")).context("cannot read the server's status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("the status has no such field")?;
        Ok(kib.trim().parse::<f64>().context("the status holds no number")? / 1024.0)
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// If it had ended before.
    pub async fn kill(mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.child.wait().await.context("cannot wait for the server")?;
        Ok(())
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// If it does not end by itself, or not with success.
    pub async fn stop(mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        let status = tokio::time::timeout(STOP_WITHIN, self.child.wait()).await;
        let status = status.map_err(|_| anyhow::anyhow!("the server does not end:\n{}", self.said()))??;
        if !status.success() {
            bail!("the server ended with {status}:\n{}", self.said());
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.child.id().with_context(|| format!("the server has ended:\n{}", self.said()))?;
        kill(Pid::from_raw(i32::try_from(pid)?), signal).context("cannot signal the server")
    }
}
