//! Invitations by mail, from their sending to the membership.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::{Clock, Timestamp};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::identity::Registration;
use tenure_platform::testkit::{Actor, PASSWORD, Setup, TestApp};

use crate::api_keys::{make, parts, with_key};
use crate::mailbox::{latest, post, token};

async fn invite(app: &TestApp, by: &Actor, body: Value) -> (Value, String) {
    let email = body["email"].as_str().unwrap().to_owned();
    let invitation = app.post(by, "/invitations", body).await.expect(201);
    (invitation, token(&latest(app, "invitation", &email).await))
}

fn person(token: &str, username: &str) -> Value {
    json!({"token": token, "username": username, "full_name": "Grace Hopper", "password": PASSWORD})
}

async fn state(app: &TestApp, by: &Actor, invitation: &Value) -> Value {
    app.get(by, &format!("/invitations/{}", invitation["id"].as_str().unwrap())).await.expect(200)["state"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_new_joins_with_roles_and_teams() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Analytical Engines").await;
    let team = app.get(&ada, "/teams").await.expect(200)["items"][0]["id"].clone();
    let body = json!({"email": "grace@example.com", "roles": ["developer", "auditor"], "teams": [team]});
    let (invitation, link) = invite(&app, &ada, body).await;
    assert_eq!((&invitation["state"], &invitation["invited_by"]), (&json!("open"), &json!(ada.user_id())));
    let message = latest(&app, "invitation", "grace@example.com").await;
    assert_eq!(message["subject"], "Invitation to Analytical Engines");
    assert!(message["text"].as_str().unwrap().contains("ada of Analytical Engines invites you"));

    let opened = post(&app, "/invitations/open", json!({"token": link})).await.expect(200);
    assert_eq!(
        (&opened["organization"], &opened["email"], &opened["has_account"]),
        (&json!("analytical-engines"), &json!("grace@example.com"), &json!(false))
    );
    // What is refused does not use the link up.
    let taken = post(&app, "/invitations/accept", person(&link, "ADA")).await.problem(409, "conflict");
    assert_eq!(taken["errors"][0]["pointer"], "/username");
    let mut short = person(&link, "grace");
    short["password"] = json!("short");
    post(&app, "/invitations/accept", short).await.problem(422, "invalid");
    let joined = post(&app, "/invitations/accept", person(&link, "grace")).await.expect(201);
    assert_eq!(joined["organization"], "analytical-engines");
    for path in ["/invitations/open", "/invitations/accept"] {
        let body = if path.ends_with("open") { json!({"token": link}) } else { person(&link, "grace2") };
        post(&app, path, body).await.problem(410, "link-over");
    }

    let grace = app.log_in("grace").await;
    let me = app.get(&grace, "/auth/me").await.expect(200);
    assert_eq!((&me["roles"], &me["email_verified"]), (&json!(["auditor", "developer"]), &json!(true)));
    let members = app.get(&grace, &format!("/teams/{}/members", team.as_str().unwrap())).await.expect(200);
    assert_eq!(members["items"].as_array().unwrap().len(), 2);
    assert_eq!(state(&app, &ada, &invitation).await, "accepted");
    let path = format!("/invitations/{}", invitation["id"].as_str().unwrap());
    app.delete(&ada, &path).await.problem(409, "conflict");
    app.post(&ada, &format!("{path}/resend"), json!({})).await.problem(409, "conflict");
    let again = app.post(&ada, "/invitations", json!({"email": "Grace@example.com"})).await.problem(409, "conflict");
    assert_eq!(again["errors"][0]["pointer"], "/email");
    let actions = app.actions(ada.tenant()).await;
    for action in ["invitation.created", "invitation.accepted", "user.registered", "user.joined"] {
        assert!(actions.iter().any(|done| done == action), "{action} is missing in {actions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_known_joins_with_their_own_account_and_no_other() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let (hank, eve) = (app.register("hank", "Globex").await, app.register("eve", "Evil").await);
    let (invitation, link) = invite(&app, &ada, json!({"email": "HANK@example.com", "roles": ["operator"]})).await;
    let opened = post(&app, "/invitations/open", json!({"token": link})).await.expect(200);
    assert_eq!(opened["has_account"], true);
    post(&app, "/invitations/accept", person(&link, "hank2")).await.problem(409, "conflict");
    // Whoever finds the link without being who is meant.
    app.post(&eve, "/invitations/join", json!({"token": link})).await.problem(403, "permission-denied");
    let joined = app.post(&hank, "/invitations/join", json!({"token": link})).await.expect(200);
    assert_eq!(joined["organization"], "engines");
    app.post(&hank, "/invitations/join", json!({"token": link})).await.problem(410, "link-over");
    assert_eq!(state(&app, &ada, &invitation).await, "accepted");
    let there = app.post(&hank, "/auth/switch", json!({"organization": "engines"})).await.expect(200);
    let token = there["access_token"].as_str().unwrap();
    let me = app.send(Method::GET, "/auth/me", Some(token), None).await.expect(200);
    assert_eq!(me["roles"], json!(["operator"]));
    // Their other organisation reads nothing of it.
    let actions = app.actions(hank.tenant()).await;
    assert!(!actions.iter().any(|action| action.starts_with("invitation.") || action == "user.joined"), "{actions:?}");

    // Nobody gets back in with a link whom an administrator has put out.
    let path = format!("/users/{}", hank.user_id());
    let _ = app.patch(&ada, &path, json!({"status": "deactivated"})).await.expect(200);
    app.post(&ada, "/invitations", json!({"email": "hank@example.com"})).await.problem(409, "conflict");
}

/// A pending member who was given more than roles: single permissions, an attribute and a team.
async fn ask(app: &TestApp, admin: &Actor, email: &str, known: &Actor) -> Value {
    let username = format!("{}-e", known.username);
    let body =
        json!({"email": email, "username": username, "full_name": "X", "password": PASSWORD, "roles": ["admin"]});
    let _ = app.post(admin, "/users", body).await.expect(201);
    let given = json!({"permissions": ["*"], "attributes": {"level": 9}});
    let _ = app.patch(admin, &format!("/users/{}", known.user_id()), given).await.expect(200);
    let team = app.post(admin, "/teams", json!({"name": username})).await.expect(201);
    let path = format!("/teams/{}/members/{}", team["id"].as_str().unwrap(), known.user_id());
    let _ = app.put(admin, &path, json!({})).await.expect(204);
    team
}

async fn is_a_viewer_and_nothing_else(app: &TestApp, admin: &Actor, user: &Actor, team: &Value) {
    let member = app.get(admin, &format!("/users/{}", user.user_id())).await.expect(200);
    assert_eq!((&member["status"], &member["roles"]), (&json!("active"), &json!(["viewer"])));
    assert_eq!((&member["permissions"], &member["attributes"]), (&json!([]), &json!({})), "{member:#}");
    let members = app.get(admin, &format!("/teams/{}/members", team["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(members["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_asked_before_or_declined_joins_with_what_the_invitation_says() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let (hank, eve) = (app.register("hank", "Globex").await, app.register("eve", "Evil").await);
    let team = ask(&app, &ada, "hank@example.com", &hank).await;
    app.post(&ada, "/invitations", json!({"email": "hank@example.com"})).await.problem(409, "conflict");
    let _ = app.delete(&hank, &format!("/auth/invitations/{}", ada.tenant())).await.expect(204);
    let declined = app.get(&ada, &format!("/users/{}", hank.user_id())).await.expect(200);
    assert_eq!(
        (&declined["status"], &declined["permissions"], &declined["attributes"]),
        (&json!("deactivated"), &json!([]), &json!({}))
    );
    let (_, link) = invite(&app, &ada, json!({"email": "hank@example.com"})).await;
    // What they are given between the invitation and the answer is not the invitation's, either.
    let path = format!("/users/{}", hank.user_id());
    let _ = app.patch(&ada, &path, json!({"permissions": ["secret:write"]})).await.expect(200);
    let _ = app.post(&hank, "/invitations/join", json!({"token": link})).await.expect(200);
    is_a_viewer_and_nothing_else(&app, &ada, &hank, &team).await;

    let (_, link) = invite(&app, &ada, json!({"email": "eve@example.com"})).await;
    let team = ask(&app, &ada, "eve@example.com", &eve).await;
    let _ = app.post(&eve, "/invitations/join", json!({"token": link})).await.expect(200);
    is_a_viewer_and_nothing_else(&app, &ada, &eve, &team).await;
    let events = app.get(&ada, "/audit/events?action=user.joined").await.expect(200);
    assert!(events["items"][0].to_string().contains(team["id"].as_str().unwrap()), "{events:#}");
}

/// Who declined may be asked again by anybody who invites; whom an administrator has put out may not.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_put_out_before_they_agreed_does_not_join_by_a_link() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let hank = app.register("hank", "Globex").await;
    let (_, link) = invite(&app, &ada, json!({"email": "hank@example.com"})).await;
    let _ = ask(&app, &ada, "hank@example.com", &hank).await;
    let path = format!("/users/{}", hank.user_id());
    let refused = async || {
        let _ = app.patch(&ada, &path, json!({"status": "deactivated"})).await.expect(200);
        app.post(&hank, "/invitations/join", json!({"token": link})).await.problem(409, "conflict");
        app.post(&ada, "/invitations", json!({"email": "hank@example.com"})).await.problem(409, "conflict");
    };
    refused().await;
    // Nor if they have declined before: the administrator has said otherwise since.
    let _ = app.patch(&ada, &path, json!({"status": "invited"})).await.expect(200);
    let _ = app.delete(&hank, &format!("/auth/invitations/{}", ada.tenant())).await.expect(204);
    let _ = app.patch(&ada, &path, json!({"status": "invited"})).await.expect(200);
    refused().await;
    let _ = app.patch(&ada, &path, json!({"status": "invited"})).await.expect(200);
    let _ = app.post(&hank, "/invitations/join", json!({"token": link})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_invites_with_what_they_do_not_hold() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let other = app.register("hank", "Globex").await;
    let recruiter =
        json!({"name": "recruiter", "permissions": ["user:read", "user:write", "role:assign", "team:read"]});
    let _ = app.post(&ada, "/roles", recruiter).await.expect(201);
    let body = json!({
        "email": "rec@example.com", "username": "rec", "full_name": "Rec", "password": PASSWORD, "roles": ["recruiter"]
    });
    let _ = app.post(&ada, "/users", body).await.expect(201);
    app.chose_own_password("rec").await;
    let rec = app.log_in("rec").await;
    let try_with = async |by: &Actor, body: Value| app.post(by, "/invitations", body).await;
    try_with(&rec, json!({"email": "a@example.com", "roles": ["admin"]})).await.problem(403, "permission-denied");
    try_with(&rec, json!({"email": "a@example.com"})).await.problem(403, "permission-denied");
    let _ = try_with(&rec, json!({"email": "a@example.com", "roles": ["recruiter"]})).await.expect(201);
    let team = app.get(&ada, "/teams").await.expect(200)["items"][0]["id"].clone();
    let into_team = json!({"email": "b@example.com", "roles": ["recruiter"], "teams": [team]});
    let refused = try_with(&rec, into_team).await.problem(403, "permission-denied");
    assert_eq!(refused["permission"], "team:write");
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    try_with(&viewer, json!({"email": "c@example.com"})).await.problem(403, "permission-denied");
    // Nor does who sends again what somebody else may give.
    let (invitation, _) = invite(&app, &ada, json!({"email": "d@example.com", "roles": ["admin"]})).await;
    let path = format!("/invitations/{}", invitation["id"].as_str().unwrap());
    app.post(&rec, &format!("{path}/resend"), json!({})).await.problem(403, "permission-denied");
    app.delete(&rec, &path).await.problem(403, "permission-denied");
    let crew = app.post(&ada, "/teams", json!({"name": "Crew"})).await.expect(201)["id"].clone();
    let body = json!({"email": "f@example.com", "roles": ["recruiter"], "teams": [crew]});
    let (invitation, _) = invite(&app, &ada, body).await;
    let path = format!("/invitations/{}", invitation["id"].as_str().unwrap());
    let refused = app.post(&rec, &format!("{path}/resend"), json!({})).await.problem(403, "permission-denied");
    assert_eq!(refused["permission"], "team:write");
    let _ = app.delete(&ada, &format!("/teams/{}", crew.as_str().unwrap())).await.expect(204);
    let _ = app.post(&ada, &format!("{path}/resend"), json!({})).await.expect(200);
    let _ = app.delete(&ada, &path).await.expect(204);
    // What is not there, or not here.
    let unknown = try_with(&ada, json!({"email": "e@example.com", "roles": ["nobody"]})).await.problem(422, "invalid");
    assert_eq!(
        unknown["errors"][0],
        json!({"pointer": "/roles", "detail": "`nobody` is no role of this organisation"})
    );
    let theirs = app.get(&other, "/teams").await.expect(200)["items"][0]["id"].clone();
    let foreign = try_with(&ada, json!({"email": "e@example.com", "teams": [theirs]})).await.problem(422, "invalid");
    assert_eq!(foreign["errors"][0]["pointer"], "/teams");
    // A role that somebody is invited with stays what it is: nobody makes a mightier one in its place.
    app.delete(&ada, "/users").await.problem(405, "method-not-allowed");
    let _ = app.patch(&ada, &format!("/users/{}", rec.user_id()), json!({"roles": ["viewer"]})).await.expect(200);
    app.delete(&ada, "/roles/recruiter").await.problem(409, "conflict");
    // One that has run out holds no role; sent again, it would have to.
    let run_out =
        "update invitations set expires_at = now() - interval '1 minute' where email = 'a@example.com' returning id";
    let id: uuid::Uuid = sqlx::query_scalar(run_out).fetch_one(&mut app.admin().await).await.unwrap();
    let _ = app.delete(&ada, "/roles/recruiter").await.expect(204);
    let path = format!("/invitations/{}/resend", tenure_kernel::InvitationId::from_uuid(id));
    let gone = app.post(&ada, &path, json!({})).await.problem(409, "conflict");
    assert!(gone["detail"].as_str().unwrap().contains("role"), "{gone:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_sent_again_taken_back_and_runs_out() {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    let (invitation, first) = invite(&app, &ada, json!({"email": "grace@example.com"})).await;
    let twice = app.post(&ada, "/invitations", json!({"email": "GRACE@example.com"})).await.problem(409, "conflict");
    assert_eq!(twice["errors"][0]["pointer"], "/email");
    clock.advance(Duration::from_secs(60));
    let path = format!("/invitations/{}", invitation["id"].as_str().unwrap());
    let sent = app.post(&ada, &format!("{path}/resend"), json!({})).await.expect(200);
    assert!(sent["expires_at"].as_str() > invitation["expires_at"].as_str());
    let second = token(&latest(&app, "invitation", "grace@example.com").await);
    let open = async |link: &str| post(&app, "/invitations/open", json!({"token": link})).await;
    open(&first).await.problem(410, "link-over");
    let _ = open(&second).await.expect(200);
    clock.advance(Duration::from_secs(7 * 24 * 3600));
    open(&second).await.problem(410, "link-over");
    post(&app, "/invitations/accept", person(&second, "grace")).await.problem(410, "link-over");
    let ada = app.log_in("ada").await;
    assert_eq!(state(&app, &ada, &invitation).await, "expired");
    assert_eq!(app.get(&ada, "/invitations?state=open").await.expect(200)["items"], json!([]));
    let listed = app.get(&ada, "/invitations?state=expired").await.expect(200);
    assert_eq!(listed["items"][0]["id"], invitation["id"]);
    // One that has run out makes way for another.
    let (next, link) = invite(&app, &ada, json!({"email": "grace@example.com"})).await;
    assert_eq!(state(&app, &ada, &invitation).await, "revoked");
    let _ = app.delete(&ada, &format!("/invitations/{}", next["id"].as_str().unwrap())).await.expect(204);
    open(&link).await.problem(410, "link-over");
    assert_eq!(state(&app, &ada, &next).await, "revoked");
    let pages = app.get(&ada, "/invitations?limit=1").await.expect(200);
    let cursor = pages["next_cursor"].as_str().unwrap();
    let rest = app.get(&ada, &format!("/invitations?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((&rest["items"][0]["id"], &rest["next_cursor"]), (&invitation["id"], &Value::Null));
    // A quarter of a year later nobody asks any more, and their addresses are gone.
    let _ = invite(&app, &ada, json!({"email": "late@example.com"})).await;
    let left = async || -> i64 {
        sqlx::query_scalar("select count(*) from invitations").fetch_one(&mut app.admin().await).await.unwrap()
    };
    clock.advance(Duration::from_secs(90 * 24 * 3600));
    app.app.sweep().await.unwrap();
    assert_eq!(left().await, 3);
    clock.advance(Duration::from_secs(8 * 24 * 3600));
    app.app.sweep().await.unwrap();
    assert_eq!(left().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_people_come_by_invitation_is_a_setting() {
    let with = async |registration: Registration| {
        let platform = PlatformConfig { registration, ..PlatformConfig::default() };
        TestApp::with(Setup { platform, ..Setup::default() }).await
    };
    let open = TestApp::start().await;
    let ada = open.register("ada", "Engines").await;
    let (_, link) = invite(&open, &ada, json!({"email": "grace@example.com"})).await;
    let (_, late) = invite(&open, &ada, json!({"email": "late@example.com"})).await;
    let register = json!({
        "email": "x@example.com", "username": "xavier", "password": PASSWORD, "full_name": "X", "organization_name": "X"
    });
    let platform = PlatformConfig { registration: Registration::Invite, ..PlatformConfig::default() };
    let invited = open.another(Setup { platform, ..Setup::default() }).await;
    let refused = post(&invited, "/auth/register", register.clone()).await.problem(403, "registration-closed");
    assert!(refused["detail"].as_str().unwrap().contains("invitation"), "{refused}");
    let _ = post(&invited, "/invitations/accept", person(&link, "grace")).await.expect(201);
    let _ = invited.log_in("grace").await;
    assert_eq!(invited.send(Method::GET, "/instance", None, None).await.expect(200)["registration"], "invite");

    let platform = PlatformConfig { registration: Registration::Closed, ..PlatformConfig::default() };
    let closed = open.another(Setup { platform, ..Setup::default() }).await;
    closed.post(&ada, "/invitations", json!({"email": "y@example.com"})).await.problem(403, "registration-closed");
    post(&closed, "/invitations/accept", person(&late, "latecomer")).await.problem(403, "registration-closed");
    let alone = with(Registration::Closed).await;
    post(&alone, "/auth/register", register).await.problem(403, "registration-closed");
}

/// Who deletes their account is in no list of invitations any more, either.
#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_forgets_who_deleted_their_account() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let (invitation, link) = invite(&app, &ada, json!({"email": "grace@example.com"})).await;
    let _ = post(&app, "/invitations/accept", person(&link, "grace")).await.expect(201);
    let grace = app.log_in("grace").await;
    let _ = app.post(&grace, "/auth/me/delete", json!({"current_password": PASSWORD})).await.expect(204);
    let path = format!("/invitations/{}", invitation["id"].as_str().unwrap());
    let left = app.get(&ada, &path).await.expect(200);
    assert_eq!((&left["email"], &left["state"]), (&json!("deleted@invalid"), &json!("accepted")));

    // Nor in those that they did not accept: one that was taken back, and one that is open because they came otherwise.
    let (first, _) = invite(&app, &ada, json!({"email": "hedy@example.com"})).await;
    let _ = app.delete(&ada, &format!("/invitations/{}", first["id"].as_str().unwrap())).await.expect(204);
    let (second, link) = invite(&app, &ada, json!({"email": "Hedy@example.com"})).await;
    let body =
        json!({"email": "hedy@example.com", "username": "hedy", "full_name": "Hedy Lamarr", "password": PASSWORD});
    let _ = app.post(&ada, "/users", body).await.expect(201);
    app.chose_own_password("hedy").await;
    let hedy = app.log_in("hedy").await;
    let _ = app.post(&hedy, "/auth/me/delete", json!({"current_password": PASSWORD})).await.expect(204);
    for invitation in [first, second] {
        let path = format!("/invitations/{}", invitation["id"].as_str().unwrap());
        let left = app.get(&ada, &path).await.expect(200);
        assert_eq!((&left["email"], &left["state"]), (&json!("deleted@invalid"), &json!("revoked")));
    }
    post(&app, "/invitations/open", json!({"token": link})).await.problem(410, "link-over");
}

/// Otherwise an administrator who is about to go invites a second address of theirs, and is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_gives_no_more_than_who_sent_it_could_give_now() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let boss = app.member(&ada, SystemRole::Admin).await;
    let heir = app.member(&ada, SystemRole::Viewer).await;
    let team = app.get(&ada, "/teams").await.expect(200)["items"][0]["id"].clone();
    let (as_admin, link) = invite(&app, &boss, json!({"email": "private@example.com", "roles": ["admin"]})).await;
    let (_, into_team) = invite(&app, &boss, json!({"email": "t@example.com", "teams": [team]})).await;
    let (kept, _) = invite(&app, &boss, json!({"email": "kept@example.com"})).await;
    let (_, plain) = invite(&app, &boss, json!({"email": "p@example.com"})).await;
    let opens = async |link: &str| post(&app, "/invitations/open", json!({"token": link})).await.status.as_u16();
    let path = format!("/users/{}", boss.user_id());
    let becomes = async |change: Value| drop(app.patch(&ada, &path, change).await.expect(200));

    // With what it takes to invite as a viewer, but neither as an administrator nor into a team.
    becomes(json!({"roles": ["viewer"], "permissions": ["user:write", "role:assign"]})).await;
    assert_eq!((opens(&link).await, opens(&into_team).await, opens(&plain).await), (410, 410, 200));
    post(&app, "/invitations/accept", person(&link, "private")).await.problem(410, "link-over");
    becomes(json!({"permissions": ["user:write", "role:assign", "team:write"]})).await;
    assert_eq!(opens(&into_team).await, 200);
    // Without it, or out of service, there is nobody who invites.
    becomes(json!({"permissions": ["team:write"]})).await;
    assert_eq!(opens(&plain).await, 410);
    becomes(json!({"roles": ["admin"], "status": "locked"})).await;
    assert_eq!(opens(&link).await, 410);
    becomes(json!({"status": "active"})).await;
    assert_eq!((opens(&link).await, opens(&into_team).await, opens(&plain).await), (200, 200, 200));

    // What somebody else has sent again is theirs; the rest ends with who leaves.
    let resend = format!("/invitations/{}/resend", kept["id"].as_str().unwrap());
    let sent = app.post(&ada, &resend, json!({})).await.expect(200);
    assert_eq!(sent["invited_by"], *ada.user_id());
    let kept_link = token(&latest(&app, "invitation", "kept@example.com").await);
    let assets = app.get(&ada, &format!("{path}/assets")).await.expect(200);
    assert_eq!(assets["invitations"], 3, "{assets:#}");
    let done = app.post(&ada, &format!("{path}/offboard"), json!({"to": heir.user_id()})).await.expect(200);
    assert_eq!(done["revoked_invitations"], 3, "{done:#}");
    assert_eq!(state(&app, &ada, &as_admin).await, "revoked");
    assert_eq!((opens(&link).await, opens(&kept_link).await), (410, 200));
    let revoked = app.get(&ada, "/audit/events?action=invitation.revoked").await.expect(200);
    assert_eq!(revoked["items"].as_array().unwrap().len(), 3);
    let _ = post(&app, "/invitations/accept", person(&kept_link, "kept")).await.expect(201);
}

/// Of two that open one link at once, one joins.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_used_once_also_by_two_at_once() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let (_, link) = invite(&app, &ada, json!({"email": "grace@example.com"})).await;
    let accept = async |name: &str| post(&app, "/invitations/accept", person(&link, name)).await.status.as_u16();
    let (a, b) = tokio::join!(accept("grace-a"), accept("grace-b"));
    let mut both = [a, b];
    both.sort_unstable();
    assert!(both[0] == 201 && [409, 410].contains(&both[1]), "{both:?}");
    let members = app.get(&ada, "/users").await.expect(200);
    assert_eq!(members["items"].as_array().unwrap().len(), 2);
}

/// What a key gave out in somebody's name ends with the key, and is no more than the key held.
#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_of_a_key_ends_with_it() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let scopes = ["user:read", "user:write", "role:assign"];
    let (key, path) = parts(&make(&app, &ada, &scopes, json!({})).await.expect(201));
    let body = json!({"email": "grace@example.com", "roles": ["viewer"]});
    let _ = with_key(&app, &key, Method::POST, "/invitations", Some(body)).await.problem(403, "permission-denied");
    let all = ["*"];
    let (wide, wide_path) = parts(&make(&app, &ada, &all, json!({})).await.expect(201));
    let body = json!({"email": "grace@example.com", "roles": ["viewer"]});
    let _ = with_key(&app, &wide, Method::POST, "/invitations", Some(body)).await.expect(201);
    let link = token(&latest(&app, "invitation", "grace@example.com").await);
    let opens = async || post(&app, "/invitations/open", json!({"token": link})).await.status.as_u16();
    assert_eq!(opens().await, 200);
    for path in [path, wide_path] {
        let _ = app.post(&ada, &format!("{path}/revoke"), json!({})).await.expect(200);
    }
    assert_eq!(opens().await, 410);
    post(&app, "/invitations/accept", person(&link, "grace")).await.problem(410, "link-over");
}
