use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Server, data_dir, postgres_of, postmaster_of, run, tenure};

#[test]
fn a_first_start_serves_and_a_second_one_is_refused() {
    let data = data_dir();
    let mut server = Server::start(data.path());
    assert_eq!(server.get("/readyz").json()["status"], "ready");
    let token = server.register("ada");
    assert_eq!(server.me(&token).json()["user"]["username"], "ada");

    let (code, _, errors) = run(tenure(data.path()).args(["serve", "--listen", "127.0.0.1:0", "--log-format", "text"]));
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("is in use by process") && errors.contains("TENURE_DATA_DIR"), "{errors}");
    assert_eq!(server.me(&token).status, 200, "the first one does not notice");

    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0), "{}", server.errors());
    assert_eq!(postgres_of(data.path()), Vec::<i32>::new());

    let server = Server::start(data.path());
    assert_eq!(server.get("/readyz").status, 200);
    let login =
        server.post("/api/v1/auth/login", &serde_json::json!({"username": "ada", "password": "a quiet green meadow"}));
    assert_eq!(login.status, 200, "what was registered is there after a restart: {}", login.text());
}

#[test]
fn after_kill_9_no_postgresql_is_left_and_the_next_start_recovers() {
    let data = data_dir();
    let mut server = Server::start(data.path());
    let token = server.register("grace");
    server.signal(Signal::SIGKILL);
    assert_eq!(server.wait(), None);
    let begun = Instant::now();
    while !postgres_of(data.path()).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "PostgreSQL outlives its owner");
        std::thread::sleep(Duration::from_millis(20));
    }
    let server = Server::start(data.path());
    let me = server.me(&token);
    // The port, and with it the issuer of tokens, is another one after a restart on a free port.
    assert_eq!(me.status, 401, "{}", me.text());
    let login = server
        .post("/api/v1/auth/login", &serde_json::json!({"username": "grace", "password": "a quiet green meadow"}));
    assert_eq!(login.status, 200, "{}", login.text());
}

#[test]
fn while_postgresql_is_down_requests_get_503_and_then_everything_works_again() {
    let data = data_dir();
    let server = Server::start(data.path());
    let token = server.register("edsger");
    let first = postmaster_of(data.path());
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();

    let mut refused = 0;
    server.eventually("the server is ready again after an outage", |server| {
        assert_eq!(server.get("/livez").status, 200);
        let (ready, me) = (server.get("/readyz"), server.me(&token));
        for answer in [&ready, &me] {
            assert!([200, 503].contains(&answer.status), "{}", answer.text());
            if answer.status == 503 {
                refused += 1;
                assert_eq!(answer.json()["code"], "unavailable");
                assert!(answer.header("retry-after").is_some());
            }
        }
        refused > 0 && ready.status == 200 && me.status == 200
    });
    assert_ne!(postmaster_of(data.path()), first);
    // No connection of before is left to fail on.
    for _ in 0..50 {
        assert_eq!(server.me(&token).status, 200);
    }
}

#[test]
fn a_taken_port_is_named_before_anything_is_made() {
    let data = data_dir();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, errors) = run(tenure(data.path()).args(["serve", "--listen", &address, "--log-format", "text"]));
    assert_eq!(code, 1);
    assert!(errors.contains(&format!("cannot listen on {address}")) && errors.contains("--listen"), "{errors}");
    assert!(!data.path().join("postgres").exists());
}

#[test]
fn a_lost_master_key_is_named_and_none_is_made_in_its_place() {
    let data = data_dir();
    let mut server = Server::start(data.path());
    server.signal(Signal::SIGINT);
    assert_eq!(server.wait(), Some(0));
    let key = data.path().join("master.key");
    std::fs::rename(&key, data.path().join("elsewhere")).unwrap();
    let (code, _, errors) = run(tenure(data.path()).args(["serve", "--listen", "127.0.0.1:0", "--log-format", "text"]));
    assert_eq!(code, 1);
    assert!(errors.contains("is gone") && errors.contains("master.key"), "{errors}");
    assert!(!key.exists());
    let other = "11".repeat(32);
    let mut command = tenure(data.path());
    let (code, _, errors) =
        run(command.env("TENURE_MASTER_KEY", other).args(["serve", "--listen", "127.0.0.1:0", "--log-format", "text"]));
    assert_eq!(code, 1, "another key opens nothing: {errors}");
}

#[test]
fn log_lines_are_json_where_no_terminal_reads_them() {
    let data = data_dir();
    let mut server = Server::start_with(&mut tenure(data.path()));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
    server.eventually("it says that it ends", |server| server.errors().contains("shutting down"));
    let lines: Vec<serde_json::Value> =
        server.errors().lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let listening = lines.iter().find(|line| line["message"] == "listening").unwrap();
    assert_eq!(listening["url"], format!("http://{}", server.address));
}

/// A small file system of its own, which only root can make.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = data_dir();
        let options = format!("size={size},mode=711");
        let mut mount = std::process::Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_named_survived_and_recovered_from() {
    let Some(disk) = SmallDisk::mount("512m") else {
        eprintln!("not run: only root can mount a small file system");
        return;
    };
    let data = disk.0.path();
    let server = Server::start(data);
    let token = server.register("ada");
    let mut filler = std::fs::File::create(data.join("filler")).unwrap();
    while std::io::Write::write_all(&mut filler, &[0; 4096]).is_ok() {}
    drop(filler);

    let secret = |server: &Server, number: usize| {
        let body = serde_json::json!({"value": "x".repeat(30_000)}).to_string();
        let headers = [("content-type", "application/json"), ("authorization", &format!("Bearer {token}"))];
        server.ask("PUT", &format!("/api/v1/secrets/s{number}"), &headers, &body)
    };
    let mut number = 0;
    server.eventually("a write finds no room, and it is said", |server| {
        number += 1;
        let answer = secret(server, number);
        assert!([200, 503].contains(&answer.status), "{}", answer.text());
        answer.status == 503 && answer.json()["code"] == "disk-full"
    });
    let ready = server.get("/readyz");
    assert_eq!((ready.status, ready.json()["code"].as_str()), (503, Some("disk-full")), "{}", ready.text());
    assert_eq!(server.get("/livez").status, 200);

    std::fs::remove_file(data.join("filler")).unwrap();
    server.eventually("writing goes on once there is room", |server| secret(server, 0).status == 200);
    server.eventually("it is ready again", |server| server.get("/readyz").status == 200);
    assert_eq!(server.me(&token).status, 200);
}
