//! `tenure key` against a server that runs.

use aho_corasick::AhoCorasick;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::canary::{files_below, spellings};
use crate::harness::{Server, data_dir, run, tenure};

#[test]
fn keys_are_made_listed_rotated_and_revoked_from_outside() {
    let data = data_dir();
    let server = Server::start(data.path());
    let token = server.register("ada");
    let address = format!("http://{}", server.address);
    let nowhere = data_dir();
    let key = |args: &[&str]| {
        let mut command = tenure(nowhere.path());
        command.arg("key").args(args).env("TENURE_SERVER", &address).env("TENURE_TOKEN", &token);
        run(&mut command)
    };
    let works = |key: &str| server.ask("GET", "/api/v1/teams", &[("x-api-key", key)], "").status;

    let (code, list, note) = key(&["list"]);
    assert_eq!((code, list.as_str()), (0, ""), "{note}");
    let (code, first, note) =
        key(&["create", "--name", "CI", "--scope", "team:read", "--scope", "workflow:*", "--cidr", "127.0.0.0/8"]);
    assert_eq!(code, 0, "{note}");
    let first = first.trim();
    assert!(first.starts_with("tnr_dev_") && note.contains("not shown again"), "{first} {note}");
    assert_eq!(works(first), 200);

    let (_, list, _) = key(&["list", "--json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    let (_, shown, _) = key(&["list"]);
    assert!(shown.contains(&id) && shown.contains("active") && !shown.contains(first), "{shown}");

    let (code, rotated, note) = key(&["rotate", &id, "--grace-seconds", "0", "--json"]);
    assert_eq!(code, 0, "{note}");
    let rotated: Value = serde_json::from_str(&rotated).unwrap();
    let second = rotated["key"].as_str().unwrap();
    assert_eq!((works(first), works(second)), (401, 200));
    let (code, revoked, _) = key(&["revoke", rotated["api_key"]["id"].as_str().unwrap()]);
    assert!(code == 0 && revoked.trim().ends_with("revoked"), "{revoked}");
    assert_eq!(works(second), 401);

    // Keys of another system, from a file.
    let legacy = "sk_live_51HG7abzYq0Wn3Rd8KfTcVx2";
    let file = nowhere.path().join("keys.csv");
    std::fs::write(&file, format!("name,owner,key,scopes\nLegacy,ada,{legacy},team:read\nWeak,ada,4711,team:read\n"))
        .unwrap();
    let file = file.to_str().unwrap();
    let (code, tried, errors) = key(&["import", file, "--dry-run"]);
    assert!(
        code == 1 && tried.contains("1 would be added, 1 refused") && errors.contains("1 lines were refused"),
        "{tried} {errors}"
    );
    // Without a good key in its place the key may stand under another column: such a line keeps no name.
    assert!(!tried.contains("Weak") && tried.contains("4 characters of digits"), "{tried}");
    assert_eq!(works(legacy), 401);
    let (code, done, _) = key(&["import", file, "--json"]);
    let done: Value = serde_json::from_str(&done).unwrap();
    assert_eq!((code, &done["import"]["added"], &done["lines"][0]["name"]), (1, &Value::from(1), &Value::from("")));
    assert_eq!(works(legacy), 200);
    let (_, list, _) = key(&["list"]);
    assert!(list.contains("Legacy (imported)") && !list.contains(legacy), "{list}");
    let (code, undone, errors) = key(&["undo-import", done["import"]["id"].as_str().unwrap()]);
    assert!(code == 0 && undone.contains("1 removed again, 0 kept"), "{undone} {errors}");
    assert_eq!(works(legacy), 401);

    // What goes wrong is told in the server's words, and nothing secret leaves for just anywhere.
    let (code, _, errors) = key(&["create", "--name", "x", "--scope", "team:fly"]);
    assert!(code == 1 && errors.contains("/scopes/0: is no permission"), "{errors}");
    let (code, _, errors) = key(&["list", "--token", "tnr_nonsense"]);
    assert!(code == 1 && errors.contains("not valid"), "{errors}");
    let (code, _, errors) = key(&["list", "--server", "http://tenure.example.com"]);
    assert!(code == 2 && errors.contains("https://"), "{errors}");
    let (code, _, errors) = run(tenure(nowhere.path()).args(["key", "list"]));
    assert!(code == 2 && errors.contains("TENURE_TOKEN"), "{errors}");
}

/// Keys in a file that is handed in, the ones that are taken, those that are refused and those that stand in a wrong place: afterwards
/// none of them is in a file of the server, PostgreSQL's among them, or in the log at its most talkative.
#[test]
fn a_key_that_is_imported_stays_nowhere() {
    let [taken, nobodys, shifted, twice, headless] =
        ["taken", "nobodys", "shifted", "twice", "headless"].map(|name| format!("Zx9canary{name}W4t7Yb2QmK8dLs0"));
    let (data, elsewhere) = (data_dir(), data_dir());
    let mut server = Server::start_with(tenure(data.path()).env("TENURE_LOG", "trace"));
    let token = server.register("ada");
    let address = format!("http://{}", server.address);
    let import = |name: &str, text: String, more: &[&str]| {
        let file = elsewhere.path().join(name);
        std::fs::write(&file, text).unwrap();
        let mut command = tenure(elsewhere.path());
        command.args(["key", "import", file.to_str().unwrap(), "--json"]).args(more);
        run(command.env("TENURE_SERVER", &address).env("TENURE_TOKEN", &token))
    };
    let rows = [
        format!("control-import-5c1e,ada,{taken},team:read"),
        format!("x,nobody,{nobodys},team:read"),
        format!("y,ada,,{shifted},team:read"),
        format!("{twice},ada,{twice},team:read"),
    ];
    let csv = format!("name,owner,key,scopes\n{}\n", rows.join("\n"));
    let mut answers = String::new();
    for (name, text, more) in [
        ("tried.csv", csv.clone(), &["--dry-run"][..]),
        ("done.csv", csv, &[]),
        ("headless.csv", format!("z,ada,{headless},team:read\n"), &[]),
    ] {
        let (code, out, errors) = import(name, text, more);
        assert_eq!(code, 1, "{out} {errors}");
        answers.push_str(&out);
        answers.push_str(&errors);
    }
    for headers in [[("x-api-key", taken.clone())], [("authorization", format!("Bearer {taken}"))]] {
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(server.ask("GET", "/api/v1/teams", &headers, "").status, 200);
    }
    let bearer = format!("Bearer {token}");
    for path in ["/api/v1/api-keys", "/api/v1/api-key-imports", "/api/v1/audit/events?limit=200"] {
        let answer = server.ask("GET", path, &[("authorization", &bearer)], "");
        answers.push_str(&String::from_utf8(answer.body).unwrap());
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0), "{}", server.errors());

    let needles: Vec<String> =
        [&taken, &nobodys, &shifted, &twice, &headless].into_iter().flat_map(|key| spellings(key)).collect();
    let (search, control) = (AhoCorasick::new(&needles).unwrap(), AhoCorasick::new(["control-import-5c1e"]).unwrap());
    for (place, text) in [("the log", server.errors()), ("an answer", answers)] {
        assert!(!search.is_match(&text), "{place} holds a key");
    }
    let mut files = Vec::new();
    files_below(data.path(), &mut files);
    let mut controls = 0;
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        assert!(!search.is_match(&bytes), "{} holds a key", file.display());
        controls += usize::from(control.is_match(&bytes));
    }
    assert!(controls > 0 && files.len() > 100, "the search found nothing in {} files", files.len());
}
