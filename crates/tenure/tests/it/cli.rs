use std::io::Write as _;
use std::process::Stdio;

use crate::harness::{data_dir, run, tenure};

#[test]
fn help_names_every_verb_and_shows_examples() {
    let data = data_dir();
    let (code, help, _) = run(tenure(data.path()).arg("--help"));
    assert_eq!(code, 0);
    let first = [
        ("serve", "Run the server"),
        ("run", "Run a workflow file here"),
        ("execution", "Look at executions in the data directory"),
        ("workflow", "Work with workflow files"),
        ("demo", "A server with two organisations"),
        ("migrate", "Bring a database of your own up to date"),
        ("config", "Look at the settings"),
        ("organization", "Create organisations"),
        ("key", "Make, list, import, rotate and revoke API keys"),
        ("audit", "Verify and export the audit log"),
        ("openapi", "Print the API's OpenAPI document"),
    ];
    for (verb, words) in first {
        assert!(help.lines().any(|line| line.trim_start().starts_with(verb) && line.contains(words)), "{verb}: {help}");
    }
    let (_, help, _) = run(tenure(data.path()).args(["run", "--help"]));
    assert!(help.contains("Exit code 0: it succeeded") && help.contains("Options of every command:"), "{help}");
    let verbs = [
        &["serve"][..],
        &["run"],
        &["demo"],
        &["migrate"],
        &["config", "show"],
        &["organization", "create"],
        &["organization", "quota"],
        &["platform-admin", "create"],
        &["platform-admin", "list"],
        &["platform-admin", "remove"],
        &["key", "create"],
        &["key", "list"],
        &["key", "rotate"],
        &["key", "revoke"],
        &["key", "import"],
        &["key", "undo-import"],
        &["role", "import"],
        &["role", "undo-import"],
        &["login"],
        &["logout"],
        &["whoami"],
        &["completions"],
        &["workflow", "validate"],
        &["execution", "list"],
        &["execution", "show"],
        &["execution", "approve"],
        &["execution", "reject"],
        &["execution", "cancel"],
        &["execution", "delete"],
        &["execution", "resume"],
    ];
    for verb in verbs {
        let (code, help, _) = run(tenure(data.path()).args(verb).arg("--help"));
        assert_eq!(code, 0);
        assert!(help.contains("Examples:\n") && !help.contains('\u{1b}'), "{help}");
    }
    assert_eq!(run(tenure(data.path()).arg("frobnicate")).0, 2);
    assert_eq!(run(tenure(data.path()).args(["serve", "--lisen", "x"])).0, 2);
}

#[test]
fn config_show_names_the_origin_of_each_value() {
    let data = data_dir();
    let file = data.path().join("t.toml");
    std::fs::write(&file, "[server]\nlisten = '127.0.0.1:1'\n[plan]\ndefault = 'pro'\n").unwrap();
    let mut command = tenure(data.path());
    command.env("TENURE_LISTEN", "127.0.0.1:2").args(["config", "show", "--json", "--environment", "development"]);
    let (code, shown, _) = run(command.arg("--config").arg(&file));
    assert_eq!(code, 0);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let settings = &shown["settings"];
    assert_eq!(settings["server.listen"]["value"], "127.0.0.1:2");
    assert_eq!(
        settings["server.listen"]["origin"],
        serde_json::json!({"from": "environment", "name": "TENURE_LISTEN"})
    );
    assert_eq!(settings["plan.default"]["origin"], serde_json::json!({"from": "file", "path": file, "line": 4}));
    assert_eq!(settings["environment"]["origin"]["from"], "flag");
    assert_eq!(settings["registration"]["origin"]["from"], "default");

    let (code, table, _) = run(tenure(data.path()).args(["config", "show"]));
    assert_eq!(code, 0);
    assert!(table.contains("registration") && table.contains("default; set with TENURE_REGISTRATION"), "{table}");
    assert!(!table.contains('\u{1b}'), "no colours outside a terminal");
}

#[test]
fn wrong_settings_are_told_with_their_place_and_nothing_is_started() {
    let data = data_dir();
    let file = data.path().join("t.toml");
    std::fs::write(&file, "[server]\n  listen = 'nowhere'\n[limits]\nusers = '1/1s'\n").unwrap();
    let (code, _, errors) = run(tenure(data.path()).arg("serve").arg("--config").arg(&file));
    assert_eq!(code, 2);
    let place = file.display();
    assert!(errors.contains(&format!("{place}:2:3: server.listen: \"nowhere\" is no address")), "{errors}");
    assert!(errors.contains(&format!("{place}:4:1: there is no setting limits.users")), "{errors}");
    assert!(!data.path().join("postgres").exists());
    let (code, _, errors) = run(tenure(data.path()).args(["config", "show", "--config", "/nowhere/t.toml"]));
    assert_eq!((code, errors.contains("/nowhere/t.toml: cannot be read")), (2, true), "{errors}");
}

#[test]
fn production_refuses_a_key_beside_the_data() {
    let data = data_dir();
    let (code, _, errors) = run(tenure(data.path()).args(["serve", "--environment", "production"]));
    assert_eq!(code, 2);
    assert!(errors.contains("TENURE_MASTER_KEY"), "{errors}");
    assert!(!data.path().join("master.key").exists());
}

#[test]
fn the_first_organization_is_made_with_the_password_from_standard_input() {
    let data = data_dir();
    let create = |password: &[u8]| {
        let mut command = tenure(data.path());
        command.args(["organization", "create", "--name", "Acme Corporation", "--username", "ada", "--json"]);
        command.args(["--email", "ada@example.com", "--plan", "pro"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(password).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, _, errors) = create(b"Acme-Corporation-2026\n");
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("password is little more than your name"), "{errors}");
    let (code, made, errors) = create(b"a quiet green meadow\n");
    assert_eq!(code, Some(0), "{errors}");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!(
        (&made["organization"]["slug"], &made["organization"]["plan"]),
        (&"acme-corporation".into(), &"pro".into())
    );
    assert!(!made.to_string().contains("meadow"));
    let (code, _, errors) = create(b"a quiet green meadow\n");
    assert_eq!(code, Some(1));
    assert!(errors.contains("this user name is taken"), "{errors}");
}

#[test]
fn without_a_password_nothing_is_made() {
    let data = data_dir();
    let arguments = ["organization", "create", "--name", "A", "--username", "ada", "--email", "ada@example.com"];
    let (code, _, errors) = run(tenure(data.path()).args(arguments));
    assert_eq!(code, 2);
    assert!(errors.contains("password must be at least 12 characters"), "{errors}");
    assert!(!data.path().join("postgres").exists());
}

#[test]
fn the_openapi_document_is_printed() {
    let data = data_dir();
    let (code, document, _) = run(tenure(data.path()).arg("openapi"));
    assert_eq!(code, 0);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"]["/api/v1/auth/login"]["post"].is_object());
}
