//! Approvals: who may decide, once, on what they were shown.

use serde_json::{Value, json};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, TestApp};

use crate::engine::{save, start, steps, until};
use crate::guests;

/// Asks `approvers`, with whatever else the node has.
fn asking(name: &str, approvers: Value, more: Value) -> Value {
    let mut ask = json!({"type": "approval", "approvers": approvers});
    ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({
        "name": name,
        "nodes": {"ask": ask, "after": {"type": "wait", "for": "1ms"}},
        "edges": [{"from": "start", "to": "ask"}, {"from": "ask", "to": "after"}, {"from": "after", "to": "end"}],
    })
}

/// The approval that the execution waits for.
async fn asked(app: &TestApp, actor: &Actor, execution: &str) -> Value {
    until(app, actor, execution, &["waiting"]).await;
    let page = app.get(actor, &format!("/approvals?execution_id={execution}&state=pending")).await.expect(200);
    page["items"][0].clone()
}

fn decision(approval: &Value) -> String {
    format!("/approvals/{}/decision", approval["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_who_are_named_decide_and_only_once() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let operator = app.member(&ada, SystemRole::Operator).await;
    let developer = app.member(&ada, SystemRole::Developer).await;
    let bob = app.register("bob", "Globex").await;
    let workflow =
        save(&app, &ada, asking("asks", json!({"roles": ["operator", "admin"], "at_least": 1}), json!({}))).await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    let approval = asked(&app, &operator, &execution).await;
    assert_eq!((approval["state"].as_str(), approval["can_decide"].as_bool()), (Some("pending"), Some(true)));
    let mine = app.get(&operator, "/approvals?mine=true").await.expect(200);
    assert_eq!(mine["items"][0]["id"], approval["id"]);
    let mine = app.get(&ada, "/approvals?mine=true").await.expect(200);
    assert_eq!(mine["items"], json!([]), "the requester is not asked");

    let path = decision(&approval);
    let yes = json!({"decision": "approve", "comment": "fine"});
    let refused = app.post(&ada, &path, yes.clone()).await.problem(403, "permission-denied");
    assert_eq!(refused["reason"], "requester");
    app.post(&developer, &path, yes.clone()).await.problem(403, "permission-denied");
    app.post(&bob, &path, yes.clone()).await.problem(404, "not-found");
    app.get(&bob, &format!("/approvals/{}", approval["id"].as_str().unwrap())).await.problem(404, "not-found");
    app.post(&operator, &path, json!({"decision": "perhaps"})).await.problem(422, "invalid");
    app.post(&operator, &path, json!({"decision": "approve", "comment": "x".repeat(2001)}))
        .await
        .problem(422, "invalid");

    // Of two decisions at the same moment one counts.
    let no = json!({"decision": "reject"});
    let (a, b) = tokio::join!(app.post(&operator, &path, yes), app.post(&operator, &path, no));
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    until(&app, &ada, &execution, &["succeeded", "failed"]).await;
    let decided: i64 =
        sqlx::query_scalar("select count(*) from approval_decisions").fetch_one(&mut app.admin().await).await.unwrap();
    assert_eq!(decided, 1);
    let page = app.get(&operator, &format!("/approvals/{}", approval["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((page["decisions"].as_array().unwrap().len(), page["can_decide"].as_bool()), (1, Some(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_bound_to_what_was_shown() {
    let app = guests::app().await;
    let ada = app.register("ada", "Engines").await;
    let operator = app.member(&ada, SystemRole::Operator).await;
    let show = json!({"show": "{amount: .input.amount}"});
    let workflow = save(&app, &ada, asking("asks", json!({"roles": ["operator"]}), show)).await;
    let execution = start(&app, &ada, &workflow, json!({"amount": 5})).await;
    let approval = asked(&app, &operator, &execution).await;
    assert_eq!(approval["shown"], json!({"amount": 5}));
    let digest = approval["shown_digest"].as_str().unwrap().to_owned();
    let path = decision(&approval);
    let with = |digest: &str| json!({"decision": "approve", "shown_digest": digest});
    app.post(&operator, &path, with("xyz")).await.problem(422, "invalid");
    let other = "0".repeat(64);
    let changed = app.post(&operator, &path, with(&other)).await.problem(409, "conflict");
    assert_eq!(changed["reason"], "shown-changed");
    let _ = app.post(&operator, &path, with(&digest)).await.expect(200);
    let done = until(&app, &ada, &execution, &["succeeded", "failed"]).await;
    assert_eq!(done["state"], "succeeded");
    let step = app.get(&ada, &format!("/executions/{execution}/steps/ask")).await.expect(200);
    assert_eq!(step["output"]["decision"], "approve", "{step:#}");
    assert_eq!(step["output"]["by"]["id"], operator.user["id"]);
    let detail: Value =
        sqlx::query_scalar("select diff from events where action = 'approval.approved' and resource_id = $1")
            .bind(approval["id"].as_str().unwrap())
            .fetch_one(&mut app.admin().await)
            .await
            .unwrap();
    assert!(detail.to_string().contains(&digest), "{detail:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_must_approve_and_one_rejection_rejects() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let operator = app.member(&ada, SystemRole::Operator).await;
    let approvers = json!({"users": [ada.username, operator.username], "at_least": 2});
    let two = save(&app, &ada, asking("two", approvers.clone(), json!({"not_requester": false}))).await;
    let execution = start(&app, &ada, &two, json!({})).await;
    let approval = asked(&app, &ada, &execution).await;
    let path = decision(&approval);
    let first = app.post(&ada, &path, json!({"decision": "approve"})).await.expect(200);
    assert_eq!(first["state"], "pending", "one is not enough");
    let again = app.post(&ada, &path, json!({"decision": "approve"})).await.problem(409, "conflict");
    assert_eq!(again["reason"], "already-decided");
    assert_eq!(app.post(&operator, &path, json!({"decision": "approve"})).await.expect(200)["state"], "approved");
    until(&app, &ada, &execution, &["succeeded"]).await;

    let execution = start(&app, &ada, &two, json!({})).await;
    let approval = asked(&app, &ada, &execution).await;
    let no = json!({"decision": "reject", "comment": "too dear"});
    assert_eq!(app.post(&operator, &decision(&approval), no).await.expect(200)["state"], "rejected");
    let done = until(&app, &ada, &execution, &["failed", "succeeded"]).await;
    assert_eq!((done["state"].as_str(), done["error"]["class"].as_str()), (Some("failed"), Some("rejected")));
    assert!(done["error"]["message"].as_str().unwrap().contains("too dear"), "{done:#}");
    let stands = app.post(&ada, &format!("/executions/{execution}/retry"), json!({})).await.problem(409, "conflict");
    assert_eq!(stands["reason"], "rejected");

    let more = json!({"not_requester": false, "on_reject": "continue"});
    let goes_on = save(&app, &ada, asking("goes on", approvers, more)).await;
    let execution = start(&app, &ada, &goes_on, json!({})).await;
    let approval = asked(&app, &ada, &execution).await;
    let _ = app.post(&ada, &decision(&approval), json!({"decision": "reject"})).await.expect(200);
    until(&app, &ada, &execution, &["succeeded"]).await;
    let step = app.get(&ada, &format!("/executions/{execution}/steps/ask")).await.expect(200);
    assert_eq!(step["output"]["decision"], "reject");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_decides_expires_and_is_asked_again_after_a_retry() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let operator = app.member(&ada, SystemRole::Operator).await;
    let workflow = save(&app, &ada, asking("asks", json!({"roles": ["operator"]}), json!({"expires": "1500ms"}))).await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    let approval = asked(&app, &operator, &execution).await;
    let done = until(&app, &ada, &execution, &["failed", "succeeded"]).await;
    assert_eq!(
        (done["state"].as_str(), done["error"]["class"].as_str()),
        (Some("failed"), Some("expired")),
        "{done:#}"
    );
    let late = app.post(&operator, &decision(&approval), json!({"decision": "approve"})).await.problem(409, "conflict");
    assert!(late["detail"].as_str().unwrap().contains("expired"), "{late:#}");
    assert!(app.actions(ada.tenant()).await.iter().any(|action| action == "approval.expired"));

    let _ = app.post(&ada, &format!("/executions/{execution}/retry"), json!({})).await.expect(202);
    let again = asked(&app, &operator, &execution).await;
    assert_eq!(again["id"], approval["id"]);
    assert!(again["expires_at"].as_str() > approval["expires_at"].as_str());
    let _ = app.post(&operator, &decision(&again), json!({"decision": "approve"})).await.expect(200);
    until(&app, &ada, &execution, &["succeeded"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_withdraws_the_question_and_a_pause_keeps_it() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let operator = app.member(&ada, SystemRole::Operator).await;
    let workflow = save(&app, &ada, asking("asks", json!({"roles": ["operator"]}), json!({}))).await;
    let execution = start(&app, &ada, &workflow, json!({})).await;
    let approval = asked(&app, &operator, &execution).await;
    let _ = app.post(&ada, &format!("/executions/{execution}/cancel"), json!({})).await.expect(202);
    until(&app, &ada, &execution, &["cancelled"]).await;
    let path = decision(&approval);
    app.post(&operator, &path, json!({"decision": "approve"})).await.problem(409, "conflict");
    assert_eq!(app.get(&operator, "/approvals?mine=true").await.expect(200)["items"], json!([]));

    // It goes on with the same question; decided while it is paused, it goes on when it is resumed.
    let _ = app.post(&ada, &format!("/executions/{execution}/retry"), json!({})).await.expect(202);
    asked(&app, &operator, &execution).await;
    let _ = app.post(&ada, &format!("/executions/{execution}/pause"), json!({})).await.expect(202);
    let _ = app.post(&operator, &path, json!({"decision": "approve"})).await.expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(800)).await;
    assert_eq!(app.get(&ada, &format!("/executions/{execution}")).await.expect(200)["state"], "paused");
    let _ = app.post(&ada, &format!("/executions/{execution}/resume"), json!({})).await.expect(202);
    until(&app, &ada, &execution, &["succeeded"]).await;
    let ended = steps(&app, &ada, &execution).await;
    assert_eq!(ended, ["after", "ask"].map(|name| (name.to_owned(), "succeeded".to_owned())));
}
