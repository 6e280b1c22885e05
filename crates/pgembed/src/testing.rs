//! A scratch cluster for tests, shared by everything in one process.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
};

use nix::{
    errno::Errno,
    sys::{signal::kill, statvfs::statvfs},
    unistd::Pid,
};

use crate::{Cluster, ClusterConfig, Endpoint, Error, Result};

/// Memory before disk: a database is six hundred files, which ext4 needs several times as long to make. Both short, because
/// a unix socket's path is; neither below `target`, whose parents PostgreSQL's user may be unable to enter.
const PARENTS: [&str; 2] = ["/dev/shm", "/tmp"];
/// What every test's database needs together, twice.
const ROOM: u64 = 10 << 30;
const PREFIX: &str = "tenure-test-";

/// A cluster without durability in a directory of its own, in memory where there is plenty, else below `/tmp`.
///
/// It ends with the process, by whatever death, and its directory goes with it. Where that was prevented the next process
/// that makes one removes it.
#[derive(Debug)]
pub struct TestCluster {
    cluster: Cluster,
    _remover: Child,
}

impl TestCluster {
    /// The process's one cluster, started at the first call (about a second). Blocks; callers on any runtime may share
    /// it. Databases and roles are made by SQL over [`TestCluster::superuser_url`].
    ///
    /// # Panics
    /// If PostgreSQL is not installed or does not start: no test that needs it can go on.
    #[expect(clippy::panic, reason = "a test's way to fail")]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<TestCluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("no PostgreSQL for tests: {error}")))
    }

    fn start() -> Result<Self> {
        let [memory, disk] = PARENTS.map(Path::new);
        for parent in [memory, disk] {
            sweep(parent);
        }
        let parent = if has_room(memory) { memory } else { disk };
        let mut config = ClusterConfig::new(parent.join(format!("{PREFIX}{}", std::process::id())));
        config.durable = false;
        config.bin = std::env::var_os("TENURE_PG_BIN").map(PathBuf::from);
        config.cache = std::env::var_os("TENURE_CACHE").map(PathBuf::from);
        config.settings = [("max_connections", "300"), ("shared_buffers", "64MB"), ("autovacuum", "off")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        let _remover = remove_behind(&config.dir).map_err(|_| Error::Supervisor)?;
        // On a thread of its own, because the caller may be inside a runtime, which cannot be blocked on.
        let opening = thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|_| Error::Supervisor)?;
            runtime.block_on(Cluster::open(config))
        });
        let cluster = opening.join().map_err(|_| Error::Supervisor)??;
        Ok(Self { cluster, _remover })
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        self.cluster.endpoint()
    }

    /// The superuser's URL for `database`; `postgres` always exists.
    pub fn superuser_url(&self, database: &str) -> String {
        self.endpoint().superuser_url(database)
    }
}

/// Whether a file system in memory has room for all tests, and the machine the memory, too.
fn has_room(parent: &Path) -> bool {
    let space = statvfs(parent).map_or(0, |about| about.blocks_available() * about.fragment_size());
    let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text)).unwrap_or(0);
    space >= ROOM && memory >= ROOM
}

/// Bytes of memory that programs can have without swapping, of Linux's `/proc/meminfo`.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// A process that removes `dir` once this one has ended: memory is not to stay taken. It learns of that by the end of its
/// input, so a kill of this process cannot prevent it, and it is in no group that Ctrl-C reaches.
fn remove_behind(dir: &Path) -> io::Result<Child> {
    Command::new("sh")
        // PostgreSQL is told at the same moment and has a second to end.
        .args(["-c", r#"read -r _; sleep 1; rm -rf -- "$0""#])
        .arg(dir)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// Removes directories of test processes that have ended: the id in the name is gone and nobody holds the lock.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok()) else { continue };
        let gone = kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH);
        if gone && File::open(entry.path().join("lock")).is_ok_and(|lock| lock.try_lock().is_ok()) {
            // Another process may be sweeping too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
