//! A delegated token ends by itself: by who holds it or whose it is, with what was cut out of it, on every node.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Answer, Setup, TestApp, answer};

use crate::api_keys::{make, parts};
use crate::delegation::{account, acting, cut, form, read, refused, refused_within_a_second};
use crate::engine::{save, start};
use crate::policies::single;

pub async fn revoke(app: &TestApp, token: &str) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
    let request = app.request(Method::POST, "/auth/revoke", None);
    answer(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|token| token["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_a_token_revokes_it_with_what_was_cut_out_of_it_on_every_node() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let ada = app.register("ada", "Engines").await;
    let (parent, sibling) = (cut(&app, &ada.token, &[]).await, cut(&app, &ada.token, &[]).await);
    let child = cut(&app, &parent, &[("scope", "team:read")]).await;
    let grandchild = cut(&other, &child, &[]).await;
    for token in [&parent, &sibling, &child, &grandchild] {
        let _ = read(&app, token, "/teams").await.expect(200);
        let _ = read(&other, token, "/teams").await.expect(200);
    }
    let done = revoke(&app, &parent).await;
    assert_eq!(done.headers["cache-control"], "no-store");
    let _ = done.expect(200);
    // Here at once, there within a second.
    for token in [&parent, &child, &grandchild] {
        read(&app, token, "/teams").await.problem(401, "unauthenticated");
        refused_within_a_second(&other, token, "/teams").await;
        // And nothing more comes out of it.
        let more = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", &**token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ];
        refused(form(&other, &more).await, "invalid_request");
    }
    let _ = read(&other, &sibling, "/teams").await.expect(200);
    let _ = app.get(&ada, "/teams").await.expect(200);
    // What is good no more, and what never was one (RFC 7009, 2.2).
    for token in [&parent, "nonsense", "tnr_rt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let _ = revoke(&app, token).await.expect(200);
    }
    refused(revoke(&app, "").await, "invalid_request");
    let events = app.get(&ada, "/audit/events?action=delegation.revoked").await.expect(200);
    let events = events["items"].as_array().unwrap();
    assert_eq!(events.len(), 3, "{events:#?}");
    assert!(events.iter().all(|event| event["actor"]["id"] == ada.user["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_a_token_is_sees_it_and_revokes_it_without_holding_it() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let (robot, robots, _) = account(&app, &ada, "Robot", &["delegation:act", "team:read"]).await;
    let handed = [&acting(&robots)[..], &[("scope", "team:read")]].concat();
    let for_ada = cut(&app, &ada.token, &handed).await;
    let own = cut(&app, &ada.token, &[("scope", "workflow:read"), ("expires_in", "600")]).await;
    let _theirs = cut(&app, &viewer.token, &[]).await;
    let of_robot = cut(&app, &robots, &[("scope", "team:read")]).await;
    let list = app.get(&ada, "/auth/tokens").await.expect(200);
    // A key of hers is not her: it neither sees nor ends what she handed on, nor reads where she logged in.
    let (key, _) = parts(&make(&app, &ada, &["*"], json!({})).await.expect(201));
    let one = format!("/auth/tokens/{}", list["items"][0]["id"].as_str().unwrap());
    for (method, path) in [(Method::GET, "/auth/tokens"), (Method::DELETE, &*one), (Method::GET, "/auth/logins")] {
        crate::api_keys::with_key(&app, &key, method, path, None).await.problem(401, "unauthenticated");
    }
    let [first, second] = list["items"].as_array().unwrap().as_slice() else { panic!("{list:#}") };
    assert_eq!((&first["scope"], &first["acting"]), (&json!("workflow:read"), &Value::Null));
    assert_eq!((&second["scope"], &second["acting"]), (&json!("team:read"), &json!(robot)));
    let page = app.get(&ada, "/auth/tokens?limit=1").await.expect(200);
    let next = format!("/auth/tokens?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(ids(&app.get(&ada, &next).await.expect(200)), [second["id"].as_str().unwrap()]);
    let granted = app.get(&ada, "/audit/events?action=delegation.granted").await.expect(200);
    let told: Vec<&str> =
        granted["items"].as_array().unwrap().iter().map(|event| event["resource"]["id"].as_str().unwrap()).collect();
    assert!(ids(&list).iter().all(|id| told.contains(id)), "the log calls them by the same name: {granted:#}");

    // Not another's; and a token itself does not reach the account of its owner.
    let path = format!("/auth/tokens/{}", second["id"].as_str().unwrap());
    app.delete(&viewer, &path).await.problem(404, "not-found");
    app.send(Method::DELETE, &path, Some(&own), None).await.problem(403, "permission-denied");
    let _ = app.delete(&ada, &path).await.expect(204);
    read(&app, &for_ada, "/teams").await.problem(401, "unauthenticated");
    app.delete(&ada, &path).await.problem(404, "not-found");
    assert_eq!(ids(&app.get(&ada, "/auth/tokens").await.expect(200)), [first["id"].as_str().unwrap()]);
    let _ = read(&app, &of_robot, "/teams").await.expect(200);
    let _ = revoke(&app, &of_robot).await.expect(200);
    read(&app, &of_robot, "/teams").await.problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_login_is_revoked_by_the_same_endpoint_and_a_key_is_not() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let (by_refresh, by_access) = (app.log_in("ada").await, app.log_in("ada").await);
    let _ = revoke(&app, &by_refresh.refresh_token).await.expect(200);
    let _ = revoke(&app, &by_access.token).await.expect(200);
    for gone in [&by_refresh, &by_access] {
        app.get(gone, "/teams").await.problem(401, "unauthenticated");
    }
    let _ = revoke(&app, &by_access.token).await.expect(200);
    let (key, _) = parts(&make(&app, &ada, &["team:read"], json!({})).await.expect(201));
    refused(revoke(&app, &key).await, "unsupported_token_type");
    let _ = read(&app, &key, "/teams").await.expect(200);
    let ended = app.actions(ada.tenant()).await.iter().filter(|action| *action == "session.ended").count();
    assert_eq!(ended, 2);
}

/// Whatever comes first: what is cut out of a token while that is revoked is never good afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_escapes_that_is_cut_out_while_its_parent_is_revoked() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let ada = app.register("ada", "Engines").await;
    let (mut escaped, mut refused) = (0, 0);
    for _ in 0..20 {
        let parent = cut(&app, &ada.token, &[]).await;
        let exchange = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", &*parent),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ];
        let cuts = futures::future::join_all((0..4).map(|_| form(&other, &exchange)));
        let (children, done) = tokio::join!(cuts, revoke(&app, &parent));
        let _ = done.expect(200);
        for child in children {
            if child.status == 200 {
                escaped += 1;
                refused_within_a_second(&other, child.body["access_token"].as_str().unwrap(), "/teams").await;
            } else {
                refused += 1;
            }
        }
    }
    assert!(escaped + refused == 80, "{escaped} were given and end, {refused} were not");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_token_that_opened_it() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let waits = save(&app, &ada, single("waits", json!({"type": "wait", "for": "1h"}))).await;
    let execution = start(&app, &ada, &waits, json!({})).await;
    let token = cut(&app, &ada.token, &[("scope", "execution:read")]).await;
    let path = format!("/executions/{execution}/events");
    let mut stream = app.request(Method::GET, &path, Some(&token)).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let _ = stream.chunk().await.unwrap().unwrap();
    let _ = revoke(&app, &token).await.expect(200);
    let begun = Instant::now();
    while let Ok(Some(_)) = stream.chunk().await {}
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
