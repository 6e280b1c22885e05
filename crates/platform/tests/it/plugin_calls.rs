//! Published plugins in workflows: what `http` reaches, and how much a call may return.

use serde_json::{Value, json};
use tenure_platform::config::PlatformConfig;
use tenure_platform::testkit::{Actor, Setup, TestApp};

use crate::engine::{run, save};
use crate::guests;
use crate::policies::{Receiver, single};

const CALLER: &str = "from tenure import http, HttpError\n\n\ndef execute(state, config):\n    try:\n        answer = http(config.get('method', 'GET'), config['url'])\n    except HttpError as error:\n        if config.get('careless'):\n            raise\n        return {'refused': str(error)}\n    return {'status': answer['status'], 'location': answer['headers'].get('location')}\n";

async fn active(app: &TestApp, actor: &Actor, manifest: &str, source: &str) {
    let manifest = format!("version: 1.0.0\nkind: node\n{manifest}");
    let stored = app.post(actor, "/plugins", json!({"manifest": manifest, "source": source})).await.expect(201);
    let id = stored["version"]["plugin_id"].as_str().unwrap();
    let path = format!("/plugins/{id}/versions/1.0.0/status");
    let _ = app.put(actor, &path, json!({"status": "active"})).await.expect(200);
}

async fn with(policy: Value, egress_allow: Vec<String>) -> (TestApp, Actor, String) {
    let platform = PlatformConfig { policy, egress_allow, ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let granted = "name: acme/caller\ncapabilities: [{http: {hosts: [localhost]}}]\n";
    active(&app, &ada, granted, CALLER).await;
    let node = json!({"type": "plugin", "plugin": "acme/caller@^1",
                      "config": {"url": "{{ input.url }}", "careless": "{{ input.careless }}"}});
    let workflow = save(&app, &ada, single("calls", node)).await;
    (app, ada, workflow)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_reaches_what_it_was_granted_and_nothing_else() {
    let beyond = Receiver::start(String::new()).await;
    let granted = Receiver::start(format!("http://127.0.0.1:{}/hook", beyond.port)).await;
    let (near, far) = (granted.port, beyond.port);
    let allowed = vec![format!("localhost:{near}"), format!("127.0.0.1:{near}"), format!("127.0.0.1:{far}")];
    let (app, ada, workflow) = with(Value::Null, allowed).await;
    let call = async |url: String| {
        let done = run(&app, &ada, &workflow, json!({"url": url, "careless": false})).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
        done["output"].clone()
    };
    assert_eq!(call(format!("http://localhost:{near}/hook")).await["status"], 200);
    assert_eq!(call(format!("http://LocalHost:{near}/hook")).await["status"], 200, "the same host");
    assert_eq!((granted.reached(), beyond.reached()), (2, 0));
    // The operator lets the platform go there; the plugin's grant does not.
    for url in [
        format!("http://127.0.0.1:{near}/hook"),
        format!("http://127.1:{near}/hook"),
        format!("http://127.0.0.1:{far}/hook"),
        format!("http://localhost.example.com:{near}/hook"),
    ] {
        let refused = call(url.clone()).await["refused"].as_str().unwrap_or_default().to_owned();
        assert!(refused.contains("not among the capabilities"), "{url}: {refused}");
    }
    let metadata = call("http://169.254.169.254/latest/meta-data".to_owned()).await;
    assert!(metadata["refused"].as_str().unwrap().contains("refused range"), "{metadata}");
    // What two readers of a URL could take for the granted host.
    for url in [
        format!("http://localhost:{near}@127.0.0.1:{far}/hook"),
        format!("http://127.0.0.1:{far}\\@localhost:{near}/hook"),
        format!("http://127.0.0.1:{far}#@localhost:{near}/hook"),
    ] {
        let answer = call(url.clone()).await;
        assert!(answer["refused"].is_string(), "{url}: {answer}");
    }
    // A redirect is the plugin's answer, not the platform's errand.
    let away = call(format!("http://localhost:{near}/away")).await;
    assert_eq!((&away["status"], &away["location"]), (&json!(307), &json!(format!("http://127.0.0.1:{far}/hook"))));
    // Granted, and loopback all the same: only the operator's list opens it, port by port.
    let internal = call(format!("http://localhost:{far}/hook")).await;
    assert!(internal["refused"].as_str().unwrap().contains("refused range (loopback)"), "{internal}");
    assert_eq!((granted.reached(), beyond.reached()), (2, 0));

    let uncaught = json!({"url": format!("http://127.0.0.1:{near}/hook"), "careless": true});
    let failed = run(&app, &ada, &workflow, uncaught).await;
    assert_eq!(failed["error"]["class"], "plugin", "{failed:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_denies_the_calls_of_plugins_too() {
    let receiver = Receiver::start(String::new()).await;
    let policy = json!({"deny": [{"host": "localhost", "reason": "not there"}]});
    let (app, ada, workflow) = with(policy, vec![format!("localhost:{}", receiver.port)]).await;
    let url = format!("http://localhost:{}/hook", receiver.port);
    let careless = run(&app, &ada, &workflow, json!({"url": url, "careless": true})).await;
    assert_eq!((&careless["state"], &careless["error"]["class"]), (&json!("failed"), &json!("denied")), "{careless:#}");
    assert!(careless["error"]["message"].as_str().unwrap().contains("not there"), "{careless:#}");
    let caught = run(&app, &ada, &workflow, json!({"url": url, "careless": false})).await;
    assert!(caught["output"]["refused"].as_str().unwrap().contains("not there"), "{caught:#}");
    assert_eq!(receiver.reached(), 0);
    let kept: i64 =
        sqlx::query_scalar("select count(*) from decisions where not allowed and input ->> 'host' = 'localhost'")
            .fetch_one(&mut app.admin().await)
            .await
            .unwrap();
    assert_eq!(kept, 2);
    assert!(app.actions(ada.tenant()).await.iter().any(|action| action == "request.refused"));
}

/// Of the limits of node and manifest the lower one holds.
#[tokio::test(flavor = "multi_thread")]
async fn an_output_has_the_lower_of_two_limits() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let long = "def execute(state, config):\n    return 'x' * config['bytes']\n";
    active(&app, &ada, "name: acme/long\n", long).await;
    active(&app, &ada, "name: acme/short\nlimits: {output: 64KiB}\n", long).await;
    let mib = 1 << 20;
    for (case, (code, limit, bytes, class)) in [
        (json!({"plugin": "acme/long@^1"}), Some("4MiB"), 3 * mib, None),
        (json!({"plugin": "acme/long@^1"}), Some("2MiB"), 3 * mib, Some("limit")),
        (json!({"plugin": "acme/long@^1"}), None, 3 * mib, Some("limit")),
        (json!({"plugin": "acme/short@^1"}), Some("4MiB"), mib / 2, Some("limit")),
        (json!({"plugin": "acme/short@^1"}), Some("4MiB"), 60_000, None),
        (json!({"plugin": "acme/short@^1"}), Some("32KiB"), 60_000, Some("limit")),
        (json!({"language": "python", "source": long}), Some("16MiB"), 15 * mib, None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut node = json!({"type": "plugin", "config": {"bytes": bytes}});
        node.as_object_mut().unwrap().extend(code.as_object().unwrap().clone());
        if let Some(limit) = limit {
            node["limits"] = json!({"output": limit});
        }
        let workflow = save(&app, &ada, single(&format!("case {case}"), node)).await;
        let done = run(&app, &ada, &workflow, json!({})).await;
        assert_eq!(done["error"]["class"].as_str(), class, "{case}: {}", done["error"]);
    }
}

const INLINE: &str = "def execute(state, config):\n    return 1\n";

/// Where signatures are required, source of a workflow's own is no way round them.
#[tokio::test(flavor = "multi_thread")]
async fn where_signatures_are_required_no_unsigned_code_is_saved_or_run() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    active(&app, &ada, "name: acme/one\n", INLINE).await;
    let inline = || json!({"type": "plugin", "language": "python", "source": INLINE});
    let mapped = || json!({"type": "map", "over": "[1]", "do": inline()});
    let published = || json!({"type": "plugin", "plugin": "acme/one@^1"});
    let mut saved = Vec::new();
    for node in [inline(), mapped(), published()] {
        saved.push(save(&app, &ada, single(&format!("before {}", saved.len()), node)).await);
    }
    assert_eq!(run(&app, &ada, &saved[0], json!({})).await["state"], "succeeded");

    // The same installation, told to want signatures from now on.
    let platform = PlatformConfig { require_signed_plugins: true, ..guests::platform() };
    let strict = app.another(Setup { platform, ..Setup::default() }).await;
    app.kill();
    for (node, pointer) in
        [(inline(), "/nodes/only/source"), (mapped(), "/nodes/only/do/source"), (published(), "/nodes/only/plugin")]
    {
        let definition = single("after", node);
        let problem = strict.post(&ada, "/workflows", definition.clone()).await.problem(422, "invalid");
        let fault = &problem["faults"][0];
        assert_eq!((&fault["code"], &fault["pointer"]), (&json!("unsigned-plugin"), &json!(pointer)), "{problem:#}");
        assert!(fault["message"].as_str().unwrap().contains("plugins.require_signed"));
        let judged = strict.post(&ada, "/workflows/validate", definition).await.expect(200);
        assert_eq!(judged["faults"][0]["code"], "unsigned-plugin");
    }
    for workflow in &saved {
        let done = run(&strict, &ada, workflow, json!({})).await;
        assert_eq!((&done["state"], &done["error"]["class"]), (&json!("failed"), &json!("denied")), "{done:#}");
    }
}
