//! What the server holds after work that takes much memory for a moment.

use std::process::Command;

use crate::harness::{Server, data_dir, tenure};

fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() / 1024
}

#[test]
fn logins_give_their_memory_back() {
    let data = data_dir();
    let mut command: Command = tenure(data.path());
    let server = Server::start_with(command.args(["--log-format", "text"]));
    server.register("ada");
    let login = serde_json::json!({"username": "ada", "password": "a quiet green meadow"});
    let log_in = || assert_eq!(server.post("/api/v1/auth/login", &login).status, 200);
    // The first ones make threads, connections and caches.
    (0..3).for_each(|_| log_in());
    let before = resident_mib(server.pid());
    // Each hash takes 19 MiB.
    (0..20).for_each(|_| log_in());
    let after = resident_mib(server.pid());
    assert!(after < before + 100, "{before} MiB became {after} MiB in twenty logins");
}
