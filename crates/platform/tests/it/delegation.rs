//! Delegated tokens: they may less than what they were cut out of, at every moment, and end with it on every node.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::{Clock, Credential, PermissionSet};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, Answer, PASSWORD, Setup, TestApp, answer};

use crate::api_keys::{make, parts};
use crate::engine::save;
use crate::policies::single;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub async fn form(app: &TestApp, parameters: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let request = app.request(Method::POST, "/auth/token", None);
    answer(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
}

pub async fn exchange(app: &TestApp, subject: &str, more: &[(&str, &str)]) -> Answer {
    let first = [("grant_type", EXCHANGE), ("subject_token", subject), ("subject_token_type", ACCESS_TOKEN)];
    form(app, &[&first[..], more].concat()).await
}

pub async fn cut(app: &TestApp, subject: &str, more: &[(&str, &str)]) -> String {
    exchange(app, subject, more).await.expect(200)["access_token"].as_str().unwrap().to_owned()
}

pub async fn with(app: &TestApp, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    app.send(method, path, Some(token), body.as_ref()).await
}

pub async fn read(app: &TestApp, token: &str, path: &str) -> Answer {
    with(app, token, Method::GET, path, None).await
}

/// What an OAuth client reads of a refusal.
#[track_caller]
pub fn refused(answer: Answer, error: &str) -> Value {
    let body = answer.body;
    assert_eq!((answer.status.as_u16(), &body["error"]), (400, &json!(error)), "{body:#}");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(body["error_description"].as_str().is_some_and(|words| words.len() > 10), "{body:#}");
    assert_eq!(body["status"], 400);
    body
}

/// What the token may do at this moment; nothing if it is refused.
async fn may(app: &TestApp, token: &str) -> PermissionSet {
    let known = app.app.kernel.authenticate(Credential::Bearer(token), None).await;
    known.map_or(PermissionSet::NONE, |identity| identity.permissions)
}

pub async fn refused_within_a_second(node: &TestApp, token: &str, path: &str) {
    let begun = Instant::now();
    while read(node, token, path).await.status != 401 {
        assert!(begun.elapsed() < Duration::from_secs(1), "the node still answers");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A service account with these permissions, and a key of it: identifier, key, path of the key.
pub async fn account(app: &TestApp, admin: &Actor, name: &str, permissions: &[&str]) -> (String, String, String) {
    let body = json!({"name": name, "permissions": permissions});
    let id = app.post(admin, "/service-accounts", body).await.expect(201)["id"].as_str().unwrap().to_owned();
    let made = make(app, admin, permissions, json!({"service_account": id})).await.expect(201);
    let (key, path) = parts(&made);
    (id, key, path)
}

pub fn acting(key: &str) -> [(&str, &str); 2] {
    [("actor_token", key), ("actor_token_type", ACCESS_TOKEN)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_what_it_was_cut_down_to_and_nothing_else() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let given = exchange(&app, &ada.token, &[("scope", "team:read workflow:*")]).await.expect(200);
    let scope = "workflow:create workflow:read workflow:update workflow:delete workflow:execute team:read";
    assert_eq!((&given["scope"], &given["token_type"]), (&json!(scope), &json!("Bearer")));
    assert_eq!((&given["issued_token_type"], &given["refresh_token"]), (&json!(ACCESS_TOKEN), &Value::Null));
    let token = given["access_token"].as_str().unwrap();
    let _ = read(&app, token, "/teams").await.expect(200);
    with(&app, token, Method::POST, "/teams", Some(json!({"name": "x"}))).await.problem(403, "permission-denied");
    // Nothing that is the person's own: else it would be worth the login that it was cut out of.
    for (method, path, body) in [
        (Method::GET, "/auth/me", None),
        (Method::GET, "/auth/sessions", None),
        (Method::DELETE, "/auth/sessions", None),
        (Method::POST, "/auth/switch", Some(json!({"organization": "globex"}))),
        (
            Method::POST,
            "/auth/password",
            Some(json!({"current_password": PASSWORD, "new_password": "another meadow of mine"})),
        ),
    ] {
        with(&app, token, method, path, body).await.problem(403, "permission-denied");
    }
    // Nor does it end the login, or stand for a refresh token.
    app.send(Method::POST, "/auth/logout", Some(token), None).await.problem(401, "unauthenticated");
    let whole = cut(&app, &ada.token, &[]).await;
    assert_eq!(may(&app, &whole).await, PermissionSet::ALL);
    let key = json!({"name": "x", "scopes": ["team:read"]});
    with(&app, &whole, Method::POST, "/api-keys", Some(key)).await.problem(403, "permission-denied");

    let event = &app.get(&ada, "/audit/events?action=delegation.granted").await.expect(200)["items"][0];
    assert_eq!(event["actor"]["id"], ada.user["id"]);
    let _ = with(&app, &whole, Method::POST, "/teams", Some(json!({"name": "Fleet"}))).await.expect(201);
    let event = &app.get(&ada, "/audit/events?action=team.created").await.expect(200)["items"][0];
    assert_eq!(event["actor"]["id"], ada.user["id"], "{event:#}");
    let by = event["diff"].as_array().unwrap().iter().find(|change| change["path"] == "/delegation");
    assert!(by.is_some_and(|by| by["value"]["token"].is_string()), "the log says by which token: {event:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_only_narrows() {
    let clock = Clock::manual("2030-01-01T00:00:00Z".parse().unwrap());
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let globex = app.register("hank", "Globex").await;
    let read_only = cut(&app, &ada.token, &[("scope", "team:read workflow:read"), ("expires_in", "300")]).await;
    // Permissions.
    refused(exchange(&app, &read_only, &[("scope", "team:*")]).await, "invalid_scope");
    let body = refused(exchange(&app, &read_only, &[("scope", "team:read team:raed")]).await, "invalid_scope");
    assert_eq!(body["error_description"], "`scope/1` is no permission; did you mean `team:read`?");
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let body = refused(exchange(&app, &viewer.token, &[("scope", "team:read team:write")]).await, "invalid_scope");
    assert!(body["error_description"].as_str().unwrap().contains("team:write"), "{body}");
    // Time.
    assert_eq!(exchange(&app, &read_only, &[("expires_in", "3600")]).await.expect(200)["expires_in"], 300);
    assert_eq!(exchange(&app, &ada.token, &[("expires_in", "9999")]).await.expect(200)["expires_in"], 900);
    refused(exchange(&app, &ada.token, &[("expires_in", "soon")]).await, "invalid_request");
    // Tenant.
    let own = ada.organization["slug"].as_str().unwrap();
    let _ = exchange(&app, &ada.token, &[("audience", own)]).await.expect(200);
    let other = globex.organization["slug"].as_str().unwrap();
    refused(exchange(&app, &ada.token, &[("audience", other)]).await, "invalid_target");
    refused(exchange(&app, &ada.token, &[("audience", "nowhere")]).await, "invalid_target");
    // Depth.
    let mut token = ada.token.clone();
    for _ in 0..4 {
        token = cut(&app, &token, &[("scope", "team:read")]).await;
    }
    refused(exchange(&app, &token, &[]).await, "invalid_request");
    let _ = read(&app, &token, "/teams").await.expect(200);
    clock.advance(Duration::from_secs(299));
    let _ = read(&app, &read_only, "/teams").await.expect(200);
    clock.advance(Duration::from_secs(1));
    read(&app, &read_only, "/teams").await.problem(401, "unauthenticated");
    refused(exchange(&app, &read_only, &[]).await, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_workflow_sees_no_other() {
    let app = crate::guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let quick = json!({"type": "transform", "jq": "1"});
    let (one, two) =
        (save(&app, &ada, single("one", quick.clone())).await, save(&app, &ada, single("two", quick)).await);
    let resource = format!("/api/v1/workflows/{one}");
    let token = cut(&app, &ada.token, &[("resource", &resource)]).await;
    let issuer = app.app.tokens.config().issuer.clone();
    let _ = cut(&app, &ada.token, &[("resource", &format!("{issuer}{resource}"))]).await;
    let _ = read(&app, &token, &format!("/workflows/{one}")).await.expect(200);
    let start = |id: &str| format!("/workflows/{id}/executions?wait=30s");
    let mine = with(&app, &token, Method::POST, &start(&one), Some(json!({"input": 1}))).await.expect(200);
    let other = app.post(&ada, &start(&two), json!({"input": 1})).await.expect(200);
    let seen = read(&app, &token, "/executions").await.expect(200);
    assert_eq!(seen["items"].as_array().unwrap().iter().map(|one| &one["id"]).collect::<Vec<_>>(), [&mine["id"]]);
    let path = |execution: &Value| format!("/executions/{}", execution["id"].as_str().unwrap());
    let _ = read(&app, &token, &path(&mine)).await.expect(200);
    read(&app, &token, &path(&other)).await.problem(404, "not-found");
    read(&app, &token, &format!("{}/steps", path(&other))).await.problem(404, "not-found");
    with(&app, &token, Method::POST, &format!("{}/cancel", path(&other)), None).await.problem(404, "not-found");
    for (method, path) in [
        (Method::GET, format!("/workflows/{two}")),
        (Method::POST, start(&two)),
        (Method::GET, "/workflows".to_owned()),
        (Method::GET, "/teams".to_owned()),
        (Method::GET, "/audit/events".to_owned()),
    ] {
        with(&app, &token, method, &path, Some(json!({"input": 1}))).await.problem(403, "permission-denied");
    }
    // What is cut out of it is for the same workflow.
    let child = cut(&app, &token, &[("scope", "workflow:read")]).await;
    read(&app, &child, &format!("/workflows/{two}")).await.problem(403, "permission-denied");
    let wider = [("resource", format!("/api/v1/workflows/{two}"))];
    refused(exchange(&app, &token, &[(wider[0].0, &wider[0].1)]).await, "invalid_target");
    refused(exchange(&app, &token, &[("resource", "https://elsewhere.example.com/")]).await, "invalid_target");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_root_ends_what_was_cut_out_of_it_on_every_node() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let ada = app.register("ada", "Engines").await;
    let login = app.log_in("ada").await;
    let (key, key_path) = parts(&make(&app, &ada, &["team:read"], json!({})).await.expect(201));
    let of_login = cut(&app, &cut(&app, &login.token, &[]).await, &[("scope", "team:read")]).await;
    let of_key = cut(&app, &cut(&app, &key, &[]).await, &[]).await;
    let (robot, robots, robot_path) = account(&app, &ada, "Robot", &["delegation:act"]).await;
    let for_ada = cut(&app, &ada.token, &acting(&robots)).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    for token in [&of_login, &of_key, &for_ada] {
        let _ = read(&other, token, "/teams").await.expect(200);
    }
    let _ = app.post(&login, "/auth/logout", json!({"refresh_token": login.refresh_token})).await.expect(204);
    refused_within_a_second(&other, &of_login, "/teams").await;
    let _ = app.post(&ada, &format!("{key_path}/revoke"), json!({})).await.expect(200);
    refused_within_a_second(&other, &of_key, "/teams").await;
    // The actor's own key counts as much as the person's login.
    let off = json!({"status": "deactivated"});
    let _ = app.patch(&ada, &format!("/service-accounts/{robot}"), off).await.expect(200);
    refused_within_a_second(&other, &for_ada, "/teams").await;
    let _ = app.patch(&ada, &format!("/service-accounts/{robot}"), json!({"status": "active"})).await.expect(200);
    let _ = read(&app, &for_ada, "/teams").await.expect(200);
    let _ = app.post(&ada, &format!("{robot_path}/revoke"), json!({})).await.expect(200);
    refused_within_a_second(&other, &for_ada, "/teams").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_acts_for_a_person_only_where_it_may_and_the_log_says_for_whom() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let hank = app.register("hank", "Globex").await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let (robot, robots, _) = account(&app, &ada, "Robot", &["delegation:act"]).await;
    let (second, seconds, _) = account(&app, &ada, "Second", &["delegation:act", "team:read"]).await;
    let (_, unfit, _) = account(&app, &ada, "Unfit", &["team:read"]).await;
    let (_, foreign, _) = account(&app, &hank, "Foreign", &["delegation:act"]).await;
    for actor in [&unfit, &foreign, &viewer.token, &hank.token] {
        refused(exchange(&app, &ada.token, &acting(actor)).await, "invalid_request");
    }
    // Nobody acts for a service account.
    refused(exchange(&app, &seconds, &acting(&robots)).await, "invalid_request");
    refused(exchange(&app, &ada.token, &[("actor_token_type", ACCESS_TOKEN)]).await, "invalid_request");

    let given = cut(&app, &ada.token, &[&acting(&robots)[..], &[("scope", "team:*")]].concat()).await;
    // It may what Ada may within the scope, though the account itself holds nothing of it.
    let _ = with(&app, &given, Method::POST, "/teams", Some(json!({"name": "Fleet"}))).await.expect(201);
    read(&app, &given, "/workflows").await.problem(403, "permission-denied");
    let event = app.get(&ada, "/audit/events?action=team.created").await.expect(200)["items"][0].clone();
    assert_eq!((&event["actor"]["id"], &event["actor"]["name"]), (&json!(robot), &json!("Robot")), "{event:#}");
    assert_eq!(event["on_behalf_of"], ada.user["id"]);

    // Handed on once more: the log names who stands between.
    let handed = cut(&app, &given, &acting(&seconds)).await;
    let _ = with(&app, &handed, Method::POST, "/teams", Some(json!({"name": "Ships"}))).await.expect(201);
    let event = app.get(&ada, "/audit/events?action=team.created").await.expect(200)["items"][0].clone();
    assert_eq!((&event["actor"]["id"], &event["on_behalf_of"]), (&json!(second), &ada.user["id"]), "{event:#}");
    let by = event["diff"].as_array().unwrap().iter().find(|change| change["path"] == "/delegation").unwrap();
    assert_eq!(by["value"]["through"], json!([robot]), "{event:#}");
    // The account that loses the permission acts for nobody any more.
    let _ =
        app.patch(&ada, &format!("/service-accounts/{robot}"), json!({"permissions": ["team:read"]})).await.expect(200);
    for token in [&given, &handed] {
        read(&app, token, "/teams").await.problem(401, "unauthenticated");
    }
}

/// Every child's permissions are within its parent's, whatever roles come and go between; and what is refused has none.
#[tokio::test(flavor = "multi_thread")]
async fn at_every_moment_a_child_may_no_more_than_its_parent() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let member = app.member(&admin, SystemRole::Developer).await;
    let path = format!("/users/{}", member.user_id());
    let mut runner = TestRunner::deterministic();
    let words = ["workflow:*", "team:read", "team:*", "execution:read", "secret:write", "audit:read", "*"];
    let scopes = subsequence(words.to_vec(), 1..=3);
    let roles = subsequence(SystemRole::ALL.map(SystemRole::as_str).to_vec(), 0..=2);
    let step = (any::<proptest::sample::Index>(), scopes, roles, 0..4_u8);
    let (key, _) = parts(&make(&app, &member, &["workflow:*", "team:read"], json!({})).await.expect(201));
    // A token, and which one it was cut out of.
    let mut tokens: Vec<(String, Option<usize>)> = vec![(member.token.clone(), None), (key, None)];
    let (mut granted, mut lost) = (0, 0);
    for _ in 0..60 {
        let (from, scope, roles, what) = step.new_tree(&mut runner).unwrap().current();
        let from = from.index(tokens.len());
        if what == 0 {
            let before = may(&app, &tokens[from].0).await;
            let _ = app.patch(&admin, &path, json!({"roles": roles})).await;
            lost += usize::from(may(&app, &tokens[from].0).await != before);
        } else {
            let asked = scope.join(" ");
            let parent = may(&app, &tokens[from].0).await;
            let answer = exchange(&app, &tokens[from].0, &[("scope", &asked)]).await;
            let wanted = PermissionSet::from_patterns(scope.iter().copied());
            if answer.status == 200 {
                assert!(parent.contains(wanted), "{asked} was given out of {parent}");
                tokens.push((answer.body["access_token"].as_str().unwrap().to_owned(), Some(from)));
                granted += 1;
            } else {
                assert!(!parent.contains(wanted) || answer.body["error"] == "invalid_request", "{:#}", answer.body);
            }
        }
        for (token, parent) in &tokens {
            if let Some(parent) = parent {
                let (held, parent) = (may(&app, token).await, may(&app, &tokens[*parent].0).await);
                assert!(parent.contains(held), "{held} is more than {parent}");
            }
        }
    }
    assert!(granted > 5 && lost > 3, "{granted} were given, {lost} times the roles mattered");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_form_logs_in_by_the_same_rules() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let password =
        |name, password| [("grant_type", "password"), ("username", name), ("password", password), ("scope", "")];
    let given = form(&app, &password("ada", PASSWORD)).await.expect(200);
    let token = given["access_token"].as_str().unwrap();
    assert_eq!(read(&app, token, "/auth/me").await.expect(200)["user"]["id"], ada.user["id"]);
    let refresh = given["refresh_token"].as_str().unwrap();
    let again = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let next = form(&app, &again).await.expect(200);
    assert_ne!(next["refresh_token"], given["refresh_token"]);
    // Twice is once too often, as everywhere.
    refused(form(&app, &again).await, "invalid_grant");
    read(&app, next["access_token"].as_str().unwrap(), "/auth/me").await.problem(401, "unauthenticated");

    refused(form(&app, &password("ada", "not the meadow at all")).await, "invalid_grant");
    assert!(app.actions(ada.tenant()).await.iter().any(|action| action == "session.login-failed"));
    for _ in 0..5 {
        let _ = form(&app, &password("ada", "not the meadow at all")).await;
    }
    let late = form(&app, &password("ada", PASSWORD)).await;
    assert_eq!(
        (late.status.as_u16(), &late.body["error"]),
        (429, &json!("temporarily_unavailable")),
        "{:#}",
        late.body
    );
    assert!(late.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_in_oauths_words() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    refused(form(&app, &[]).await, "invalid_request");
    refused(form(&app, &[("grant_type", "implicit")]).await, "unsupported_grant_type");
    refused(form(&app, &[("grant_type", "password"), ("grant_type", "password")]).await, "invalid_request");
    refused(form(&app, &[("grant_type", EXCHANGE)]).await, "invalid_request");
    refused(
        form(&app, &[("grant_type", "password"), ("username", "ada"), ("password", PASSWORD), ("scope", "team:read")])
            .await,
        "invalid_scope",
    );
    refused(exchange(&app, "nonsense", &[]).await, "invalid_request");
    refused(
        exchange(&app, &ada.token, &[("requested_token_type", "urn:ietf:params:oauth:token-type:saml2")]).await,
        "invalid_request",
    );
    let json = app.send(Method::POST, "/auth/token", None, Some(&json!({"grant_type": "password"}))).await;
    refused(json, "invalid_request");
    // A token for itself alone is no access token anywhere else, however it is changed.
    let token = cut(&app, &ada.token, &[("scope", "team:read")]).await;
    let (head, rest) = token.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let plain = ada.token.split('.').next().unwrap();
    for forged in [
        format!("{plain}.{payload}.{signature}"),
        format!("{head}.{payload}."),
        format!("{head}.{payload}.{}", &signature[1..]),
    ] {
        read(&app, &forged, "/teams").await.problem(401, "unauthenticated");
    }
}
