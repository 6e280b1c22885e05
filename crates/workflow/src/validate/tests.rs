use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::definition::json_schema;
use crate::expression::{ExpressionFault, Reference, Segment, SourcePosition};
use crate::nodes::PluginReference;

pub(super) struct Plugins;

impl Catalog for Plugins {
    fn resolve(&self, reference: &PluginReference) -> Resolution {
        match (reference.publisher.as_str(), reference.name.as_str()) {
            ("acme", "classify") if reference.range.matches(&semver::Version::new(1, 2, 0)) => Resolution::Found,
            ("acme", "classify") => Resolution::NoVersion { versions: vec!["1.2.0".to_owned()] },
            _ => Resolution::UnknownPlugin { similar: Some("acme/classify@^1".to_owned()) },
        }
    }
}

/// The checker's place: paths of an expression by its source, as dotted text; `?` at the end: provided for.
fn validate_with(text: &str, references: &[(&str, &[&str])]) -> Report {
    let draft = match Draft::parse(text.as_bytes()) {
        Ok(draft) => draft,
        Err(report) => return report,
    };
    let checked: Vec<Checked> = draft
        .expressions()
        .iter()
        .map(|expression| {
            let paths =
                references.iter().find(|(source, _)| *source == expression.source).map_or(&[][..], |(_, paths)| *paths);
            Ok(paths.iter().map(|path| reference(path)).collect())
        })
        .collect();
    let secrets = BTreeSet::from(["hook".to_owned()]);
    let limits = PlanLimits { nodes: 50, parallelism: 20, timeout: None };
    draft.validate(&checked, &Context { catalog: &Plugins, secrets: &secrets, limits })
}

fn validate(text: &str) -> Report {
    validate_with(text, &[])
}

fn reference(path: &str) -> Reference {
    let (path, optional) = path.strip_suffix('?').map_or((path, false), |path| (path, true));
    let segments = path.split('.').map(|part| match part {
        "*" => Segment::Any,
        part => part.parse().map_or_else(|_| Segment::Key(part.to_owned()), Segment::Index),
    });
    let position = Some(SourcePosition { line: 1, column: 2, pointer: None });
    Reference { path: segments.collect(), optional, position }
}

/// `(code, pointer)` of each fault.
fn codes(report: &Report) -> Vec<(&'static str, &str)> {
    report.faults.iter().map(|fault| (fault.code.as_str(), fault.pointer.as_str())).collect()
}

const TRIAGE: &str = include_str!("../../tests/definitions/triage.yaml");
const LOOPS: &str = include_str!("../../tests/definitions/loop.yaml");
const EVERYTHING: &str = include_str!("../../tests/definitions/everything.json");
pub(super) const VALID: [&str; 3] = [TRIAGE, LOOPS, EVERYTHING];

#[test]
fn valid_definitions_have_no_errors() {
    for text in VALID {
        let report = validate(text);
        assert!(report.is_valid(), "{report}");
        assert!(Draft::parse(text.as_bytes()).expect("readable").into_plan().is_ok());
    }
}

#[test]
fn definitions_round_trip() {
    for text in VALID {
        let draft = Draft::parse(text.as_bytes()).expect("readable");
        for written in [draft.canonical_json(), draft.to_yaml()] {
            let again = Draft::parse(written.as_bytes()).unwrap_or_else(|report| panic!("{report}\n{written}"));
            assert_eq!(again.definition(), draft.definition());
            assert_eq!(again.digest(), draft.digest());
        }
    }
}

#[test]
fn the_published_schema_agrees() {
    let schema = json_schema();
    jsonschema::draft202012::meta::validate(&schema).expect("a valid schema");
    let validator = jsonschema::draft202012::new(&schema).expect("compiles");
    for text in VALID {
        let value: Value =
            crate::document::read(text.as_bytes(), &DocumentLimits::default()).expect("readable").to_value();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    let base = || json!({ "name": "x", "nodes": { "a": { "type": "transform", "jq": "." } }, "edges": [] });
    assert!(validator.is_valid(&base()));
    for (pointer, value) in [
        ("/nodes/a/jq", json!(1)),
        ("/nodes/a/type", json!("agent")),
        ("/nodes/a", json!({ "type": "transform", "jq": ".", "cel": "1" })),
        ("/nodes/a", json!({ "type": "transform", "jq": ".", "url": "x" })),
        (
            "/nodes/a",
            json!({ "type": "map", "over": ".", "do": { "type": "branch", "cases": [{ "when": "a", "to": "b" }] } }),
        ),
        ("/nodes/a", json!({ "type": "plugin", "language": "python" })),
        ("/nodes", json!({ "start": { "type": "note" } })),
        ("/edges", json!([{ "from": "a" }])),
        ("/edges", json!([{ "from": "a", "to": "b", "when": "x", "on": "error" }])),
        ("/name", json!("")),
    ] {
        let mut invalid = base();
        *invalid.pointer_mut(pointer).expect("there") = value;
        assert!(!validator.is_valid(&invalid), "{invalid}");
        assert!(!validate(&invalid.to_string()).is_valid(), "{invalid}");
    }
}

#[test]
fn tells_all_faults_at_once_with_their_places() {
    let text = "\
name: triage
input: { type: object, properties: { ticket: { type: string } } }
colour: red
nodes:
  classify: { type: plugin, plugin: acme/clasify@^1 }
  shout:
    type: tranform
    jq: .x
  send: { type: http, request: { methd: POST, url: \"ftp://x\" } }
  send: { type: note }
  lost: { type: transform, jq: .y }
  start: { type: transform, jq: .z }
  nap: { type: wait, for: soon }
edges:
  - { from: start, to: clasify }
  - { from: start, to: classify }
  - { from: classify, to: send, when: else }
  - { from: send, to: shout }
  - { from: shout, to: send }
  - { from: send, to: nap }
  - { from: nap, to: end }
limits: { parallelism: 500, timeout: 10 }
";
    let report = validate(text);
    let found: Vec<(u32, &str)> = report.faults.iter().map(|fault| (fault.line, fault.code.as_str())).collect();
    for expected in [
        (3, "unknown-field"),
        (5, "unknown-plugin"),
        (7, "unknown-node-type"),
        (9, "unknown-field"),
        (9, "invalid-value"),
        (10, "duplicate-id"),
        (11, "unreachable-node"),
        (12, "reserved-id"),
        (13, "invalid-value"),
        (15, "unknown-node"),
        (17, "ambiguous-else"),
        (19, "unbounded-loop"),
        (22, "over-limit"),
        (22, "wrong-type"),
    ] {
        assert!(found.contains(&expected), "{expected:?} is missing in\n{report}");
    }
    let suggestion = |line: u32, code: Code| {
        let fault = report.faults.iter().find(|fault| (fault.line, fault.code) == (line, code));
        fault.and_then(|fault| fault.suggestion.as_deref())
    };
    assert_eq!(suggestion(5, Code::UnknownPlugin), Some("acme/classify@^1"));
    assert_eq!(suggestion(7, Code::UnknownNodeType), Some("transform"));
    assert_eq!(suggestion(9, Code::UnknownField), Some("method"));
    assert_eq!(suggestion(15, Code::UnknownNode), Some("classify"));
    let kind = report.faults.iter().find(|fault| fault.code == Code::UnknownNodeType).expect("told");
    assert_eq!((kind.pointer.as_str(), kind.line, kind.column), ("/nodes/shout/type", 7, 11));
}

/// A definition of one line for nodes and one for edges.
fn small(nodes: &str, edges: &str, more: &str) -> String {
    format!("name: x\n{more}\nnodes: {{ {nodes} }}\nedges: [{edges}]\n")
}

const A: &str = "a: { type: transform, jq: . }";
const THROUGH_A: &str = "{ from: start, to: a }, { from: a, to: end }";

#[test]
fn each_fault_of_form() {
    let with_node = |node: &str| small(&format!("a: {node}"), THROUGH_A, "");
    for (text, code, pointer) in [
        ("[1]".to_owned(), "wrong-type", ""),
        ("nodes: {}\nedges: []".to_owned(), "missing-field", ""),
        ("a: [".to_owned(), "syntax", ""),
        (with_node("{ jq: . }"), "missing-field", "/nodes/a"),
        (with_node("{ type: transform }"), "missing-field", "/nodes/a"),
        (with_node("{ type: transform, jq: '' }"), "invalid-value", "/nodes/a/jq"),
        (with_node("{ type: transform, jq: ., cel: x }"), "conflicting-fields", "/nodes/a/cel"),
        (with_node("{ type: agent, model: m }"), "not-available", "/nodes/a/type"),
        (with_node("{ type: wait, event: e, match: m }"), "not-available", "/nodes/a/event"),
        (with_node("{ type: plugin, language: javascript, source: x }"), "not-available", "/nodes/a/language"),
        (with_node("{ type: plugin, plugin: acme }"), "invalid-value", "/nodes/a/plugin"),
        (with_node("{ type: plugin, plugin: acme/classify@^2 }"), "unknown-plugin", "/nodes/a/plugin"),
        (with_node("{ type: plugin, plugin: acme/classify@^1, source: x }"), "conflicting-fields", "/nodes/a/source"),
        (with_node("{ type: transform, jq: ., retry: { attempts: 0 } }"), "invalid-value", "/nodes/a/retry/attempts"),
        (
            with_node("{ type: transform, jq: ., retry: { attempts: 2, on: [denied] } }"),
            "invalid-value",
            "/nodes/a/retry/on/0",
        ),
        (with_node("{ type: transform, jq: ., timeout: 0s }"), "invalid-value", "/nodes/a/timeout"),
        (with_node("{ type: transform, jq: ., limits: { output: 17MiB } }"), "over-limit", "/nodes/a/limits/output"),
        (with_node("{ type: transform, jq: ., set: { nots: . } }"), "unknown-name", "/nodes/a/set/nots"),
        (with_node("{ type: map, over: ., do: { type: note } }"), "invalid-value", "/nodes/a/do/type"),
        (
            with_node("{ type: map, over: ., do: { type: wait, for: 1s, set: { x: . } } }"),
            "unknown-field",
            "/nodes/a/do/set",
        ),
        (with_node("{ type: map, over: . }"), "missing-field", "/nodes/a"),
        (with_node("{ type: approval, approvers: {} }"), "missing-field", "/nodes/a/approvers"),
        (
            with_node("{ type: approval, approvers: { users: [x], at_least: 2 } }"),
            "invalid-value",
            "/nodes/a/approvers/at_least",
        ),
        (
            with_node("{ type: http, request: { url: 'https://x', json: 1, body: x } }"),
            "conflicting-fields",
            "/nodes/a/request",
        ),
        (
            with_node("{ type: http, request: { url: 'https://x' }, expect: { status: [299, 200] } }"),
            "invalid-value",
            "/nodes/a/expect/status",
        ),
        (
            with_node("{ type: http, request: { url: 'https://x', headers: { 'a b': c } } }"),
            "invalid-value",
            "/nodes/a/request/headers/a b",
        ),
        (with_node("{ type: branch, cases: [] }"), "invalid-value", "/nodes/a/cases"),
        (with_node("{ type: branch, cases: [{ when: x, to: nowhere }] }"), "unknown-node", "/nodes/a/cases/0/to"),
        (small("'a b': { type: transform, jq: . }", "", ""), "invalid-id", "/nodes/a b"),
        (small(A, THROUGH_A, "state: { a: { reduce: sum } }"), "duplicate-id", "/nodes/a"),
        (small(A, THROUGH_A, "state: { n: { reduce: avg } }"), "invalid-value", "/state/n/reduce"),
        (small(A, THROUGH_A, "input: { type: strin }"), "invalid-schema", "/input/type"),
        (small(A, THROUGH_A, "input: { $ref: 'https://example.org/x' }"), "invalid-schema", "/input"),
        (small(A, "", ""), "unreachable-node", "/edges"),
        (small(A, "{ from: start, to: a }", ""), "no-path-to-end", "/edges"),
        (small(A, &format!("{THROUGH_A}, {{ from: start, to: a }}"), ""), "duplicate-edge", "/edges/2"),
        (small(A, &format!("{THROUGH_A}, {{ from: a, to: start }}"), ""), "invalid-edge", "/edges/2/to"),
        (small(A, &format!("{THROUGH_A}, {{ from: end, to: a }}"), ""), "invalid-edge", "/edges/2/from"),
        (
            small(&format!("{A}, n: {{ type: note }}"), &format!("{THROUGH_A}, {{ from: a, to: n }}"), ""),
            "invalid-edge",
            "/edges/2/to",
        ),
        (
            small(A, "{ from: start, to: a }, { from: a, to: end, when: x, on: error }", ""),
            "conflicting-fields",
            "/edges/1/when",
        ),
        (small(A, "{ from: start, to: a }, { from: a, to: end, when: else }", ""), "ambiguous-else", "/edges/1/when"),
        (small(A, &format!("{THROUGH_A}, {{ from: a, to: a, when: x }}"), ""), "unbounded-loop", "/edges/2"),
        (
            small(A, &format!("{THROUGH_A}, {{ from: a, to: a }}"), "limits: { recursion: 3 }"),
            "unbounded-loop",
            "/edges/2",
        ),
    ] {
        let report = validate(&text);
        assert!(codes(&report).contains(&(code, pointer)), "{code} at {pointer} is missing in\n{report}\n{text}");
        assert!(!report.is_valid());
    }
}

#[test]
fn loops_without_a_way_out() {
    let nodes = format!("{A}, b: {{ type: transform, jq: . }}, c: {{ type: transform, jq: . }}");
    let edges = "{ from: start, to: a }, { from: a, to: end }, { from: a, to: b }, { from: b, to: c }, { from: c, to: b, when: x }";
    let report = validate(&small(&nodes, edges, "limits: { recursion: 3 }"));
    assert!(codes(&report).contains(&("no-path-to-end", "/nodes/b")), "{report}");
}

#[test]
fn a_dead_end_is_a_warning() {
    let nodes = format!("{A}, b: {{ type: transform, jq: . }}");
    let report = validate(&small(&nodes, &format!("{THROUGH_A}, {{ from: a, to: b }}"), ""));
    assert!(report.is_valid(), "{report}");
    assert_eq!(codes(&report), [("no-path-to-end", "/nodes/b")]);
}

#[test]
fn ten_thousand_nodes() {
    let nodes: Vec<String> = (0..10_000).map(|node| format!("n{node}: {{ type: note }}")).collect();
    let start = std::time::Instant::now();
    let report = validate(&small(&nodes.join(", "), "", ""));
    assert_eq!(
        codes(&report),
        [("over-limit", "/nodes"), ("over-limit", "/nodes")],
        "the definition's bound, the plan's"
    );
    println!("10,000 nodes refused in {:?}", start.elapsed());
}

#[test]
fn names_and_paths_in_expressions() {
    let text = "\
name: x
input: { type: object, properties: { ticket: { type: string }, rows: { type: array, items: { type: object, properties: { id: { type: integer } } } } } }
state: { notes: { reduce: append } }
nodes:
  call: { type: http, request: { url: \"https://x/{{ input.ticket }}\" } }
  ask: { type: approval, approvers: { roles: [operator] }, show: SHOW }
  each: { type: map, over: OVER, do: { type: transform, jq: ITEM } }
  calc: { type: plugin, language: python, source: \"def execute(state, config): pass\", needs: [input.tikket, state.call] }
  late: { type: transform, jq: LATE }
edges:
  - { from: start, to: call }
  - { from: call, to: ask, when: WHEN }
  - { from: ask, to: each }
  - { from: each, to: calc }
  - { from: calc, to: late }
  - { from: late, to: end }
output: { total: OUT }
";
    let check = |source: &str, paths: &[&str]| {
        let report = validate_with(text, &[(source, paths)]);
        let mut faults = report.faults;
        faults.retain(|fault| fault.pointer != "/nodes/calc/needs/0");
        let shown = faults.into_iter().map(|fault| (fault.code.as_str(), fault.severity, fault.suggestion));
        shown.collect::<Vec<_>>()
    };
    let error = |code, suggestion: Option<&str>| vec![(code, Severity::Error, suggestion.map(str::to_owned))];
    let warning = |code, suggestion: Option<&str>| vec![(code, Severity::Warning, suggestion.map(str::to_owned))];

    assert_eq!(check("WHEN", &["state.call.status", "input.ticket", "execution.id"]), []);
    assert_eq!(check("WHEN", &["state.call.json.deep.er", "state.notes.0.x", "state.call.headers.etag"]), []);
    assert_eq!(check("WHEN", &["stat.call"]), error("unknown-name", Some("state")));
    assert_eq!(check("WHEN", &["state.cal.status"]), error("unknown-name", Some("call")));
    assert_eq!(check("WHEN", &["state.call.statu"]), error("unknown-path", Some("status")));
    assert_eq!(check("WHEN", &["input.tickets"]), error("unknown-path", Some("ticket")));
    assert_eq!(check("WHEN", &["input.tickets?"]), warning("unknown-path", Some("ticket")));
    assert_eq!(check("WHEN", &["execution.user"]), error("unknown-path", None));
    assert_eq!(check("WHEN", &["input.ticket.x"]), error("type-mismatch", None));
    assert_eq!(check("WHEN", &["input.rows.id"]), error("type-mismatch", None));
    assert_eq!(check("WHEN", &["input.rows.0.id", "input.rows.*.id"]), []);
    assert_eq!(check("WHEN", &["input.rows.*.idd"]), error("unknown-path", Some("id")));
    assert_eq!(check("WHEN", &["secrets.hook"]), error("secret-not-granted", None));
    assert_eq!(check("WHEN", &["item"]), error("unknown-name", None));
    assert_eq!(check("ITEM", &["item.anything", "index", "state.ask.decision"]), []);
    assert_eq!(check("ITEM", &["index.x"]), error("type-mismatch", None));
    assert_eq!(check("SHOW", &["state.late"]), warning("not-upstream", None));
    assert_eq!(check("SHOW", &["state.late?"]), []);
    assert_eq!(check("SHOW", &["state.ask.decision"]), warning("not-upstream", None));
    assert_eq!(check("OUT", &["state.late", "state.each.0"]), []);
    assert_eq!(check("OUT", &["state.each.x"]), error("type-mismatch", None));

    let report = validate(text);
    assert_eq!(codes(&report), [("unknown-path", "/nodes/calc/needs/0")], "{report}");
    let report = validate_with(text, &[("WHEN", &["stat.call"])]);
    let fault = report.faults.iter().find(|fault| fault.code == Code::UnknownName).expect("told");
    assert_eq!((fault.line, fault.column, fault.pointer.as_str()), (12, 35, "/edges/1/when"));
}

#[test]
fn secrets_and_syntax_in_templates() {
    let text = "\
name: x
nodes:
  send:
    type: http
    request:
      url: \"{{ secrets.hok }}\"
      json: { a: \"{{ secrets.hook }}\", b: [\"{{ nope\"] }
edges: [{ from: start, to: send }, { from: send, to: end }]
";
    let draft = Draft::parse(text.as_bytes()).expect("readable");
    let [expression] = draft.expressions() else { panic!("one template") };
    assert_eq!((expression.pointer.as_str(), expression.kind), ("/nodes/send/request", ExpressionKind::Template));
    let secrets = BTreeSet::from(["hook".to_owned()]);
    let context = Context { catalog: &NoCatalog, secrets: &secrets, limits: PlanLimits::NONE };
    let at = |pointer: &str, column| Some(SourcePosition { line: 1, column, pointer: Some(pointer.to_owned()) });
    let path = |name: &str| vec![Segment::Key("secrets".to_owned()), Segment::Key(name.to_owned())];
    let references = vec![
        Reference { path: path("hok"), optional: false, position: at("/url", 4) },
        Reference { path: path("hook"), optional: false, position: at("/json/a", 4) },
    ];
    let report = draft.validate(&[Ok(references)], &context);
    let [fault] = report.faults.as_slice() else { panic!("{report}") };
    assert_eq!((fault.code, fault.pointer.as_str()), (Code::SecretNotGranted, "/nodes/send/request/url"));
    assert_eq!((fault.line, fault.column, fault.suggestion.as_deref()), (6, 16, Some("hook")));

    let broken = ExpressionFault {
        syntax: true,
        message: "expected `}}`".to_owned(),
        position: at("/json/b/0", 8),
        suggestion: None,
    };
    let report = draft.validate(&[Err(vec![broken])], &context);
    let [fault] = report.faults.as_slice() else { panic!("{report}") };
    assert_eq!((fault.code, fault.pointer.as_str()), (Code::ExpressionSyntax, "/nodes/send/request/json/b/0"));
    assert_eq!((fault.line, fault.column), (7, 52));
}

/// Back edges as people mean them, also where a loop's node has an edge from outside.
#[test]
fn back_edges() {
    let back = |edges: &str| {
        let yaml = crate::machine::test_graph("limits: { recursion: 3 }", "a, b, c, d", edges);
        let draft = Draft::parse(yaml.as_bytes()).expect("readable");
        let canvas = draft.canvas();
        let edges = canvas.edges.into_iter().filter(|edge| edge.back);
        edges.map(|edge| format!("{}->{}", edge.from, edge.to)).collect::<Vec<_>>()
    };
    assert_eq!(back("start -> a, a -> b, b -> c, c -> a: x, c -> d, d -> end"), ["c->a"]);
    assert_eq!(back("start -> a, b -> a: x, a -> b: y, a -> c, c -> d, d -> end"), ["b->a"], "whatever the order");
    assert_eq!(back("start -> a, start -> b, b -> c, c -> a: x, a -> c, c -> d, d -> end"), ["c->a"], "two entries");
    assert_eq!(back("start -> a, a -> a: x, a -> b, b -> c, c -> d, d -> end"), ["a->a"]);
    assert_eq!(back("start -> a, a -> b, b -> c, c -> b: x, c -> d, d -> a: y, d -> end"), ["c->b", "d->a"]);
}

/// The figure of spec 20: a hundred-node definition in under 20 ms. Printed, not asserted: tests are not timed.
#[test]
fn a_hundred_nodes() {
    let nodes: Vec<String> = (0..100)
        .map(|node| format!("n{node}: {{ type: http, request: {{ url: \"https://x/{{{{ input.a }}}}\", json: {{ b: \"{{{{ state.n{node} }}}}\" }} }} }}"))
        .collect();
    let edges: Vec<String> = (0..100)
        .map(|node| match node {
            0 => "{ from: start, to: n0 }".to_owned(),
            node => format!("{{ from: n{}, to: n{node}, when: \"input.a == {node}\" }}", node - 1),
        })
        .chain(["{ from: n99, to: end }".to_owned()])
        .collect();
    let text =
        small(&nodes.join(", "), &edges.join(", "), "input: { type: object, properties: { a: { type: string } } }");
    let mut times = Vec::new();
    for _ in 0..5 {
        let start = std::time::Instant::now();
        let draft = Draft::parse(text.as_bytes()).expect("readable");
        let checked: Vec<Checked> =
            draft.expressions().iter().map(|_| Ok(vec![reference("input.a"), reference("state.n3.status?")])).collect();
        let secrets = BTreeSet::new();
        let context = Context { catalog: &NoCatalog, secrets: &secrets, limits: PlanLimits::NONE };
        let report = draft.validate(&checked, &context);
        assert!(report.is_valid(), "{report}");
        times.push(start.elapsed());
    }
    println!("a hundred nodes validated in {times:?}, {} bytes", text.len());
}
