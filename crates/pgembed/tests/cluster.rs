//! A real PostgreSQL through its whole life, and through the deaths of everybody concerned.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use tempfile::TempDir;
use tenure_pgembed::{Binaries, Cluster, ClusterConfig, Error, State, testing::TestCluster};

/// A directory that PostgreSQL's user can pass through, with a short path.
fn scratch() -> TempDir {
    tempfile::Builder::new()
        .prefix("tenure-pg-")
        .permissions(fs::Permissions::from_mode(0o711))
        .tempdir_in("/tmp")
        .unwrap()
}

fn config(dir: &Path) -> ClusterConfig {
    ClusterConfig { durable: false, ..ClusterConfig::new(dir.join("pg")) }
}

/// Runs one statement with psql: what it printed, or its complaint.
fn sql(url: &str, statement: &str) -> Result<String, String> {
    let psql = Binaries::find(None, None).unwrap().program("psql");
    let output = Command::new(psql).args(["-X", "-A", "-t", "-w", "-q", url, "-c", statement]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn superuser(cluster: &Cluster, statement: &str) -> Result<String, String> {
    sql(&cluster.endpoint().superuser_url("postgres"), statement)
}

fn postmaster(dir: &Path) -> i32 {
    let text = fs::read_to_string(dir.join("pg/data/postmaster.pid")).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

fn alive(pid: i32) -> bool {
    // A process that has ended and was not yet collected by its new parent is a zombie.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process of its own that owns the cluster in `dir`, so that it can be killed.
struct Owner {
    process: Child,
    stdout: BufReader<ChildStdout>,
}

impl Owner {
    fn start(dir: &Path) -> Self {
        let tests = std::env::current_exe().unwrap();
        let keep = tests.parent().unwrap().parent().unwrap().join("examples/keep");
        let process = Command::new(keep).arg(dir.join("pg")).stdout(Stdio::piped()).spawn();
        let mut process = process.expect("the example `keep`, which cargo builds unless told `--test`");
        let stdout = BufReader::new(process.stdout.take().unwrap());
        Self { process, stdout }
    }

    fn url(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.strip_prefix("ready ").expect("the owner is ready").trim().to_owned()
    }

    fn signal(&mut self, signal: Signal) -> std::process::ExitStatus {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
        self.process.wait().unwrap()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn data_outlives_a_restart() {
    let dir = scratch();
    let begun = Instant::now();
    let durable = ClusterConfig::new(dir.path().join("pg"));
    let cluster = Cluster::open(durable.clone()).await.unwrap();
    let first = begun.elapsed();
    superuser(&cluster, "create table kept as select 42 as answer").unwrap();
    cluster.stop().await;

    let begun = Instant::now();
    let cluster = Cluster::open(durable).await.unwrap();
    let second = begun.elapsed();
    assert_eq!(superuser(&cluster, "select answer from kept").unwrap(), "42");
    assert_eq!(superuser(&cluster, "show data_checksums").unwrap(), "on");
    cluster.stop().await;
    println!("first start {first:?}, second start {second:?}");
}

#[tokio::test]
async fn it_listens_on_no_port_and_nobody_else_gets_to_the_socket() {
    let dir = scratch();
    let cluster = Cluster::open(config(dir.path())).await.unwrap();
    assert_eq!(superuser(&cluster, "show listen_addresses").unwrap(), "");
    let socket_dir = cluster.endpoint().socket_dir().metadata().unwrap();
    let data = dir.path().join("pg/data").metadata().unwrap();
    assert_eq!((socket_dir.mode() & 0o777, data.mode() & 0o777), (0o700, 0o700));
    if geteuid().is_root() {
        assert_ne!(data.uid(), 0);
        assert_eq!(fs::metadata(format!("/proc/{}", postmaster(dir.path()))).unwrap().uid(), data.uid());
        // What PostgreSQL's user must not be able to change.
        let pg = dir.path().join("pg");
        for ours in [pg.clone(), pg.join("hba.conf"), pg.join("ident.conf"), pg.join("lock")] {
            let metadata = ours.metadata().unwrap();
            assert_eq!((metadata.uid(), metadata.mode() & 0o022), (0, 0), "{}", ours.display());
        }
    }
    cluster.stop().await;
}

#[tokio::test]
async fn roles_need_their_password_and_the_superuser_can_be_locked_out() {
    let dir = scratch();
    let cluster = Cluster::open(config(dir.path())).await.unwrap();
    superuser(&cluster, "create role app login password 'correct horse'").unwrap();
    let app = |password| sql(&cluster.endpoint().url("postgres", "app", password), "select current_user");
    assert_eq!(app(Some("correct horse")).unwrap(), "app");
    assert!(app(Some("wrong")).unwrap_err().contains("password authentication failed"));
    assert!(app(None).is_err());

    cluster.forget_superuser().await.unwrap();
    wait_until("the superuser is refused", || {
        superuser(&cluster, "select 1").is_err_and(|message| message.contains("pg_hba.conf rejects connection"))
    });
    assert_eq!(app(Some("correct horse")).unwrap(), "app");
    cluster.stop().await;

    let cluster = Cluster::open(config(dir.path())).await.unwrap();
    assert_eq!(superuser(&cluster, "select 1").unwrap(), "1");
    cluster.stop().await;
}

#[tokio::test]
async fn a_second_start_is_refused_and_names_the_holder() {
    let dir = scratch();
    let cluster = Cluster::open(config(dir.path())).await.unwrap();
    let error = Cluster::open(config(dir.path())).await.unwrap_err();
    assert!(matches!(&error, Error::Locked { pid, .. } if *pid == std::process::id().to_string()), "{error}");
    assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    assert_eq!(superuser(&cluster, "select 1").unwrap(), "1");
    cluster.stop().await;
}

#[tokio::test]
async fn a_killed_postgres_is_started_again_and_its_state_is_seen() {
    let dir = scratch();
    // Durable, or what was committed would still be in the killed server's memory.
    let cluster = Cluster::open(ClusterConfig::new(dir.path().join("pg"))).await.unwrap();
    superuser(&cluster, "create table kept as select 42 as answer").unwrap();
    let mut state = cluster.state();
    let first = postmaster(dir.path());
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();

    let down = state.wait_for(|state| matches!(state, State::Down(_))).await.unwrap().clone();
    assert!(matches!(&down, State::Down(outage) if outage.detail.contains("SIGKILL") && !outage.disk_full), "{down:?}");
    tokio::time::timeout(Duration::from_secs(20), state.wait_for(|state| *state == State::Ready))
        .await
        .unwrap()
        .unwrap();
    assert_ne!(postmaster(dir.path()), first);
    assert_eq!(superuser(&cluster, "select answer from kept").unwrap(), "42");
    cluster.stop().await;
}

#[tokio::test]
async fn a_crashed_backend_brings_the_server_down_and_up_once() {
    let dir = scratch();
    let cluster = Cluster::open(config(dir.path())).await.unwrap();
    let mut state = cluster.state();
    let url = cluster.endpoint().superuser_url("postgres");
    let backend = sql(&url, "select pg_backend_pid(), pg_sleep(0)").unwrap();
    assert!(!backend.is_empty());
    let sleeper = std::thread::spawn({
        let url = url.clone();
        move || sql(&url, "select pg_sleep(60)")
    });
    let mut pid = String::new();
    wait_until("a backend sleeps", || {
        pid = sql(&url, "select pid from pg_stat_activity where query = 'select pg_sleep(60)'").unwrap();
        !pid.is_empty()
    });
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
    state.wait_for(|state| matches!(state, State::Down(_))).await.unwrap();
    assert!(sleeper.join().unwrap().is_err());
    tokio::time::timeout(Duration::from_secs(20), state.wait_for(|state| *state == State::Ready))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(superuser(&cluster, "select 1").unwrap(), "1");
    cluster.stop().await;
}

#[test]
fn an_owner_killed_without_warning_leaves_no_orphan_and_the_next_start_recovers() {
    let dir = scratch();
    let mut owner = Owner::start(dir.path());
    let url = owner.url();
    sql(&url, "create table kept as select 42 as answer").unwrap();
    let pid = postmaster(dir.path());
    owner.signal(Signal::SIGKILL);

    // At once, while the orphan may still be shutting down.
    let mut next = Owner::start(dir.path());
    let url = next.url();
    assert!(!alive(pid), "the orphan has ended");
    assert_eq!(sql(&url, "select answer from kept").unwrap(), "42");

    let pid = postmaster(dir.path());
    next.signal(Signal::SIGKILL);
    wait_until("PostgreSQL ends after its owner", || !alive(pid));
}

#[test]
fn an_orphan_that_outlived_its_owner_is_stopped_by_the_next_start() {
    let dir = scratch();
    let mut owner = Owner::start(dir.path());
    let url = owner.url();
    let pid = postmaster(dir.path());
    // Stopped, the orphan cannot act on the signal it gets at its owner's death.
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    owner.signal(Signal::SIGKILL);
    assert!(alive(pid));
    kill(Pid::from_raw(pid), Signal::SIGCONT).unwrap();

    let mut next = Owner::start(dir.path());
    assert_eq!(next.url(), url);
    assert!(!alive(pid));
    assert_eq!(sql(&url, "select 1").unwrap(), "1");
    assert!(next.signal(Signal::SIGTERM).success());
}

#[test]
fn a_terminated_owner_shuts_the_server_down_cleanly() {
    let dir = scratch();
    let mut owner = Owner::start(dir.path());
    let url = owner.url();
    let pid = postmaster(dir.path());
    // A session that would keep a polite shutdown waiting.
    let session = std::thread::spawn(move || sql(&url, "select pg_sleep(60)"));
    assert!(owner.signal(Signal::SIGTERM).success());
    assert!(!alive(pid));
    assert!(session.join().unwrap().is_err());
    let control = Binaries::find(None, None).unwrap().program("pg_controldata");
    let output = Command::new(control).env("LC_ALL", "C").arg(dir.path().join("pg/data")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let state = text.lines().find(|line| line.starts_with("Database cluster state:")).unwrap();
    assert!(state.ends_with(" shut down"), "{state}");
}

#[tokio::test]
async fn a_stale_pid_file_that_names_a_living_stranger_is_no_obstacle() {
    let dir = scratch();
    Cluster::open(config(dir.path())).await.unwrap().stop().await;
    let stranger = std::process::id();
    fs::write(dir.path().join("pg/data/postmaster.pid"), format!("{stranger}\n/elsewhere\n")).unwrap();
    let cluster = Cluster::open(config(dir.path())).await.unwrap();
    assert_eq!(superuser(&cluster, "select 1").unwrap(), "1");
    cluster.stop().await;
}

#[tokio::test]
async fn data_of_another_major_version_is_named_and_untouched() {
    let dir = scratch();
    Cluster::open(config(dir.path())).await.unwrap().stop().await;
    let version = dir.path().join("pg/data/PG_VERSION");
    fs::write(&version, "9\n").unwrap();
    let before = contents(&dir.path().join("pg/data"));
    let error = Cluster::open(config(dir.path())).await.unwrap_err();
    assert!(error.to_string().contains("was written by PostgreSQL 9 and is left untouched"), "{error}");
    assert_eq!(contents(&dir.path().join("pg/data")), before);
}

/// Every file with its length and time of change.
fn contents(dir: &Path) -> Vec<(PathBuf, u64, i64)> {
    let mut found = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                pending.push(entry.path());
            }
            found.push((entry.path(), metadata.len(), metadata.mtime_nsec()));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn an_initdb_that_was_interrupted_is_begun_again() {
    let dir = scratch();
    let draft = dir.path().join("pg/data.new");
    fs::create_dir_all(&draft).unwrap();
    fs::write(draft.join("PG_VERSION"), "15\n").unwrap();
    let cluster = Cluster::open(config(dir.path())).await.unwrap();
    assert_eq!(superuser(&cluster, "select 1").unwrap(), "1");
    assert!(!draft.exists());
    cluster.stop().await;
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_gets_one_elsewhere() {
    let dir = scratch();
    let long = dir.path().join("a-directory-name-that-is-rather-long/".repeat(3));
    fs::create_dir_all(&long).unwrap();
    let cluster = Cluster::open(config(&long)).await.unwrap();
    let socket_dir = cluster.endpoint().socket_dir().to_owned();
    assert!(!socket_dir.starts_with(dir.path()));
    assert_eq!(socket_dir.metadata().unwrap().mode() & 0o777, 0o700);
    assert_eq!(superuser(&cluster, "select 1").unwrap(), "1");
    cluster.stop().await;
    assert!(!socket_dir.exists());
}

#[tokio::test]
async fn as_root_a_directory_out_of_reach_is_named() {
    if !geteuid().is_root() {
        return;
    }
    let private = scratch();
    fs::set_permissions(private.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let error = Cluster::open(config(private.path())).await.unwrap_err();
    assert!(matches!(error, Error::OutOfReach { .. }), "{error}");
    assert!(error.to_string().contains("/var/lib/tenure"), "{error}");
}

/// A small file system of its own, which only root can make.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = scratch();
        let options = format!("size={size},mode=711");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_reported_survived_and_recovered_from() {
    let Some(disk) = SmallDisk::mount("192m") else {
        eprintln!("not run: only root can mount a small file system");
        return;
    };
    let dir = disk.0.path();
    let cluster = Cluster::open(config(dir)).await.unwrap();
    superuser(&cluster, "create table kept as select 42 as answer").unwrap();
    superuser(&cluster, "checkpoint").unwrap();
    let mut state = cluster.state();

    let mut filler = fs::File::create(dir.join("filler")).unwrap();
    while std::io::Write::write_all(&mut filler, &[0; 1 << 20]).is_ok() {}
    drop(filler);
    // A table that cannot grow fails its statement; a write-ahead log that cannot grow ends the server.
    let error =
        superuser(&cluster, "create table big as select repeat('x', 9) from generate_series(1, 99999)").unwrap_err();
    assert!(error.contains("No space left on device"), "{error}");
    let logged = "select pg_logical_emit_message(false, 'x', repeat('canary', 200000)) from generate_series(1, 50)";
    superuser(&cluster, logged).unwrap_err();
    let patience = Duration::from_secs(20);
    let down = state.wait_for(|state| matches!(state, State::Down(_)));
    let down = tokio::time::timeout(patience, down).await.unwrap().unwrap().clone();
    assert!(matches!(&down, State::Down(outage) if outage.disk_full && !outage.detail.contains("canary")), "{down:?}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_ne!(*state.borrow(), State::Ready);

    fs::remove_file(dir.join("filler")).unwrap();
    tokio::time::timeout(Duration::from_secs(20), state.wait_for(|state| *state == State::Ready))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(superuser(&cluster, "select answer from kept").unwrap(), "42");
    cluster.stop().await;
}

#[tokio::test]
async fn a_setting_that_postgres_refuses_is_an_error_with_its_words() {
    let dir = scratch();
    let mut config = config(dir.path());
    config.settings.push(("max_connections".to_owned(), "many".to_owned()));
    let error = Cluster::open(config).await.unwrap_err();
    assert!(error.to_string().contains("invalid value for parameter \"max_connections\""), "{error}");
}

#[tokio::test]
async fn the_log_shows_no_values() {
    #[derive(Clone, Default)]
    struct Captured(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let captured = Captured::default();
    let writer = captured.clone();
    // Global, because PostgreSQL's output is read on the supervisor's thread; no other test here installs one.
    tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(move || writer.clone()).init();

    let dir = scratch();
    let cluster = Cluster::open(config(dir.path())).await.unwrap();
    superuser(&cluster, "create table person (email text primary key)").unwrap();
    superuser(&cluster, "insert into person values ('canary@example.com')").unwrap();
    superuser(&cluster, "insert into person values ('canary@example.com')").unwrap_err();
    superuser(&cluster, "select 'canary@example.com'::uuid").unwrap_err();
    cluster.stop().await;
    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("database system is ready to accept connections"), "{log}");
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test]
async fn the_shared_test_cluster_is_one_and_answers() {
    let url = TestCluster::shared().superuser_url("postgres");
    assert_eq!(url, TestCluster::shared().superuser_url("postgres"));
    assert_eq!(sql(&url, "show fsync").unwrap(), "off");
}

#[test]
fn the_shared_test_cluster_goes_with_its_process() {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_shared_test_cluster_is_one_and_answers"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let directory = format!("tenure-test-{}", process.id());
    let is_there = || ["/dev/shm", "/tmp"].iter().any(|parent| Path::new(parent).join(&directory).exists());
    let until = |there: bool| {
        let begun = Instant::now();
        while is_there() != there {
            assert!(
                begun.elapsed() < Duration::from_secs(40),
                "the directory is {}",
                if there { "never made" } else { "left" }
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until(true);
    assert!(process.wait().unwrap().success());
    until(false);
}
