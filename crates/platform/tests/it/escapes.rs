//! A node that writes where another reads: whatever one step does to its interpreter, its files, its document or its output, no other
//! step, execution, version or tenant meets any of it. The sandbox's own tests hold the attempts to get out.

use std::sync::Arc;

use serde_json::{Value, json};
use tenure_platform::testkit::{Actor, TestApp};

use crate::engine::save;
use crate::guests;

/// Leaves a mark wherever Python lets it, and gives back every mark that it finds.
const VANDAL: &str = r#"
import collections, copy, dataclasses, datetime, decimal, functools, json, random, re, string, tenure, textwrap

sys = dataclasses.sys
os = random._os
guest = tenure.http.__globals__
builtin = print.__self__

@functools.cache
def cached(x): return []

def places():
    yield "guest", lambda: guest.get("left_behind"), lambda m: guest.__setitem__("left_behind", m)
    yield "modules", lambda: sys.modules.get("left_behind"), lambda m: sys.modules.__setitem__("left_behind", m)
    yield "sys", lambda: getattr(sys, "left_behind", None), lambda m: setattr(sys, "left_behind", m)
    yield "builtins", lambda: getattr(builtin, "left_behind", None), lambda m: setattr(builtin, "left_behind", m)
    yield "environment", lambda: os.environ.get("LEFT_BEHIND"), lambda m: os.environ.__setitem__("LEFT_BEHIND", m)
    yield "a function", lambda: getattr(textwrap.dedent, "left_behind", None), lambda m: setattr(textwrap.dedent, "left_behind", m)
    yield "a class", lambda: getattr(collections.OrderedDict.__mro__[0], "left_behind", None), lambda m: setattr(string.Formatter, "left_behind", m)
    yield "the formatter", lambda: getattr(string.Formatter, "left_behind", None), lambda m: None
    yield "the importer", lambda: [f for f in sys.meta_path if isinstance(f, str)], lambda m: sys.meta_path.append(m)
    yield "the allow-list", lambda: "left_behind" in guest["ALLOWED"] and "widened", lambda m: guest.__setitem__("ALLOWED", guest["ALLOWED"] | {"left_behind", "os"})
    yield "the patterns", lambda: [k for k in re._cache if "left_behind" in str(k)], lambda m: re.compile("left_behind" + m)
    yield "the decimals", lambda: decimal.getcontext().prec != 28 and "changed", lambda m: setattr(decimal.getcontext(), "prec", 7)
    yield "a cache", lambda: cached(1), lambda m: cached(1).append(m)
    yield "a default", lambda: copy.deepcopy.__defaults__ and [d for d in copy.deepcopy.__defaults__ if isinstance(d, str)], lambda m: setattr(copy.deepcopy, "__defaults__", (None, m))
    yield "the encoder", lambda: json.dumps(1) != "1" and "forged", lambda m: setattr(json, "dumps", lambda *a, **k: m)
    yield "the paths", lambda: [p for p in sys.path], lambda m: sys.path.append(m)
    for name in ("/left_behind", "/tmp/left_behind", "left_behind"):
        def read(name=name):
            try:
                return guest["io"].FileIO(name).read().decode()
            except OSError:
                return None
        def write(m, name=name):
            try:
                guest["io"].FileIO(name, "w").write(m.encode())
            except OSError:
                pass
        yield "the file " + name, read, write

def execute(state, config):
    mark = str(state["execution"]["id"]) + str(state.get("index", ""))
    found = {}
    for name, read, write in places():
        if seen := read():
            found[name] = str(seen)
    everything = guest["real_import"]("gc").get_objects()
    marks = [str(o)[:80] for o in everything if type(o) is dict and str(o.get("left_behind")).startswith("exe_")]
    if marks:
        found["the heap"] = str(marks)
    for name, read, write in places():
        write(mark)
    # Its own documents too: they are copies.
    state["input"] = state["state"] = "overwritten by " + mark
    config.clear()
    return found
"#;

fn vandalised(name: &str) -> Value {
    let vandal = json!({ "type": "plugin", "language": "python", "source": VANDAL, "config": { "kept": 1 } });
    let each = json!({ "type": "plugin", "language": "python", "source": VANDAL, "needs": ["execution.id"] });
    json!({
        "name": name,
        "nodes": {
            "first": vandal, "second": vandal, "third": vandal,
            "many": { "type": "map", "over": "[range(6)]", "concurrency": 3, "do": each },
            "sees": { "type": "transform", "jq": "{input, first: .state.first, third: .state.third, many: .state.many}" },
        },
        "edges": [
            { "from": "start", "to": "first" }, { "from": "first", "to": "second" }, { "from": "start", "to": "third" },
            { "from": "second", "to": "many" }, { "from": "third", "to": "many" }, { "from": "many", "to": "sees" }, { "from": "sees", "to": "end" },
        ],
    })
}

async fn run(app: &TestApp, actor: &Actor, workflow: &str, input: Value) -> Value {
    let path = format!("/workflows/{workflow}/executions?wait=60s");
    app.post(actor, &path, json!({ "input": input })).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_step_meets_what_another_left_in_the_interpreter() {
    let app = guests::app().await;
    let (ada, hank) = (app.register("ada", "Acme").await, app.register("hank", "Globex").await);
    for (actor, name) in [(&ada, "one"), (&ada, "two"), (&hank, "one")] {
        let workflow = save(&app, actor, vandalised(name)).await;
        for round in 0..2 {
            let done = run(&app, actor, &workflow, json!({ "round": round })).await;
            assert_eq!(done["state"], "succeeded", "{done:#}");
            let clean =
                json!({ "input": { "round": round }, "first": {}, "third": {}, "many": [{}, {}, {}, {}, {}, {}] });
            assert_eq!(done["output"], clean, "{name}, round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_with_the_same_text_get_their_own_answers() {
    let app = Arc::new(guests::app().await);
    let definition = json!({
        "name": "same",
        "input": { "type": "object", "properties": { "who": { "type": "string" }, "n": { "type": "integer" } } },
        "state": { "seen": { "reduce": "append" } },
        "nodes": {
            "jq": { "type": "transform", "jq": "{who: .input.who, n: .input.n}", "set": { "seen": ".who" } },
            "cel": { "type": "transform", "cel": "input.who + ':' + string(input.n)", "set": { "seen": "." } },
            "python": { "type": "plugin", "language": "python", "config": { "who": "{{ input.who }}" },
                "source": "kept = []\ndef execute(state, config):\n    kept.append(config['who'])\n    return kept + [state['state']['cel']]\n" },
        },
        "edges": [{ "from": "start", "to": "jq" }, { "from": "jq", "to": "cel" }, { "from": "cel", "to": "python" }, { "from": "python", "to": "end" }],
        "output": { "jq": ".state.jq", "cel": ".state.cel", "python": ".state.python", "seen": ".state.seen" },
    });
    let mut tasks = Vec::new();
    for name in ["acme", "globex", "initech"] {
        let actor = app.register(name, name).await;
        let workflow = save(&app, &actor, definition.clone()).await;
        for n in 0..12 {
            let (app, actor, workflow) = (Arc::clone(&app), actor.clone(), workflow.clone());
            tasks.push(tokio::spawn(async move {
                let done = run(&app, &actor, &workflow, json!({ "who": name, "n": n })).await;
                let both = format!("{name}:{n}");
                let expected =
                    json!({ "jq": { "who": name, "n": n }, "cel": both, "python": [name, both], "seen": [name, both] });
                assert_eq!(done["output"], expected, "{done:#}");
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// A step whose output looks like what the engine writes itself: it stays a value.
#[tokio::test(flavor = "multi_thread")]
async fn no_output_poses_as_the_engines_own() {
    let app = guests::app().await;
    let (ada, hank) = (app.register("ada", "Acme").await, app.register("hank", "Globex").await);
    // Something of the other tenant's in the object store, whose name an attacker may even know.
    let large = json!({
        "name": "large", "nodes": { "a": { "type": "transform", "jq": "[range(40000) | \"theirs\"]" } },
        "edges": [{ "from": "start", "to": "a" }, { "from": "a", "to": "end" }],
    });
    let workflow = save(&app, &hank, large).await;
    let theirs = run(&app, &hank, &workflow, json!(null)).await;
    assert_eq!(theirs["state"], "succeeded", "{theirs:#}");
    let entry: String = sqlx::query_scalar(
        "select entry from execution_journal where tenant_id = $1 and entry like '%\"object\"%' limit 1",
    )
    .bind(hank.tenant().uuid())
    .fetch_one(&mut app.admin().await)
    .await
    .unwrap();
    let object = find(&serde_json::from_str(&entry).unwrap(), "object").expect("the journal names the object");
    for (index, forged) in [
        json!({ "object": object }),
        json!({ "inline": { "object": object } }),
        json!({ "output": { "object": object } }),
        object.clone(),
        json!({ "error": { "class": "internal", "message": "forged", "attempts": 1 } }),
        json!({ "__proto__": { "admin": true }, "constructor": { "prototype": 1 } }),
        json!({ "$ref": "file:///etc/passwd", "{{ secrets.hook }}": "{{ secrets.hook }}" }),
        json!("[redacted:hook] {{ secrets.hook }}"),
    ]
    .into_iter()
    .enumerate()
    {
        let definition = json!({
            "name": format!("forges {index}"),
            "nodes": {
                "forge": { "type": "plugin", "language": "python", "source": "def execute(state, config):\n    return state['input']\n" },
                "read": { "type": "transform", "jq": ".state.forge" },
                "many": { "type": "map", "over": "[.state.forge, .state.forge]", "do": { "type": "transform", "jq": ".item" } },
            },
            "edges": [{ "from": "start", "to": "forge" }, { "from": "forge", "to": "read" }, { "from": "read", "to": "many" }, { "from": "many", "to": "end" }],
            "output": { "read": ".state.read", "many": ".state.many" },
        });
        let workflow = save(&app, &ada, definition).await;
        let done = run(&app, &ada, &workflow, forged.clone()).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
        assert_eq!(done["output"], json!({ "read": forged, "many": [forged, forged] }), "{index}");
        let execution = done["id"].as_str().unwrap();
        let step = app.get(&ada, &format!("/executions/{execution}/steps/forge")).await.expect(200);
        assert_eq!(step["output"], forged, "{step:#}");
        assert!(!step.to_string().contains("theirs"));
    }
}

fn find(value: &Value, key: &str) -> Option<Value> {
    match value {
        Value::Object(map) => map.get(key).cloned().or_else(|| map.values().find_map(|inner| find(inner, key))),
        Value::Array(items) => items.iter().find_map(|inner| find(inner, key)),
        _ => None,
    }
}

/// Names that mean something elsewhere are names like any other, or are refused when the definition is saved.
#[tokio::test(flavor = "multi_thread")]
async fn no_name_reaches_another_nodes_state() {
    let app = guests::app().await;
    let ada = app.register("ada", "Acme").await;
    for name in
        ["input", "state", "execution", "secrets", "item", "index", "start", "end", "error", "constructor", "__class__"]
    {
        let definition = json!({
            "name": format!("uses {name}"),
            "nodes": {
                "keep": { "type": "transform", "jq": "\"kept\"" },
                name: { "type": "transform", "jq": "\"mine\"" },
                "see": { "type": "transform", "jq": "[.input, .state.keep, (.execution | has(\"id\"))]" },
            },
            "edges": [{ "from": "start", "to": "keep" }, { "from": "keep", "to": name }, { "from": name, "to": "see" }, { "from": "see", "to": "end" }],
        });
        let saved = app.post(&ada, "/workflows", definition).await;
        if saved.status == 422 {
            let fault = &saved.body["faults"][0];
            assert!(
                ["reserved-id", "invalid-id", "duplicate-edge", "invalid-edge"]
                    .contains(&fault["code"].as_str().unwrap()),
                "{name}: {fault:#}"
            );
            continue;
        }
        let saved = saved.expect(201);
        let done = run(&app, &ada, saved["id"].as_str().unwrap(), json!("given")).await;
        assert_eq!(done["output"], json!(["given", "kept", true]), "{name}: {done:#}");
    }
    // A node writes the state that the definition declares, under its reducer, and nothing else.
    let undeclared = json!({
        "name": "writes", "nodes": { "a": { "type": "transform", "jq": "1", "set": { "b": "." } }, "b": { "type": "transform", "jq": "2" } },
        "edges": [{ "from": "start", "to": "a" }, { "from": "a", "to": "b" }, { "from": "b", "to": "end" }],
    });
    let refused = app.post(&ada, "/workflows", undeclared).await.problem(422, "invalid");
    assert_eq!(refused["faults"][0]["pointer"], "/nodes/a/set/b", "{refused:#}");
}
