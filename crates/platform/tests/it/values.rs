//! Values of executions: large ones, sensitive ones, and what steps were given.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, TestApp, answer};

use crate::engine::{run, save, saved, start, until};
use crate::executions::follow;
use crate::guests;
use crate::policies::single;

/// The files that hold large values of the actor's organisation.
fn objects(app: &TestApp, actor: &Actor) -> usize {
    let tenant = app.app.config.engine.objects.join(actor.tenant().uuid().to_string());
    let executions = std::fs::read_dir(tenant).into_iter().flatten();
    executions.flat_map(|execution| std::fs::read_dir(execution.unwrap().path()).unwrap()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_inputs_stand_beside_the_database() {
    let (app, ada, workflow) = saved(json!({
        "name": "counts",
        "input": {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "string"}}}},
        "nodes": {"count": {"type": "transform", "jq": ".input.list | length"}},
        "edges": [{"from": "start", "to": "count"}, {"from": "count", "to": "end"}],
    }))
    .await;
    let path = format!("/workflows/{workflow}/executions?wait=30s");
    let send = async |input: Value, key: Option<&str>| {
        let mut request = app.request(Method::POST, &path, Some(&ada.token)).json(&json!({ "input": input }));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        answer(request).await
    };
    let large = json!({"list": vec!["x".repeat(1024); 5 * 1024]});
    let done = send(large.clone(), Some("large")).await.expect(200);
    assert_eq!((done["state"].as_str(), &done["output"]), (Some("succeeded"), &json!(5 * 1024)));
    assert_eq!(done["input"], Value::Null);
    assert!(done["input_size"].as_u64().unwrap() > 5 * 1024 * 1024);
    assert_eq!(objects(&app, &ada), 1);
    let step = app.get(&ada, &format!("/executions/{}/steps/count", done["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(step["input"]["input"]["not_shown"]["size"], done["input_size"], "{step:#}");
    let stored: String =
        sqlx::query_scalar("select input from executions").fetch_one(&mut app.admin().await).await.unwrap();
    assert!(stored.len() < 1024, "a reference, not the value");

    // A repeat, and what is refused, leave nothing behind.
    assert_eq!(send(large, Some("large")).await.expect(200)["id"], done["id"]);
    let wrong = send(json!({"list": vec![json!(1); 100 * 1024]}), None).await.problem(422, "invalid");
    assert_eq!(wrong["errors"][0]["pointer"], "/input/list/0");
    assert_eq!(objects(&app, &ada), 1);

    // More than an input may be, told or not told before: one clear answer, and the connection is fit for the next.
    let body = format!("{{\"input\": \"{}\"}}", "x".repeat(50 * 1024 * 1024));
    for key in [None, Some("too large")] {
        let mut request = app.request(Method::POST, &path, Some(&ada.token)).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let refused = answer(request.body(body.clone())).await.problem(413, "too-large");
        assert_eq!(refused["limit"], 16 * 1024 * 1024, "{refused:#}");
    }
    let teams = app.request(Method::POST, "/teams", Some(&ada.token)).header("content-type", "application/json");
    let refused = answer(teams.body(body)).await.problem(413, "too-large");
    assert_eq!(refused["limit"], 1024 * 1024, "other routes take less: {refused:#}");
    assert_eq!(send(json!({"list": []}), None).await.expect(200)["output"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_schema_calls_sensitive_is_sealed_masked_and_used() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let operator = app.member(&ada, SystemRole::Operator).await;
    let python = "def execute(state, config):\n    print('got', state['input']['ssn'])\n    return {'quoted': \"<\" + state['input']['ssn'] + \">\", 'n': len(state['input']['ssn'])}\n";
    let workflow = save(
        &app,
        &ada,
        json!({
            "name": "keeps quiet",
            "input": {"type": "object", "properties": {
                "name": {"type": "string"}, "ssn": {"type": "string", "x-sensitive": true},
                "cards": {"type": "array", "items": {"$ref": "#/$defs/card"}},
            }, "$defs": {"card": {"type": "object", "properties": {"number": {"type": "integer", "x-sensitive": true}}}}},
            "nodes": {
                "greet": {"type": "transform", "jq": "\"\\(.input.name) has \\(.input.ssn)\""},
                "python": {"type": "plugin", "language": "python", "source": python},
                "fails": {"type": "transform", "jq": "error(\"bad: \" + .input.ssn)", "continue_on_error": true},
                "each": {"type": "map", "over": ".input.cards", "do": {"type": "transform", "jq": ".item.number + 1"}},
                "ask": {"type": "approval", "approvers": {"roles": ["operator"]}, "show": ".input"},
                "after": {"type": "transform", "jq": "{n: (.input.ssn | length), same: (.state.python.quoted == \"<\" + .input.ssn + \">\"), python: .state.python, cards: .state.each}"},
            },
            "edges": [{"from": "start", "to": "greet"}, {"from": "greet", "to": "python"}, {"from": "python", "to": "fails"},
                      {"from": "fails", "to": "each"}, {"from": "each", "to": "ask"}, {"from": "ask", "to": "after"},
                      {"from": "after", "to": "end"}],
        }),
    )
    .await;
    let (ssn, card) = ("078-05-1120", 4_111_111_111_111_111_u64);
    let input = json!({"name": "Ada", "ssn": ssn, "cards": [{"number": card}]});
    let execution = start(&app, &ada, &workflow, input).await;
    until(&app, &ada, &execution, &["waiting", "failed"]).await;
    let approval = app.get(&operator, "/approvals").await.expect(200)["items"][0].clone();
    assert_eq!(approval["shown"]["ssn"], "[sensitive]", "{approval:#}");
    // Taken up again here: what is sensitive is known from what is sealed.
    let path = format!("/approvals/{}/decision", approval["id"].as_str().unwrap());
    let _ = app.post(&operator, &path, json!({"decision": "approve"})).await.expect(200);
    let done = until(&app, &ada, &execution, &["succeeded", "failed"]).await;
    assert_eq!(
        done["output"],
        json!({"n": 11, "same": true, "python": {"quoted": "<[sensitive]>", "n": 11}, "cards": [card + 1]}),
        "{done:#}"
    );
    assert_eq!(done["input"], json!({"name": "Ada", "ssn": "[sensitive]", "cards": [{"number": "[sensitive]"}]}));
    let mut seen = done.to_string() + &approval.to_string();
    let step = async |name: &str| app.get(&ada, &format!("/executions/{execution}/steps/{name}")).await.expect(200);
    let greet = step("greet").await;
    assert_eq!(
        (&greet["output"], &greet["input"]["input"]["ssn"]),
        (&json!("Ada has [sensitive]"), &json!("[sensitive]"))
    );
    let python = step("python").await;
    assert!(python["logs"].to_string().contains("got [sensitive]"), "{python:#}");
    let fails = step("fails").await;
    assert!(fails["error"]["message"].as_str().unwrap().contains("bad: [sensitive]"), "{fails:#}");
    for step in [greet, python, fails, step("each%5B0%5D").await, step("each").await, step("after").await] {
        seen += &step.to_string();
    }
    for event in follow(&app, &ada, &execution, None).await {
        seen += &event.data.to_string();
    }
    let (ssn, card) = (ssn.to_owned(), card.to_string());
    for value in [&ssn, &card] {
        assert!(!seen.contains(value.as_str()), "an answer holds it: {seen}");
        for (table, row) in crate::secrets::dump(&app).await {
            assert!(!row.contains(value.as_str()), "{table} holds it: {row}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_shown_with_what_it_was_given() {
    let python = "def execute(state, config):\n    return list(state.keys())\n";
    let (app, ada, workflow) = saved(json!({
        "name": "shows",
        "input": {"type": "object", "properties": {"xs": {"type": "array"}}},
        "nodes": {
            "first": {"type": "transform", "jq": ".input.xs | length"},
            "large": {"type": "transform", "jq": "[range(20000)]"},
            "cut": {"type": "plugin", "language": "python", "source": python, "needs": ["state.first"]},
            "never": {"type": "transform", "jq": "0"},
            "each": {"type": "map", "over": ".input.xs", "do": {"type": "transform", "jq": ".item * .state.first"}},
        },
        "edges": [{"from": "start", "to": "first"}, {"from": "first", "to": "large"}, {"from": "large", "to": "cut"},
                  {"from": "large", "to": "never", "when": "state.first > 100"}, {"from": "never", "to": "end"},
                  {"from": "cut", "to": "each"}, {"from": "each", "to": "end"}],
    }))
    .await;
    let done = run(&app, &ada, &workflow, json!({"xs": [5, 7]})).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");
    let id = done["id"].as_str().unwrap();
    let step = async |name: &str| app.get(&ada, &format!("/executions/{id}/steps/{name}")).await.expect(200);
    let facts = json!({"id": id, "environment": "dev", "attempt": 1});
    let first = step("first").await;
    assert_eq!(first["input"], json!({"input": {"xs": [5, 7]}, "state": {}, "execution": facts}), "{first:#}");
    assert_eq!(step("cut").await["input"], json!({"state": {"first": 2}}));
    let item = step("each%5B1%5D").await;
    assert_eq!((&item["input"]["item"], &item["input"]["index"], &item["output"]), (&json!(7), &json!(1), &json!(14)));
    assert_eq!(item["input"]["state"]["first"], 2);
    assert!(item["input"]["state"]["large"]["not_shown"]["size"].as_u64().unwrap() > 64 * 1024, "{item:#}");
    let never = step("never").await;
    assert_eq!((never["state"].as_str(), &never["input"]), (Some("skipped"), &Value::Null), "{never:#}");
    app.get(&ada, &format!("/executions/{id}/steps/nowhere")).await.problem(404, "not-found");
}

/// A row of the journal has to be read back: what nests deeper than that is no output.
#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_could_not_be_read_back_fails_its_step_alone() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let deep = |levels: u32| {
        json!({
            "name": format!("deep {levels}"),
            "nodes": {
                "deep": {"type": "transform", "jq": format!("reduce range({levels}) as $i (1; [.])"), "continue_on_error": true},
                "pause": {"type": "wait", "for": "1s"},
                "told": {"type": "transform", "jq": "if (.state.deep | type) == \"object\" then .state.deep.error.class else \"fine\" end"},
            },
            "edges": [{"from": "start", "to": "deep"}, {"from": "deep", "to": "pause"}, {"from": "pause", "to": "told"}, {"from": "told", "to": "end"}],
        })
    };
    for (levels, told) in [(90, "fine"), (125, "limit")] {
        let workflow = save(&app, &ada, deep(levels)).await;
        let done = run(&app, &ada, &workflow, json!({})).await;
        assert_eq!((&done["state"], &done["output"]), (&json!("succeeded"), &json!(told)), "{done:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_has_as_many_steps_as_a_journal_can_hold() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let map = json!({
        "name": "many",
        "nodes": {"many": {"type": "map", "over": "[range(100001)]", "do": {"type": "transform", "jq": ".item"}}},
        "edges": [{"from": "start", "to": "many"}, {"from": "many", "to": "end"}],
    });
    let workflow = save(&app, &ada, map).await;
    let done = run(&app, &ada, &workflow, json!({})).await;
    assert_eq!((&done["state"], &done["error"]["class"]), (&json!("failed"), &json!("limit")), "{done:#}");
    assert!(done["error"]["message"].as_str().unwrap().contains("set `batch`"), "{done:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_to_be_shown_can_be_saved() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.register("bob", "Globex").await;
    let workflow = save(
        &app,
        &ada,
        json!({
            "name": "gives back",
            "nodes": {
                "copy": {"type": "transform", "jq": ".input.list"},
                "each": {"type": "map", "over": ".input.parts", "do": {"type": "transform", "jq": ".item"}},
                "ask": {"type": "approval", "approvers": {"roles": ["admin"]}},
            },
            "edges": [{"from": "start", "to": "copy"}, {"from": "copy", "to": "each"}, {"from": "each", "to": "ask"},
                      {"from": "ask", "to": "end"}],
        }),
    )
    .await;
    let input =
        json!({"list": vec!["\u{e4}\"\\".repeat(200); 870], "parts": ["a".repeat(100 * 1024), "b".repeat(100 * 1024)]});
    let list = &input["list"];
    assert!(input.to_string().len() > 1024 * 1024 && list.to_string().len() > 1_000_000);
    let execution = start(&app, &ada, &workflow, input.clone()).await;
    let waiting = until(&app, &ada, &execution, &["waiting", "failed"]).await;
    assert_eq!((waiting["state"].as_str(), &waiting["input"]), (Some("waiting"), &Value::Null), "{waiting:#}");
    let saved = async |actor: &Actor, path: &str| app.get(actor, &format!("/executions/{execution}/{path}")).await;

    let answer = saved(&ada, "input").await;
    let headers = ["content-type", "content-disposition"].map(|name| answer.headers[name].to_str().unwrap().to_owned());
    assert_eq!(headers, ["application/json".to_owned(), format!("attachment; filename=\"{execution}-input.json\"")]);
    assert_eq!(answer.expect(200), input);
    let copied = saved(&ada, "steps/copy/output").await;
    assert_eq!(copied.headers["content-length"].to_str().unwrap(), list.to_string().len().to_string());
    assert_eq!(&copied.expect(200), list);
    assert_eq!(saved(&ada, "steps/each%5B1%5D/output").await.expect(200), input["parts"][1]);
    let given = saved(&ada, "steps/each%5B1%5D/input").await;
    let name = format!("attachment; filename=\"{execution}-each-1--input.json\"");
    assert_eq!(given.headers["content-disposition"].to_str().unwrap(), name);
    let given = given.expect(200);
    assert_eq!((&given["item"], &given["index"], &given["input"]), (&input["parts"][1], &json!(1), &input));
    assert_eq!(&given["state"]["copy"], list);

    // What is not there yet, what never is, and what is another tenant's.
    for path in ["output", "steps/ask/output", "steps/nowhere/output", "steps/nowhere/input"] {
        saved(&ada, path).await.problem(404, "not-found");
    }
    let _ = app.post(&ada, &format!("/executions/{execution}/cancel"), json!({})).await.expect(202);
    until(&app, &ada, &execution, &["cancelled"]).await;
    saved(&ada, "output").await.problem(404, "not-found");
    for path in ["input", "output", "steps/copy/input", "steps/copy/output"] {
        saved(&bob, path).await.problem(404, "not-found");
    }

    let quick = save(&app, &ada, single("echo", json!({"type": "transform", "jq": ".input.list"}))).await;
    let done = run(&app, &ada, &quick, input.clone()).await;
    assert_eq!((&done["output"], done["output_size"].as_u64()), (&Value::Null, Some(list.to_string().len() as u64)));
    let id = done["id"].as_str().unwrap();
    assert_eq!(&app.get(&ada, &format!("/executions/{id}/output")).await.expect(200), list);
    let small = run(&app, &ada, &quick, json!({"list": [1]})).await;
    let id = small["id"].as_str().unwrap();
    assert_eq!(app.get(&ada, &format!("/executions/{id}/output")).await.expect(200), json!([1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sensitive_stays_masked_in_what_is_saved() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let python = "def execute(state, config):\n    return {'token': 'tok-98765', 'text': 'made tok-98765 of ' + state['input']['ssn']}\n";
    let manifest = json!({
        "name": "acme/mint", "version": "1.0.0", "kind": "node",
        "outputs": {"type": "object", "properties": {"token": {"type": "string", "x-sensitive": true}}},
    });
    let upload = json!({"manifest": manifest.to_string(), "source": python});
    let stored = app.post(&ada, "/plugins", upload).await.expect(201);
    let path = format!("/plugins/{}/versions/1.0.0/status", stored["version"]["plugin_id"].as_str().unwrap());
    let _ = app.put(&ada, &path, json!({"status": "active"})).await.expect(200);
    let workflow = save(
        &app,
        &ada,
        json!({
            "name": "keeps quiet",
            "input": {"type": "object", "properties": {"ssn": {"type": "string", "x-sensitive": true}, "list": {"type": "array"}}},
            "nodes": {
                "mint": {"type": "plugin", "plugin": "acme/mint@1.0.0"},
                "large": {"type": "transform", "jq": "{said: .state.mint.text, token: .state.mint.token, ssn: .input.ssn, list: .input.list}"},
            },
            "edges": [{"from": "start", "to": "mint"}, {"from": "mint", "to": "large"}, {"from": "large", "to": "end"}],
        }),
    )
    .await;
    let list = json!(vec!["x".repeat(1024); 200]);
    let done = run(&app, &ada, &workflow, json!({"ssn": "078-05-1120", "list": list})).await;
    assert_eq!((done["state"].as_str(), &done["output"]), (Some("succeeded"), &Value::Null), "{done:#}");
    let id = done["id"].as_str().unwrap();
    let saved = async |path: &str| app.get(&ada, &format!("/executions/{id}/{path}")).await.expect(200);
    let masked = json!("[sensitive]");
    assert_eq!(saved("input").await, json!({"ssn": masked, "list": list}));
    let large = json!({"said": "made [sensitive] of [sensitive]", "token": masked, "ssn": masked, "list": list});
    assert_eq!(saved("output").await, large);
    assert_eq!(saved("steps/large/output").await, large);
    assert_eq!(saved("steps/mint/output").await, json!({"token": masked, "text": "made [sensitive] of [sensitive]"}));
    let given = saved("steps/large/input").await;
    assert_eq!(given["input"], json!({"ssn": masked, "list": list}));
    assert_eq!(given["state"]["mint"]["text"], "made [sensitive] of [sensitive]");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_for_no_execution_is_removed_and_nothing_else() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let workflow = save(&app, &ada, single("counts", json!({"type": "transform", "jq": ".input | length"}))).await;
    let large = json!(vec!["x".repeat(1024); 100]);
    let done = run(&app, &ada, &workflow, large.clone()).await;
    let tenant = ada.tenant().uuid();
    let root = app.app.config.engine.objects.clone();
    let plant = |tenant: uuid::Uuid, execution: &str| {
        let directory = root.join(tenant.to_string()).join(execution);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("value"), "sealed").unwrap();
        directory
    };
    let orphan = plant(tenant, &uuid::Uuid::now_v7().to_string());
    let others = [plant(tenant, "lost+found"), plant(uuid::Uuid::now_v7(), &uuid::Uuid::now_v7().to_string())];
    let sweep = async |age: Duration| app.app.engine.sweep_objects(age).await.unwrap();

    assert_eq!(sweep(Duration::from_secs(3600)).await, 0);
    assert!(orphan.exists(), "its execution may yet come about");
    assert_eq!(sweep(Duration::ZERO).await, 1);
    assert!(!orphan.exists());
    assert_eq!(sweep(Duration::ZERO).await, 0);
    for other in others {
        assert!(other.join("value").exists(), "neither ours nor known to this database: {}", other.display());
        std::fs::remove_dir_all(other).unwrap();
    }
    let path = format!("/executions/{}/input", done["id"].as_str().unwrap());
    assert_eq!(app.get(&ada, &path).await.expect(200), large);
}
