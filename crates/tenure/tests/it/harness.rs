//! Starts the program and talks to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The longest that anything here may take on a machine that does many things at once.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Of everybody whom [`Server::register`] makes.
pub const PASSWORD: &str = "a quiet green meadow";

/// The program in an environment where only what a test sets is set.
pub fn tenure(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TENURE_")) {
        if name != "TENURE_PG_BIN" && name != "TENURE_CACHE" {
            command.env_remove(name);
        }
    }
    command.env_remove("DATABASE_URL").env("TENURE_DATA_DIR", data).env("TENURE_CONFIG", "/dev/null");
    // Nobody's own login is used, or changed.
    command.env("TENURE_CREDENTIALS", data.join("credentials.json"));
    command.stdin(Stdio::null());
    command
}

/// Runs a command that ends by itself; exit code, standard output, standard error.
pub fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A data directory that PostgreSQL's user can reach also as root.
pub fn data_dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("tenure-it-").tempdir_in("/tmp").unwrap()
}

/// A server; ends with the test, however that ends.
pub struct Server {
    child: Child,
    pub address: String,
    errors: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Server {
    /// Starts on a free port and waits until it listens.
    pub fn start(data: &Path) -> Self {
        Self::start_with(tenure(data).args(["--log-format", "text"]))
    }

    pub fn start_with(command: &mut Command) -> Self {
        Self::start_verb("serve", command)
    }

    /// The same with another verb that serves.
    pub fn start_verb(verb: &str, command: &mut Command) -> Self {
        let mut child = command
            .args([verb, "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = String::new();
        let address = loop {
            let Some(Ok(line)) = lines.next() else { panic!("the server did not start:\n{seen}") };
            seen.push_str(&line);
            seen.push('\n');
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.trim().to_owned();
            }
            if let Some(address) = serde_json::from_str::<serde_json::Value>(&line)
                .ok()
                .and_then(|event| Some(event.get("address")?.as_str()?.to_owned()))
            {
                break address;
            }
        };
        let errors = std::sync::Arc::new(std::sync::Mutex::new(seen));
        let more = std::sync::Arc::clone(&errors);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut text = more.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self { child, address, errors }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its exit code; none if a signal ended it.
    pub fn wait(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "the server does not end:\n{}", self.errors());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it wrote on standard error so far.
    pub fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &serde_json::Value) -> Answer {
        self.ask("POST", path, &[("content-type", "application/json")], &body.to_string())
    }

    /// One request over a connection of its own.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "host") {
            request.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        self.send(&format!("{request}\r\n{body}"))
    }

    /// The status of a request to a server that may die meanwhile; nothing where no answer came.
    pub fn try_post(address: &str, path: &str, bearer: &str, body: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: {bearer}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.split(' ').nth(1)?.parse().ok()
    }

    /// Sends bytes as they are, reads what comes back.
    pub fn send(&self, text: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        // A server that refuses early may reset the connection after its answer.
        let _ = stream.read_to_end(&mut bytes);
        Answer::parse(&bytes)
    }

    pub fn eventually(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(begun.elapsed() < PATIENCE, "never: {what}\n{}", self.errors());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Registers a person with an organisation; the access token.
    pub fn register(&self, name: &str) -> String {
        let answer = self.post(
            "/api/v1/auth/register",
            &serde_json::json!({
                "email": format!("{name}@example.com"), "username": name, "password": PASSWORD,
                "full_name": name, "organization_name": name
            }),
        );
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// The person of this token opens the link that is sent to their address.
    pub fn confirm_address(&self, token: &str) {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        assert_eq!(self.ask("POST", "/api/v1/auth/verify-email", &headers, "{}").status, 204);
        let outbox = self.get("/api/v1/dev/outbox").json();
        let mut sent = outbox["items"].as_array().unwrap().iter();
        let newest = sent.find(|message| message["kind"] == "verify-email").expect("a link was sent");
        let (_, link) = newest["text"].as_str().unwrap().split_once("#token=").unwrap();
        let link = serde_json::json!({"token": link.split_whitespace().next()});
        assert_eq!(self.post("/api/v1/auth/verify-email/confirm", &link).status, 204);
    }

    pub fn me(&self, token: &str) -> Answer {
        self.ask("GET", "/api/v1/auth/me", &[("authorization", &format!("Bearer {token}"))], "")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.signal(Signal::SIGTERM);
            let begun = Instant::now();
            while self.child.try_wait().is_ok_and(|status| status.is_none()) && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = self.child.kill();
        }
    }
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| {
            panic!("no HTTP answer: {:?}", String::from_utf8_lossy(bytes));
        });
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Self { status, headers, body: bytes[end + 4..].to_vec() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunk(&answer.body);
        }
        answer
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&rest[at + 2..at + 2 + length]);
        rest = &rest[(at + 4 + length).min(rest.len())..];
    }
    whole
}

/// Process ids of the PostgreSQL processes that work in this data directory: their working directory tells.
pub fn postgres_of(data: &Path) -> Vec<i32> {
    let data: PathBuf = data.canonicalize().unwrap().join("postgres/data");
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data))
        .collect()
}

/// The first line of `postmaster.pid`.
pub fn postmaster_of(data: &Path) -> i32 {
    let text = std::fs::read_to_string(data.join("postgres/data/postmaster.pid")).unwrap();
    text.lines().next().unwrap().trim().parse().unwrap()
}

/// Where `cargo xtask guests` puts what it builds.
pub fn guests_dir() -> PathBuf {
    if let Some(directory) = std::env::var_os("TENURE_GUESTS_DIR") {
        return directory.into();
    }
    let cache = std::env::var_os("TENURE_CACHE").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/tenure"));
    cache.or_else(home).expect("TENURE_GUESTS_DIR, TENURE_CACHE or HOME is set").join("guests/current")
}
