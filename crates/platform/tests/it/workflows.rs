use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::tenancy::Plan;
use tenure_platform::testkit::{Actor, Answer, Setup, TestApp, answer};

use crate::guests;

const TALLY: &str = "\
# Adds up what it is given.
name: Tally
description: Adds numbers
tags: [sums, demo]
input: { type: object, required: [xs], properties: { xs: { type: array, items: { type: number } } } }
nodes:
  tally: { type: transform, jq: '{total: (.input.xs | add)}' }
  large: { type: transform, cel: 'state.tally.total * 2.0' }
edges:
  - { from: start, to: tally }
  - { from: tally, to: large, when: 'state.tally.total > 10.0' }
  - { from: tally, to: end, when: else }
  - { from: large, to: end }
";

/// Two nodes without an expression: nothing that needs a guest.
fn plain(name: &str) -> Value {
    json!({
        "name": name,
        "nodes": {"zebra": {"type": "wait", "for": "1s"}, "ant": {"type": "wait", "for": "1s"}},
        "edges": [{"from": "start", "to": "zebra"}, {"from": "zebra", "to": "ant"}, {"from": "ant", "to": "end"}],
    })
}

async fn yaml(app: &TestApp, actor: &Actor, method: Method, path: &str, text: impl Into<reqwest::Body>) -> Answer {
    let request = app.request(method, path, Some(&actor.token)).header(CONTENT_TYPE, "application/yaml");
    answer(request.body(text)).await
}

async fn validate(app: &TestApp, actor: &Actor, text: impl Into<reqwest::Body>) -> Value {
    yaml(app, actor, Method::POST, "/workflows/validate", text).await.expect(200)
}

fn codes(validation: &Value) -> Vec<&str> {
    validation["faults"].as_array().unwrap().iter().map(|fault| fault["code"].as_str().unwrap()).collect()
}

fn path_of(workflow: &Value) -> String {
    format!("/workflows/{}", workflow["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_from_its_first_version_to_its_end() {
    let app = guests::app().await;
    let admin = app.register("ada", "Engines").await;
    let saved = yaml(&app, &admin, Method::POST, "/workflows?message=first", TALLY).await;
    let location = saved.headers["location"].to_str().unwrap().to_owned();
    let saved = saved.expect(201);
    assert_eq!((saved["version"].as_i64(), saved["name"].as_str()), (Some(1), Some("Tally")), "{saved:#}");
    assert_eq!(saved["faults"], json!([]), "the expressions were checked: {saved:#}");
    assert_eq!(app.url(&path_of(&saved)), format!("http://{}{location}", app.address));

    let read = app.get(&admin, &path_of(&saved)).await.expect(200);
    assert_eq!(
        (read["source"].as_str(), read["format"].as_str()),
        (Some(TALLY), Some("yaml")),
        "not a comment is lost"
    );
    assert_eq!(read["definition"]["nodes"]["tally"]["jq"], "{total: (.input.xs | add)}");
    assert_eq!(read["input_schema"]["required"], json!(["xs"]));
    assert_eq!(read["canvas"]["nodes"].as_array().unwrap().len(), 2);
    assert_eq!((read["tags"].clone(), read["node_count"].as_i64()), (json!(["sums", "demo"]), Some(2)));
    assert_eq!(read["updated_by"]["id"], admin.user["id"]);

    let newer = TALLY.replace("Adds numbers", "Adds more numbers");
    let stale = yaml(&app, &admin, Method::PUT, &format!("{}?version=7", path_of(&saved)), newer.clone()).await;
    assert_eq!(stale.problem(409, "conflict")["version"], 1);
    let second = yaml(&app, &admin, Method::PUT, &format!("{}?version=1", path_of(&saved)), newer).await.expect(200);
    assert_eq!((second["version"].as_i64(), second["description"].as_str()), (Some(2), Some("Adds more numbers")));
    assert_ne!(second["digest"], read["digest"]);
    let request = app.request(Method::POST, &format!("{}/versions", path_of(&saved)), Some(&admin.token));
    let third = request.header("If-Match", "\"2\"").json(&plain("Tally"));
    assert_eq!(answer(third).await.expect(201)["version"], 3);

    let versions = app.get(&admin, &format!("{}/versions?limit=2", path_of(&saved))).await.expect(200);
    let numbers: Vec<i64> =
        versions["items"].as_array().unwrap().iter().map(|v| v["version"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [3, 2]);
    let rest = format!("{}/versions?limit=2&cursor={}", path_of(&saved), versions["next_cursor"].as_str().unwrap());
    let rest = app.get(&admin, &rest).await.expect(200);
    assert_eq!((rest["items"][0]["version"].as_i64(), rest["items"][0]["message"].as_str()), (Some(1), Some("first")));
    let first = app.get(&admin, &format!("{}/versions/1", path_of(&saved))).await.expect(200);
    assert_eq!(
        (first["source"].as_str(), &first["digest"]),
        (Some(TALLY), &read["digest"]),
        "a version stays as it was"
    );
    app.get(&admin, &format!("{}/versions/9", path_of(&saved))).await.problem(404, "not-found");

    let _ = app.delete(&admin, &path_of(&saved)).await.expect(204);
    app.get(&admin, &path_of(&saved)).await.problem(404, "not-found");
    app.delete(&admin, &path_of(&saved)).await.problem(404, "not-found");
    let again = yaml(&app, &admin, Method::POST, "/workflows", TALLY).await.expect(201);
    assert_ne!(again["id"], saved["id"], "the name is free again");
    let actions = app.actions(admin.tenant()).await;
    for action in ["workflow.created", "workflow.version-saved", "workflow.deleted"] {
        assert!(actions.iter().any(|done| done == action), "{action} is missing in {actions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_guests_plain_definitions_work_and_others_are_refused_for_now() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let saved = app.post(&admin, "/workflows", plain("Plain")).await.expect(201);
    let text = app.client.get(app.url(&path_of(&saved))).bearer_auth(&admin.token).send().await.unwrap();
    let text = text.text().await.unwrap();
    let order = |text: &str| text.find("\"zebra\"").unwrap() < text.find("\"ant\"").unwrap();
    let definition = text.split_once("\"definition\":").unwrap().1;
    assert!(order(definition), "the order of the nodes has a meaning: {definition}");
    let problem = yaml(&app, &admin, Method::POST, "/workflows", TALLY).await.problem(503, "unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("cargo xtask guests"), "{problem:#}");
    assert_eq!(app.get(&admin, "/workflows").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_filter_and_names_are_unique() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let mut tagged = plain("beta");
    tagged["tags"] = json!(["nightly"]);
    tagged["description"] = json!("Counts the Stars");
    for definition in [plain("Alpha"), tagged, plain("gamma")] {
        let _ = app.post(&admin, "/workflows", definition).await.expect(201);
    }
    let names = async |query: &str| -> Vec<String> {
        let page = app.get(&admin, &format!("/workflows{query}")).await.expect(200);
        page["items"].as_array().unwrap().iter().map(|w| w["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("").await, ["Alpha", "beta", "gamma"]);
    assert_eq!(names("?search=stars").await, ["beta"]);
    assert_eq!(names("?tag=nightly").await, ["beta"]);
    assert_eq!(names("?tag=night").await, Vec::<String>::new());
    let first = app.get(&admin, "/workflows?limit=2").await.expect(200);
    assert_eq!(names(&format!("?cursor={}", first["next_cursor"].as_str().unwrap())).await, ["gamma"]);
    app.get(&admin, "/workflows?colour=red").await.problem(422, "invalid");

    let taken = app.post(&admin, "/workflows", plain("ALPHA")).await.problem(409, "conflict");
    assert_eq!(taken["errors"][0]["pointer"], "/name");
    let gamma = app.get(&admin, "/workflows?search=gamma").await.expect(200)["items"][0].clone();
    app.put(&admin, &path_of(&gamma), plain("alpha")).await.problem(409, "conflict");
    assert_eq!(app.get(&admin, &path_of(&gamma)).await.expect(200)["version"], 1, "nothing half-written");
    app.post(&admin, "/workflows?message=%07", plain("x")).await.problem(422, "invalid");
    let media = app.request(Method::POST, "/workflows", Some(&admin.token)).header(CONTENT_TYPE, "text/html").body("x");
    answer(media).await.problem(415, "unsupported-media-type");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_save_gets_the_first_answer() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let create = async || {
        let request = app.request(Method::POST, "/workflows", Some(&admin.token)).header("Idempotency-Key", "k");
        answer(request.json(&plain("Once"))).await.expect(201)
    };
    let (first, second) = (create().await, create().await);
    assert_eq!(first, second);
    assert_eq!(first["definition"]["name"], "Once");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tenants_and_other_teams_see_nothing() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("Acme").await, app.tenant("Globex").await);
    let shared = app.post(&acme.admin, "/workflows", plain("Shared")).await.expect(201);
    let (path, other) = (path_of(&shared), &globex.admin);
    for route in [path.clone(), format!("{path}/versions"), format!("{path}/versions/1")] {
        app.get(other, &route).await.problem(404, "not-found");
    }
    app.put(other, &path, plain("Mine")).await.problem(404, "not-found");
    app.post(other, &format!("{path}/versions"), plain("Mine")).await.problem(404, "not-found");
    app.delete(other, &path).await.problem(404, "not-found");
    assert_eq!(app.get(other, "/workflows").await.expect(200)["items"], json!([]));
    let _ = app.post(other, "/workflows", plain("Shared")).await.expect(201);

    let developer = &acme.roles[&SystemRole::Developer];
    let team = app.post(&acme.admin, "/teams", json!({"name": "Night shift"})).await.expect(201);
    let team = team["id"].as_str().unwrap();
    let private = format!("/workflows?team={team}");
    let refused = app.post(developer, &private, plain("Private")).await.problem(422, "invalid");
    assert_eq!(refused["errors"][0]["pointer"], "#query/team");
    let _ =
        app.put(&acme.admin, &format!("/teams/{team}/members/{}", developer.user_id()), json!({})).await.expect(204);
    let private = app.post(developer, &private, plain("Private")).await.expect(201);
    assert_eq!(private["team_id"], team);
    let _ = app.get(developer, &path_of(&private)).await.expect(200);
    let admin = &acme.admin;
    app.get(admin, &path_of(&private)).await.problem(404, "not-found");
    app.put(admin, &path_of(&private), plain("Private")).await.problem(404, "not-found");
    app.delete(admin, &path_of(&private)).await.problem(404, "not-found");
    let listed = app.get(admin, "/workflows").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_cannot_be_changed_by_the_application() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let _ = app.post(&admin, "/workflows", plain("Fixed")).await.expect(201);
    let mut login = app.login("tenure_app").await;
    for statement in [
        "update workflow_versions set source = 'x'",
        "delete from workflow_versions",
        "delete from workflows",
        "update plugin_versions set source = 'x'",
        "update workflows set tenant_id = gen_random_uuid()",
    ] {
        let refused = sqlx::query(statement).execute(&mut login).await.unwrap_err().to_string();
        assert!(refused.contains("permission denied"), "{statement}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_with_code_place_and_suggestion() {
    let app = guests::app().await;
    let admin = app.register("ada", "Engines").await;
    let text = TALLY.replace("type: transform, jq", "type: tranform, jq").replace("to: large, when", "to: lage, when");
    let validation = validate(&app, &admin, text.clone()).await;
    assert_eq!(validation["valid"], false);
    let fault =
        validation["faults"].as_array().unwrap().iter().find(|fault| fault["code"] == "unknown-node-type").unwrap();
    assert_eq!((fault["line"].as_u64(), fault["pointer"].as_str()), (Some(7), Some("/nodes/tally/type")), "{fault:#}");
    assert_eq!(fault["suggestion"], "transform");
    assert!(codes(&validation).contains(&"unknown-node"), "all at once: {validation:#}");
    let refused = yaml(&app, &admin, Method::POST, "/workflows", text).await.problem(422, "invalid");
    assert_eq!(refused["faults"], validation["faults"]);
    assert!(refused["errors"].as_array().unwrap().iter().any(|error| error["code"] == "unknown-node"));

    // Expressions and sources, by the sandbox, at their place in the document.
    let syntax = validate(&app, &admin, TALLY.replace("state.tally.total * 2.0", "state.tally.total *")).await;
    assert_eq!(codes(&syntax), ["expression-syntax"], "{syntax:#}");
    assert_eq!(
        (&syntax["faults"][0]["line"], &syntax["faults"][0]["pointer"]),
        (&json!(8), &json!("/nodes/large/cel"))
    );
    let path = validate(&app, &admin, TALLY.replace("state.tally.total >", "state.tallly.total >")).await;
    assert_eq!(path["valid"], false, "{path:#}");
    let python = "name: P\nnodes:\n  run:\n    type: plugin\n    language: python\n    source: |\n      import math\n      def execute(state, config):\n          return (\nedges: [{from: start, to: run}, {from: run, to: end}]\n";
    let python = validate(&app, &admin, python).await;
    assert_eq!(codes(&python), ["expression-syntax"], "{python:#}");
    assert_eq!(python["faults"][0]["pointer"], "/nodes/run/source");
    assert!((7..=10).contains(&python["faults"][0]["line"].as_u64().unwrap()), "{python:#}");

    // A secret that is not granted yet is a warning; one that cannot be sent from there is an error.
    let secret = "name: S\nnodes:\n  call: {type: http, request: {method: GET, url: 'https://example.com', headers: {authorization: '{{ secrets.token }}'}}}\nedges: [{from: start, to: call}, {from: call, to: end}]\n";
    let warned = validate(&app, &admin, secret).await;
    assert_eq!((codes(&warned), &warned["valid"]), (vec!["secret-not-granted"], &json!(true)), "{warned:#}");
    assert_eq!((&warned["faults"][0]["severity"], &warned["faults"][0]["line"]), (&json!("warning"), &json!(3)));
    let saved = yaml(&app, &admin, Method::POST, "/workflows", secret).await.expect(201);
    assert_eq!(saved["faults"][0]["code"], "secret-not-granted");
    let unknown = validate(&app, &admin, "name: U\nnodes: {a: {type: plugin, plugin: acme/none@^1}}\nedges: [{from: start, to: a}, {from: a, to: end}]\n").await;
    assert_eq!(codes(&unknown), ["unknown-plugin"]);
    let schema = app.get(&admin, "/workflows/schema").await.expect(200);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_definitions_are_clear_faults_and_write_nothing() {
    let app = guests::app().await;
    let admin = app.register("ada", "Engines").await;
    let nodes: String = (0..10_000).map(|n| format!("  n{n}: {{ type: wait, for: 1s }}\n")).collect();
    let many = format!("name: Many\nnodes:\n{nodes}edges: [{{from: start, to: n0}}, {{from: n0, to: end}}]\n");
    let aliases: String =
        (1..12).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "))).collect();
    let alias_bomb = format!("a0: &a0 x\n{aliases}name: Bomb\n");
    let deep = format!("{{\"name\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let unbounded = "name: Loop\nnodes: {a: {type: wait, for: 1s}, b: {type: wait, for: 1s}}\nedges: [{from: start, to: a}, {from: a, to: b}, {from: b, to: a}, {from: b, to: end}]\n";
    let texts: [(&str, Vec<u8>, &str); 11] = [
        ("malformed YAML", b"name: [unclosed\nnodes: }".to_vec(), "syntax"),
        ("an alias bomb", alias_bomb.into_bytes(), "too-large"),
        ("an unknown field", format!("{TALLY}extra: 1\n").into_bytes(), "unknown-field"),
        ("a loop without bound", unbounded.as_bytes().to_vec(), "unbounded-loop"),
        ("10,000 nodes", many.into_bytes(), "over-limit"),
        ("JSON 10,000 deep", deep.into_bytes(), "too-large"),
        ("invalid UTF-8", b"name: \xff\xfe".to_vec(), "syntax"),
        ("NUL", b"name: a\0b\n".to_vec(), "invalid-value"),
        ("NUL after the document", [TALLY.as_bytes(), b"\0junk"].concat(), "invalid-value"),
        (
            "a long description",
            format!("{TALLY}metadata: {{}}\n").replace("Adds numbers", &"x".repeat(10_001)).into_bytes(),
            "over-limit",
        ),
        ("an escaped NUL", b"{\"name\": \"a\\u0000b\"}".to_vec(), "invalid-value"),
    ];
    for (what, text, code) in texts {
        let validation = validate(&app, &admin, text.clone()).await;
        assert!(codes(&validation).contains(&code), "{what}: {validation:#}");
        assert!(validation["faults"][0]["line"].as_u64().unwrap() >= 1, "{what}");
        let refused = yaml(&app, &admin, Method::POST, "/workflows", text).await.problem(422, "invalid");
        assert!(!refused["errors"].as_array().unwrap().is_empty(), "{what}");
    }
    // Checked without being run: what is only dangerous to run may pass, what is dangerous to parse is a fault.
    let nested = format!(
        "name: B\nnodes:\n  a: {{ type: transform, jq: '{}1{}' }}\nedges: [{{from: start, to: a}}, {{from: a, to: end}}]\n",
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    assert_eq!(validate(&app, &admin, nested).await["valid"], false);
    let sum = format!(
        "name: B\nnodes:\n  a: {{ type: transform, cel: '1{}' }}\nedges: [{{from: start, to: a}}, {{from: a, to: end}}]\n",
        "+1".repeat(50_000)
    );
    let _ = validate(&app, &admin, sum).await;
    for jq in ["def f: 1+f; f", "def f: f; f", "[range(1e12)]"] {
        let bomb = format!(
            "name: B\nnodes:\n  a: {{ type: transform, jq: '{jq}' }}\nedges: [{{from: start, to: a}}, {{from: a, to: end}}]\n"
        );
        let _ = validate(&app, &admin, bomb).await;
    }
    for path in ["/workflows", "/workflows/validate"] {
        let body = vec![b' '; 50 * 1024 * 1024];
        let request = app.request(Method::POST, path, Some(&admin.token)).header(CONTENT_TYPE, "application/yaml");
        // The server may answer before it has taken the whole body, and close the connection.
        if let Ok(response) = request.body(body).send().await {
            assert_eq!(response.status(), 413, "{path}");
        }
    }
    assert_eq!(app.get(&admin, "/workflows").await.expect(200)["items"], json!([]), "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_secret_is_no_warning() {
    let app = guests::app().await;
    let admin = app.register("ada", "Engines").await;
    let text = "name: S\nnodes:\n  call: {type: http, request: {method: GET, url: 'https://example.com', headers: {authorization: '{{ secrets.token }}'}}}\nedges: [{from: start, to: call}, {from: call, to: end}]\n";
    let saved = yaml(&app, &admin, Method::POST, "/workflows", text).await.expect(201);
    assert_eq!(saved["faults"][0]["code"], "secret-not-granted");
    let _ = app.put(&admin, "/secrets/token", json!({"value": "a-token-of-some-length"})).await.expect(200);
    let grants = json!({"workflow_ids": [saved["id"]]});
    let _ = app.put(&admin, "/secrets/token/grants", grants).await.expect(200);
    let again = yaml(&app, &admin, Method::PUT, &path_of(&saved), text).await.expect(200);
    assert_eq!(again["faults"], json!([]));
    let validate = format!("/workflows/validate?workflow={}", saved["id"].as_str().unwrap());
    let known = yaml(&app, &admin, Method::POST, &validate, text).await.expect(200);
    assert_eq!(known["faults"], json!([]));
    let other = app.register("gil", "Globex").await;
    yaml(&app, &other, Method::POST, &validate, text).await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_are_counted_against_their_quota() {
    let platform = PlatformConfig { default_plan: Plan::Free, ..PlatformConfig::default() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let admin = app.register("ada", "Engines").await;
    let quotas = app.get(&admin, "/quotas").await.expect(200);
    let of_workflows = quotas["items"].as_array().unwrap().iter().find(|quota| quota["name"] == "workflows").unwrap();
    let limit = of_workflows["limit"].as_i64().expect("the free plan has a limit");
    let mut last = Value::Null;
    for n in 0..limit {
        last = app.post(&admin, "/workflows", plain(&format!("w{n}"))).await.expect(201);
    }
    app.post(&admin, "/workflows", plain("one more")).await.problem(403, "quota-exceeded");
    let _ = app.put(&admin, &path_of(&last), plain("a version is no workflow")).await.expect(200);
    let _ = app.delete(&admin, &path_of(&last)).await.expect(204);
    let _ = app.post(&admin, "/workflows", plain("one more")).await.expect(201);
}
