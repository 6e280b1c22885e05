use serde_json::json;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn a_team_from_its_creation_to_its_end() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Analytical Engines").await;
    let team = app.post(&admin, "/teams", json!({"name": " Field operations "})).await.expect(201);
    assert_eq!((team["name"].as_str(), team["description"].as_str()), (Some("Field operations"), Some("")));
    let path = format!("/teams/{}", team["id"].as_str().unwrap());

    let renamed = app.patch(&admin, &path, json!({"name": "Fleet"})).await.expect(200);
    assert_eq!(renamed["name"], "Fleet");
    assert_eq!(app.get(&admin, &path).await.expect(200), renamed);

    let member = app.member(&admin, SystemRole::Viewer).await;
    let of_team = format!("{path}/members/{}", member.user_id());
    let _ = app.put(&admin, &of_team, json!({})).await.expect(204);
    let members = app.get(&admin, &format!("{path}/members")).await.expect(200);
    assert_eq!(members["items"][0]["username"], "viewer-analytical-engines");
    let _ = app.delete(&admin, &of_team).await.expect(204);
    app.delete(&admin, &of_team).await.problem(404, "not-found");

    let _ = app.delete(&admin, &path).await.expect(204);
    app.get(&admin, &path).await.problem(404, "not-found");
    let actions = app.actions(admin.tenant()).await;
    for action in ["team.created", "team.updated", "team.member-added", "team.member-removed", "team.deleted"] {
        assert!(actions.iter().any(|done| done == action), "{action} is missing in {actions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_lead_from_page_to_page() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    for name in ["b", "A", "c", "D"] {
        let _ = app.post(&admin, "/teams", json!({"name": name})).await.expect(201);
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&admin, &format!("/teams?limit=2{cursor}")).await.expect(200);
        names.extend(page["items"].as_array().unwrap().iter().map(|team| team["name"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["A", "b", "c", "D", "Everyone"]);
    app.get(&admin, "/teams?cursor=nonsense").await.problem(422, "invalid");
    app.get(&admin, "/teams?colour=red").await.problem(422, "invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_creation_gets_the_first_answer() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    let create = async |name: &str, key: &str| {
        let request = app.request(reqwest::Method::POST, "/teams", Some(&admin.token)).header("Idempotency-Key", key);
        tenure_platform::testkit::answer(request.json(&json!({"name": name}))).await
    };
    let first = create("Fleet", "k1").await.expect(201);
    assert_eq!(create("Fleet", "k1").await.expect(201), first);
    create("Other", "k1").await.problem(422, "idempotency-mismatch");
    let taken = create("fleet", "k2").await.problem(409, "conflict");
    assert_eq!(taken["errors"][0]["pointer"], "/name");
    let (a, b) = tokio::join!(create("Twice", "k3"), create("Twice", "k3"));
    assert_eq!(a.expect(201), b.expect(201), "two at once make one");
    let teams = app.get(&admin, "/teams").await.expect(200);
    assert_eq!(teams["items"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_told_with_its_place_and_writes_nothing() {
    let app = TestApp::start().await;
    let admin = app.register("ada", "Engines").await;
    for (body, pointer) in [
        (json!({"name": ""}), "/name"),
        (json!({"name": "x".repeat(101)}), "/name"),
        (json!({"name": "a\u{7}b"}), "/name"),
        (json!({"name": 1}), "/name"),
        (json!({"nme": "a"}), "/nme"),
        (json!({"name": "a", "description": "x".repeat(1001)}), "/description"),
    ] {
        let problem = app.post(&admin, "/teams", body.clone()).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    app.post(&admin, "/teams", json!({"name": "a\u{0}b"})).await.problem(422, "invalid");
    app.get(&admin, "/teams/team_nonsense").await.problem(404, "not-found");
    assert_eq!(app.get(&admin, "/teams").await.expect(200)["items"].as_array().unwrap().len(), 1);
}
