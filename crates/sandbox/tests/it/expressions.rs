//! The three languages, and how instances are kept.

use crate::support::{EXPRESSIONS, cel, evaluate, images, jq, template};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tenure_sandbox::{
    Evaluation, ExpressionErrorKind as Kind, ExpressionLimits, Expressions, Language, Program, ProgramSet, Reference,
    SandboxError, Segment,
};

fn document() -> Value {
    json!({
        "input": { "xs": [1, 2, 3], "name": "Ada", "big": 4_294_967_296_i64, "ratio": 0.5, "none": null },
        "state": { "classify": { "label": "ham", "score": 0.9 }, "a b": [{ "c": "deep" }] },
        "execution": { "id": "exe_1", "attempt": 1 },
    })
}

#[tokio::test]
async fn cel_sees_the_keys_as_variables() {
    let document = document();
    for (source, expected) in [
        ("state.classify.label != 'spam'", json!(true)),
        ("input.xs.exists(x, x > 2) && size(input.name) == 3", json!(true)),
        ("input.xs.map(x, x * 2)", json!([2, 4, 6])),
        ("has(state.missing)", json!(false)),
        ("has(input.name) ? input.name : 'nobody'", json!("Ada")),
        // JSON integers are ints, other numbers doubles; they compare, and mix after a conversion.
        ("1 == 1.0 && input.xs[0] == 1 && input.ratio < 1", json!(true)),
        ("input.xs[0] / 2", json!(0)),
        ("double(input.xs[0]) / 2.0", json!(0.5)),
        ("input.big + 1", json!(4_294_967_297_i64)),
        ("input.none == null", json!(true)),
        ("input.name.matches('^A.a$')", json!(true)),
        ("timestamp('2026-01-02T03:04:05Z') > timestamp('2026-01-01T00:00:00Z')", json!(true)),
        ("input.name.lowerAscii() + 'x'.replace('x', 'y')", json!("aday")),
        ("math.greatest(1, 2)", json!(2)),
        ("{'label': state.classify.label}", json!({ "label": "ham" })),
    ] {
        assert_eq!(cel(source, &document).await, Ok(expected), "{source}");
    }
}

#[tokio::test]
async fn cel_faults_say_what_is_wrong() {
    let document = document();
    for (source, kind, message) in [
        ("state.classify.labl", Kind::Missing, "labl"),
        ("stat.classify", Kind::Undefined, "stat"),
        ("input.name + 1", Kind::Type, "string"),
        ("input.xs[0] * 1.5", Kind::Type, "double()"),
        ("input.xs[9]", Kind::Missing, ""),
        ("1 +", Kind::Syntax, ""),
        ("1 / 0", Kind::Runtime, ""),
        ("0.0 / 0.0", Kind::Type, "finite"),
    ] {
        let error = cel(source, &document).await.expect_err(source);
        assert_eq!(error.kind, kind, "{source}: {error}");
        assert!(error.message.contains(message), "{source}: {error}");
    }
}

#[tokio::test]
async fn jq_sees_one_document() {
    let document = document();
    for (source, expected) in [
        ("{total: (.input.xs | add)}", json!({ "total": 6 })),
        (".state.classify.label", json!("ham")),
        ("empty", json!(null)),
        (".input.big + 1", json!(4_294_967_297_i64)),
        (".input.xs | map(. * 2) | join(\",\")", json!("2,4,6")),
        ("[.input.xs[] | select(. > 1)] | length", json!(2)),
        (".input.xs as [$a, $b] | $a + $b", json!(3)),
        ("[limit(3; repeat(1))]", json!([1, 1, 1])),
        ("\"\\(.input.name)!\" | ascii_downcase", json!("ada!")),
        ("4102444800 | todate", json!("2100-01-01T00:00:00Z")),
        ("\"2100-01-01T00:00:00Z\" | fromdate", json!(4_102_444_800_i64)),
        ("[.input.name | test(\"^A\"), (\"a1b2\" | [scan(\"[0-9]\")])]", json!([true, ["1", "2"]])),
        ("reduce .input.xs[] as $x (0; . + $x)", json!(6)),
        ("def double: . * 2; .input.xs | map(double)", json!([2, 4, 6])),
        ("[.input.xs | group_by(. % 2)[] | length]", json!([1, 2])),
        ("@base64 \"\\(.input.name)\"", json!("QWRh")),
        (".input | to_entries | map(.key) | sort", json!(["big", "name", "none", "ratio", "xs"])),
        ("try error(\"x\") catch .", json!("x")),
        ("1e1000", json!(null)),
    ] {
        let result = jq(source, &document).await;
        if source == "1e1000" {
            // Too large for JSON's numbers as this server reads them: an error or a number, never a crash.
            assert!(result.as_ref().map_or_else(|error| error.kind == Kind::Type, Value::is_number), "{result:?}");
        } else {
            assert_eq!(result, Ok(expected), "{source}");
        }
    }
}

#[tokio::test]
async fn jq_faults_say_what_is_wrong() {
    let document = document();
    for (source, kind, message) in [
        (".input.xs[]", Kind::Results, "[ … ]"),
        (".input.name.first", Kind::Runtime, ""),
        (".input |", Kind::Syntax, "expected"),
        ("nosuch(1)", Kind::Undefined, "nosuch/1"),
        ("error(\"gone\")", Kind::Runtime, "gone"),
        ("nan", Kind::Type, "finite"),
        ("infinite", Kind::Type, "finite"),
        ("import \"a\" as a; a::f", Kind::Syntax, "modules"),
        ("$missing", Kind::Undefined, "$missing"),
    ] {
        let error = jq(source, &document).await.expect_err(source);
        assert_eq!(error.kind, kind, "{source}: {error}");
        assert!(error.message.contains(message), "{source}: {error}");
    }
}

#[tokio::test]
async fn templates_keep_types_and_name_what_is_missing() {
    let document = document();
    for (source, expected) in [
        (json!("{{ input.xs }}"), json!([1, 2, 3])),
        (json!("Hello {{ input.name | upper }}, {{input.xs|length}} {{ input.xs }}"), json!("Hello ADA, 3 [1,2,3]")),
        (json!("{{ input.xs | join(\"-\") }}"), json!("1-2-3")),
        (json!("{{ input.missing | default({\"a\": [1]}) }}"), json!({ "a": [1] })),
        (json!("{{ input.none | default(\"x\") | upper }}"), json!("X")),
        (json!("{{ input.none }}"), json!(null)),
        (json!("{{ state[\"a b\"][0].c }} {{ input.xs[-1] }}"), json!("deep 3")),
        (json!("{{ input.xs | json }}"), json!("[1,2,3]")),
        (json!("{{ input.ratio | string }}"), json!("0.5")),
        (json!("{{ \" x \" | trim | lower }}{{ \"{{\" }}"), json!("x{{")),
        (
            json!({ "url": "https://a/{{ input.name }}", "n": 1, "deep": [{ "x": "{{ execution.attempt }}" }] }),
            json!({ "url": "https://a/Ada", "n": 1, "deep": [{ "x": 1 }] }),
        ),
        (json!("no }} braces { here"), json!("no }} braces { here")),
    ] {
        assert_eq!(template(&source, &document).await, Ok(expected), "{source}");
    }
    let error = template(&json!({ "a": ["x {{ state.classify.gone.too }}"] }), &document).await.unwrap_err();
    assert_eq!(error.kind, Kind::Missing);
    assert!(error.message.contains("`state.classify.gone.too`"), "{error}");
    let position = error.position.unwrap();
    assert_eq!((position.pointer.as_deref(), position.column), (Some("/a/0"), 6));
    for source in
        ["{{ }}", "{{ a | nosuch }}", "{{ a", "{{ a.b c }}", "{{ a | join(1) }}", "{{ a | default }}", "{{ a[1.5] }}"]
    {
        assert_eq!(template(&json!(source), &document).await.unwrap_err().kind, Kind::Syntax, "{source}");
    }
    for source in ["{{ input.xs | upper }}", "{{ input.name | join }}", "{{ execution.attempt | length }}"] {
        assert_eq!(template(&json!(source), &document).await.unwrap_err().kind, Kind::Type, "{source}");
    }
}

#[tokio::test]
async fn secrets_are_placeholders_and_only_in_templates() {
    let document = document();
    let programs = vec![
        Program::template("ok", &json!("Bearer {{ secrets.TOKEN }}")),
        Program::template("other", &json!("{{ secrets.OTHER }}")),
        Program::template("bare", &json!("{{ secrets }}")),
        Program::template("filtered", &json!("{{ secrets.TOKEN | upper }}")),
        Program::cel("cel", "secrets.TOKEN"),
        Program::jq("jq", ".secrets"),
    ];
    let set = ProgramSet::new([1; 32], programs).unwrap();
    let secrets = BTreeMap::from([("TOKEN".to_owned(), "placeholder-1".to_owned())]);
    let ids = ["ok", "other", "bare", "filtered", "cel", "jq"];
    let evaluations: Vec<_> = ids.iter().map(|id| Evaluation::new(id, &document).with_secrets(&secrets)).collect();
    let results = EXPRESSIONS.evaluate(&set, &evaluations).await.unwrap();
    let kinds: Vec<_> = results.iter().map(|result| result.as_ref().map_err(|error| error.kind)).collect();
    assert_eq!(
        kinds,
        [
            Ok(&json!("Bearer placeholder-1")),
            Err(Kind::Missing),
            Err(Kind::Missing),
            Err(Kind::Syntax),
            Err(Kind::Undefined),
            Ok(&json!(null)),
        ]
    );
}

#[tokio::test]
async fn locals_lie_over_the_document() {
    let document = document();
    let set = ProgramSet::new(
        [2; 32],
        vec![
            Program::cel("cel", "item.n + index + input.xs[0]"),
            Program::jq("jq", "[.item.n, .index, .input.name]"),
            Program::template("template", &json!("{{ item.n }}/{{ index }}/{{ input.name }}")),
        ],
    )
    .unwrap();
    let items: Vec<_> = (0..3).map(|index| json!({ "item": { "n": index * 10 }, "index": index })).collect();
    let evaluations: Vec<_> = items
        .iter()
        .flat_map(|item| {
            ["cel", "jq", "template"].map(|id| Evaluation::new(id, &document).with_locals(item.as_object().unwrap()))
        })
        .collect();
    let results = EXPRESSIONS.evaluate(&set, &evaluations).await.unwrap();
    let expected = (0..3).flat_map(|index| {
        [json!(index * 11 + 1), json!([index * 10, index, "Ada"]), json!(format!("{}/{index}/Ada", index * 10))]
    });
    assert_eq!(results, expected.map(Ok).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_host_refuses_what_is_its_callers_mistake() {
    let twice = vec![Program::cel("a", "1"), Program::cel("a", "2")];
    assert!(matches!(ProgramSet::new([0; 32], twice), Err(SandboxError::DuplicateProgram(id)) if id == "a"));
    let set = ProgramSet::new([0; 32], vec![Program::cel("a", "1")]).unwrap();
    let result = EXPRESSIONS.evaluate(&set, &[Evaluation::new("b", &Value::Null)]).await;
    assert!(matches!(result, Err(SandboxError::UnknownProgram(id)) if id == "b"));
    assert_eq!(EXPRESSIONS.evaluate(&set, &[]).await.unwrap(), []);
}

fn paths(references: &[Reference]) -> Vec<(String, bool)> {
    let path = |reference: &Reference| {
        let segments = reference.path.iter().map(|segment| match segment {
            Segment::Key(key) => key.clone(),
            Segment::Index(index) => index.to_string(),
            Segment::Any => "*".into(),
        });
        (segments.collect::<Vec<_>>().join("."), reference.optional)
    };
    references.iter().map(path).collect()
}

#[tokio::test]
async fn a_check_lists_what_is_read() {
    let cases = [
        (
            Program::cel("", "state.classify.label != 'spam' && has(input.x.y)"),
            vec![("state.classify.label", false), ("input.x", false), ("input.x.y", true)],
        ),
        (Program::cel("", "input.xs.exists(x, x.a > state.limit)"), vec![("input.xs", false), ("state.limit", false)]),
        (Program::cel("", "input['a b'][0].c[input.i]"), vec![("input.i", false), ("input.a b.0.c.*", false)]),
        (Program::cel("", "type(input.x) == int && optional.of(1).hasValue()"), vec![("input.x", false)]),
        (Program::cel("", "size(input.xs) + 1"), vec![("input.xs", false)]),
        (Program::jq("", "{total: (.input.xs | add)}"), vec![("input.xs", false)]),
        (
            Program::jq("", ".state.rows | map(select(.cost > 3) | .name)"),
            vec![("state.rows", false), ("state.rows.*.cost", false), ("state.rows.*.name", false)],
        ),
        (
            Program::jq("", ".input as $i | .state.a // $i.b"),
            vec![("input", false), ("state.a", true), ("input.b", false)],
        ),
        (Program::jq("", "def f(g): g; (f(.x) | .y), .input.z?"), vec![("input.z", true)]),
        (Program::jq("", "reduce .input.rows[] as {cost: $c} (0; . + $c)"), vec![("input.rows.*", false)]),
        (
            Program::template("", &json!({ "a": "{{ input.x }} {{ state.y | default(1) }}", "b": [3] })),
            vec![("input.x", false), ("state.y", true)],
        ),
    ];
    let programs: Vec<_> = cases.iter().map(|(program, _)| program.clone()).collect();
    let results = EXPRESSIONS.check(&programs).await.unwrap();
    for ((program, expected), result) in cases.iter().zip(results) {
        let found = paths(&result.unwrap_or_else(|errors| panic!("{}: {errors:?}", program.source)).references);
        let expected: Vec<_> = expected.iter().map(|(path, optional)| ((*path).to_owned(), *optional)).collect();
        assert_eq!(found, expected, "{}", program.source);
    }
}

#[tokio::test]
async fn a_check_says_where_a_fault_is() {
    let programs = [
        Program::cel("", "input.x &&\n  state..y"),
        Program::jq("", ".input\n| map(.a +)"),
        Program::jq("", "[1, 2"),
        Program::jq("", ".x | nosuch"),
        Program::cel("", "true || nosuch(1)"),
        Program::template("", &json!({ "url": ["ü {{ a | nosuch }}"] })),
    ];
    let results = EXPRESSIONS.check(&programs).await.unwrap();
    let positions: Vec<_> = results
        .into_iter()
        .map(|result| {
            let errors = result.unwrap_err();
            let position = errors[0].position.clone().unwrap();
            (position.line, position.column, position.pointer)
        })
        .collect();
    assert_eq!(
        positions,
        [(2, 9, None), (2, 11, None), (1, 6, None), (1, 6, None), (1, 15, None), (1, 10, Some("/url/0".to_owned())),]
    );
}

#[tokio::test]
async fn instances_are_kept_per_owner_and_bounded() {
    let limits = ExpressionLimits { warm: 3, ..ExpressionLimits::default() };
    let expressions = Expressions::new(&images(), limits).unwrap();
    let document = document();
    for owner in 0..8 {
        let set = ProgramSet::new([owner; 32], vec![Program::cel("p", "size(input.xs)")]).unwrap();
        for _ in 0..3 {
            let results = expressions.evaluate(&set, &[Evaluation::new("p", &document)]).await.unwrap();
            assert_eq!(results, [Ok(json!(3))]);
        }
        assert_eq!(expressions.warm_instances(), (usize::from(owner) + 1).min(3));
    }
}

#[tokio::test]
async fn dropping_the_future_leaves_the_pool_usable() {
    let document = document();
    let set = ProgramSet::new([3; 32], vec![Program::jq("loop", "def f: f; f"), Program::jq("ok", "1")]).unwrap();
    let endless = [Evaluation::new("loop", &document)];
    let cut = tokio::time::timeout(std::time::Duration::from_millis(5), EXPRESSIONS.evaluate(&set, &endless)).await;
    assert!(cut.is_err());
    assert_eq!(EXPRESSIONS.evaluate(&set, &[Evaluation::new("ok", &document)]).await.unwrap(), [Ok(json!(1))]);
}

#[tokio::test]
async fn calls_do_not_wait_for_each_others_programs() {
    let document = document();
    let sets: Vec<_> = (0..24)
        .map(|owner| {
            ProgramSet::new([owner + 100; 32], vec![Program::jq("p", format!(".input.xs | map(. + {owner})"))]).unwrap()
        })
        .collect();
    let calls = sets.iter().enumerate().map(|(owner, set)| {
        let document = &document;
        async move {
            let results = EXPRESSIONS.evaluate(set, &[Evaluation::new("p", document)]).await.unwrap();
            assert_eq!(results, [Ok(json!([1 + owner, 2 + owner, 3 + owner]))]);
        }
    });
    futures::future::join_all(calls).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever the text, the answer is a value or a typed error, and the next caller notices nothing.
    #[test]
    fn no_text_harms_the_host(
        source in prop_oneof![
            "\\PC{0,80}",
            "[\\[\\](){}.|,;:\"'\\\\a-f0-9 +*/?<>=!&$@-]{0,120}",
            "(\\.[a-c]|\\[\\]|\\| ?|map\\(|\\)|add|1|, ?|\"|\\\\\\(|reduce |as \\$x ){0,40}",
            "(\\{\\{|\\}\\}| |input|\\.|xs|\\||default\\(|\\)|\"|join|[0-9\\[\\]]){0,40}",
        ],
        language in prop_oneof![Just(Language::Cel), Just(Language::Jq), Just(Language::Template)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let source = if language == Language::Template { Value::from(source).to_string() } else { source };
            let program = Program { id: "p".into(), language, source };
            let document = document();
            let checked = EXPRESSIONS.check(std::slice::from_ref(&program)).await.unwrap().remove(0);
            let result = evaluate(program, &document).await;
            if let (Err(faults), Ok(value)) = (&checked, &result) {
                panic!("{faults:?}, and yet it gave {value}");
            }
            assert_eq!(cel("1 + 1", &document).await, Ok(json!(2)));
        });
    }
}

/// Calls that wait for their turn must not hold instances: there is room for those that run and those that are warm.
#[tokio::test(flavor = "multi_thread")]
async fn more_callers_than_instances_wait_for_their_turn() {
    let limits = ExpressionLimits { concurrent: 2, warm: 3, ..ExpressionLimits::default() };
    let expressions = Expressions::new(&images(), limits).unwrap();
    let sets: Vec<_> =
        (0..5).map(|owner| ProgramSet::new([owner; 32], vec![Program::jq("p", ".n + 1")]).unwrap()).collect();
    for _ in 0..3 {
        let calls = (0..60).map(|number| {
            let (expressions, set) = (expressions.clone(), sets[number % sets.len()].clone());
            tokio::spawn(async move {
                let document = json!({ "n": number });
                expressions.evaluate(&set, &[Evaluation::new("p", &document)]).await.map(|mut all| all.remove(0))
            })
        });
        for (number, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
            assert_eq!(call.await.unwrap().unwrap().unwrap(), json!(number + 1));
        }
    }
    assert!(expressions.warm_instances() <= 3);
}
