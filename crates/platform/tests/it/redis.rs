//! A Redis of a test's own: alone, as a Cluster of one, or watched by a Sentinel.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tenure_kernel::limits::RedisUrl;
use tenure_platform::testkit::TestApp;

pub struct Redis {
    child: Child,
    pub port: u16,
    arguments: Vec<String>,
    directory: tempfile::TempDir,
}

fn free_port() -> u16 {
    // A Cluster node also listens 10,000 above.
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < 55_000 {
            return port;
        }
    }
}

fn spawn(port: u16, directory: &std::path::Path, arguments: &[String]) -> Child {
    let child = Command::new("redis-server")
        .args(arguments)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed (`cargo xtask setup`)");
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "redis-server does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

impl Redis {
    fn with(arguments: &[&str]) -> Self {
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let child = spawn(port, directory.path(), &arguments);
        Self { child, port, arguments, directory }
    }

    pub fn start() -> Self {
        Self::with(&["--save", ""])
    }

    /// A Cluster whose one node has every slot.
    pub fn cluster() -> Self {
        let node = Self::with(&["--save", "", "--cluster-enabled", "yes"]);
        node.cli(&["cluster", "addslotsrange", "0", "16383"]);
        node.until(&["cluster", "info"], "cluster_state:ok");
        node
    }

    /// A replica of `master` that has all that it knows.
    pub fn replica(master: &Self) -> Self {
        let replica = Self::with(&["--save", "", "--replicaof", "127.0.0.1", &master.port.to_string()]);
        replica.until(&["info", "replication"], "master_link_status:up");
        replica
    }

    /// Until an answer to this contains that.
    pub fn until(&self, arguments: &[&str], words: &str) {
        let begun = Instant::now();
        while !self.cli(arguments).contains(words) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{arguments:?}: {}", self.cli(arguments));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A Sentinel that watches `master`. It takes it for dead after three seconds without an answer, and makes a replica master.
    pub fn sentinel(master: &Self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sentinel.conf");
        let watch = format!(
            "sentinel monitor limits 127.0.0.1 {} 1\nsentinel down-after-milliseconds limits 3000\nsentinel failover-timeout limits 10000\n",
            master.port
        );
        std::fs::write(&file, watch).unwrap();
        let arguments = vec![file.to_str().unwrap().to_owned(), "--sentinel".to_owned()];
        let port = free_port();
        let child = spawn(port, directory.path(), &arguments);
        Self { child, port, arguments, directory }
    }

    fn cli(&self, arguments: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// It dies, with all that it knew.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        self.child = spawn(self.port, self.directory.path(), &self.arguments);
    }

    /// How the setting names it.
    pub fn url(&self, scheme: &str, path: &str) -> RedisUrl {
        RedisUrl::parse(&format!("{scheme}://127.0.0.1:{}{path}", self.port)).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Until the node counts together with the others, or does not.
pub async fn until_shared(app: &TestApp, shared: bool) {
    let begun = Instant::now();
    while app.app.kernel.limiter().is_shared() != shared {
        assert!(begun.elapsed() < Duration::from_secs(20), "never");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
