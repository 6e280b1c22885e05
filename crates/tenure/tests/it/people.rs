//! `tenure user` and `tenure role` against a server that runs.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Server, data_dir, run, tenure};

#[test]
fn people_and_roles_are_administered_from_outside() {
    let data = data_dir();
    let server = Server::start(data.path());
    let token = server.register("ada");
    let address = format!("http://{}", server.address);
    let nowhere = data_dir();
    let command = |args: &[&str]| {
        let mut command = tenure(nowhere.path());
        command.args(args).env("TENURE_SERVER", &address).env("TENURE_TOKEN", &token);
        command
    };
    let does = |args: &[&str]| run(&mut command(args));
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}: {text}"));

    // Somebody new, whose password comes through a pipe.
    let create =
        ["user", "create", "--email", "grace@example.com", "--username", "grace", "--name", "Grace Hopper", "--json"];
    let mut child = command(&create).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a loud yellow morning\n").unwrap();
    let made = child.wait_with_output().unwrap();
    assert!(made.status.success());
    assert_eq!(json(&String::from_utf8(made.stdout).unwrap())["status"], "invited");

    let (code, list, note) = does(&["user", "list", "--status", "invited"]);
    assert!(code == 0 && list.contains("grace@example.com") && list.contains("never"), "{list} {note}");
    let (_, list, _) = does(&["user", "list", "--sort", "-last_login_at", "--json"]);
    assert_eq!(json(&list)["items"].as_array().unwrap().len(), 2);
    let (code, shown, _) = does(&["user", "show", "GRACE@example.com"]);
    assert!(code == 0 && shown.contains("Grace Hopper"), "{shown}");
    let (code, _, errors) = does(&["user", "show", "nobody"]);
    assert!(code == 1 && errors.contains("nobody here is called"), "{errors}");

    // Roles, and who has them.
    let (code, _, errors) = does(&["role", "clone", "operator", "night-shift"]);
    assert_eq!(code, 0, "{errors}");
    let (_, list, _) = does(&["role", "list"]);
    assert!(list.contains("night-shift") && list.contains("system"), "{list}");
    let (code, granted, errors) = does(&["role", "grant", "night-shift", "grace"]);
    assert!(code == 0 && granted.trim().ends_with("grace changed"), "{granted} {errors}");
    let (code, _, errors) = does(&["role", "delete", "night-shift"]);
    assert!(code == 1 && errors.contains("have this role"), "{errors}");
    let (_, shown, _) = does(&["user", "show", "grace", "--json"]);
    assert_eq!(json(&shown)["roles"], serde_json::json!(["night-shift", "viewer"]));
    assert_eq!(does(&["role", "revoke", "night-shift", "grace"]).0, 0);
    let (code, deleted, _) = does(&["role", "delete", "night-shift"]);
    assert!(code == 0 && deleted.contains("deleted"), "{deleted}");
    let (code, made, errors) = does(&["role", "create", "reader", "--permission", "team:read", "--json"]);
    assert!(code == 0 && json(&made)["permits"][0] == "team:read", "{made} {errors}");
    let (_, shown, _) = does(&["role", "show", "reader"]);
    assert!(shown.contains("  team:read"), "{shown}");
    let (code, changed, errors) =
        does(&["role", "change", "reader", "--add", "secret:*", "--remove", "team:read", "--json"]);
    assert!(code == 0 && json(&changed)["permissions"] == serde_json::json!(["secret:*"]), "{changed} {errors}");
    let (code, changed, _) = does(&["role", "change", "reader", "--add", "audit:read", "--description", "Reads"]);
    assert!(code == 0 && changed.contains("reader: Reads") && changed.contains("  audit:read"), "{changed}");
    // What is not written there is not taken away, and a command that changes nothing is no command.
    let (code, _, errors) = does(&["role", "change", "reader", "--remove", "secret:read"]);
    assert!(code == 1 && errors.contains("not written in reader"), "{errors}");
    assert_eq!(does(&["role", "change", "reader"]).0, 2);
    let (code, _, errors) = does(&["role", "change", "operator", "--add", "audit:read"]);
    assert!(code == 1 && errors.contains("system"), "{errors}");

    // Roles of another system, from a file.
    let file = nowhere.path().join("roles.csv");
    std::fs::write(&file, "name,description,permissions\nkeeper,Keeps,team:read workflow:*\nadmin,,team:read\n")
        .unwrap();
    let file = file.to_str().unwrap();
    let (code, tried, errors) = does(&["role", "import", file, "--dry-run"]);
    assert!(code == 1 && tried.contains("1 would be added, 1 refused"), "{tried} {errors}");
    assert!(tried.contains("admin") && tried.contains("is taken"), "{tried}");
    assert_eq!(does(&["role", "show", "keeper"]).0, 1);
    let (_, done, _) = does(&["role", "import", file, "--json"]);
    let done = json(&done);
    assert_eq!(done["import"]["added"], 1, "{done:#}");
    assert_eq!(does(&["role", "grant", "keeper", "grace"]).0, 0);
    let (code, undone, errors) = does(&["role", "undo-import", done["import"]["id"].as_str().unwrap()]);
    assert!(
        code == 1 && undone.contains("0 removed again, 1 kept") && errors.contains("1 roles stayed"),
        "{undone} {errors}"
    );
    assert!(undone.contains("keeper") && undone.contains("have this role"), "{undone}");

    // A rule that refuses one of them is told of that one.
    let (code, done, errors) = does(&["user", "lock", "ada", "grace"]);
    assert!(
        code == 1 && done.contains("last administrator") && done.contains("not agreed") && errors.contains("2 of 2"),
        "{done} {errors}"
    );
    let (code, done, _) = does(&["user", "deactivate", "grace"]);
    assert!(code == 0 && done.contains("changed"), "{done}");

    // Somebody who has agreed to be a member is locked, unlocked, deactivated and activated.
    let of_bob = server.register("bob");
    server.confirm_address(&of_bob);
    let person = serde_json::json!({"email": "bob@example.com", "username": "robert", "full_name": "Bob", "password": "a loud yellow morning"});
    let bearer = format!("Bearer {token}");
    let as_ada = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    assert_eq!(server.ask("POST", "/api/v1/users", &as_ada, &person.to_string()).status, 201);
    let here = server.me(&token).json()["organization"]["slug"].as_str().unwrap().to_owned();
    let enter = serde_json::json!({"organization": here, "accept": true}).to_string();
    let bearer = format!("Bearer {of_bob}");
    let entered = server.ask(
        "POST",
        "/api/v1/auth/switch",
        &[("authorization", bearer.as_str()), ("content-type", "application/json")],
        &enter,
    );
    let inside = entered.json()["access_token"].as_str().unwrap().to_owned();
    let status =
        || json(&does(&["user", "show", "bob@example.com", "--json"]).1)["status"].as_str().unwrap().to_owned();
    assert_eq!(status(), "active");
    for (verb, becomes) in
        [("lock", "locked"), ("unlock", "active"), ("deactivate", "deactivated"), ("activate", "active")]
    {
        let (code, done, errors) = does(&["user", verb, "bob@example.com"]);
        assert!(code == 0 && done.contains("changed"), "{verb}: {done} {errors}");
        assert_eq!(status(), becomes);
        if becomes != "active" {
            server.eventually("their login is refused", |server| server.me(&inside).status == 401);
        }
    }

    // An import: tried, carried out with a line that is refused, undone.
    let file = nowhere.path().join("people.csv");
    std::fs::write(
        &file,
        "email,username,full_name,password\nhedy@example.com,hedy,Hedy,a loud yellow morning\nnobody,x,,short\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let (code, tried, errors) = does(&["user", "import", file, "--dry-run"]);
    assert!(
        code == 1 && tried.contains("1 would be added, 1 refused") && tried.contains("full_name"),
        "{tried} {errors}"
    );
    assert!(errors.contains("lines were refused"), "{errors}");
    let (_, done, _) = does(&["user", "import", file, "--json"]);
    let done = json(&done);
    assert_eq!((&done["import"]["added"], &done["lines"][0]["line"]), (&serde_json::json!(1), &serde_json::json!(3)));
    let (code, undone, errors) = does(&["user", "undo-import", done["import"]["id"].as_str().unwrap()]);
    assert!(code == 0 && undone.contains("1 removed again"), "{undone} {errors}");
    let (code, _, errors) = does(&["user", "import", "/nowhere.csv"]);
    assert!(code == 2 && errors.contains("/nowhere.csv"), "{errors}");

    // Whoever leaves is shown with what they own first.
    let (code, shown, note) = does(&["user", "offboard", "grace", "--to", "ada"]);
    assert!(code == 0 && shown.contains("workflows") && note.contains("--yes"), "{shown} {note}");
    let (code, done, errors) = does(&["user", "offboard", "grace", "--to", "ada", "--yes"]);
    assert!(
        code == 0 && done.contains("grace has left") && done.contains("named in 0 open approvals"),
        "{done} {errors}"
    );
}
