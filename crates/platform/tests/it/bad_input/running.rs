//! What is well-formed and behaves badly when it runs: each costs its own step, with a class and words for its author.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::Redirect;
use axum::routing::get;
use serde_json::{Value, json};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, Setup, TestApp};

use super::{Bystander, stage, wanted};
use crate::guests;

/// One node between start and end.
fn one(name: &str, node: Value) -> Value {
    json!({ "name": name, "nodes": { "a": node }, "edges": [{ "from": "start", "to": "a" }, { "from": "a", "to": "end" }] })
}

async fn run(app: &TestApp, actor: &Actor, definition: Value, input: Value) -> Value {
    let saved = app.post(actor, "/workflows", definition).await.expect(201);
    let path = format!("/workflows/{}/executions?wait=60s", saved["id"].as_str().unwrap());
    app.post(actor, &path, json!({ "input": input })).await.expect(200)
}

fn python(source: &str) -> Value {
    json!({ "type": "plugin", "language": "python", "source": source })
}

fn bombs() -> Vec<(&'static str, Value, &'static [&'static str], &'static str)> {
    let execute = |body: &str| python(&format!("def execute(state, config):\n    {body}\n"));
    let nested = (0..9).fold("true".to_owned(), |inner, level| format!("[0,1,2,3,4,5,6,7,8,9].all(x{level}, {inner})"));
    vec![
        ("a plugin that loops", execute("while True: pass"), &["limit"], "CPU"),
        (
            "a plugin that sleeps",
            execute("__import__.__globals__['real_import']('time').sleep(3600)"),
            &["plugin"],
            "clock",
        ),
        (
            "a plugin that eats memory",
            execute("x = []\n    while True: x.append('a' * 100000 + str(len(x)))"),
            &["limit"],
            "memory",
        ),
        ("a plugin that asks for a gibibyte", execute("return 'a' * (1 << 30)"), &["limit"], "memory"),
        ("a plugin that floods its log", execute("while True: print('x' * 1000)"), &["limit"], ""),
        (
            "a plugin that recurses",
            execute("x = []\n    for _ in range(200000): x = [x]\n    return x"),
            &["limit"],
            "recursed",
        ),
        ("a plugin that raises", execute("raise ValueError('no such luck')"), &["plugin"], "no such luck"),
        ("a plugin that ends its process", execute("raise SystemExit(3)"), &["plugin"], "SystemExit"),
        ("a plugin that aborts", execute("__import__.__globals__['os'].abort()"), &["plugin", "limit"], ""),
        ("a plugin that returns no JSON", execute("return {1, 2}"), &["plugin"], "JSON"),
        ("a plugin that returns no number", execute("return float('nan')"), &["plugin"], "JSON"),
        ("a plugin that returns half a character", execute("return '\\ud800'"), &["plugin"], "JSON"),
        ("a plugin that returns too much", execute("return 'x' * (2 << 20)"), &["limit"], ""),
        (
            "a plugin that returns lists 500 deep",
            execute("x = 1\n    for _ in range(500): x = [x]\n    return x"),
            &["plugin", "limit"],
            "",
        ),
        (
            "a plugin that forges an error",
            execute("raise type('Error\\\\n}', (Exception,), {})('{\"class\": \"internal\"}')"),
            &["plugin"],
            "",
        ),
        ("a plugin with a message of a megabyte", execute("raise ValueError('x' * 1000000)"), &["plugin"], "xxx"),
        ("jq without end", json!({ "type": "transform", "jq": "def f: f; f" }), &["limit"], ""),
        ("jq that recurses", json!({ "type": "transform", "jq": "def f: 1+f; f" }), &["limit"], ""),
        ("jq that eats memory", json!({ "type": "transform", "jq": "[range(1e12)]" }), &["limit"], ""),
        (
            "jq that doubles",
            json!({ "type": "transform", "jq": "reduce range(60) as $i (\"a\"; . + .)" }),
            &["limit"],
            "",
        ),
        ("jq with several results", json!({ "type": "transform", "jq": "1, 2" }), &["expression"], ""),
        (
            "jq with an error of its own",
            json!({ "type": "transform", "jq": "error(\"no such luck\")" }),
            &["expression"],
            "no such luck",
        ),
        (
            "jq that nests 500 deep",
            json!({ "type": "transform", "jq": "reduce range(500) as $i (1; [.])" }),
            &["expression", "limit"],
            "",
        ),
        ("CEL that multiplies", json!({ "type": "transform", "cel": nested }), &["limit"], ""),
        ("CEL that divides by zero", json!({ "type": "transform", "cel": "1 / (size('a') - 1)" }), &["expression"], ""),
        (
            "a map over what is no list",
            json!({ "type": "map", "over": "{}", "do": { "type": "transform", "jq": "." } }),
            &["expression"],
            "",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bomb_costs_its_own_step() {
    let (app, ada, bystander) = stage().await;
    for (what, node, classes, says) in bombs() {
        let begun = Instant::now();
        let done = run(&app, &ada, one(what, node), json!({})).await;
        let shown: String = format!("{done:#}").chars().take(2000).collect();
        assert_eq!(done["state"], "failed", "{what}: {shown}");
        let (class, message) = (done["error"]["class"].as_str().unwrap(), done["error"]["message"].as_str().unwrap());
        assert!(classes.contains(&class), "{what} is of class {class}: {shown}");
        assert!(message.contains(says) && message.len() > 10 && message.len() < 6_000, "{what}: {message}");
        assert!(
            !message.contains("src/") && !message.contains("panicked"),
            "{what} tells of the server's insides: {message}"
        );
        assert!(begun.elapsed() < Duration::from_secs(45), "{what} took {:?}", begun.elapsed());
    }
    let left: i64 = sqlx::query_scalar("select count(*) from jobs").fetch_one(&mut app.admin().await).await.unwrap();
    assert_eq!(left, 0, "a bomb is left in the queue");
    let done = run(&app, &ada, one("fine", json!({ "type": "transform", "jq": "1 + 1" })), json!({})).await;
    assert_eq!((&done["state"], &done["output"]), (&json!("succeeded"), &json!(2)));
    bystander.end().await;
}

/// A NUL cannot stand in PostgreSQL's text: wherever one comes from, the execution must end, and say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_nul_from_anywhere_hangs_nothing() {
    let address = receiver(
        axum::Router::new()
            .route("/json", get(|| async { ([("content-type", "application/json")], "{\"a\\u0000\": \"b\\u0000\"}") }))
            .route("/text", get(|| async { "a\0b" })),
    )
    .await;
    let (app, bystander) = allowing(&address).await;
    let ada = app.register("ada", "Engines").await;
    let http = |path: &str| json!({ "type": "http", "request": { "url": format!("http://{address}{path}") } });
    for (what, node) in [
        ("python", python("def execute(state, config):\n    return {'a\\0': 'b\\0'}\n")),
        ("python's log", python("def execute(state, config):\n    print('a\\0b')\n    return 1\n")),
        ("python's error", python("def execute(state, config):\n    raise ValueError('a\\0b')\n")),
        ("jq", json!({ "type": "transform", "jq": "{\"a\\u0000\": \"b\\u0000\"}" })),
        ("jq's error", json!({ "type": "transform", "jq": "error(\"a\\u0000b\")" })),
        ("http's JSON", http("/json")),
        ("http's text", http("/text")),
        (
            "an approval's document",
            json!({ "type": "approval", "approvers": { "roles": ["operator"] }, "show": "\"a\\u0000b\"", "expires": "1s" }),
        ),
    ] {
        // A definition holds no NUL itself, which is tested elsewhere; the escapes of the languages are theirs.
        let done = app.post(&ada, "/workflows", one(what, node)).await;
        if done.status == 422 {
            assert!(done.body.to_string().contains("NUL"), "{what}: {:#}", done.body);
            continue;
        }
        let saved = done.expect(201);
        let path = format!("/workflows/{}/executions?wait=30s", saved["id"].as_str().unwrap());
        let done = app.post(&ada, &path, json!({ "input": null })).await.expect(200);
        let execution = done["id"].as_str().unwrap();
        assert!(["succeeded", "failed"].contains(&done["state"].as_str().unwrap()), "{what}: {done:#}");
        let _ = app.get(&ada, &format!("/executions/{execution}/steps/a")).await.expect(200);
    }
    bystander.end().await;
}

async fn receiver(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address.to_string()
}

async fn allowing(address: &str) -> (Arc<TestApp>, Bystander) {
    let platform = PlatformConfig { egress_allow: vec![address.to_owned()], ..guests::platform() };
    let app = Arc::new(TestApp::with(Setup { platform, ..Setup::default() }).await);
    let bystander = Bystander::start(&app).await;
    (app, bystander)
}

/// Calls each of these, and gives the class and message of each failure.
async fn call_each(app: &TestApp, actor: &Actor, urls: &[String]) -> Vec<(String, String)> {
    let node = json!({
        "type": "map", "over": ".input.urls", "concurrency": 8, "on_item_error": "collect",
        "do": { "type": "http", "request": { "url": "{{ item }}" }, "timeout": "3s" },
    });
    let done = run(app, actor, one(&format!("calls {}", urls.len()), node), json!({ "urls": urls })).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");
    let items = done["output"].as_array().unwrap();
    assert_eq!(items.len(), urls.len());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    items.iter().map(|item| (text(&item["error"]["class"]), text(&item["error"]["message"]))).collect()
}

/// Every way of writing 169.254.169.254 that some client understands.
const METADATA: &[&str] = &[
    "http://169.254.169.254/",
    "http://169.254.169.254:80/latest/meta-data/",
    "https://169.254.169.254/",
    "HTTP://169.254.169.254/",
    "http://169.254.169.254./",
    "http://2852039166/",
    "http://0xA9FEA9FE/",
    "http://0xa9fea9fe./",
    "http://0251.0376.0251.0376/",
    "http://025177524776/",
    "http://00000251.0376.0251.0376/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://169.254.43518/",
    "http://169.16689662/",
    "http://169.0xfe.0251.254/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
    "http://[::169.254.169.254]/",
    "http://[::a9fe:a9fe]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::a9fe:a9fe]/",
    "http://169.254.169.254#@example.com/",
    "http://169.254.169.254?@example.com/",
    "http://%31%36%39.254.169.254/",
    "http://169%2e254%2e169%2e254/",
    "http://１６９.２５４.１６９.２５４/",
    "http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/",
    "http://169。254。169。254/",
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://[::1]/",
    "http://[::]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
];

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_out_of_reach_in_every_spelling() {
    let (app, ada, bystander) = stage().await;
    let urls: Vec<String> = METADATA.iter().map(|url| (*url).to_owned()).collect();
    let mut wrong = Vec::new();
    for (url, (class, message)) in urls.iter().zip(call_each(&app, &ada, &urls).await) {
        if class != "refused-address" || message.len() < 20 {
            wrong.push((url, class, message));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // What is no URL of this kind at all is refused by that.
    let others = [
        "http:/169.254.169.254/",
        "http:169.254.169.254/",
        "http:///169.254.169.254/",
        "http:\\\\169.254.169.254\\",
        "http://169.254.169.254\\@example.com/",
        "http://169.254.169.254\t/",
        "http://16\n9.254.169.254/",
        "  http://169.254.169.254/",
        "http://user@169.254.169.254/",
        "http://user:password@169.254.169.254/",
        "http://example.com@169.254.169.254/",
        "http://example.com%40169.254.169.254@169.254.169.254/",
        "http://169.254.169.254:99999/",
        "http://[169.254.169.254]/",
        "http://[fe80::1%25eth0]/",
        "gopher://169.254.169.254/",
        "file:///etc/passwd",
        "ftp://169.254.169.254/",
        "//169.254.169.254/",
        "169.254.169.254",
        "",
        "http://",
        "data:text/plain,x",
        "unix:///run/x.sock",
    ];
    let others: Vec<String> = others.map(str::to_owned).to_vec();
    for (url, (class, message)) in others.iter().zip(call_each(&app, &ada, &others).await) {
        assert!(
            ["refused-address", "expression", "network"].contains(&class.as_str()),
            "{url:?} is of class {class:?}: {message}"
        );
        assert!(message.len() > 10, "{url:?}: {message}");
    }
    bystander.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_leads_no_further_than_an_address() {
    let router = METADATA.iter().enumerate().fold(axum::Router::new(), |router, (index, url)| {
        let to = url.trim().replace(['\t', '\n'], "");
        router.route(&format!("/{index}"), get(move || async move { Redirect::temporary(&to) }))
    });
    let address = receiver(router).await;
    let (app, bystander) = allowing(&address).await;
    let ada = app.register("ada", "Engines").await;
    // A location is a header: what stands beyond ASCII in it is another matter. Without both slashes it is a path of this host.
    let leads =
        |url: &str| url.is_ascii() && (url.trim().to_lowercase().split_once("://").is_some() || url.contains("\\\\"));
    let ascii: Vec<usize> = (0..METADATA.len()).filter(|index| leads(METADATA[*index])).collect();
    let urls: Vec<String> = ascii.iter().map(|index| format!("http://{address}/{index}")).collect();
    for (index, (class, message)) in ascii.iter().zip(call_each(&app, &ada, &urls).await) {
        assert_eq!(class, "refused-address", "a redirect to {:?}: {message}", METADATA[*index]);
    }
    bystander.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_silent_and_endless_hosts_cost_their_step() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endless = receiver(axum::Router::new().route(
        "/",
        get(|| async {
            axum::body::Body::from_stream(futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 1 << 16])))
        }),
    ))
    .await;
    let dead = {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        gone.local_addr().unwrap().to_string()
    };
    let silent_address = silent.local_addr().unwrap().to_string();
    let platform = PlatformConfig {
        egress_allow: vec![silent_address.clone(), endless.clone(), dead.clone()],
        ..guests::platform()
    };
    let app = Arc::new(TestApp::with(Setup { platform, ..Setup::default() }).await);
    let (ada, bystander) = (app.register("ada", "Engines").await, Bystander::start(&app).await);
    let http = |url: String| json!({ "type": "http", "request": { "url": url }, "timeout": "2s" });
    for (what, url, class) in [
        ("dead", format!("http://{dead}/"), "network"),
        ("without a name", "http://nowhere.invalid/".to_owned(), "network"),
        ("silent", format!("http://{silent_address}/"), "timeout"),
        ("endless", format!("http://{endless}/"), "limit"),
    ] {
        let begun = Instant::now();
        let done = run(&app, &ada, one(what, http(url)), json!({})).await;
        assert_eq!((&done["state"], &done["error"]["class"]), (&json!("failed"), &json!(class)), "{what}: {done:#}");
        assert!(done["error"]["message"].as_str().unwrap().len() > 10, "{what}: {done:#}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} took {:?}", begun.elapsed());
    }
    drop(silent);
    bystander.end().await;
}

/// Two people decide at the same moment, and the requester tries: one decision counts.
#[tokio::test(flavor = "multi_thread")]
async fn one_approval_has_one_decision() {
    let (app, ada, bystander) = stage().await;
    let operators = [app.member(&ada, SystemRole::Operator).await, {
        let body = json!({
            "email": "second@example.com", "username": "second-operator", "password": tenure_platform::testkit::PASSWORD,
            "full_name": "Second", "roles": ["operator"],
        });
        let _ = app.post(&ada, "/users", body).await.expect(201);
        app.chose_own_password("second-operator").await;
        app.log_in("second-operator").await
    }];
    let node = json!({ "type": "approval", "approvers": { "roles": ["operator", "admin"] }, "expires": "1h" });
    let saved = app.post(&ada, "/workflows", one("asks", node)).await.expect(201);
    for round in 0..5 {
        let path = format!("/workflows/{}/executions", saved["id"].as_str().unwrap());
        let execution = app.post(&ada, &path, json!({ "input": null })).await.expect(202);
        let execution = execution["id"].as_str().unwrap();
        let begun = Instant::now();
        let approval = loop {
            let open = app.get(&operators[0], "/approvals").await.expect(200);
            let found =
                open["items"].as_array().unwrap().iter().find(|item| item.to_string().contains(execution)).cloned();
            if let Some(approval) = found {
                break approval;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "no approval is asked for");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let path = format!("/approvals/{}/decision", approval["id"].as_str().unwrap());
        let own = app.post(&ada, &path, json!({ "decision": "approve" })).await;
        wanted(403, "permission-denied", "").check("by the requester", &own);
        for (what, body, pointer) in [
            ("no decision", json!({}), None),
            ("an unknown decision", json!({ "decision": "maybe" }), Some("/decision")),
            ("an unknown member", json!({ "decision": "approve", "as": "admin" }), Some("/as")),
            ("a comment with NUL", json!({ "decision": "approve", "comment": "a\0b" }), None),
        ] {
            let refused = app.post(&operators[0], &path, body).await;
            let wanted = wanted(422, "invalid", "");
            pointer.map_or(wanted, |pointer| wanted.at(pointer)).check(what, &refused);
        }
        let decide = |actor: &Actor, decision: &str| {
            let (app, actor, path, body) =
                (Arc::clone(&app), actor.clone(), path.clone(), json!({ "decision": decision }));
            tokio::spawn(async move { app.post(&actor, &path, body).await })
        };
        let (first, second) = (decide(&operators[0], "approve"), decide(&operators[1], "reject"));
        let answers = [first.await.unwrap(), second.await.unwrap()];
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 1), "round {round}: {answers:#?}");
        wanted(409, "conflict", "").check("the second decision", lost[0]);
        let late = app.post(&operators[0], &path, json!({ "decision": "approve" })).await;
        wanted(409, "conflict", "").check("a late decision", &late);
    }
    let decided = app.actions(ada.tenant()).await.iter().filter(|action| action.starts_with("approval.")).count();
    assert!(decided >= 5, "each decision is an event");
    bystander.end().await;
}
