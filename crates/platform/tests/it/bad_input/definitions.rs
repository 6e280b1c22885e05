//! Definitions that are none, or bombs.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{Wanted, rows, send, stage, still_serves, wanted};

const HEAD: &str = "name: Bad\nnodes:\n  a: { type: wait, for: 1s }\n";
const EDGES: &str = "edges: [{ from: start, to: a }, { from: a, to: end }]\n";

fn invalid(says: &'static str) -> Wanted {
    wanted(422, "invalid", says)
}

/// Nine levels of nine aliases: a few hundred bytes that stand for 387 million values.
fn laughs() -> String {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    text
}

fn yaml_cases() -> Vec<(&'static str, Vec<u8>, Wanted)> {
    let text = |text: String| text.into_bytes();
    vec![
        ("nothing", vec![], invalid("")),
        ("spaces", b"   \n\n".to_vec(), invalid("")),
        ("a word", b"hello".to_vec(), invalid("")),
        ("a list", b"- a\n- b\n".to_vec(), invalid("")),
        ("a tab for indentation", text("name: x\nnodes:\n\ta: 1\n".into()), invalid("")),
        ("a bracket that is not closed", text(format!("{HEAD}edges: [{{ from: start, to: a }}\n")), invalid("")),
        ("a quote that is not closed", text(format!("name: \"Bad\n{EDGES}")), invalid("")),
        ("a colon too many", text("name: a: b\n".into()), invalid("")),
        ("a value without a key", text(format!("{HEAD}: x\n")), invalid("")),
        ("an alias without an anchor", text(format!("{HEAD}edges: *none\n")), invalid("")),
        ("an alias of itself", text(format!("{HEAD}edges: &e [*e]\n")), invalid("")),
        ("a tag that makes objects", text(format!("{HEAD}edges: !!python/object/apply:os.system [id]\n")), invalid("")),
        ("a tag of one's own", text(format!("{HEAD}edges: !ruby/object:Gem::Installer {{}}\n")), invalid("")),
        ("two documents", text(format!("{HEAD}{EDGES}---\n{HEAD}{EDGES}")), invalid("")),
        ("a merge key", text(format!("x: &x {{ name: y }}\n<<: *x\n{HEAD}{EDGES}")), invalid("")),
        ("a thousand million laughs", text(laughs() + HEAD + EDGES), invalid("")),
        ("a thousand million laughs inside a node", text(format!("name: Bad\nnodes:\n  a:\n    type: transform\n    jq: .\n{}{EDGES}", laughs().lines().fold(String::new(), |all, line| all + "    " + line + "\n"))), invalid("")),
        ("aliases of a long text", text(format!("t: &t \"{}\"\nx: [{}]\n{HEAD}{EDGES}", "x".repeat(100_000), vec!["*t"; 5000].join(", "))), invalid("")),
        ("a key a hundred thousand times", text(format!("{HEAD}{EDGES}{}", "name: x\n".repeat(100_000))), invalid("")),
        ("lists 10,000 deep", text(format!("name: Bad\nnodes: {}{}\n", "[".repeat(10_000), "]".repeat(10_000))), invalid("")),
        ("objects 10,000 deep", text(format!("name: Bad\nnodes: {}1{}\n", "{a: ".repeat(10_000), "}".repeat(10_000))), invalid("")),
        ("lists 10,000 deep, by indentation", text(format!("name: Bad\nnodes:\n  {}1\n", "- ".repeat(10_000))), invalid("")),
        ("open brackets without end", text("[".repeat(900_000)), invalid("")),
        ("invalid UTF-8", b"name: \xff\xfe\n".to_vec(), invalid("UTF-8")),
        ("UTF-16", b"\xff\xfen\0a\0m\0e\0".to_vec(), invalid("NUL")),
        ("NUL", b"name: a\0b\n".to_vec(), invalid("NUL")),
        ("NUL, escaped", text("name: \"a\\0b\"\nnodes: { a: { type: wait, for: 1s } }\n".to_owned() + EDGES), invalid("NUL")),
        ("NUL, escaped otherwise", text("name: \"a\\u0000b\"\nnodes: { a: { type: wait, for: 1s } }\n".to_owned() + EDGES), invalid("NUL")),
        ("a number too large", text(format!("{HEAD}{EDGES}limits: {{ parallelism: 99999999999999999999999 }}\n")), invalid("")),
        ("not a number", text(format!("{HEAD}{EDGES}limits: {{ parallelism: .nan }}\n")), invalid("")),
        ("an unknown field", text(format!("{HEAD}{EDGES}colour: red\n")), invalid("colour").at("/colour")),
        ("an unknown field, nearly right", text(format!("{HEAD}{EDGES}limit: {{ timeout: 1m }}\n")), invalid("limit").at("/limit")),
        ("an unknown field of a node", text(format!("name: Bad\nnodes:\n  a: {{ type: wait, for: 1s, colour: red }}\n{EDGES}")), invalid("colour").at("/nodes/a/colour")),
        ("an unknown field of an edge", text(format!("{HEAD}edges: [{{ from: start, to: a, colour: red }}, {{ from: a, to: end }}]\n")), invalid("colour").at("/edges/0/colour")),
        ("an unknown type of node", text(format!("name: Bad\nnodes: {{ a: {{ type: wiat, for: 1s }} }}\n{EDGES}")), invalid("wiat").at("/nodes/a/type")),
        ("a key twice", text(format!("{HEAD}{EDGES}name: y\n")), invalid("name").at("/name")),
        ("a node twice", text(format!("name: Bad\nnodes:\n  a: {{ type: wait, for: 1s }}\n  a: {{ type: wait, for: 2s }}\n{EDGES}")), invalid("").at("/nodes/a")),
        ("a node called start", text(format!("name: Bad\nnodes: {{ start: {{ type: wait, for: 1s }} }}\n{EDGES}")), invalid("start")),
        ("a node whose name is none", text(format!("name: Bad\nnodes: {{ 'a b/c': {{ type: wait, for: 1s }} }}\n{EDGES}")), invalid("")),
        ("a node called __proto__", text(format!("name: Bad\nnodes: {{ __proto__: {{ type: wait, for: 1s }} }}\n{EDGES}")), invalid("")),
        ("an edge to nowhere", text(format!("{HEAD}edges: [{{ from: start, to: b }}, {{ from: a, to: end }}]\n")), invalid("b").at("/edges/0/to")),
        ("a node that nothing leads to", text(format!("name: Bad\nnodes:\n  a: {{ type: wait, for: 1s }}\n  b: {{ type: wait, for: 1s }}\n{EDGES}")), invalid("").at("/nodes/b")),
        ("no way to the end", text(format!("{HEAD}edges: [{{ from: start, to: a }}]\n")), invalid("")),
        ("a loop without bound", text("name: Bad\nnodes:\n  a: { type: wait, for: 1s }\n  b: { type: wait, for: 1s }\nedges:\n  - { from: start, to: a }\n  - { from: a, to: b }\n  - { from: b, to: a }\n  - { from: b, to: end }\n".into()), invalid("").at("/edges/2")),
        ("a loop of one node", text(format!("{HEAD}edges: [{{ from: start, to: a }}, {{ from: a, to: a }}, {{ from: a, to: end }}]\n")), invalid("")),
        ("a duration that is none", text(format!("name: Bad\nnodes: {{ a: {{ type: wait, for: soon }} }}\n{EDGES}")), invalid("").at("/nodes/a/for")),
        ("a duration of a million years", text(format!("name: Bad\nnodes: {{ a: {{ type: wait, for: 9999999999h }} }}\n{EDGES}")), invalid("").at("/nodes/a/for")),
        ("an output of a gibibyte", text(format!("name: Bad\nnodes: {{ a: {{ type: transform, jq: '1', limits: {{ output: 1GiB }} }} }}\n{EDGES}")), invalid("")),
        ("a name of 100,000 characters", text(format!("name: {}\nnodes: {{ a: {{ type: wait, for: 1s }} }}\n{EDGES}", "x".repeat(100_000))), invalid("").at("/name")),
        ("a thousand tags", text(format!("{HEAD}{EDGES}tags: [{}]\n", (0..1000).map(|n| format!("t{n}")).collect::<Vec<_>>().join(", "))), invalid("50 tags").at("/tags")),
        ("an expression that does not parse", text(format!("name: Bad\nnodes: {{ a: {{ type: transform, jq: '.input |' }} }}\n{EDGES}")), invalid("").at("/nodes/a/jq")),
        ("jq 10,000 brackets deep", text(format!("name: Bad\nnodes: {{ a: {{ type: transform, jq: '{}' }} }}\n{EDGES}", "[".repeat(10_000))), invalid("").at("/nodes/a/jq")),
        ("CEL 10,000 parentheses deep", text(format!("name: Bad\nnodes: {{ a: {{ type: transform, cel: '{}1{}' }} }}\n{EDGES}", "(".repeat(10_000), ")".repeat(10_000))), invalid("").at("/nodes/a/cel")),
        ("CEL of 50,000 sums", text(format!("name: Bad\nnodes: {{ a: {{ type: transform, cel: '{}' }} }}\n{EDGES}", vec!["1"; 50_000].join("+"))), invalid("").at("/nodes/a/cel")),
        ("a template that is not closed", text(format!("name: Bad\nnodes: {{ a: {{ type: http, request: {{ url: 'https://example.com/{{{{ input.x' }} }} }}\n{EDGES}")), invalid("")),
        ("Python that does not parse", text(format!("name: Bad\nnodes: {{ a: {{ type: plugin, language: python, source: 'def execute(' }} }}\n{EDGES}")), invalid("").at("/nodes/a/source")),
        ("Python 5,000 parentheses deep", text(format!("name: Bad\nnodes: {{ a: {{ type: plugin, language: python, source: 'x = {}{}' }} }}\n{EDGES}", "(".repeat(5_000), ")".repeat(5_000))), invalid("").at("/nodes/a/source")),
        ("Python without execute", text(format!("name: Bad\nnodes: {{ a: {{ type: plugin, language: python, source: 'x = 1' }} }}\n{EDGES}")), invalid("execute").at("/nodes/a/source")),
        ("a plugin that does not exist", text(format!("name: Bad\nnodes: {{ a: {{ type: plugin, plugin: acme/none@^1 }} }}\n{EDGES}")), invalid("acme/none")),
        ("a schema that is none", text(format!("input: {{ type: sandwich }}\n{HEAD}{EDGES}")), invalid("")),
        ("a schema that fetches", text(format!("input: {{ $ref: 'http://169.254.169.254/schema' }}\n{HEAD}{EDGES}")), invalid("")),
        ("a schema that reads a file", text(format!("input: {{ $ref: 'file:///etc/passwd' }}\n{HEAD}{EDGES}")), invalid("")),
        ("a schema that refers to itself", text(format!("input: {{ $ref: '#' }}\n{HEAD}{EDGES}")), invalid("")),
        ("a schema with a pattern that backtracks without end", text(format!("input: {{ type: string, pattern: '(?=(a+)+$)b' }}\n{HEAD}{EDGES}")), invalid("")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_has_its_place_and_nothing_is_saved() {
    let (app, ada, bystander) = stage().await;
    let before = rows(&app, ada.tenant()).await;
    let mut slow = Vec::new();
    for (what, text, wanted) in yaml_cases() {
        let begun = Instant::now();
        let answer = send(&app, Some(&ada.token), Method::POST, "/workflows", "application/yaml", text.clone()).await;
        wanted.check(what, &answer);
        assert!(!answer.body["faults"].as_array().unwrap().is_empty(), "{what}");
        slow.push((begun.elapsed(), what));
        // The same faults where nothing would be saved anyway.
        let judged = send(&app, Some(&ada.token), Method::POST, "/workflows/validate", "application/yaml", text).await;
        assert_eq!(judged.expect(200)["faults"], answer.body["faults"], "{what}");
    }
    slow.sort();
    assert!(slow.last().unwrap().0 < Duration::from_secs(25), "{:?}", slow.last());
    assert_eq!(rows(&app, ada.tenant()).await, before, "something was half-written");
    still_serves(&app, &ada).await;
    bystander.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_of_10_000_nodes_is_refused_with_its_limit() {
    let (app, ada, bystander) = stage().await;
    let before = rows(&app, ada.tenant()).await;
    let mut nodes = serde_json::Map::new();
    let mut edges = vec![json!({ "from": "start", "to": "n0" })];
    for n in 0..10_000 {
        nodes.insert(format!("n{n}"), json!({ "type": "wait", "for": "1s" }));
        let to = if n == 9_999 { "end".to_owned() } else { format!("n{}", n + 1) };
        edges.push(json!({ "from": format!("n{n}"), "to": to }));
    }
    let definition = json!({ "name": "Long", "nodes": nodes, "edges": edges });
    let wanted = invalid("1000").at("/nodes");
    wanted.check("10,000 nodes", &app.post(&ada, "/workflows", definition.clone()).await);
    // And in YAML, where each costs more to read.
    let yaml = definition["nodes"]
        .as_object()
        .unwrap()
        .keys()
        .fold("name: Long\nnodes:\n".to_owned(), |all, name| all + "  " + name + ": { type: wait, for: 1s }\n");
    let answer = send(&app, Some(&ada.token), Method::POST, "/workflows", "application/yaml", yaml).await;
    wanted.check("10,000 nodes in YAML", &answer);
    assert_eq!(rows(&app, ada.tenant()).await, before, "something was half-written");
    bystander.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_read_as_strictly_as_yaml() {
    let (app, ada, bystander) = stage().await;
    let before = rows(&app, ada.tenant()).await;
    let of = |nodes: &str| format!("{{\"name\": \"Bad\", \"nodes\": {nodes}, \"edges\": []}}");
    for (what, text, wanted) in [
        ("half a document", "{\"name\": \"Bad\"".to_owned(), invalid("")),
        ("10,000 deep", of(&("[".repeat(10_000) + &"]".repeat(10_000))), invalid("")),
        ("a key twice", "{\"name\": \"a\", \"name\": \"b\"}".to_owned(), invalid("").at("/name")),
        ("NUL, escaped", of("{\"a\\u0000\": {\"type\": \"wait\", \"for\": \"1s\"}}"), invalid("NUL")),
        ("a number too large", of("{\"a\": 1e999}"), invalid("")),
        ("no members", "{}".to_owned(), invalid("")),
        ("null", "null".to_owned(), invalid("")),
        ("a list for nodes", of("[]"), invalid("").at("/nodes")),
        ("a number for a node", of("{\"a\": 7}"), invalid("").at("/nodes/a")),
    ] {
        let answer = send(&app, Some(&ada.token), Method::POST, "/workflows", "application/json", text).await;
        wanted.check(what, &answer);
    }
    assert_eq!(rows(&app, ada.tenant()).await, before, "something was half-written");
    bystander.end().await;
}

/// All faults at once: the first does not hide the others.
#[tokio::test(flavor = "multi_thread")]
async fn all_faults_are_told_at_once() {
    let (app, ada, bystander) = stage().await;
    let text = "name: Bad\ncolour: red\nnodes:\n  a: { type: wiat }\n  b: { type: transform, jq: '.input |' }\n  c: { type: transform, cel: 'state.nothing.x > 1' }\nedges:\n  - { from: start, to: a }\n  - { from: a, to: nowhere }\n  - { from: a, to: b }\n  - { from: b, to: end }\n";
    let answer = send(&app, Some(&ada.token), Method::POST, "/workflows", "application/yaml", text).await;
    let body: Value = answer.expect(422);
    let codes: Vec<&str> =
        body["faults"].as_array().unwrap().iter().map(|fault| fault["code"].as_str().unwrap()).collect();
    for code in ["unknown-field", "unknown-node-type", "expression-syntax", "unknown-node", "unreachable-node"] {
        assert!(codes.contains(&code), "{code} is not among {codes:?}");
    }
    bystander.end().await;
}
