//! `tenure login` against a server that runs, and what the other commands do with the login.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Server, data_dir, run, tenure};

fn command(home: &Path, server: &str, args: &[&str]) -> Command {
    let mut command = tenure(home);
    command.args(args).env("TENURE_SERVER", server);
    command
}

/// A login that waits; the code that it shows.
fn begin(home: &Path, server: &str, args: &[&str]) -> (Child, String) {
    let mut child = command(home, server, args).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find(|line| line.contains("/device?code=")).expect("it shows where to go");
    assert!(address.starts_with(&format!("Open {server}/device?code=")), "{address}");
    let code = address.rsplit_once('=').unwrap().1.to_owned();
    std::thread::spawn(move || lines.count());
    (child, code)
}

fn decide(server: &Server, token: &str, code: &str, decision: &str) {
    let body = json!({"user_code": code}).to_string();
    let headers = [("authorization", &*format!("Bearer {token}")), ("content-type", "application/json")];
    let answer = server.ask("POST", &format!("/api/v1/auth/device/{decision}"), &headers, &body);
    assert_eq!(answer.status, 204, "{}", answer.text());
}

#[test]
fn a_login_from_its_approval_to_its_end() {
    let (data, home) = (data_dir(), data_dir());
    let server = Server::start(data.path());
    let (token, bobs) = (server.register("ada"), server.register("bob"));
    let address = format!("http://{}", server.address);
    let call = |args: &[&str]| run(&mut command(home.path(), &address, args));

    let (code, _, errors) = call(&["whoami"]);
    assert!(code == 2 && errors.contains("tenure login") && errors.contains("TENURE_TOKEN"), "{errors}");
    let (child, shown) = begin(home.path(), &address, &["login", "--json"]);
    decide(&server, &token, &shown, "approve");
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success());
    let logged: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(logged, json!({"server": address, "organization": "ada", "username": "ada"}));
    let file = home.path().join("credentials.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let (code, who, errors) = call(&["whoami"]);
    assert!(code == 0 && who.contains("ada (ada@example.com)") && who.contains("roles: admin"), "{who} {errors}");
    // The server need not be named again, and commands on it use the login.
    let (code, keys, errors) = run(tenure(home.path()).args(["key", "list", "--json"]));
    assert_eq!((code, keys.contains("items")), (0, true), "{errors}");

    // Several at once with an access token that has run out: each refresh token is used once, or the login would be over.
    let mut kept: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let before = kept["logins"][0]["refresh_token"].clone();
    kept["logins"][0]["expires_at"] = json!(0);
    std::fs::write(&file, kept.to_string()).unwrap();
    let all: Vec<Child> = (0..6)
        .map(|_| {
            command(home.path(), &address, &["whoami"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in all {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_ne!(kept["logins"][0]["refresh_token"], before);

    // Another organisation of the same person.
    let asked = json!({"email": "ada@example.com", "username": "ada-again", "full_name": "Ada", "password": "a quiet green meadow", "roles": ["viewer"]});
    let headers = [("authorization", &*format!("Bearer {bobs}")), ("content-type", "application/json")];
    assert_eq!(server.ask("POST", "/api/v1/users", &headers, &asked.to_string()).status, 201);
    let (code, _, errors) = call(&["whoami", "--tenant", "nowhere"]);
    assert!(code == 1 && errors.contains("no member of an organisation `nowhere`"), "{errors}");
    server.confirm_address(&token);
    let joined = json!({"organization": "bob", "accept": true}).to_string();
    let headers = [("authorization", &*format!("Bearer {token}")), ("content-type", "application/json")];
    assert_eq!(server.ask("POST", "/api/v1/auth/switch", &headers, &joined).status, 200);
    let (code, who, errors) = call(&["whoami", "--tenant", "bob"]);
    assert!(code == 0 && who.contains("roles: viewer"), "{who} {errors}");
    let (_, who, _) = call(&["whoami", "--tenant", "ada", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&who).unwrap()["organization"]["slug"], "ada");
    let (code, _, errors) =
        run(command(home.path(), &address, &["whoami", "--tenant", "ada"]).env("TENURE_TOKEN", &token));
    assert!(code == 2 && errors.contains("one organisation"), "{errors}");

    for tenant in ["ada", "bob"] {
        let (code, _, errors) = call(&["logout", "--tenant", tenant]);
        assert!(code == 0 && errors.contains("logged out"), "{errors}");
    }
    let (code, _, errors) = call(&["logout"]);
    assert!(code == 1 && errors.contains("not logged in"), "{errors}");
    let ended = json!({"refresh_token": kept["logins"][0]["refresh_token"]});
    assert_eq!(server.post("/api/v1/auth/refresh", &ended).status, 401, "the server has ended it, too");
}

#[test]
fn a_login_that_is_denied_leaves_nothing() {
    let (data, home) = (data_dir(), data_dir());
    let server = Server::start(data.path());
    let token = server.register("ada");
    let address = format!("http://{}", server.address);
    let (child, shown) = begin(home.path(), &address, &["login"]);
    decide(&server, &token, &shown, "deny");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));
    assert!(!home.path().join("credentials.json").exists());
    let (code, _, errors) =
        run(command(home.path(), "http://tenure.example.com", &["login"]).env_remove("TENURE_TOKEN"));
    assert!(code == 2 && errors.contains("https://"), "{errors}");
}

#[test]
fn completions_are_printed_for_each_shell() {
    let home = data_dir();
    for (shell, word) in [("bash", "complete -F _tenure"), ("zsh", "#compdef tenure"), ("fish", "complete -c tenure")] {
        let (code, script, errors) = run(tenure(home.path()).args(["completions", shell]));
        assert!(code == 0 && script.contains(word) && script.contains("whoami"), "{shell}: {errors}");
    }
}
