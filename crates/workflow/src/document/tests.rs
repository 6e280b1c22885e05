use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fault::Code;

fn value(text: &str) -> Value {
    read(text.as_bytes(), &Limits::default()).unwrap_or_else(|fault| panic!("{fault}\n{text}")).to_value()
}

fn fault(text: impl AsRef<[u8]>) -> SyntaxFault {
    read(text.as_ref(), &Limits::default()).expect_err("a fault")
}

#[test]
fn reads_the_core_schema() {
    let yaml = "a: 1\nb: 1.5\nc: ~\nd: yes\ne: true\nf: 0x1F\ng: '1'\nh: 1e3\ni: .5x\nj: 2026-01-01\non: error\n404: not found\nk: !!str 1\nl: -7\n";
    let expected = json!({
        "a": 1, "b": 1.5, "c": null, "d": "yes", "e": true, "f": 31, "g": "1", "h": 1000.0, "i": ".5x",
        "j": "2026-01-01", "on": "error", "404": "not found", "k": "1", "l": -7
    });
    assert_eq!(value(yaml), expected);
}

#[test]
fn reads_json_with_its_escapes() {
    let text = r#"{ "a": "\ud83d\ude00 \\ud83d \u00e9 \/ \"", "b": [1, -2.5e3, true, null] }"#;
    assert_eq!(value(text), serde_json::from_str::<Value>(text).expect("JSON"));
}

#[test]
fn tells_where_the_text_is_malformed() {
    for (text, line) in
        [("a: [1, 2\nb: 3\n", 2), ("{\"a\": 1,,}", 1), ("a: b: c", 1), ("a: 1\n  b: 2\n", 2), ("a: 'x", 1)]
    {
        let fault = fault(text);
        assert_eq!((fault.code, fault.at.line), (Code::Syntax, line), "{text:?}: {fault}");
    }
    assert_eq!(fault("").code, Code::Syntax);
    assert_eq!(fault("a: 1\n---\nb: 2\n").at.line, 2);
    let fault = fault(b"a: 1\nb: \xff\n");
    assert_eq!((fault.code, fault.at), (Code::Syntax, Position { line: 2, column: 4 }));
}

#[test]
fn refuses_what_cannot_be_kept() {
    assert_eq!(fault(r#"{ "a": "x\u0000y" }"#).code, Code::InvalidValue);
    assert_eq!(fault("a: .nan").code, Code::InvalidValue);
    assert_eq!(fault("a: 1e999").code, Code::InvalidValue);
    assert_eq!(fault("a: 99999999999999999999999").code, Code::InvalidValue);
    assert_eq!(fault("a: !ruby/object x").code, Code::Syntax);
    let duplicate = fault("a: 1\nb: 2\na: 3\n");
    assert_eq!((duplicate.code, duplicate.at.line), (Code::DuplicateKey, 3));
}

#[test]
fn bounds_hold_while_reading() {
    let deep_json = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_yaml: String = (0..10_000).map(|depth| format!("{}a:\n", " ".repeat(depth.min(90)))).collect();
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &('b'..='i')
            .map(|name| {
                let previous = char::from_u32(u32::from(name) - 1).expect("a letter");
                format!("{name}: &{name} [{}]\n", vec![format!("*{previous}"); 9].join(","))
            })
            .collect::<String>();
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 100].join(","));
    let wide = "- 1\n".repeat(210_000);
    let big = " ".repeat(1024 * 1024 + 1);
    let start = std::time::Instant::now();
    for text in [deep_json, bomb, long, wide, big] {
        assert_eq!(fault(&text).code, Code::TooLarge, "{}", text.get(..40).unwrap_or_default());
    }
    assert!(read(deep_yaml.as_bytes(), &Limits::default()).is_err());
    assert_eq!(fault("a: &a [*a]").code, Code::Syntax, "an alias inside what it repeats");
    println!("bombs: {:?}", start.elapsed());
}

#[test]
fn reading_is_not_quadratic() {
    let keys: String = (0..60_000).map(|key| format!("k{key}: 1\n")).collect();
    let blocks: String = (0..20_000).map(|key| format!("k{key}: |\n  x\n")).collect();
    let json = format!("{{{}}}", (0..40_000).map(|key| format!("\"key{key}\":[1]")).collect::<Vec<_>>().join(","));
    let anchors = (0..20_000).map(|key| format!("- &a{key} [1]\n")).collect::<String>();
    for text in [keys, blocks, json, anchors] {
        let start = std::time::Instant::now();
        let read = read(text.as_bytes(), &Limits::default());
        println!("{} bytes, ok {}: {:?}", text.len(), read.is_ok(), start.elapsed());
        assert!(start.elapsed().as_secs() < 20, "unoptimised and shared, but not minutes");
    }
}

#[test]
fn aliases_stand_for_their_value() {
    assert_eq!(value("a: &x { b: [1] }\nc: *x\n"), json!({ "a": { "b": [1] }, "c": { "b": [1] } }));
}

#[test]
fn finds_places() {
    let yaml = "name: x\nnodes:\n  a:\n    type: transform\n    jq: |\n      .a\n        | .b\n  b: { jq: \".x\", cel: 'y' }\n";
    let tree = read(yaml.as_bytes(), &Limits::default()).expect("readable");
    let at = |pointer: &str| {
        let Position { line, column } = tree.locate(pointer);
        (line, column)
    };
    assert_eq!(at("/name"), (1, 7), "a scalar itself");
    assert_eq!(at("/nodes/a"), (3, 3), "a mapping's key");
    assert_eq!(at("/nodes/a/type"), (4, 11));
    assert_eq!(at("/nodes/b/jq"), (8, 12));
    assert_eq!(at("/nodes/a/nothing"), (3, 3), "the nearest that exists");
    let inside = |pointer: &str, line, column| {
        let Position { line, column } = tree.locate_inside(pointer, Position { line, column });
        (line, column)
    };
    assert_eq!(inside("/nodes/a/jq", 1, 2), (6, 8));
    assert_eq!(inside("/nodes/a/jq", 2, 5), (7, 11));
    assert_eq!(inside("/nodes/b/jq", 1, 2), (8, 14), "behind the quote");
}

#[test]
fn canonical_json_sorts_keys_but_not_nodes() {
    let a = "nodes: { z: { type: t, a: 1 }, b: {} }\nname: x # comment\n";
    let b = r#"{ "name": "x", "nodes": { "z": { "a": 1, "type": "t" }, "b": {} } }"#;
    let canonical = |text: &str| canonical_json(&read(text.as_bytes(), &Limits::default()).expect("readable"));
    assert_eq!(canonical(a), canonical(b));
    assert_eq!(canonical(a), r#"{"name":"x","nodes":{"z":{"a":1,"type":"t"},"b":{}}}"#);
    assert_ne!(canonical(a), canonical("nodes: { b: {}, z: { type: t, a: 1 } }\nname: x\n"));
}

fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-zA-Z0-9 _./:#'\"-]{0,12}",
        "\\PC{0,6}",
        "([a-z ]{0,6}\n){0,3}[a-z]{0,3}",
        Just("null".to_owned()),
        Just("~".to_owned())
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(text.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_and_yaml_read_back(value in json_value()) {
        let json = value.to_string();
        let tree = read(format!("{{\"x\": {json}}}").as_bytes(), &Limits::default()).expect("JSON is read");
        prop_assert_eq!(&tree.to_value()["x"], &value);
        let canonical = canonical_json(&tree);
        prop_assert_eq!(&serde_json::from_str::<Value>(&canonical).expect("JSON")["x"], &value);
        let yaml = to_yaml(&tree);
        let again = read(yaml.as_bytes(), &Limits::default());
        prop_assert!(again.is_ok(), "{:?}\n{}", again, yaml);
        prop_assert_eq!(canonical_json(&again.expect("just seen")), canonical, "{}", yaml);
    }

    #[test]
    fn never_panics(text in "[-a-c:\\[\\]{}&*!|>'\"%@`#?, \n\t0-9\\\\]{0,60}") {
        let _ = read(text.as_bytes(), &Limits::default());
    }

    #[test]
    fn never_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = read(&bytes, &Limits::default());
    }
}
