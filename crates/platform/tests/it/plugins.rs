use std::sync::Arc;

use serde_json::{Value, json};
use tenure_kernel::permission::WorkflowRead;
use tenure_kernel::{Authorized, Identity, Origin, Principal};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::plugins::{self, Capability, HttpCapability};
use tenure_platform::testkit::{Actor, Setup, TestApp};

use crate::guests;

const SHOUT: &str = "def execute(state, config):\n    print('working')\n    return {'text': state['input']['text'].upper() + config.get('mark', '')}\n";

fn manifest(version: &str) -> String {
    format!(
        "name: acme/shout\nversion: {version}\nkind: node\ndisplay_name: Shout\ndescription: Says it louder\ncapabilities: [log, {{http: {{hosts: [api.example.com]}}}}]\n\
         limits: {{cpu: 1s}}\nconfig_schema: {{type: object, properties: {{mark: {{type: string}}}}, additionalProperties: false}}\n\
         examples:\n  - name: greets\n    input: {{text: hello}}\n    config: {{mark: '!'}}\n    output: {{text: 'HELLO!'}}\n"
    )
}

fn upload(version: &str) -> Value {
    json!({"manifest": manifest(version), "source": SHOUT})
}

fn outcomes(stages: &Value) -> Vec<(&str, &str)> {
    stages.as_array().unwrap().iter().map(|s| (s["stage"].as_str().unwrap(), s["outcome"].as_str().unwrap())).collect()
}

fn uses(range: &str) -> Value {
    json!({
        "name": "Uses it",
        "nodes": {"shout": {"type": "plugin", "plugin": format!("acme/shout@{range}")}},
        "edges": [{"from": "start", "to": "shout"}, {"from": "shout", "to": "end"}],
    })
}

async fn set_status(app: &TestApp, actor: &Actor, of: &Value, status: &str) -> tenure_platform::testkit::Answer {
    let (id, version) = (of["plugin_id"].as_str().unwrap(), of["version"].as_str().unwrap());
    app.put(actor, &format!("/plugins/{id}/versions/{version}/status"), json!({"status": status})).await
}

/// What the engine holds when it works for this person.
fn on_behalf_of(app: &TestApp, actor: &Actor) -> Authorized<WorkflowRead> {
    let user = actor.user_id().parse().unwrap();
    let identity = Identity {
        tenant: actor.tenant(),
        actor: tenure_kernel::Actor {
            principal: Principal::User(user),
            session: None,
            key: None,
            on_behalf_of: None,
            delegation: None,
        },
        permissions: SystemRole::Admin.permissions(),
        teams: Arc::default(),
        rates: tenure_kernel::limits::KeyRates::default(),
        workflow: None,
    };
    app.app.kernel.act_as(Arc::new(identity), Origin::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_from_upload_to_use_to_deletion() {
    let app = guests::app().await;
    let admin = app.register("ada", "Engines").await;
    let stored = app.post(&admin, "/plugins", upload("1.0.0")).await.expect(201);
    let version = &stored["version"];
    assert_eq!(
        outcomes(&stored["stages"]),
        [
            ("manifest", "passed"),
            ("signature", "skipped"),
            ("config-schema", "passed"),
            ("capabilities", "passed"),
            ("source", "passed"),
            ("examples", "passed")
        ],
        "{stored:#}"
    );
    assert_eq!((version["status"].as_str(), version["signed"].as_bool()), (Some("draft"), Some(false)));
    let path = format!("/plugins/{}", version["plugin_id"].as_str().unwrap());
    app.post(&admin, "/plugins", upload("1.0.0")).await.problem(409, "conflict");

    // A draft is no plugin for workflows yet; the test bench runs it.
    app.post(&admin, "/workflows", uses("^1")).await.problem(422, "invalid");
    let bench = format!("{path}/versions/1.0.0/test");
    let state = json!({"input": {"text": "hi"}, "state": {}, "execution": {}});
    let tested = app.post(&admin, &bench, json!({"state": state, "config": {"mark": "?"}})).await.expect(200);
    assert_eq!(
        (tested["outcome"].as_str(), &tested["output"]),
        (Some("succeeded"), &json!({"text": "HI?"})),
        "{tested:#}"
    );
    assert!(tested["logs"].to_string().contains("working") && tested["fuel"].as_u64().unwrap() > 0, "{tested:#}");
    let failed = app.post(&admin, &bench, json!({"state": {}})).await.expect(200);
    assert_eq!((failed["outcome"].as_str(), failed["error"]["line"].as_u64()), (Some("failed"), Some(3)), "{failed:#}");
    let misfit = app.post(&admin, &bench, json!({"state": state, "config": {"mark": 1}})).await.problem(422, "invalid");
    assert_eq!(misfit["errors"][0]["pointer"], "/config/mark");

    assert_eq!(set_status(&app, &admin, version, "active").await.expect(200)["status"], "active");
    set_status(&app, &admin, version, "draft").await.problem(409, "conflict");
    let workflow = app.post(&admin, "/workflows", uses("^1")).await.expect(201);
    let two = app.post(&admin, "/workflows/validate", uses("^2")).await.expect(200);
    assert_eq!(two["faults"][0]["code"], "unknown-plugin", "{two:#}");
    let near = json!({
        "name": "Near", "nodes": {"a": {"type": "plugin", "plugin": "acme/shot@^1"}},
        "edges": [{"from": "start", "to": "a"}, {"from": "a", "to": "end"}],
    });
    let near = app.post(&admin, "/workflows/validate", near).await.expect(200);
    assert_eq!(near["faults"][0]["suggestion"], "acme/shout@^1", "{near:#}");

    let seen = app.get(&admin, &path).await.expect(200);
    assert_eq!((&seen["used_by"][0]["id"], seen["language"].as_str()), (&workflow["id"], Some("python")));
    let in_use = app.delete(&admin, &path).await.problem(409, "conflict");
    assert_eq!(in_use["used_by"][0]["name"], "Uses it", "{in_use:#}");
    let _ = app.delete(&admin, &format!("/workflows/{}", workflow["id"].as_str().unwrap())).await.expect(204);
    let _ = app.delete(&admin, &path).await.expect(204);
    app.get(&admin, &path).await.problem(404, "not-found");
    let again = app.post(&admin, "/plugins", upload("1.0.0")).await.expect(201);
    assert_ne!(again["version"]["plugin_id"], version["plugin_id"], "the name is free again");
    let actions = app.actions(admin.tenant()).await;
    for action in
        ["plugin-version.uploaded", "plugin-version.status-changed", "plugin-version.tested", "plugin.deleted"]
    {
        assert!(actions.iter().any(|done| done == action), "{action} is missing in {actions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_stand_side_by_side_and_the_highest_active_one_is_resolved() {
    let app = guests::app().await;
    let admin = app.register("ada", "Engines").await;
    let mut stored = Vec::new();
    for version in ["1.9.0", "1.10.0", "2.0.0", "1.2.3"] {
        stored.push(app.post(&admin, "/plugins", upload(version)).await.expect(201)["version"].clone());
    }
    for version in stored.iter().take(3) {
        let _ = set_status(&app, &admin, version, "active").await.expect(200);
    }
    let path = format!("/plugins/{}", stored[0]["plugin_id"].as_str().unwrap());
    let listed = app.get(&admin, "/plugins?search=SHOUT").await.expect(200);
    assert_eq!(listed["items"][0]["version"], "2.0.0", "the highest, not the last: {listed:#}");
    let page = app.get(&admin, &format!("{path}/versions?limit=3")).await.expect(200);
    let next = format!("{path}/versions?limit=3&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(page["items"][0]["version"], "1.2.3");
    assert_eq!(app.get(&admin, &next).await.expect(200)["items"][0]["version"], "1.9.0");
    let code = app.get(&admin, &format!("{path}/versions/1.10.0/code")).await.expect(200);
    assert_eq!((code["source"].as_str(), code["manifest"].as_str()), (Some(SHOUT), Some(manifest("1.10.0").as_str())));
    let detail = app.get(&admin, &format!("{path}/versions/1.10.0")).await.expect(200);
    assert_eq!(detail["capabilities"], json!(["log", {"http": {"hosts": ["api.example.com"]}}]));
    app.get(&admin, &format!("{path}/versions/3.0.0")).await.problem(404, "not-found");
    app.get(&admin, &format!("{path}/versions/latest")).await.problem(404, "not-found");

    let cx = on_behalf_of(&app, &admin);
    let resolve = async |range: &str| {
        let reference = format!("acme/shout@{range}").parse().unwrap();
        cx.read(async |tx| plugins::resolve(tx, &reference).await).await.unwrap()
    };
    let found = resolve("^1").await.unwrap();
    assert_eq!(found.version.to_string(), "1.10.0", "as numbers, not as text");
    assert_eq!((found.source.as_ref(), found.limits.cpu.as_secs()), (SHOUT, 1));
    assert_eq!(found.capabilities[1], Capability::Http(HttpCapability { hosts: vec!["api.example.com".to_owned()] }));
    let _ = set_status(&app, &admin, &stored[1], "deprecated").await.expect(200);
    assert_eq!(resolve("^1").await.unwrap().version.to_string(), "1.9.0");
    assert!(resolve("=1.2.3").await.is_none(), "a draft is not used");
    let pinned = cx.read(async |tx| plugins::pinned(tx, found.id, &found.version).await).await.unwrap();
    assert_eq!(pinned.digest, found.digest, "what an execution recorded stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_tells_which_stage_failed_and_nothing_is_stored() {
    let app = guests::app().await;
    let admin = app.register("ada", "Engines").await;
    let failing = async |manifest: String, source: &str| {
        let body = json!({"manifest": manifest, "source": source});
        app.post(&admin, "/plugins", body).await.problem(422, "invalid")
    };
    let good = || manifest("1.0.0");
    let loops = "def execute(state, config):\n    while True:\n        pass\n";
    let eats = "def execute(state, config):\n    return 'x' * 10**10\n";
    for (manifest, source, stage, pointer) in [
        ("name: [".to_owned(), SHOUT, "manifest", "/manifest"),
        (good().replace("kind: node", "kind: connector"), SHOUT, "manifest", "/manifest"),
        (good().replace("acme/shout", "Acme Shout"), SHOUT, "manifest", "/manifest"),
        (good() + "extra: 1\n", SHOUT, "manifest", "/manifest"),
        (good().replace("{type: string}", "{type: strin}"), SHOUT, "config-schema", "/manifest"),
        (good().replace("api.example.com", "169.254.169.254"), SHOUT, "capabilities", "/manifest"),
        (good(), "def execute(state, config):\n    return (\n", "source", "/source"),
        (good(), "def run(state):\n    return 1\n", "source", "/source"),
        (good().replace("HELLO!", "HELLO"), SHOUT, "examples", "/manifest"),
        (good().replace("mark: '!'", "mark: 1"), SHOUT, "examples", "/manifest"),
        (good(), loops, "examples", "/manifest"),
        (good(), eats, "examples", "/manifest"),
    ] {
        let problem = failing(manifest, source).await;
        let failed: Vec<&str> =
            outcomes(&problem["stages"]).into_iter().filter(|(_, o)| *o == "failed").map(|(stage, _)| stage).collect();
        assert_eq!(failed, [stage], "{problem:#}");
        assert_eq!((&problem["errors"][0]["pointer"], &problem["errors"][0]["code"]), (&json!(pointer), &json!(stage)));
    }
    let syntax = failing(good(), "def execute(state, config):\n    return (\n").await;
    assert_eq!(syntax["stages"][4]["line"], 2, "{syntax:#}");
    let large = app.post(&admin, "/plugins", json!({"manifest": good(), "source": "#".repeat(1_100_000)})).await;
    assert_eq!(large.problem(422, "invalid")["errors"][0]["pointer"], "/source");
    assert_eq!(app.get(&admin, "/plugins").await.expect(200)["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_be_signed_is_not_activated() {
    let platform = PlatformConfig { require_signed_plugins: true, ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let admin = app.register("ada", "Engines").await;
    let stored = app.post(&admin, "/plugins", upload("1.0.0")).await.expect(201);
    let refused = set_status(&app, &admin, &stored["version"], "active").await.problem(403, "denied");
    assert!(refused["detail"].as_str().unwrap().contains("signing comes in a later release"));
    let listed = app.get(&admin, "/plugins").await.expect(200);
    assert_eq!(listed["items"][0]["status"], "draft");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tenants_neither_see_nor_use_a_plugin() {
    let app = guests::app().await;
    let (acme, globex) = (app.register("ada", "Acme").await, app.register("gil", "Globex").await);
    let stored = app.post(&acme, "/plugins", upload("1.0.0")).await.expect(201);
    let _ = set_status(&app, &acme, &stored["version"], "active").await.expect(200);
    let path = format!("/plugins/{}", stored["version"]["plugin_id"].as_str().unwrap());
    for route in ["", "/versions", "/versions/1.0.0", "/versions/1.0.0/code"] {
        app.get(&globex, &format!("{path}{route}")).await.problem(404, "not-found");
    }
    set_status(&app, &globex, &stored["version"], "deprecated").await.problem(404, "not-found");
    app.post(&globex, &format!("{path}/versions/1.0.0/test"), json!({"state": {}})).await.problem(404, "not-found");
    app.delete(&globex, &path).await.problem(404, "not-found");
    let foreign = app.post(&globex, "/workflows", uses("^1")).await.problem(422, "invalid");
    assert_eq!(foreign["faults"][0]["code"], "unknown-plugin");
    assert_eq!(foreign["faults"][0]["suggestion"], Value::Null, "no hint of another tenant's names");
    let cx = on_behalf_of(&app, &globex);
    let reference = "acme/shout@^1".parse().unwrap();
    assert!(cx.read(async |tx| plugins::resolve(tx, &reference).await).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn compiled_versions_are_shared_and_keep_their_tenant() {
    let app = guests::app().await;
    let (acme, globex) = (app.register("ada", "Acme").await, app.register("gil", "Globex").await);
    let definition = json!({
        "name": "Double", "input": {"type": "object", "required": ["n"]},
        "nodes": {"double": {"type": "transform", "jq": ".input.n * 2"}},
        "edges": [{"from": "start", "to": "double"}, {"from": "double", "to": "end"}],
    });
    let saved = app.post(&acme, "/workflows", definition).await.expect(201);
    let id = saved["id"].as_str().unwrap().parse().unwrap();
    let plan = async |actor: &Actor| {
        let tenant = actor.tenant();
        on_behalf_of(&app, actor).read(async |tx| app.app.plans.get(&mut *tx, tenant, id, 1).await).await
    };
    let (first, second) = (plan(&acme).await.unwrap(), plan(&acme).await.unwrap());
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(first.input_schema.as_ref().unwrap().check(&json!({})).len(), 1);
    let document = json!({"input": {"n": 21}, "state": {}, "execution": {}});
    let evaluation = tenure_sandbox::Evaluation::new("/nodes/double/jq", &document);
    let expressions = app.app.sandbox.expressions().unwrap();
    let results = expressions.evaluate(&first.programs, &[evaluation]).await.unwrap();
    assert_eq!(results, [Ok(json!(42))]);
    assert!(plan(&globex).await.is_err(), "another tenant's version is not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_version_the_active_or_the_highest_is_meant() {
    let app = guests::app().await;
    let admin = app.register("ada", "Engines").await;
    let mut path = String::new();
    for version in ["1.9.0", "1.10.0", "2.0.0"] {
        let stored = app.post(&admin, "/plugins", upload(version)).await.expect(201);
        path = format!("/plugins/{}", stored["version"]["plugin_id"].as_str().unwrap());
    }
    let status = async |status: &str| app.put(&admin, &format!("{path}/status"), json!({"status": status})).await;
    let code = async || app.get(&admin, &format!("{path}/code")).await.expect(200)["version"].clone();
    assert_eq!(code().await, "2.0.0", "none is active: the highest");
    status("deprecated").await.problem(409, "conflict");
    let versions = format!("{path}/versions");
    for version in ["1.9.0", "1.10.0"] {
        let _ = app.put(&admin, &format!("{versions}/{version}/status"), json!({"status": "active"})).await.expect(200);
    }
    assert_eq!(code().await, "1.10.0", "the highest that is active");
    let state = json!({"input": {"text": "hi"}, "state": {}, "execution": {}});
    let tested = app.post(&admin, &format!("{path}/test"), json!({"state": state})).await.expect(200);
    assert_eq!(tested["output"], json!({"text": "HI"}), "{tested:#}");
    assert_eq!(status("active").await.expect(200)["version"], "2.0.0");
    assert_eq!(code().await, "2.0.0");
    assert_eq!(status("deprecated").await.expect(200)["version"], "2.0.0");
    assert_eq!(status("deprecated").await.expect(200)["version"], "1.10.0", "the highest that is still active");
    let resource = "select resource_id from events where action = 'plugin-version.tested'";
    let tested: String = sqlx::query_scalar(resource).fetch_one(&mut app.admin().await).await.unwrap();
    assert!(tested.ends_with("@1.10.0"), "{tested}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_manifest_needs_is_told_and_asked_for() {
    let app = guests::app().await;
    let admin = app.register("ada", "Engines").await;
    let source = "def execute(state, config):\n    return 1\n";
    let with = |name: &str, rest: &str| json!({"manifest": format!("name: acme/{name}\nversion: 1.0.0\nkind: node\n{rest}"), "source": source});
    let newer = app.post(&admin, "/plugins", with("newer", "min_tenure: 99.0.0\n")).await.problem(422, "invalid");
    assert!(
        newer["errors"][0]["detail"].as_str().unwrap().contains("/min_tenure: asks for Tenure 99.0.0"),
        "{newer:#}"
    );
    let needs =
        "icon: https://example.com/a.png\nmin_tenure: 0.1.0\ndependencies: {acme/tokens: ^1, tenure: '>=0.1'}\n";
    let stored = app.post(&admin, "/plugins", with("needs", needs)).await.expect(201)["version"].clone();
    let detail = format!("/plugins/{}/versions/1.0.0", stored["plugin_id"].as_str().unwrap());
    let detail = app.get(&admin, &detail).await.expect(200);
    assert_eq!(
        (&detail["icon"], &detail["min_tenure"], &detail["dependencies"]),
        (&json!("https://example.com/a.png"), &json!("0.1.0"), &json!({"acme/tokens": "^1", "tenure": ">=0.1"}))
    );
    let missing = set_status(&app, &admin, &stored, "active").await.problem(409, "conflict");
    assert_eq!(missing["missing"], json!(["acme/tokens@^1"]), "{missing:#}");
    let tokens = app.post(&admin, "/plugins", with("tokens", "")).await.expect(201)["version"].clone();
    set_status(&app, &admin, &stored, "active").await.problem(409, "conflict");
    let _ = set_status(&app, &admin, &tokens, "active").await.expect(200);
    let _ = set_status(&app, &admin, &stored, "active").await.expect(200);
    let schema = app.get(&admin, "/plugins/schema").await.expect(200);
    assert!(schema["properties"]["dependencies"].is_object() && schema["$schema"].is_string());
}
