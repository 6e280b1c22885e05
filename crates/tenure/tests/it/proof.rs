//! What a command does where the server wants to know once more who asks: on a terminal it asks them, elsewhere it says so.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::harness::{Server, data_dir, run, tenure};
use crate::own_database::{ROLES, database, migrate, serve, sql};
use crate::terminal::Terminal;

/// What an app shows in so many seconds.
pub fn code(secret: &str, ahead: u64) -> String {
    let now = u64::try_from(tenure_kernel::Clock::system().now().as_seconds()).unwrap();
    let app = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build_noncompliant();
    app.generate(now + ahead).to_string()
}

/// Sets up an app for who holds the token: its secret, and the recovery codes.
pub fn set_up_app(server: &Server, token: &str) -> (String, Vec<String>) {
    let headers = [("authorization", &*format!("Bearer {token}")), ("content-type", "application/json")];
    let begun = server.ask("POST", "/api/v1/auth/mfa/totp", &headers, "").json();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    let shown = json!({"code": code(&secret, 0)}).to_string();
    let done = server.ask("POST", "/api/v1/auth/mfa/totp/confirm", &headers, &shown);
    assert_eq!(done.status, 200, "{}", done.text());
    (secret, serde_json::from_value(done.json()["recovery_codes"].clone()).unwrap())
}

fn set(command: &mut Command, home: &Path, server: &Server, token: &str) {
    command
        .args(["key", "create", "--name", "CI", "--scope", "team:read"])
        .env("TENURE_CREDENTIALS", home.join("none"));
    command.env("TENURE_SERVER", format!("http://{}", server.address)).env("TENURE_TOKEN", token);
}

/// The command at a terminal that is the program's own, as it is for whoever works at one: what is secret is read from there.
fn at_terminal(home: &Path, server: &Server, token: &str) -> Terminal {
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_tenure")]);
    set(&mut command, home, server, token);
    Terminal::start(&mut command)
}

#[test]
fn a_command_asks_for_a_proof_on_a_terminal_and_goes_on() {
    let _roles = ROLES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (data, owner, home) = (data_dir(), database(), data_dir());
    let (app, system, _) = migrate(data.path(), &owner);
    // Tokens of one start are good at the next.
    let start =
        || Server::start_with(serve(data.path(), &app, &system).env("TENURE_PUBLIC_URL", "http://tenure.example"));
    // What a server knows of a login it has learnt before: it starts anew.
    let later = |server: Server| {
        drop(server);
        sql(&owner, "update sessions set proven_at = proven_at - interval '6 minutes'");
        start()
    };
    let server = start();
    let token = server.register("ada");
    let server = later(server);

    let mut nowhere = tenure(home.path());
    set(&mut nowhere, home.path(), &server, &token);
    let (exit, out, errors) = run(&mut nowhere);
    assert!(exit == 1 && out.is_empty() && errors.contains("run the command on a terminal"), "{errors}");

    let mut terminal = at_terminal(home.path(), &server, &token);
    terminal.sees("Password: ", 1);
    terminal.types("a loud yellow morning\n");
    terminal.sees("Password: ", 2);
    terminal.types("a quiet green meadow\n");
    let (exit, out, raw) = terminal.end();
    assert!(exit == 0 && out.starts_with("tnr_dev_"), "{out} {raw}");
    assert!(raw.contains("is wrong") && !raw.contains("meadow") && !raw.contains("morning"), "{raw}");

    // Who has a second factor is asked for that one; who leaves it empty has proven nothing. A code works once, and one
    // has confirmed the app.
    let (secret, recovery) = set_up_app(&server, &token);
    let mut server = server;
    for (typed, is_right) in [(String::new(), false), (recovery[0].clone(), true), (code(&secret, 30), true)] {
        server = later(server);
        let mut terminal = at_terminal(home.path(), &server, &token);
        terminal.sees("Code of your app, or a recovery code: ", 1);
        terminal.types(&format!("{typed}\n"));
        let (exit, out, raw) = terminal.end();
        assert_eq!((exit == 0, out.starts_with("tnr_dev_")), (is_right, is_right), "{raw}");
    }
    let headers = [("authorization", &*format!("Bearer {token}"))];
    let keys: Value = server.ask("GET", "/api/v1/api-keys", &headers, "").json();
    assert_eq!(keys["items"].as_array().unwrap().len(), 3, "each was made once");
}
