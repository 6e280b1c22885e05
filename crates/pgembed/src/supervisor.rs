//! The thread that starts PostgreSQL, watches it, starts it again, and stops it.
//!
//! It is a thread of its own because `PR_SET_PDEATHSIG` fires when the *thread* that spawned the child ends, and a
//! worker thread of somebody's runtime may end long before the process does.

use std::{
    collections::VecDeque,
    fmt, fs,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Split},
    process::{Child, ChildStderr},
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    ClusterConfig, Result,
    error::IoContext as _,
    layout::{Layout, PORT},
    leftovers, process,
};

/// What the supervised server is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Started and not yet accepting connections; after a crash it may be replaying its log.
    Starting,
    /// Accepting connections.
    Ready,
    /// Ended by itself; it is started again after a pause that grows up to five seconds.
    Down(Outage),
    /// Stopped because its owner said so; the directory's lock is free.
    Stopped,
}

/// Why the server is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The file system of the data directory had no space left.
    pub disk_full: bool,
    /// Exit status and last words.
    pub detail: String,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.disk_full {
            f.write_str("the disk is full: ")?;
        }
        f.write_str(&self.detail)
    }
}

/// What the owner asks of the supervisor. A closed channel means [`Command::Stop`].
#[derive(Debug)]
pub(crate) enum Command {
    /// Lock the superuser out and make the server read its access rules again.
    ForgetSuperuser(tokio::sync::oneshot::Sender<Result<()>>),
    Stop,
}

/// PostgreSQL writes the state into its pid file, as `pg_ctl` knows; how often that is looked at while it starts.
const READY_POLL: Duration = Duration::from_millis(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A server that was ready this long has recovered: the next pause is short again.
const SETTLED: Duration = Duration::from_secs(30);
/// After an immediate shutdown was asked for.
const LAST_PATIENCE: Duration = Duration::from_secs(5);
const REMEMBERED_LINES: usize = 6;
/// Less free space than a segment of the write-ahead log counts as a full disk.
const LOW_SPACE: u64 = 16 * 1024 * 1024;

/// Runs the server until told to stop. Returns when it has ended and the lock is free.
pub(crate) async fn run(
    layout: Layout,
    config: ClusterConfig,
    state: watch::Sender<State>,
    mut commands: mpsc::Receiver<Command>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        state.send_replace(State::Starting);
        let begun = Instant::now();
        let end = match Postmaster::start(&layout, &config) {
            Ok(mut postmaster) => postmaster.watch(&layout, &config, &state, &mut commands).await,
            Err(error) => End::Died(Outage { disk_full: disk_is_full(&layout.data), detail: error.to_string() }),
        };
        let End::Died(outage) = end else { break };
        tracing::error!(data = %layout.data.display(), "PostgreSQL ended: {outage}");
        state.send_replace(State::Down(outage));
        if begun.elapsed() > SETTLED {
            pause = FIRST_PAUSE;
        }
        if stopped_during(pause, &layout, &mut commands).await {
            break;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    // Frees the lock before anybody is told.
    layout.release();
    state.send_replace(State::Stopped);
}

/// Waits before the next start; `true` if told to stop meanwhile.
async fn stopped_during(pause: Duration, layout: &Layout, commands: &mut mpsc::Receiver<Command>) -> bool {
    let deadline = sleep(pause);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            () = &mut deadline => return false,
            command = commands.recv() => match command {
                // The next start reads the rules anyway.
                Some(Command::ForgetSuperuser(done)) => drop(done.send(layout.allow_superuser(false))),
                Some(Command::Stop) | None => return true,
            },
        }
    }
}

/// How a run of the server ended.
enum End {
    Asked,
    Died(Outage),
}

/// One run of the server.
struct Postmaster {
    child: Child,
    pid: Pid,
    log: Log,
}

impl Postmaster {
    fn start(layout: &Layout, config: &ClusterConfig) -> Result<Self> {
        leftovers::clear(&layout.data)?;
        let program = layout.binaries.program("postgres");
        let mut command = process::command(&program, &layout.account, &layout.data);
        command.arg("-D").arg(&layout.data);
        for (name, value) in settings(layout, config) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        die_with_owner(&mut command, if config.durable { Signal::SIGINT } else { Signal::SIGQUIT });

        let mut command = tokio::process::Command::from(command);
        // Ctrl-C in a terminal goes to the whole group; when PostgreSQL stops is for its owner to say.
        command.process_group(0);
        let mut child = command.spawn().at("run", &program)?;
        let pid = Pid::from_raw(child.id().unwrap_or_default().cast_signed());
        let log = Log::new(child.stderr.take());
        Ok(Self { child, pid, log })
    }

    async fn watch(
        &mut self,
        layout: &Layout,
        config: &ClusterConfig,
        state: &watch::Sender<State>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> End {
        let mut ready = false;
        let mut poll = interval(READY_POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                status = self.child.wait() => {
                    self.log.drain().await;
                    return End::Died(self.outage(layout, status));
                }
                () = self.log.next() => {}
                _ = poll.tick(), if !ready => {
                    ready = is_ready(&layout.data, self.pid);
                    if ready {
                        state.send_replace(State::Ready);
                    }
                }
                command = commands.recv() => match command {
                    Some(Command::ForgetSuperuser(done)) => {
                        let written = layout.allow_superuser(false);
                        self.signal(Signal::SIGHUP);
                        drop(done.send(written));
                    }
                    Some(Command::Stop) | None => {
                        self.log.stopping = true;
                        self.stop(config.stop_timeout).await;
                        return End::Asked;
                    }
                },
            }
        }
    }

    /// Fast shutdown, then immediate shutdown, then the end.
    async fn stop(&mut self, patience: Duration) {
        for (signal, patience) in [(Signal::SIGINT, patience), (Signal::SIGQUIT, LAST_PATIENCE)] {
            self.signal(signal);
            if timeout(patience, self.ended()).await.is_ok() {
                return;
            }
            tracing::warn!("PostgreSQL did not end within {patience:?} of {signal}");
        }
        let _ = self.child.kill().await;
    }

    async fn ended(&mut self) {
        let Self { child, log, .. } = self;
        tokio::select! {
            _ = child.wait() => {}
            // Never ends; a full pipe would keep the server from ending.
            () = async { loop { log.next().await } } => {}
        }
    }

    fn signal(&self, signal: Signal) {
        // It may have ended since, which `wait` tells.
        let _ = kill(self.pid, signal);
    }

    fn outage(&self, layout: &Layout, status: std::io::Result<ExitStatus>) -> Outage {
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let words = self.log.last_words();
        Outage {
            disk_full: self.log.disk_full || disk_is_full(&layout.data),
            detail: if words.is_empty() { status } else { format!("{status}: {words}") },
        }
    }
}

/// Settings on the command line, which neither a file nor `ALTER SYSTEM` can override.
fn settings(layout: &Layout, config: &ClusterConfig) -> Vec<(String, String)> {
    let quoted = |path: &Path| format!("\"{}\"", path.display().to_string().replace('"', "\"\""));
    let mut settings: Vec<(String, String)> = [
        ("listen_addresses", String::new()),
        ("port", PORT.to_string()),
        ("unix_socket_directories", quoted(&layout.socket_dir)),
        ("unix_socket_permissions", "0700".to_owned()),
        ("hba_file", layout.hba_file().display().to_string()),
        ("ident_file", layout.ident_file().display().to_string()),
        ("password_encryption", "scram-sha-256".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
        ("lc_messages", "C".to_owned()),
        // One place decides about restarts, and everybody sees its state.
        ("restart_after_crash", "off".to_owned()),
        // The log never shows a statement, a parameter or a row: errors of statements go to the client alone.
        ("logging_collector", "off".to_owned()),
        ("log_destination", "stderr".to_owned()),
        ("log_line_prefix", String::new()),
        ("log_min_messages", "log".to_owned()),
        ("log_min_error_statement", "panic".to_owned()),
        ("log_error_verbosity", "terse".to_owned()),
        ("log_statement", "none".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if !config.durable {
        let scratch = [("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")];
        settings.extend(scratch.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    settings.extend(config.settings.iter().cloned());
    settings
}

/// Has the kernel end the server when this thread ends, however this process dies.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "only the child itself, between fork and exec, can ask for a signal at its parent's death"
)]
fn die_with_owner(command: &mut std::process::Command, signal: Signal) {
    use std::os::unix::process::CommandExt as _;

    let owner = nix::unistd::getpid();
    let ask = move || {
        nix::sys::prctl::set_pdeathsig(signal)?;
        // The owner may have died before it was asked.
        if nix::unistd::getppid() != owner {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    };
    // SAFETY: the closure makes two system calls and neither allocates nor takes a lock. It runs after the change of
    // user, which would clear the setting.
    unsafe { command.pre_exec(ask) };
}

#[cfg(not(target_os = "linux"))]
fn die_with_owner(_command: &mut std::process::Command, _signal: Signal) {}

/// Whether the pid file is this server's and says `ready` (its eighth line, as `pg_ctl` reads it).
fn is_ready(data: &Path, pid: Pid) -> bool {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
}

fn disk_is_full(data: &Path) -> bool {
    nix::sys::statvfs::statvfs(data).is_ok_and(|space| space.blocks_available() * space.fragment_size() < LOW_SPACE)
}

/// The server's standard error: passed on, its last lines remembered.
struct Log {
    lines: Option<Split<BufReader<ChildStderr>>>,
    last: VecDeque<String>,
    disk_full: bool,
    /// Whether the server ends because it was told to: that its sessions end is no fault then.
    stopping: bool,
}

impl Log {
    fn new(stderr: Option<ChildStderr>) -> Self {
        let lines = stderr.map(|stderr| BufReader::new(stderr).split(b'\n'));
        Self { lines, last: VecDeque::new(), disk_full: false, stopping: false }
    }

    /// Takes the next line; waits for ever once there are no more.
    async fn next(&mut self) {
        let Some(lines) = &mut self.lines else { return std::future::pending().await };
        match lines.next_segment().await {
            Ok(Some(line)) => self.take(&String::from_utf8_lossy(&line)),
            Ok(None) | Err(_) => self.lines = None,
        }
    }

    /// Reads what an ended server still had to say. Its children may hold the pipe a little longer.
    async fn drain(&mut self) {
        let _ = timeout(Duration::from_millis(200), async {
            while self.lines.is_some() {
                self.next().await;
            }
        })
        .await;
    }

    fn take(&mut self, line: &str) {
        // No setting keeps PostgreSQL from telling the statement that was running at a PANIC; further lines of a message
        // begin with a tab.
        if line.starts_with("STATEMENT:") || line.starts_with('\t') {
            return;
        }
        let grave = line.starts_with("FATAL:") || line.starts_with("PANIC:");
        // That a client went away is not PostgreSQL's trouble: a program that ends drops its connections.
        let client = line.contains("connection to client lost");
        if grave && !client && !self.stopping {
            tracing::warn!(target: "postgres", "{line}");
        } else {
            tracing::debug!(target: "postgres", "{line}");
        }
        self.disk_full |= line.contains("No space left on device");
        if self.last.len() == REMEMBERED_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.trim().to_owned());
    }

    /// The gravest of the last lines, or all of them.
    fn last_words(&self) -> String {
        let grave: Vec<&str> = self
            .last
            .iter()
            .filter(|line| line.starts_with("FATAL:") || line.starts_with("PANIC:"))
            .map(String::as_str)
            .collect();
        if grave.is_empty() {
            self.last.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
        } else {
            grave.join("; ")
        }
    }
}
