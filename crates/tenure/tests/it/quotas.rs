//! `tenure organization quota`: a limit of one organisation's own, and back.

use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{PATIENCE, data_dir, run, tenure};

const GREETING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/greeting.yaml");
const MONTHLY: &str = "executions_per_month";

#[test]
fn an_operator_gives_one_organization_another_limit_and_takes_it_back() {
    let data = data_dir();
    let greet = || run(tenure(data.path()).args(["run", GREETING, "--input", r#"{"name": "Ada"}"#]));
    let quota = |arguments: &[&str]| {
        let mut command = tenure(data.path());
        let (code, out, errors) = run(command.args(["organization", "quota", "local", "--json"]).args(arguments));
        assert_eq!((code, errors.as_str()), (0, ""), "{arguments:?}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    assert_eq!(greet().0, 0);
    let all = quota(&[]);
    let names: Vec<&str> = all["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(
        (all["plan"].as_str(), names),
        (
            Some("enterprise"),
            vec![
                "workflows",
                "teams",
                "executions_per_hour",
                MONTHLY,
                "concurrent_executions",
                "queued_executions",
                "concurrent_connections",
                "storage_bytes",
                "provider_calls_per_month"
            ]
        )
    );
    let figures = |document: &Value| {
        let items = document["items"].as_array().unwrap();
        let [item] = items.as_slice() else { panic!("one was asked for: {document:#}") };
        ["plan_limit", "overridden", "limit", "used"].map(|name| item[name].clone())
    };
    assert_eq!(figures(&quota(&[MONTHLY])), [json!(null), json!(false), json!(null), json!(1)]);

    assert_eq!(figures(&quota(&[MONTHLY, "--max", "1"])), [json!(null), json!(true), json!(1), json!(1)]);
    let (code, _, errors) = greet();
    assert!(code == 1 && errors.contains("the quota executions_per_month is used up (1 of 1)"), "{code} {errors}");
    let (code, table, _) = run(tenure(data.path()).args(["organization", "quota", "local"]));
    let row = table.lines().find(|line| line.starts_with(MONTHLY)).unwrap();
    assert_eq!((code, row.split_whitespace().collect::<Vec<_>>()), (0, vec![MONTHLY, "unlimited", "1", "1"]));

    // What changes nothing tells nothing.
    quota(&[MONTHLY, "--max", "1"]);
    assert_eq!(figures(&quota(&[MONTHLY, "--default"])), [json!(null), json!(false), json!(null), json!(1)]);
    quota(&[MONTHLY, "--default"]);
    assert_eq!(greet().0, 0);
    assert_eq!(
        figures(&quota(&["concurrent_executions", "--unlimited"])),
        [json!(50), json!(true), json!(null), json!(0)]
    );

    // An event is exported once it is sealed.
    let begun = Instant::now();
    let log = data.path().join("log.jsonl");
    let events = loop {
        let (code, _, errors) = run(tenure(data.path()).args(["audit", "export", "--tenant", "local"]).arg(&log));
        assert_eq!(code, 0, "{errors}");
        let text = std::fs::read_to_string(&log).unwrap();
        let events: Vec<String> = text
            .lines()
            .filter(|line| line.contains("\"quota.") && !line.contains("nearly_used"))
            .map(str::to_owned)
            .collect();
        if events.len() >= 3 || begun.elapsed() > PATIENCE {
            break events;
        }
        std::fs::remove_file(&log).unwrap();
    };
    assert_eq!(events.len(), 3, "{events:#?}");
    let told = [("quota.limited", "null", "1"), ("quota.restored", "1", "null"), ("quota.unlimited", "50", "null")];
    for (event, (action, old, new)) in events.iter().zip(told) {
        for part in [
            format!("\"{action}\""),
            format!("\"path\":\"/old\",\"value\":{old}"),
            format!("\"path\":\"/new\",\"value\":{new}"),
        ] {
            assert!(event.contains(&part), "{part} in {event}");
        }
    }
}

#[test]
fn what_is_no_quota_or_no_limit_is_told_before_anything_is_opened() {
    let data = data_dir();
    let refused = |arguments: &[&str], words: &str| {
        let (code, out, errors) = run(tenure(data.path()).args(["organization", "quota"]).args(arguments));
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    };
    refused(
        &["acme", "minutes"],
        "a quota is one of workflows, teams, executions_per_hour, executions_per_month, concurrent_executions",
    );
    refused(&["acme", "workflows", "--max=-1"], "invalid value '-1' for '--max <N>'");
    refused(&["acme", "workflows", "--max", "some"], "invalid value 'some' for '--max <N>'");
    refused(&["acme", "workflows", "--max", "1", "--default"], "cannot be used with");
    refused(&["acme", "--max", "1"], "<QUOTA>");
    refused(&[], "<SLUG>");
    assert!(!data.path().join("postgres").exists());
    refused(&["nobody", "workflows", "--max", "1"], "there is no organisation nobody");
}
