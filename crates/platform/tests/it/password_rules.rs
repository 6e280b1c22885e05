//! What a new password is held against, wherever one is chosen: names that everybody knows, and how many characters an
//! organisation asks for.

use reqwest::Method;
use serde_json::{Value, json};
use tenure_platform::domain::platform::setup_link;
use tenure_platform::testkit::{Actor, Answer, PASSWORD, TestApp};

use crate::imports::{lines, over};
use crate::mailbox::{latest, post, token};
use crate::mfa::{AuthApp, at_rest, finish, login, with};

const OWN: &str = "a loud yellow morning";

async fn change(app: &TestApp, actor: &Actor, current: &str, new: &str) -> Answer {
    app.post(actor, "/auth/password", json!({"current_password": current, "new_password": new})).await
}

fn newcomer(name: &str, password: &str) -> Value {
    json!({"email": format!("{name}@example.com"), "username": name, "full_name": "Somebody", "password": password})
}

/// An invitation's link, for grace.
async fn invited(app: &TestApp, by: &Actor) -> String {
    let _ = app.post(by, "/invitations", json!({"email": "grace@example.com", "roles": ["viewer"]})).await.expect(201);
    token(&latest(app, "invitation", "grace@example.com").await)
}

async fn reset_link(app: &TestApp, email: &str) -> String {
    let _ = post(app, "/auth/password/reset", json!({"email": email})).await.expect(204);
    token(&latest(app, "reset-password", email).await)
}

async fn import(app: &TestApp, by: &Actor, username: &str, password: &str) -> Value {
    let csv = format!("email,username,full_name,password\n{username}@example.com,{username},Somebody,{password}\n");
    let import = app.post(by, "/users/import", json!({"csv": csv, "dry_run": true})).await.expect(201);
    let import = over(app, by, &import).await;
    lines(app, by, &import).await.remove(0)
}

#[track_caller]
fn refused(answer: Answer, pointer: &str, says: &str) {
    let problem = answer.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], pointer);
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains(says), "{problem:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_of_names_is_refused_wherever_one_is_chosen() {
    let app = TestApp::start().await;
    let (setup, _) = setup_link(&app.app.kernel).await.unwrap().unwrap();
    let ada = app.register("ada", "Analytical Engines").await;
    let _ = app.post(&ada, "/users", newcomer("newbie", PASSWORD)).await.expect(201);
    let newbie = with(&ada, &login(&app, "newbie", PASSWORD).await.expect(200));
    let (invitation, reset) = (invited(&app, &ada).await, reset_link(&app, "ada@example.com").await);
    let says = "little more than";
    // The person's own name, and the organisation's.
    for (of_grace, of_known) in
        [("Grace.Hopper-1906!", "ada@Example.com 1815"), ("99 analytical engines", "4nalytical-3ngines-1843")]
    {
        let own_name = |name: &str| of_grace.replace("Grace.Hopper", &format!("{name}.{name}.{name}"));
        let mut register = newcomer("gracehopper", of_grace);
        register["organization_name"] = json!("Analytical Engines");
        refused(post(&app, "/auth/register", register.clone()).await, "/password", says);
        register["token"] = json!(setup.text);
        refused(post(&app, "/setup", register).await, "/password", says);
        refused(app.post(&ada, "/users", newcomer("gracehopper", of_grace)).await, "/password", says);
        let accept = json!({
            "token": invitation, "username": "gracehopper", "full_name": "Grace", "password": of_grace
        });
        refused(post(&app, "/invitations/accept", accept).await, "/password", says);
        let line = import(&app, &ada, "gracehopper", of_grace).await;
        assert_eq!((&line["state"], &line["errors"][0]["column"]), (&json!("refused"), &json!("password")), "{line:#}");
        let body = json!({"token": reset, "new_password": of_known});
        refused(post(&app, "/auth/password/reset/confirm", body).await, "/new_password", says);
        refused(change(&app, &ada, PASSWORD, of_known).await, "/new_password", says);
        refused(change(&app, &newbie, PASSWORD, &own_name("newbie")).await, "/new_password", says);
    }
    refused(change(&app, &ada, PASSWORD, "Tenure2026!!").await, "/new_password", says);
    // A name within more than names is nobody's business, and what was refused used nothing up.
    let _ = change(&app, &newbie, PASSWORD, "newbie likes engines of rust").await.expect(204);
    let body = json!({"token": reset, "new_password": "ada counts analytical violets"});
    let _ = post(&app, "/auth/password/reset/confirm", body).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_asks_for_longer_passwords_wherever_one_is_chosen() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.register("ada", "Engines").await, app.register("bob", "Globex").await);
    let asks = async |by: &Actor, body: Value| app.put(by, "/organization/security", body).await;
    for wrong in [json!(11), json!(65), json!(-1)] {
        let problem = asks(&ada, json!({"password_min_length": wrong})).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/password_min_length");
    }
    let set = asks(&ada, json!({"password_min_length": 22})).await.expect(200);
    assert_eq!((&set["password_min_length"], &set["require_mfa"]), (&json!(22), &json!(false)));
    // What is not named stays.
    assert_eq!(asks(&ada, json!({"require_mfa": false})).await.expect(200)["password_min_length"], 22);
    let event = app.get(&ada, "/audit/events?action=organization-security.changed").await.expect(200);
    assert!(event["items"][1]["diff"].to_string().contains("/password_min_length"), "{event:#}");
    // No password that is there changes.
    let _ = login(&app, "ada", PASSWORD).await.expect(200);
    // A first password, one by invitation, one in a file, one's own, one by mail.
    let says = "at least 22";
    assert_eq!(app.get(&ada, "/auth/mfa").await.expect(200)["password_min_length"], 22);
    refused(app.post(&ada, "/users", newcomer("newbie", OWN)).await, "/password", says);
    let link = invited(&app, &ada).await;
    let opened = post(&app, "/invitations/open", json!({"token": link})).await.expect(200);
    assert_eq!(opened["password_min_length"], 22);
    let accept = json!({"token": link, "username": "grace", "full_name": "Grace", "password": OWN});
    refused(post(&app, "/invitations/accept", accept).await, "/password", says);
    assert_eq!(import(&app, &ada, "newbie", OWN).await["errors"][0]["column"], "password");
    assert_eq!(import(&app, &ada, "newbie", &format!("{OWN} again")).await["state"], "planned");
    refused(change(&app, &ada, PASSWORD, OWN).await, "/new_password", says);
    let reset = json!({"token": reset_link(&app, "ada@example.com").await, "new_password": OWN});
    refused(post(&app, "/auth/password/reset/confirm", reset).await, "/new_password", says);
    // An organisation that only asks somebody to be a member asks nothing of their password yet; then the most that any asks.
    let elsewhere = json!({"email": "bob@example.com", "username": "bobby", "full_name": "Bob", "password": format!("{OWN} again")});
    let _ = app.post(&ada, "/users", elsewhere).await.expect(201);
    assert_eq!(app.get(&bob, "/auth/mfa").await.expect(200)["password_min_length"], 12);
    let _ = app.post(&bob, "/auth/switch", json!({"organization": "engines", "accept": true})).await.expect(200);
    let _ = asks(&bob, json!({"password_min_length": 13})).await.expect(200);
    assert_eq!(app.get(&bob, "/auth/mfa").await.expect(200)["password_min_length"], 22);
    refused(change(&app, &bob, PASSWORD, OWN).await, "/new_password", says);
    // Null is the installation's again.
    let _ = asks(&ada, json!({"password_min_length": null})).await.expect(200);
    assert_eq!(app.get(&bob, "/auth/mfa").await.expect(200)["password_min_length"], 13);
    let _ = change(&app, &bob, PASSWORD, OWN).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_asks_for_as_many_characters_as_a_change_does() {
    let (app, clock) = at_rest().await;
    let ada = app.register("ada", "Engines").await;
    let short = "k9 vW-q!";
    let reset = async |link: &str, password: &str| {
        post(&app, "/auth/password/reset/confirm", json!({"token": link, "new_password": password})).await
    };
    refused(reset(&reset_link(&app, "ada@example.com").await, short).await, "/new_password", "at least 12");
    let own = AuthApp::set_up(&app, &clock, &ada).await;
    let link = reset_link(&app, "ada@example.com").await;
    refused(reset(&link, "k9 vW-q").await, "/new_password", "at least 8");
    let _ = reset(&link, short).await.expect(204);
    let asked = post(&app, "/auth/login", json!({"username": "ada", "password": short})).await.expect(200);
    let ada = with(&ada, &finish(&app, &asked, json!({"code": own.next_code(&clock)})).await.expect(200));
    // It holds the last factor, as one that was chosen in a change does, and stands until then.
    let problem = app.delete(&ada, "/auth/mfa/totp").await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("password"), "{problem:#}");
    // An organisation that asks for more is asked for more with a second factor, too.
    let _ = app.put(&ada, "/organization/security", json!({"password_min_length": 12})).await.expect(200);
    refused(reset(&reset_link(&app, "ada@example.com").await, short).await, "/new_password", "at least 12");
    assert_eq!(app.send(Method::GET, "/instance", None, None).await.expect(200)["password_min_length"], 12);
}
