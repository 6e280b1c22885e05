//! People as the platform sees them: found by name, and suspended in every organisation at once.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::record::PLATFORM_TENANT;
use tenure_platform::domain::identity::PersonStatus;
use tenure_platform::domain::platform::{add_admin, decide_about};
use tenure_platform::testkit::{Actor, PASSWORD, Setup, TestApp};

use crate::api_keys::{make, parts, read as read_with_key};
use crate::delegation::{cut, read as read_with_token};
use crate::engine::{save, until};
use crate::guests;
use crate::mfa::{at_rest, login, with};
use crate::policies::single;
use crate::slots::eventually;

async fn operator(app: &TestApp, name: &str) -> Actor {
    let actor = app.register(name, name).await;
    add_admin(&app.app.kernel, name).await.unwrap();
    actor
}

/// Bob has an organisation, and agreed to be in Ada's, which that login is for.
async fn in_both(app: &TestApp, ada: &Actor) -> (Actor, Actor) {
    let bob = app.register("bob", "Globex").await;
    let asked = json!({"email": "bob@example.com", "username": "robert", "full_name": "Bob", "password": PASSWORD});
    let _ = app.post(ada, "/users", asked).await.expect(201);
    app.confirmed("bob").await;
    let there = json!({"organization": ada.organization["slug"], "accept": true});
    let there = with(&bob, &app.post(&bob, "/auth/switch", there).await.expect(200));
    (bob, there)
}

async fn decide(app: &TestApp, by: &Actor, whom: &Actor, verb: &str) -> tenure_platform::testkit::Answer {
    let because = json!({"reason": "their laptop was stolen"});
    app.post(by, &format!("/platform/people/{}/{verb}", whom.user_id()), because).await
}

async fn found(app: &TestApp, by: &Actor, query: &str) -> Vec<Value> {
    app.get(by, &format!("/platform/people?{query}")).await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_person_does_nothing_on_any_node_and_goes_on_when_resumed() {
    let app = guests::app().await;
    let other = app.another(Setup { platform: guests::platform(), ..Setup::default() }).await;
    let (olga, ada) = (operator(&app, "olga").await, app.register("ada", "Engines").await);
    let (bob, there) = in_both(&app, &ada).await;
    let (key, _) = parts(&make(&app, &bob, &["team:read"], json!({})).await.expect(201));
    let token = cut(&app, &bob.token, &[("scope", "team:read")]).await;
    let source = "def execute(state, config):\n    return 'acted'\n";
    let slow = json!({
        "name": "slow",
        "nodes": {"rest": {"type": "wait", "for": "4s"}, "act": {"type": "plugin", "language": "python", "source": source}},
        "edges": [{"from": "start", "to": "rest"}, {"from": "rest", "to": "act"}, {"from": "act", "to": "end"}],
    });
    let slow = save(&app, &bob, slow).await;
    let begun = app.post(&bob, &format!("/workflows/{slow}/executions"), json!({"input": {}})).await.expect(202);
    let session = json!({"username": "bob", "password": PASSWORD});
    let session = app.send(Method::POST, "/auth/login", None, Some(&session)).await.expect(200);
    let execution = begun["id"].as_str().unwrap();
    let _ = until(&app, &bob, execution, &["waiting"]).await;
    let answers = async |node: &TestApp| {
        [
            node.get(&bob, "/teams").await.status.as_u16(),
            node.get(&there, "/teams").await.status.as_u16(),
            read_with_key(node, &key).await.status.as_u16(),
            read_with_token(node, &token, "/teams").await.status.as_u16(),
        ]
    };
    assert_eq!((answers(&app).await, answers(&other).await), ([200; 4], [200; 4]));

    let suspended = decide(&app, &olga, &bob, "suspend").await.expect(200);
    assert_eq!((&suspended["status"], &suspended["organizations"]), (&json!("suspended"), &json!(2)));
    let since = Instant::now();
    while answers(&other).await != [401; 4] {
        assert!(since.elapsed() < Duration::from_secs(1), "the other node still answers: {:?}", answers(&other).await);
    }
    assert_eq!(answers(&app).await, [401; 4]);
    let refresh = json!({"refresh_token": session["refresh_token"]});
    for node in [&app, &other] {
        let _ = node.send(Method::POST, "/auth/refresh", None, Some(&refresh)).await.expect(401);
        // The same words, whether or not the password is right.
        let (right, wrong) = (login(node, "bob", PASSWORD).await, login(node, "bob", "a quiet red meadow").await);
        assert_eq!(right.status, 401);
        assert_eq!((&right.body["code"], &right.body["detail"]), (&wrong.body["code"], &wrong.body["detail"]));
    }

    // Ada reads who decided it and not why; the platform's part of the log has both.
    for organization in [&ada, &bob] {
        let told = reasons(&app, organization.tenant()).await;
        assert_eq!(told, [("user.suspended".to_owned(), olga.user_id().to_owned(), false)]);
    }
    let told = reasons(&app, PLATFORM_TENANT).await;
    assert_eq!(told, [("user.suspended".to_owned(), olga.user_id().to_owned(), true)]);
    // It was so before: nothing is told twice.
    let _ = decide(&app, &olga, &bob, "suspend").await.expect(200);
    assert_eq!(reasons(&app, PLATFORM_TENANT).await.len(), 1);

    // The step that was to act when the rest was over did not. Bob reads of it once he is let in again.
    let state = async || {
        let state = "select state from executions";
        sqlx::query_scalar::<_, String>(state).fetch_one(&mut app.admin().await).await.unwrap()
    };
    eventually("the step does not act", async || state().await == "failed").await;
    let resumed = decide(&other, &olga, &bob, "resume").await.expect(200);
    assert_eq!(resumed["status"], "active");
    assert_eq!(app.get(&bob, "/teams").await.status, 401, "a login that ended stays so");
    let since = Instant::now();
    while read_with_key(&app, &key).await.status != 200 {
        assert!(since.elapsed() < Duration::from_secs(1), "the key does not work again");
    }
    let bob = app.log_in("bob").await;
    let done = until(&app, &bob, execution, &["succeeded", "failed"]).await;
    assert_eq!(
        (&done["state"], &done["error"]["class"]),
        (&json!("failed"), &json!("permission-withdrawn")),
        "{done:#}"
    );
    let again = save(&app, &bob, single("again", json!({"type": "transform", "jq": "1"}))).await;
    let run = crate::engine::run(&app, &bob, &again, json!({})).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
}

/// What was decided about people, by whom, and whether the reason stands there.
async fn reasons(app: &TestApp, tenant: tenure_kernel::TenantId) -> Vec<(String, String, bool)> {
    let rows: Vec<(String, String, Option<Value>)> = sqlx::query_as(
        "select action, principal, diff from events
         where tenant_id = $1 and action in ('user.suspended', 'user.resumed') order by id",
    )
    .bind(tenant.uuid())
    .fetch_all(&mut app.admin().await)
    .await
    .unwrap();
    let has = |diff: Option<Value>| diff.is_some_and(|diff| diff.to_string().contains("their laptop was stolen"));
    rows.into_iter().map(|(action, who, diff)| (action, who, has(diff))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_three_letters_and_suspended_ones_without() {
    let app = TestApp::start().await;
    let (olga, ada) = (operator(&app, "olga").await, app.register("ada", "Engines").await);
    let (bob, _) = in_both(&app, &ada).await;
    let people = found(&app, &olga, "search=BOB%40exam").await;
    let shown = json!({
        "id": bob.user_id(), "username": "bob", "email": "bob@example.com", "status": "active", "mfa": false, "organizations": 2
    });
    assert_eq!(people, [shown]);
    let names = async |query: &str| -> Vec<String> {
        found(&app, &olga, query).await.iter().map(|one| one["username"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("search=example.com").await, ["ada", "bob", "olga"]);
    assert_eq!(names("search=%25%25%25").await, [""; 0]);
    let first = app.get(&olga, "/platform/people?search=example.com&limit=2").await.expect(200);
    let next = format!("search=example.com&limit=2&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(names(&next).await, ["olga"]);
    for query in [
        "",
        "search=",
        "search=ad",
        "search=++ad+",
        "status=active",
        "status=suspended&search=ad",
        &format!("search={}", "x".repeat(255)),
    ] {
        let wrong = app.get(&olga, &format!("/platform/people?{query}")).await.problem(422, "invalid");
        assert_eq!(wrong["errors"][0]["pointer"], "/search", "{query}");
    }
    assert_eq!(names("status=suspended").await, [""; 0]);
    let _ = decide(&app, &olga, &ada, "suspend").await.expect(200);
    assert_eq!(names("status=suspended").await, ["ada"]);
    assert_eq!(names("status=active&search=example.com").await, ["bob", "olga"]);
    // Looking is no event.
    assert!(!app.actions(PLATFORM_TENANT).await.iter().any(|action| action.starts_with("person")));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_suspends_themselves_or_the_last_administrator_and_everybody_proves_who_they_are() {
    let (app, clock) = at_rest().await;
    let (olga, ada) = (operator(&app, "olga").await, app.register("ada", "Engines").await);
    decide(&app, &olga, &olga, "suspend").await.problem(409, "conflict");
    // Nor does the operator, who is nobody's self.
    let last = decide_about(&app.app.kernel, "olga", PersonStatus::Suspended, "a slip").await.unwrap_err();
    assert_eq!(last.problem().code.status().as_u16(), 409);
    decide(&app, &ada, &olga, "suspend").await.problem(404, "not-found");
    let nobody = format!("/platform/people/usr_{}/suspend", crate::foreign::NOWHERE);
    app.post(&olga, &nobody, json!({"reason": "no"})).await.problem(404, "not-found");
    let at = format!("/platform/people/{}/suspend", ada.user_id());
    for reason in ["", " ", "two\nlines", &"x".repeat(501)] {
        let wrong = app.post(&olga, &at, json!({ "reason": reason })).await.problem(422, "invalid");
        assert_eq!(wrong["errors"][0]["pointer"], "/reason");
    }
    clock.advance(Duration::from_secs(6 * 60));
    decide(&app, &olga, &ada, "suspend").await.problem(403, "step-up-required");
    let _ = found(&app, &olga, "search=ada").await;
    let _ = app.post(&olga, "/auth/step-up", json!({"password": PASSWORD})).await.expect(204);
    let _ = decide(&app, &olga, &ada, "suspend").await.expect(200);
    let _ = decide(&app, &olga, &ada, "resume").await.expect(200);
}

/// Each would leave the other; one of them stays.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_administrators_who_suspend_each_other_at_once_one_stays() {
    let app = TestApp::start().await;
    for round in 0..5 {
        let names = [format!("olga{round}"), format!("otto{round}")];
        let (olga, otto) = (operator(&app, &names[0]).await, operator(&app, &names[1]).await);
        let (a, b) = tokio::join!(decide(&app, &olga, &otto, "suspend"), decide(&app, &otto, &olga, "suspend"));
        let done = [a.status.as_u16(), b.status.as_u16()];
        assert!(done.contains(&200) && done.iter().any(|status| [401, 404, 409].contains(status)), "{done:?}");
        for name in names {
            let _ = tenure_platform::domain::platform::remove_admin(&app.app.kernel, &name).await.unwrap();
        }
    }
}
