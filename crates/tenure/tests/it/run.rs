//! `tenure run`, `workflow validate` and `execution`: without a server, on the real engine.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{data_dir, run, tenure};

const GREETING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/greeting.yaml");
const EXPENSES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/expense-approval.yaml");
const WORDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/word-count.yaml");

fn file(directory: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("not one JSON document: {text}"))
}

/// The id in words like `exe_… waits for …`.
fn id_in(text: &str) -> String {
    let start = text.find("exe_").unwrap_or_else(|| panic!("names no execution: {text}"));
    text[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

#[test]
fn a_run_prints_its_output_and_nothing_else() {
    let data = data_dir();
    let (code, out, errors) = run(tenure(data.path()).args(["run", GREETING, "--input", r#"{"name": "Ada"}"#]));
    assert_eq!((code, json_of(&out), errors.as_str()), (0, json!("Hello, Ada!"), ""));

    let input = file(data.path(), "input.json", r#"{"text": "one two\nthree"}"#);
    let (code, out, errors) =
        run(tenure(data.path()).args(["run", WORDS, "--json", "--input"]).arg(format!("@{}", input.display())));
    let document = json_of(&out);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(document["output"], json!({"words": 3, "per_line": [2, 1]}));
    assert_eq!(document["state"], "succeeded");
    assert!(document["id"].as_str().unwrap().starts_with("exe_"));

    // Steps are told as lines where no terminal shows a table, without colours.
    let (code, out, errors) =
        run(tenure(data.path()).args(["run", WORDS, "--watch", "--input", r#"{"text": "one\ntwo\nthree"}"#]));
    assert_eq!((code, json_of(&out)["words"].clone()), (0, json!(3)));
    assert!(errors.contains("count (map) succeeded") && errors.contains("3 items"), "{errors}");
    assert!(errors.contains("total (transform) succeeded") && !errors.contains('\u{1b}'), "{errors}");

    // The three runs share a workflow where the file did not change.
    let (code, out, _) = run(tenure(data.path()).args(["execution", "list", "--json"]));
    let items = json_of(&out)["items"].as_array().unwrap().clone();
    assert_eq!((code, items.len()), (0, 3));
    assert!(items.iter().all(|item| item["version"] == 1 && item["state"] == "succeeded"), "{out}");
}

#[test]
fn input_may_come_from_standard_input() {
    let data = data_dir();
    let mut command = tenure(data.path());
    command.args(["run", GREETING, "--json", "--input", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"name": "Grace"}"#).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json_of(&String::from_utf8(output.stdout).unwrap())["output"], "Hello, Grace!");
}

/// File, arguments, and what standard error must say; all end with exit code 2 and print no result.
#[test]
fn what_makes_no_sense_is_told_with_its_place_and_what_to_do() {
    let data = data_dir();
    let here = data.path();
    let bomb: String = std::iter::once("a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned())
        .chain(
            "abcdefgh"
                .chars()
                .zip("bcdefghi".chars())
                .map(|(from, to)| format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 9].join(","))),
        )
        .collect();
    let bad = "name: x\nnodes:\n  a: { type: transfrm, jq: . }\n  b: { type: transform, jq: '.input.|' }\nedgs: []\n";
    let cases: Vec<(PathBuf, &[&str], Vec<&str>)> = vec![
        (
            file(here, "syntax.yaml", "name: x\nnodes: {a: {type: transform\n"),
            &[],
            vec!["syntax.yaml:", "not valid YAML"],
        ),
        (
            file(here, "bad.yaml", bad),
            &[],
            vec![
                "bad.yaml:3:14: /nodes/a/type: unknown node type `transfrm`",
                "did you mean `transform`?",
                "bad.yaml:4:",
                "/nodes/b/jq: ",
                "bad.yaml:5:1: /edgs: unknown field `edgs`",
                "did you mean `edges`?",
            ],
        ),
        (file(here, "bomb.yaml", bomb), &[], vec!["bomb.yaml:", "aliases"]),
        (file(here, "deep.json", "[".repeat(10_000)), &[], vec!["deep.json:1:"]),
        (file(here, "latin.yaml", b"name: caf\xe9\n"), &[], vec!["latin.yaml", "line 1 is not UTF-8"]),
        (here.join("none.yaml"), &[], vec!["cannot read", "none.yaml", "No such file"]),
        (GREETING.into(), &["--input", "{"], vec!["--input: is not JSON"]),
        (GREETING.into(), &["--input", "@/no/such/file"], vec!["--input: cannot read /no/such/file"]),
        (
            GREETING.into(),
            &["--input", r#"{"nam": "x"}"#],
            vec!["--input: /input: ", "\"name\" is a required property"],
        ),
        (GREETING.into(), &["--inptu", "{}"], vec!["--inptu", "--input"]),
    ];
    for (file, arguments, words) in cases {
        let (code, out, errors) = run(tenure(here).arg("run").arg(&file).args(arguments).arg("--json"));
        assert_eq!((code, out.as_str()), (2, ""), "{}: {errors}", file.display());
        for word in words {
            assert!(errors.contains(word), "{}: no {word:?} in:\n{errors}", file.display());
        }
    }
}

#[test]
fn a_file_is_validated_without_being_saved() {
    let data = data_dir();
    let (code, out, errors) = run(tenure(data.path()).args(["workflow", "validate", GREETING]));
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(out.ends_with("greeting.yaml is valid\n"), "{out}");
    let bad = file(
        data.path(),
        "bad.yaml",
        "name: x\nnodes: { a: { type: note, text: hi } }\nedges: [{ from: start, to: b }]\n",
    );
    let (code, out, errors) = run(tenure(data.path()).args(["workflow", "validate", "--json"]).arg(&bad));
    assert_eq!((code, json_of(&out)["valid"].clone()), (2, json!(false)));
    assert!(errors.contains("bad.yaml:3:"), "{errors}");
    let (_, out, _) = run(tenure(data.path()).args(["execution", "list"]));
    assert_eq!(out, "");
}

#[test]
fn a_failed_step_is_named_and_its_execution_can_be_looked_at() {
    let data = data_dir();
    let definition = "name: breaks\nnodes:\n  boom:\n    type: plugin\n    language: python\n    source: |\n      def execute(state, config):\n          print('before')\n          raise ValueError('out of cheese')\nedges:\n  - { from: start, to: boom }\n  - { from: boom, to: end }\n";
    let path = file(data.path(), "breaks.yaml", definition);
    let (code, out, errors) = run(tenure(data.path()).arg("run").arg(&path).args(["--watch", "--json"]));
    let document = json_of(&out);
    assert_eq!((code, document["state"].clone(), document["output"].clone()), (1, json!("failed"), Value::Null));
    assert_eq!(document["error"]["step"], "boom");
    assert!(errors.contains("failed at step boom: plugin:") && errors.contains("out of cheese"), "{errors}");
    assert!(errors.contains("boom: before"), "the step's log: {errors}");

    let id = document["id"].as_str().unwrap();
    let (code, shown, _) = run(tenure(data.path()).args(["execution", "show", id]));
    assert_eq!(code, 0);
    assert!(shown.starts_with(&format!("{id}  failed\nbreaks, version 1")), "{shown}");
    assert!(shown.contains("boom") && shown.contains("out of cheese"), "{shown}");
    let (_, listed, _) = run(tenure(data.path()).args(["execution", "list", "--state", "failed"]));
    assert!(listed.contains(id) && listed.contains("breaks"), "{listed}");
    let (code, _, errors) = run(tenure(data.path()).args(["execution", "approve", id]));
    assert_eq!((code, errors.contains("is failed and waits for no approval")), (1, true), "{errors}");
}

#[test]
fn an_approval_that_no_terminal_gives_is_given_later() {
    let data = data_dir();
    let ask = || {
        let input = r#"{"amount": 900, "reason": "a new anvil"}"#;
        let (code, out, errors) = run(tenure(data.path()).args(["run", EXPENSES, "--input", input]));
        assert_eq!((code, out.as_str()), (3, ""), "{errors}");
        assert!(
            errors.contains("waits for an approval (ask)") && errors.contains("tenure execution approve"),
            "{errors}"
        );
        id_in(&errors)
    };
    let id = ask();
    let (_, listed, _) = run(tenure(data.path()).args(["execution", "list", "--state", "waiting", "--json"]));
    assert_eq!(json_of(&listed)["items"][0]["id"], id.as_str());
    let (code, shown, errors) = run(tenure(data.path()).args(["execution", "show", &id]));
    assert!(code == 0 && shown.contains("a new anvil") && errors.contains("execution approve"), "{shown}{errors}");

    let (code, out, errors) =
        run(tenure(data.path()).args(["execution", "approve", &id, "--comment", "we need it", "--json"]));
    assert_eq!(code, 0, "{errors}");
    let document = json_of(&out);
    assert_eq!((document["id"].clone(), document["output"]["booked"].clone()), (json!(id), json!(900)));
    assert!(errors.contains("ask: approved"), "{errors}");

    let id = ask();
    let (code, out, errors) = run(tenure(data.path()).args(["execution", "reject", &id, "--comment", "too dear"]));
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(errors.contains("failed at step ask: rejected") && errors.contains("too dear"), "{errors}");

    let id = ask();
    let delete = || run(tenure(data.path()).args(["execution", "delete", &id]));
    let (code, out, errors) = delete();
    assert!(code == 1 && out.is_empty() && errors.contains("cancel it first"), "{code} {out} {errors}");
    let (code, out, errors) = run(tenure(data.path()).args(["execution", "cancel", &id]));
    assert_eq!((code, out), (0, format!("{id} cancelled\n")), "{errors}");
    // It goes on where it was stopped: it asks again.
    let (code, _, errors) = run(tenure(data.path()).args(["execution", "resume", &id]));
    assert_eq!((code, errors.contains("waits for an approval (ask)")), (3, true), "{errors}");
    let (code, out, errors) = run(tenure(data.path()).args(["execution", "approve", &id]));
    assert_eq!((code, json_of(&out)["booked"].clone()), (0, json!(900)), "{errors}");
    let (code, out, errors) = run(tenure(data.path()).args(["execution", "resume", &id]));
    assert_eq!((code, json_of(&out)["booked"].clone()), (0, json!(900)), "it is over: {errors}");
    let (code, out, errors) = delete();
    assert_eq!((code, out), (0, format!("deleted {id}\n")), "{errors}");
    let (code, _, errors) = delete();
    assert_eq!(code, 1, "{errors}");
    let (_, listed, _) = run(tenure(data.path()).args(["execution", "list", "--json"]));
    assert!(!listed.contains(&id), "{listed}");

    // Two people: who asked, and who decided.
    let (code, out, _) = run(tenure(data.path()).args(["audit", "verify", "--json"]));
    assert_eq!((code, json_of(&out)["ok"].clone()), (0, json!(true)));
}

#[test]
fn what_a_killed_run_left_is_gone_on_with_and_no_finished_step_runs_again() {
    let data = data_dir();
    let marks = file(
        data.path(),
        "slow.yaml",
        "name: slow\nnodes:\n  first: { type: transform, jq: '\"kept\"' }\n  pause: { type: wait, for: 4s }\n  last: { type: transform, jq: .state.first }\nedges:\n  - { from: start, to: first }\n  - { from: first, to: pause }\n  - { from: pause, to: last }\n  - { from: last, to: end }\n",
    );
    let mut child = tenure(data.path())
        .arg("run")
        .arg(&marks)
        .args(["--watch"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().starts_with("first (transform) succeeded")), "the first step ends");
    child.kill().unwrap();
    child.wait().unwrap();

    let (code, out, errors) = run(tenure(data.path()).args(["execution", "list", "--json"]));
    assert_eq!(code, 0, "{errors}");
    let item = json_of(&out)["items"][0].clone();
    let id = item["id"].as_str().unwrap();
    assert!(["running", "waiting", "queued"].contains(&item["state"].as_str().unwrap()), "{item}");
    let before = json_of(&run(tenure(data.path()).args(["execution", "show", id, "--json"])).1);
    let (code, out, errors) = run(tenure(data.path()).args(["execution", "resume", id]));
    assert_eq!((code, out.as_str()), (0, "\"kept\"\n"), "{errors}");
    let after = json_of(&run(tenure(data.path()).args(["execution", "show", id, "--json"])).1);
    assert_eq!(before["steps"][0], after["steps"][0], "the first step is as it was journaled");
}

#[test]
fn executions_that_are_not_there_are_named() {
    let data = data_dir();
    let (code, _, errors) = run(tenure(data.path()).args(["execution", "show", "exe_nonsense"]));
    assert_eq!((code, errors.contains("tenure execution list")), (2, true), "{errors}");
    let (code, _, errors) = run(tenure(data.path()).args(["execution", "list", "--state", "waitin"]));
    assert_eq!((code, errors.contains("must be among")), (1, true), "{errors}");
    let (code, out, errors) = run(tenure(data.path()).args(["execution", "list"]));
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(errors.contains("there are none"), "{errors}");
}
