//! Platform administrators: what they may do over HTTP, and that nobody else finds anything there.

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::mail::LinkToken;
use tenure_platform::domain::platform::{add_admin, admins, remove_admin, reset_factors, setup_link};
use tenure_platform::testkit::{Actor, PASSWORD, Setup, TestApp};

use crate::api_keys::{make, parts, with_key};
use crate::delegation::cut;
use crate::mfa::{AuthApp, at_rest, finish, half, with};

/// Olga runs the platform; Ada has an organisation.
async fn both(app: &TestApp) -> (Actor, Actor) {
    let (olga, ada) = (app.register("olga", "Operations").await, app.register("ada", "Engines").await);
    add_admin(&app.app.kernel, "olga").await.unwrap();
    (olga, ada)
}

fn path(of: &Actor) -> String {
    format!("/platform/organizations/{}", of.organization["id"].as_str().unwrap())
}

async fn status(app: &TestApp, actor: &Actor) -> u16 {
    app.get(actor, "/teams").await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_are_seen_suspended_resumed_and_given_plans_and_quotas() {
    let app = TestApp::start().await;
    let other = app.another(Setup::default()).await;
    let (olga, ada) = both(&app).await;
    let listed = app.get(&olga, "/platform/organizations").await.expect(200);
    let slugs: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|one| one["slug"].as_str().unwrap()).collect();
    assert_eq!(slugs, ["engines", "operations"], "the platform's own is none");
    let first = app.get(&olga, "/platform/organizations?limit=1").await.expect(200);
    let next = format!("/platform/organizations?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(app.get(&olga, &next).await.expect(200)["items"][0]["slug"], "operations");

    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(status(&other, &ada).await, 200);
    let suspended = app
        .post(&olga, &format!("{}/suspend", path(&ada)), json!({"reason": "two invoices are open"}))
        .await
        .expect(200);
    assert_eq!(suspended["status"], "suspended");
    let begun = std::time::Instant::now();
    while status(&other, &ada).await != 403 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(1), "the other node still answers");
    }
    app.get(&ada, "/teams").await.problem(403, "tenant-suspended");
    let found = app.get(&olga, "/platform/organizations?status=suspended").await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    let _ = app.post(&olga, &format!("{}/resume", path(&ada)), json!({"reason": "they are paid"})).await.expect(200);
    assert_eq!(status(&app, &ada).await, 200);

    let changed = app.patch(&olga, &path(&ada), json!({"plan": "free"})).await.expect(200);
    let of = |organization: &Value, name: &str| {
        organization["quotas"].as_array().unwrap().iter().find(|quota| quota["name"] == name).unwrap().clone()
    };
    assert_eq!((&changed["plan"], &of(&changed, "workflows")["limit"]), (&json!("free"), &json!(5)));
    let quota = format!("{}/quota", path(&ada));
    let given = app.put(&olga, &quota, json!({"quota": "workflows", "limit": 7})).await.expect(200);
    let workflows = of(&given, "workflows");
    assert_eq!(
        (&workflows["limit"], &workflows["plan_limit"], &workflows["overridden"]),
        (&json!(7), &json!(5), &json!(true))
    );
    let given = app.put(&olga, &quota, json!({"quota": "workflows", "limit": null})).await.expect(200);
    assert_eq!(of(&given, "workflows")["limit"], Value::Null);
    let given = app.put(&olga, &quota, json!({"quota": "workflows", "plan_default": true})).await.expect(200);
    assert_eq!(of(&given, "workflows")["overridden"], false);
    // Nothing becomes unlimited by what was left out.
    for wrong in [json!({"plan_default": true, "limit": 1}), json!({"plan_default": true, "limit": null}), json!({})] {
        let mut body = wrong.as_object().unwrap().clone();
        body.insert("quota".to_owned(), json!("workflows"));
        let problem = app.put(&olga, &quota, Value::Object(body)).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/limit");
    }

    // The organisation reads what was decided about it, and by whom, but not through which login.
    let told = app.get(&ada, "/audit/events?limit=200").await.expect(200);
    for action in ["organization.suspended", "organization.resumed", "organization.plan-changed", "quota.limited"] {
        let event = told["items"].as_array().unwrap().iter().find(|event| event["action"] == action);
        assert_eq!(event.unwrap_or_else(|| panic!("no {action}"))["actor"]["id"], olga.user["id"]);
    }
    let sessions: i64 = sqlx::query_scalar(
        "select count(*) from events where tenant_id = $1 and action like 'organization.%' and session_id is not null",
    )
    .bind(ada.tenant().uuid())
    .fetch_one(&mut app.admin().await)
    .await
    .unwrap();
    assert_eq!(sessions, 0);
}

/// What is decided about an organisation has a reason, which it reads; rate limits are bounded; whoever decides proves who they are.
#[tokio::test(flavor = "multi_thread")]
async fn organizations_are_found_bounded_and_suspended_for_a_reason() {
    let (app, clock) = at_rest().await;
    let (olga, ada) = both(&app).await;
    let (ada, suspend) = (&ada, format!("{}/suspend", path(&ada)));
    let me = app.get(&olga, "/auth/me").await.expect(200);
    assert_eq!(me["platform_permissions"].as_array().unwrap().len(), 7, "{me:#}");
    assert_eq!(app.get(ada, "/auth/me").await.expect(200)["platform_permissions"], json!([]));
    for (search, found) in [("GIN", 1), ("operations", 1), ("e", 2), ("%", 0), ("nothing", 0)] {
        let query = format!("/platform/organizations?search={}", search.replace('%', "%25"));
        assert_eq!(app.get(&olga, &query).await.expect(200)["items"].as_array().unwrap().len(), found, "{search}");
    }
    let long = format!("/platform/organizations?search={}", "x".repeat(101));
    assert_eq!(app.get(&olga, &long).await.problem(422, "invalid")["errors"][0]["pointer"], "/search");

    let rate = format!("{}/rate-limit", path(ada));
    let limit = json!({"per_minute": 5000, "per_day": 100_000});
    let bounded = app.put(&olga, &rate, limit).await.expect(200);
    assert_eq!(bounded["rate_limits"]["bounds"], json!({"per_minute": 5000, "per_hour": null, "per_day": 100_000}));
    assert_eq!(bounded["rate_limits"]["most"]["per_minute"], 5000);
    let own = json!({"per_minute": 4000, "per_hour": null, "per_day": 100_001});
    assert_eq!(app.put(ada, "/rate-limits", own).await.problem(422, "invalid")["errors"][0]["pointer"], "/per_day");
    let wrong = app.put(&olga, &rate, json!({"per_hour": 0})).await.problem(422, "invalid");
    assert_eq!(wrong["errors"][0]["pointer"], "/per_hour");
    let back = app.put(&olga, &rate, json!({})).await.expect(200);
    assert_eq!(back["rate_limits"]["bounds"]["per_minute"], Value::Null);

    for reason in ["", " ", "two\nlines", &"x".repeat(501)] {
        let wrong = app.post(&olga, &suspend, json!({ "reason": reason })).await.problem(422, "invalid");
        assert_eq!(wrong["errors"][0]["pointer"], "/reason");
    }
    // Nobody ends the login that they work with.
    app.post(&olga, &format!("{}/suspend", path(&olga)), json!({"reason": "a slip"})).await.problem(409, "conflict");
    let because = json!({"reason": "  two invoices are open "});
    clock.advance(std::time::Duration::from_secs(6 * 60));
    app.post(&olga, &suspend, because.clone()).await.problem(403, "step-up-required");
    let _ = app.get(&olga, "/platform/organizations").await.expect(200);
    let _ = app.post(&olga, "/auth/step-up", json!({"password": PASSWORD})).await.expect(204);
    let _ = app.post(&olga, &suspend, because).await.expect(200);
    let _ = app.post(&olga, &format!("{}/resume", path(ada)), json!({"reason": "paid"})).await.expect(200);
    let told = app.get(ada, "/audit/events?action=organization.suspended").await.expect(200);
    let id = told["items"][0]["id"].as_str().unwrap();
    let event = app.get(ada, &format!("/audit/events/{id}")).await.expect(200);
    assert!(event.to_string().contains(r#""path":"/reason","value":"two invoices are open""#), "{event:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_up_link_makes_one_administrator_whoever_comes_at_once() {
    let (app, clock) = at_rest().await;
    let other = app.another(crate::mfa::setup(&clock)).await;
    // Two nodes start at once: of the links that they print one is good.
    let (a, b) = tokio::join!(setup_link(&app.app.kernel), setup_link(&other.app.kernel));
    let links = [a.unwrap().unwrap().0, b.unwrap().unwrap().0];
    let body = |token: &str, name: &str| {
        json!({
            "token": token, "email": format!("{name}@example.com"), "username": name, "password": PASSWORD,
            "full_name": name, "organization_name": "Operations"
        })
    };
    let use_it = async |app: &TestApp, token: &str, name: &str| {
        app.send(Method::POST, "/setup", None, Some(&body(token, name))).await
    };
    let never = "tnr_ml_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for wrong in [never, "nonsense", ""] {
        use_it(&app, wrong, "eve").await.problem(410, "link-over");
    }
    // What is wrong with the form leaves the link as it is.
    let ada = app.register("ada", "Engines").await;
    let mut good = Vec::new();
    for link in &links {
        match use_it(&app, &link.text, "ada").await.status.as_u16() {
            409 => good.push(link.text.as_str()),
            status => assert_eq!(status, 410),
        }
    }
    let [good] = good[..] else { panic!("{} links are good", good.len()) };
    let mut short = body(good, "olga");
    short["password"] = json!("short");
    let short = app.send(Method::POST, "/setup", None, Some(&short)).await.problem(422, "invalid");
    assert_eq!(short["errors"][0]["pointer"], "/password");

    let names: Vec<String> = (0..8).map(|number| format!("olga-{number}")).collect();
    let nodes = [&app, &other].into_iter().cycle();
    let all = names.iter().zip(nodes).map(|(name, node)| use_it(node, good, name));
    let answers = futures::future::join_all(all).await;
    let made: Vec<&Value> = answers.iter().filter(|answer| answer.status == 201).map(|answer| &answer.body).collect();
    assert_eq!((made.len(), answers.iter().filter(|answer| answer.status == 410).count()), (1, 7));
    assert_eq!(admins(&app.app.kernel).await.unwrap().len(), 1);
    let olga = app.log_in(made[0]["user"]["username"].as_str().unwrap()).await;
    assert_eq!(app.get(&olga, "/platform/organizations").await.expect(200)["items"].as_array().unwrap().len(), 2);
    assert_eq!(app.get(&olga, "/auth/me").await.expect(200)["roles"], json!(["admin"]));
    app.get(&ada, "/platform/organizations").await.problem(404, "not-found");
    assert!(setup_link(&app.app.kernel).await.unwrap().is_none(), "there is an administrator");
    let told = app.actions(tenure_kernel::record::PLATFORM_TENANT).await;
    assert_eq!(told.iter().filter(|action| *action == "setup-link.made").count(), 2);
    assert_eq!(told.iter().filter(|action| *action == "platform-admin.added").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_up_link_runs_out_and_ends_with_the_first_administrator() {
    let (app, clock) = at_rest().await;
    let kernel = &app.app.kernel;
    let _ = app.register("ada", "Engines").await;
    let body = |link: &LinkToken| {
        json!({
            "token": *link.text, "email": "olga@example.com", "username": "olga", "password": PASSWORD,
            "full_name": "Olga", "organization_name": "Operations"
        })
    };
    let (link, told) = setup_link(kernel).await.unwrap().unwrap();
    let stored: Vec<Vec<u8>> =
        sqlx::query_scalar("select digest from setup_links").fetch_all(&mut app.admin().await).await.unwrap();
    assert_eq!(stored, std::slice::from_ref(&link.digest), "and nothing else of it");
    assert_ne!(stored[0], link.text.as_bytes());
    assert_eq!(told.expires_at, clock.now().after(std::time::Duration::from_secs(24 * 60 * 60)));
    clock.advance(std::time::Duration::from_secs(24 * 60 * 60));
    app.send(Method::POST, "/setup", None, Some(&body(&link))).await.problem(410, "link-over");
    let (link, _) = setup_link(kernel).await.unwrap().unwrap();
    add_admin(kernel, "ada").await.unwrap();
    app.send(Method::POST, "/setup", None, Some(&body(&link))).await.problem(410, "link-over");
    // Nor does it come back to life with the last one's removal.
    remove_admin(kernel, "ada").await.unwrap();
    app.send(Method::POST, "/setup", None, Some(&body(&link))).await.problem(410, "link-over");
}

/// Who is in several organisations is no single one's to help; the operator helps, and each of them reads of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_operator_resets_second_factors_of_who_is_in_several_organisations() {
    let (app, clock) = at_rest().await;
    let other = app.another(crate::mfa::setup(&clock)).await;
    let (ada, bob) = (app.register("ada", "Engines").await, app.register("bob", "Globex").await);
    let asked = json!({"email": "bob@example.com", "username": "robert", "full_name": "Bob", "password": PASSWORD});
    let _ = app.post(&ada, "/users", asked).await.expect(201);
    app.confirmed("bob").await;
    let there = json!({"organization": "engines", "accept": true});
    let there = with(&bob, &app.post(&bob, "/auth/switch", there).await.expect(200));
    let own = AuthApp::set_up(&app, &clock, &there).await;
    let asked = half(&app, "bob").await;
    let trusting = json!({"code": own.next_code(&clock), "trust_device": true});
    let trusted = finish(&app, &asked, trusting).await.expect(200);
    app.delete(&ada, &format!("/users/{}/mfa", bob.user_id())).await.problem(409, "conflict");
    let _ = other.get(&there, "/auth/me").await.expect(200);

    assert!(reset_factors(&app.app.kernel, "nobody").await.is_err());
    assert!(reset_factors(&app.app.kernel, "ada").await.is_err(), "who has none keeps none");
    let reset = reset_factors(&app.app.kernel, "bob").await.unwrap();
    assert_eq!(reset.logins_ended, 2);
    let begun = std::time::Instant::now();
    while other.get(&there, "/auth/me").await.status != 401 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(1), "the other node still answers");
    }
    let device = trusted["device_token"].as_str().unwrap();
    let again = json!({"username": "bob", "password": PASSWORD, "device_token": device});
    let again = app.send(Method::POST, "/auth/login", None, Some(&again)).await.expect(200);
    let again = with(&bob, &again);
    assert_eq!(app.get(&again, "/auth/mfa/devices").await.expect(200)["items"], json!([]));
    assert_eq!(app.get(&again, "/auth/mfa").await.expect(200)["enabled"], false);
    for actor in [&ada, &bob] {
        let events: Vec<String> = app.actions(actor.tenant()).await;
        assert_eq!(events.iter().filter(|action| *action == "user.mfa-reset").count(), 1, "{events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn to_everybody_else_nothing_is_there() {
    let app = TestApp::start().await;
    let (olga, ada) = both(&app).await;
    let (key, _) = parts(&make(&app, &olga, &["*"], json!({})).await.expect(201));
    let token = cut(&app, &olga.token, &[]).await;
    let routes: Vec<_> = app.routes.iter().filter(|route| route.path.starts_with("/api/v1/platform/")).collect();
    assert_eq!(routes.len(), 11);
    for route in routes {
        let at = route.path.replace("{id}", olga.organization["id"].as_str().unwrap());
        let body = route.sample.as_ref();
        // An administrator of an organisation, who holds `*`; and Olga by anything but her login.
        app.send(route.method.clone(), &at, Some(&ada.token), body).await.problem(404, "not-found");
        app.send(route.method.clone(), &at, Some(&token), body).await.problem(404, "not-found");
        with_key(&app, &key, route.method.clone(), &at, body.cloned()).await.problem(404, "not-found");
        app.send(route.method.clone(), &at, None, body).await.problem(401, "unauthenticated");
    }
    let refused = app.get(&ada, "/audit/events?action=request.refused").await.expect(200);
    assert!(refused["items"].as_array().unwrap().len() >= 6, "{refused:#}");
    let system = format!("/platform/organizations/{}/suspend", tenure_kernel::record::PLATFORM_TENANT);
    app.post(&olga, &system, json!({"reason": "no"})).await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_has_lost_it_at_once() {
    let app = TestApp::start().await;
    let (olga, _) = both(&app).await;
    let kernel = &app.app.kernel;
    assert!(add_admin(kernel, "olga").await.is_err(), "once is enough");
    assert!(add_admin(kernel, "nobody").await.is_err());
    assert_eq!(admins(kernel).await.unwrap().len(), 1);
    let _ = app.get(&olga, "/platform/organizations").await.expect(200);
    remove_admin(kernel, "olga@example.com").await.unwrap();
    app.get(&olga, "/platform/organizations").await.problem(404, "not-found");
    assert!(remove_admin(kernel, "olga").await.is_err());
    let told = app.actions(tenure_kernel::record::PLATFORM_TENANT).await;
    for action in ["platform-admin.added", "platform-admin.removed"] {
        assert!(told.iter().any(|done| done == action), "{told:?}");
    }
    let again = app.send(Method::GET, "/auth/me", Some(&olga.token), None).await;
    assert_eq!(again.status, 200, "the login itself stays");
}
