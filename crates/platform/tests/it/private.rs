//! What is private to a team: for those outside it, it does not exist, by whatever route; and only the team's workflows use
//! it. Generated over the route table, so that a new route is covered by being there.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, Setup, TestApp};

use crate::engine::{run, start, until};
use crate::foreign::{Api, path_of, value_of};
use crate::guests;
use crate::policies::{Receiver, single};

/// The insider's team, with one private thing of each kind.
struct Team {
    id: String,
    things: BTreeMap<&'static str, String>,
}

async fn team(app: &TestApp, insider: &Actor) -> String {
    let team = app.post(insider, "/teams", json!({"name": "Insiders"})).await.expect(201);
    let id = team["id"].as_str().unwrap().to_owned();
    let _ = app.put(insider, &format!("/teams/{id}/members/{}", insider.user_id()), json!({})).await.expect(204);
    id
}

async fn save(app: &TestApp, actor: &Actor, team: Option<&str>, definition: Value) -> String {
    let path = team.map_or("/workflows".to_owned(), |team| format!("/workflows?team={team}"));
    app.post(actor, &path, definition).await.expect(201)["id"].as_str().unwrap().to_owned()
}

fn upload(name: &str, team: Option<&str>) -> Value {
    let manifest = format!("name: acme/{name}\nversion: 1.0.0\nkind: node\n");
    json!({"manifest": manifest, "source": "def execute(state, config):\n    return 1\n", "team_id": team})
}

async fn active(app: &TestApp, actor: &Actor, name: &str, team: Option<&str>) -> String {
    let stored = app.post(actor, "/plugins", upload(name, team)).await.expect(201);
    let id = stored["version"]["plugin_id"].as_str().unwrap().to_owned();
    let _ = app.put(actor, &format!("/plugins/{id}/status"), json!({"status": "active"})).await.expect(200);
    id
}

impl Team {
    async fn fill(app: &TestApp, insider: &Actor) -> Self {
        let id = team(app, insider).await;
        let mut things = BTreeMap::new();
        let secret = json!({"value": "only for insiders", "team_id": id});
        let _ = app.put(insider, "/secrets/hook", secret).await.expect(200);
        things.insert("plg", active(app, insider, "inside", Some(&id)).await);
        let asks = json!({"type": "approval", "approvers": {"roles": ["admin"]}});
        let workflow = save(app, insider, Some(&id), single("inside", asks)).await;
        let execution = start(app, insider, &workflow, json!({})).await;
        until(app, insider, &execution, &["waiting"]).await;
        let approvals = app.get(insider, "/approvals").await.expect(200);
        things.insert("apr", approvals["items"][0]["id"].as_str().unwrap().to_owned());
        things.insert("exe", execution);
        things.insert("wf", workflow);
        Self { id, things }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_private_to_a_team_does_not_exist_for_others() {
    let app = guests::app().await;
    let insider = app.register("insider", "Engines").await;
    // May do everything, and is not in the team.
    let outsider = app.member(&insider, SystemRole::Admin).await;
    let team = Team::fill(&app, &insider).await;
    let api = Api::new();
    let (mut tried, mut kinds) = (0, std::collections::BTreeSet::new());
    for route in app.routes.iter().filter(|route| route.path.contains('{')) {
        let secret = route.path.starts_with("/api/v1/secrets/");
        let private = |name: &str| {
            let kind = api.parameter(route, name)?;
            team.things.get(kind.as_str()).cloned()
        };
        let names =
            route.path.split('/').filter_map(|part| part.strip_prefix('{')).map(|name| name.trim_end_matches('}'));
        let of_team: Vec<&str> = names.filter(|name| private(name).is_some()).collect();
        if of_team.is_empty() && !secret {
            continue;
        }
        let path = path_of(route, |name| match private(name) {
            Some(id) => id,
            None if api.parameter(route, name).is_some() => panic!("{} names something else, too", route.path),
            None => value_of(route, name),
        });
        let answer = app.send(route.method.clone(), &path, Some(&outsider.token), route.sample.as_ref()).await;
        assert_eq!(answer.status, 404, "{} {path}: {:#}", route.method, answer.body);
        tried += 1;
        kinds.insert(route.path.split('/').nth(3).unwrap().to_owned());
    }
    assert!(tried > 35, "the route table was not understood: {tried}");
    let known = ["approvals", "executions", "plugins", "secrets", "workflows"];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), known);

    // No list shows it, and everything is as it was.
    for list in known {
        let path = format!("/{list}");
        assert_eq!(app.get(&outsider, &path).await.expect(200)["items"], json!([]), "{list}");
        let items = app.get(&insider, &path).await.expect(200)["items"].clone();
        assert_eq!(items.as_array().unwrap().len(), 1, "{list}: {items:#}");
    }
    let secret = app.get(&insider, "/secrets").await.expect(200)["items"][0].clone();
    assert_eq!((&secret["version"], &secret["team_id"]), (&json!(1), &json!(team.id)));
    // A name is the organisation's: that it is taken can be told, whose it is cannot.
    let taken = app.post(&outsider, "/plugins", upload("inside", None)).await.problem(409, "conflict");
    assert!(!taken.to_string().contains(&team.id));
    // Whoever comes into the team sees it at once.
    let _ =
        app.put(&insider, &format!("/teams/{}/members/{}", team.id, outsider.user_id()), json!({})).await.expect(204);
    assert_eq!(app.get(&outsider, "/secrets").await.expect(200)["items"].as_array().unwrap().len(), 1);
    app.delete(&insider, &format!("/teams/{}", team.id)).await.problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_teams_workflows_use_what_is_private_to_it() {
    let receiver = Receiver::start("/".to_owned()).await;
    let (host, hook) = (format!("127.0.0.1:{}", receiver.port), format!("http://127.0.0.1:{}/hook", receiver.port));
    let platform = PlatformConfig { egress_allow: vec![host], ..guests::platform() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let ours = team(&app, &ada).await;
    let plugin = active(&app, &ada, "inside", Some(&ours)).await;
    let calls = |name: &str| single(name, json!({"type": "plugin", "plugin": "acme/inside@^1"}));

    // Named by everybody's workflow, it is not there; the team's own runs it.
    let refused = app.post(&ada, "/workflows", calls("open")).await.problem(422, "invalid");
    assert_eq!(refused["faults"][0]["code"], "unknown-plugin", "{refused:#}");
    let inside = save(&app, &ada, Some(&ours), calls("inside")).await;
    assert_eq!(run(&app, &ada, &inside, json!({})).await["state"], "succeeded");

    // Of everybody's, it cannot become a team's under those who use it; of the team's, it can become everybody's.
    let path = format!("/plugins/{plugin}/team");
    let moved = app.put(&ada, &path, json!({"team_id": null})).await.expect(200);
    assert_eq!(moved["team_id"], Value::Null);
    let open = save(&app, &ada, None, calls("open")).await;
    app.put(&ada, &path, json!({"team_id": ours})).await.problem(409, "conflict");
    // An execution that was let in before goes on with what it may use now.
    let slow = json!({
        "name": "slow", "nodes": {"wait": {"type": "wait", "for": "2s"}, "call": {"type": "plugin", "plugin": "acme/inside@^1"}},
        "edges": [{"from": "start", "to": "wait"}, {"from": "wait", "to": "call"}, {"from": "call", "to": "end"}],
    });
    let slow = save(&app, &ada, None, slow).await;
    let begun = start(&app, &ada, &slow, json!({})).await;
    for workflow in [&open, &slow] {
        let _ = app.delete(&ada, &format!("/workflows/{workflow}")).await.expect(204);
    }
    let _ = app.put(&ada, &path, json!({"team_id": ours})).await.expect(200);
    let failed = until(&app, &ada, &begun, &["failed", "succeeded"]).await;
    assert_eq!((&failed["state"], &failed["error"]["class"]), (&json!("failed"), &json!("plugin")), "{failed:#}");

    // A secret is granted to the team's workflows alone, and what is granted ends when it becomes a team's.
    let sends = |name: &str| {
        let request = json!({"url": hook, "headers": {"authorization": "{{ secrets.token }}"}});
        single(name, json!({"type": "http", "request": request}))
    };
    let (out, own) = (save(&app, &ada, None, sends("out")).await, save(&app, &ada, Some(&ours), sends("own")).await);
    let _ = app.put(&ada, "/secrets/token", json!({"value": "a quiet secret"})).await.expect(200);
    let both = json!({"workflow_ids": [out, own]});
    let _ = app.put(&ada, "/secrets/token/grants", both.clone()).await.expect(200);
    assert_eq!(run(&app, &ada, &out, json!({})).await["state"], "succeeded");
    let moved = app.put(&ada, "/secrets/token/team", json!({"team_id": ours})).await.expect(200);
    assert_eq!(moved["grants"], json!([{"id": own}]));
    let refused = app.put(&ada, "/secrets/token/grants", both).await.problem(422, "invalid");
    assert_eq!(refused["errors"][0]["pointer"], "/workflow_ids");
    assert_eq!(run(&app, &ada, &own, json!({})).await["state"], "succeeded");
    let failed = run(&app, &ada, &out, json!({})).await;
    assert_eq!((&failed["state"], &failed["error"]["class"]), (&json!("failed"), &json!("denied")), "{failed:#}");
    // Even a grant that somebody wrote past the platform opens nothing.
    let granted = sqlx::query(
        "insert into secret_grants select tenant_id, id, (select id from workflows where name = 'out'), now() from secrets",
    );
    granted.execute(&mut app.admin().await).await.unwrap();
    assert_eq!(run(&app, &ada, &out, json!({})).await["error"]["class"], "denied");
    let actions = app.actions(ada.tenant()).await;
    for action in ["plugin.moved", "secret.moved"] {
        assert!(actions.iter().any(|name| name == action), "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_a_team_what_they_would_not_see_then() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let other = app.post(&ada, "/teams", json!({"name": "Others"})).await.expect(201);
    let other = other["id"].as_str().unwrap();
    let _ = app.put(&ada, "/secrets/token", json!({"value": "a quiet secret"})).await.expect(200);
    let plugin = active(&app, &ada, "one", None).await;
    let workflow = save(&app, &ada, None, single("one", json!({"type": "transform", "jq": "1"}))).await;
    let choice = json!({"team_id": other});
    for (method, path, body) in [
        (Method::PUT, "/secrets/token/team".to_owned(), choice.clone()),
        (Method::PUT, "/secrets/fresh".to_owned(), json!({"value": "a quiet secret", "team_id": other})),
        (Method::PUT, format!("/plugins/{plugin}/team"), choice.clone()),
        (Method::PUT, format!("/workflows/{workflow}/team"), choice),
        (Method::POST, "/plugins".to_owned(), upload("two", Some(other))),
    ] {
        let refused = app.send(method, &path, Some(&ada.token), Some(&body)).await.problem(422, "invalid");
        assert_eq!(refused["errors"][0]["pointer"], "/team_id", "{path}");
    }
    assert_eq!(app.get(&ada, "/secrets").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_moves_to_another_team_once_nothing_that_it_uses_stays_behind() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let (bob, eve) = (app.member(&ada, SystemRole::Admin).await, app.member(&ada, SystemRole::Viewer).await);
    let ours = team(&app, &ada).await;
    let others =
        app.post(&ada, "/teams", json!({"name": "Others"})).await.expect(201)["id"].as_str().unwrap().to_owned();
    let _ = app.put(&ada, &format!("/teams/{others}/members/{}", ada.user_id()), json!({})).await.expect(204);
    let plugin = active(&app, &ada, "inside", Some(&ours)).await;
    let unused = active(&app, &ada, "unused", Some(&ours)).await;
    let calls = |plugin: &str| single("moving", json!({"type": "plugin", "plugin": format!("acme/{plugin}@^1")}));
    let moving = save(&app, &ada, Some(&ours), calls("unused")).await;
    // What an earlier version used does not count.
    let _ = app.put(&ada, &format!("/workflows/{moving}"), calls("inside")).await.expect(200);
    let secret = json!({"value": "only for insiders", "team_id": ours});
    let _ = app.put(&ada, "/secrets/token", secret).await.expect(200);
    let _ = app.put(&ada, "/secrets/token/grants", json!({"workflow_ids": [moving]})).await.expect(200);
    let path = format!("/workflows/{moving}/team");
    let to = async |actor: &Actor, team: Option<&str>| app.put(actor, &path, json!({"team_id": team})).await;

    for team in [Some(others.as_str()), None] {
        let refused = to(&ada, team).await.problem(409, "conflict");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("the secrets token and the plugins acme/inside;"), "{detail}");
    }
    let kept = to(&ada, Some(&ours)).await.expect(200);
    assert_eq!((&kept["team_id"], &kept["version"]), (&json!(ours), &json!(2)));
    to(&bob, None).await.problem(404, "not-found");
    let _ = app.put(&ada, "/secrets/token/team", json!({"team_id": null})).await.expect(200);
    let _ = app.put(&ada, &format!("/plugins/{plugin}/team"), json!({"team_id": null})).await.expect(200);
    let moved = to(&ada, Some(&others)).await.expect(200);
    assert_eq!(moved["team_id"], json!(others));
    let done = run(&app, &ada, &moving, json!({})).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");
    // What it uses cannot become private to the team that it left, and what it does not use stays that team's.
    app.put(&ada, &format!("/plugins/{plugin}/team"), json!({"team_id": ours})).await.problem(409, "conflict");
    assert_eq!(app.get(&ada, &format!("/plugins/{unused}")).await.expect(200)["team_id"], json!(ours));

    // Its executions go where it goes.
    let execution = format!("/executions/{}", done["id"].as_str().unwrap());
    app.get(&bob, &execution).await.problem(404, "not-found");
    let _ = to(&ada, None).await.expect(200);
    let _ = app.get(&bob, &execution).await.expect(200);
    to(&eve, None).await.problem(403, "permission-denied");
    let events = app.get(&ada, "/audit/events?action=workflow.moved").await.expect(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 2, "nothing is told of what was so before: {events:#}");
}
