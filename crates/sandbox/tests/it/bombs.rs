//! What aborts, loops or eats the memory of a server that evaluates expressions in-process (findings of the design phase).

use crate::support::{EXPRESSIONS, alone, cel, jq, resident, template};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tenure_sandbox::{Evaluation, ExpressionError, ExpressionErrorKind as Kind, Limit, Program, ProgramSet};

fn nested_all(depth: usize) -> String {
    let list = "[0,1,2,3,4,5,6,7,8,9]";
    (0..depth).fold("true".to_owned(), |inner, level| format!("{list}.all(x{level}, {inner})"))
}

fn bombs() -> Vec<(&'static str, Program)> {
    let depth = 20_000;
    vec![
        ("jq: recursion that is not a tail call", Program::jq("p", "def f: 1+f; f")),
        ("jq: endless tail call", Program::jq("p", "def f: f; f")),
        ("jq: deep brackets", Program::jq("p", "[".repeat(depth) + &"]".repeat(depth))),
        ("jq: open brackets", Program::jq("p", "[".repeat(depth))),
        ("jq: deep pipes", Program::jq("p", vec!["."; depth].join("|"))),
        ("jq: repeated string", Program::jq("p", "\"a\" * 4000000000")),
        ("jq: string doubled over and over", Program::jq("p", "reduce range(60) as $i (\"a\"; . + .)")),
        ("jq: endless list", Program::jq("p", "[range(1e12)]")),
        ("jq: endless generator", Program::jq("p", "last(repeat(1))")),
        ("jq: endless recursion over values", Program::jq("p", "[recurse(. + 1)]")),
        ("jq: until never", Program::jq("p", "0 | until(false; . + 1)")),
        (
            "jq: products of generators",
            Program::jq("p", "[range(1e4)] | [.[] as $a | .[] as $b | .[] as $c | $a + $b + $c] | length"),
        ),
        ("jq: large power", Program::jq("p", "reduce range(100) as $i (99999999999999999999; . * .)")),
        ("jq: deep value", Program::jq("p", "reduce range(1000000) as $i (null; [.])")),
        ("jq: deep text", Program::jq("p", "\"[\" * 200000 | fromjson")),
        ("cel: nested all", Program::cel("p", nested_all(9))),
        ("cel: long sum", Program::cel("p", vec!["1"; 50_000].join("+"))),
        ("cel: deep parentheses", Program::cel("p", "(".repeat(depth) + "1" + &")".repeat(depth))),
        ("cel: deep lists", Program::cel("p", "[".repeat(depth) + &"]".repeat(depth))),
        ("cel: long negation", Program::cel("p", "!".repeat(depth) + "true")),
        ("cel: long selection", Program::cel("p", "input".to_owned() + &".a".repeat(depth))),
        (
            "cel: doubling strings",
            Program::cel("p", {
                (0..40).fold("'aaaaaaaaaa'".to_owned(), |inner, level| {
                    format!("[{inner}].map(x{level}, x{level} + x{level})[0]")
                })
            }),
        ),
        (
            "template: deep JSON",
            Program { source: "[".repeat(depth) + &"]".repeat(depth), ..Program::template("p", &Value::Null) },
        ),
        ("template: the whole document a thousand times", Program::template("p", &json!(vec!["{{ input }}"; 2000]))),
        ("template: long path", Program::template("p", &json!(format!("{{{{ a{} }}}}", ".a".repeat(200_000))))),
        ("template: unclosed", Program::template("p", &json!("{{".repeat(100_000)))),
    ]
}

fn document() -> Value {
    json!({ "input": { "text": "x".repeat(60_000), "xs": (0..1000).collect::<Vec<_>>() }, "state": {}, "execution": {} })
}

/// Runs `bomb` beside harmless calls and demands that those are answered, and soon.
async fn defuse(name: &str, bomb: Program, document: &Value) -> Result<Value, ExpressionError> {
    let set = ProgramSet::new([9; 32], vec![bomb]).unwrap();
    let evaluations = [Evaluation::new("p", document)];
    let start = Instant::now();
    let (result, ()) = tokio::join!(EXPRESSIONS.evaluate(&set, &evaluations), async {
        for _ in 0..20 {
            let call = Instant::now();
            assert_eq!(cel("input.xs[1] == 1", &json!({ "input": { "xs": [0, 1] } })).await, Ok(json!(true)));
            assert!(
                call.elapsed() < Duration::from_millis(500),
                "beside {name} a harmless call took {:?}",
                call.elapsed()
            );
        }
    });
    assert!(start.elapsed() < Duration::from_secs(5), "{name} took {:?}", start.elapsed());
    result.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bomb_is_an_error_of_its_own_call() {
    let document = document();
    let mut harmless = Vec::new();
    assert_eq!(cel("1", &document).await, Ok(json!(1)), "the image is loaded");
    for (name, bomb) in bombs() {
        match defuse(name, bomb, &document).await {
            Err(error) => assert!(
                matches!(
                    error.kind,
                    Kind::Limit(_)
                        | Kind::Crash
                        | Kind::Syntax
                        | Kind::Runtime
                        | Kind::Missing
                        | Kind::Undefined
                        | Kind::Type
                ),
                "{name}: {error:?}"
            ),
            Ok(_) => harmless.push(name),
        }
    }
    // These grow with their own text alone and may be answered.
    let allowed = ["jq: deep pipes", "cel: long negation", "jq: large power", "cel: long sum"];
    harmless.retain(|name| !allowed.contains(name));
    assert_eq!(harmless, Vec::<&str>::new(), "bombs that went off unnoticed");
}

#[tokio::test]
async fn limits_are_told_apart() {
    let document = json!({});
    let kind = |result: Result<Value, ExpressionError>| result.unwrap_err().kind;
    assert_eq!(kind(jq("def f: f; f", &document).await), Kind::Limit(Limit::Cpu));
    assert_eq!(kind(jq("[range(1e12)]", &document).await), Kind::Limit(Limit::Memory));
    assert_eq!(kind(jq("def f: 1+f; f", &document).await), Kind::Limit(Limit::Stack));
    assert_eq!(kind(cel(&nested_all(9), &document).await), Kind::Limit(Limit::Cpu));
}

#[tokio::test]
async fn a_bomb_in_a_batch_spares_the_others() {
    let document = json!({ "input": { "x": 2 } });
    let set = ProgramSet::new(
        [4; 32],
        vec![Program::jq("bomb", "def f: 1+f; f"), Program::cel("cel", "input.x * 2"), Program::jq("jq", ".input.x")],
    )
    .unwrap();
    let evaluations = ["cel", "bomb", "jq", "cel"].map(|id| Evaluation::new(id, &document));
    let results = EXPRESSIONS.evaluate(&set, &evaluations).await.unwrap();
    assert_eq!(results[0], Ok(json!(4)));
    assert_eq!(results[1].as_ref().unwrap_err().kind, Kind::Limit(Limit::Stack));
    assert_eq!(results[2..], [Ok(json!(2)), Ok(json!(4))]);
}

#[tokio::test]
async fn a_batch_of_bombs_cannot_take_a_minute() {
    let document = json!({});
    let set = ProgramSet::new([5; 32], vec![Program::jq("bomb", "def f: f; f")]).unwrap();
    let evaluations = vec![Evaluation::new("bomb", &document); 1000];
    assert_eq!(cel("1", &document).await, Ok(json!(1)), "the image is loaded");
    let start = Instant::now();
    let results = EXPRESSIONS.evaluate(&set, &evaluations).await.unwrap();
    assert!(results.iter().all(|result| matches!(result.as_ref().unwrap_err().kind, Kind::Limit(_))));
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
}

#[tokio::test]
async fn nothing_of_the_host_can_be_read() {
    let document = json!({ "input": 1 });
    for source in [
        "env",
        "$ENV",
        "env.PATH",
        "now",
        "input",
        "inputs",
        "input_filename",
        "halt",
        "halt_error",
        "debug",
        "stderr",
        "localtime",
        "$__prog_args",
        "get_search_list",
        "input_line_number",
        "include \"/etc/passwd\"; .",
        "import \"x\" as $x; $x",
    ] {
        let error = jq(source, &document).await.expect_err(source);
        assert!(matches!(error.kind, Kind::Undefined | Kind::Syntax | Kind::Crash), "{source}: {error:?}");
    }
    // The prototypes, constructors and classes through which other engines were broken are names like any other here.
    for source in [
        "constructor",
        "this",
        "globalThis",
        "process.env",
        "input.constructor",
        "__proto__",
        "env",
        "now()",
        "''.__class__",
    ] {
        assert!(cel(source, &document).await.is_err(), "{source}");
        assert!(template(&json!(format!("{{{{ {source} }}}}")), &document).await.is_err(), "{source}");
    }
    assert_eq!(template(&json!("{{ self }}"), &document).await.unwrap_err().kind, Kind::Missing);
}

#[tokio::test]
async fn memory_comes_back() {
    if !alone("bombs::memory_comes_back") {
        return;
    }
    let document = document();
    let round = async || {
        for _ in 0..10 {
            let _ = jq("[range(1e12)]", &document).await;
            let _ = jq("def f: 1+f; f", &document).await;
        }
    };
    round().await;
    let before = resident();
    round().await;
    round().await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more after 40 bombs");
}
