//! `tenure platform-admin` on the data directory of a server that is stopped, and what the server makes of it.

use serde_json::{Value, json};

use crate::harness::{Server, data_dir, run, tenure};
use crate::proof::set_up_app;

#[test]
fn administrators_of_the_platform_are_made_on_its_machine() {
    let data = data_dir();
    let organizations = |server: &Server| {
        let login = serde_json::json!({"username": "ada", "password": "a quiet green meadow"});
        let token = server.post("/api/v1/auth/login", &login).json()["access_token"].as_str().unwrap().to_owned();
        server.ask("GET", "/api/v1/platform/organizations", &[("authorization", &format!("Bearer {token}"))], "")
    };
    let server = Server::start(data.path());
    server.register("ada");
    assert_eq!(organizations(&server).status, 404);
    drop(server);

    let admin = |args: &[&str]| run(tenure(data.path()).arg("platform-admin").args(args));
    let (code, _, errors) = admin(&["list"]);
    assert!(code == 0 && errors.contains("there are none"), "{errors}");
    let (code, _, errors) = admin(&["create", "nobody"]);
    assert!(code == 1 && errors.contains("nobody here is called nobody"), "{errors}");
    let (code, made, errors) = admin(&["create", "ada@example.com", "--json"]);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(serde_json::from_str::<Value>(&made).unwrap()["username"], "ada");
    let (code, _, errors) = admin(&["create", "ada"]);
    assert!(code == 1 && errors.contains("already"), "{errors}");
    let (_, listed, _) = admin(&["list"]);
    assert!(listed.starts_with("ada (ada@example.com), since "), "{listed}");

    let server = Server::start(data.path());
    let answer = organizations(&server);
    assert_eq!((answer.status, &answer.json()["items"][0]["slug"]), (200, &Value::from("ada")));
    drop(server);
    let (code, removed, errors) = admin(&["remove", "ada"]);
    assert!(code == 0 && removed.starts_with("removed ada"), "{removed} {errors}");
}

#[test]
fn who_lost_their_second_factors_and_is_in_two_organisations_is_helped_on_the_servers_machine() {
    let data = data_dir();
    let server = Server::start(data.path());
    let (ada, bob) = (server.register("ada"), server.register("bob"));
    let call = |server: &Server, token: &str, method: &str, path: &str, body: Value| {
        let headers = [("authorization", &*format!("Bearer {token}")), ("content-type", "application/json")];
        let answer = server.ask(method, path, &headers, &body.to_string());
        assert!(answer.status < 300, "{path}: {}", answer.text());
        answer
    };
    let asked =
        json!({"email": "ada@example.com", "username": "ada2", "full_name": "Ada", "password": "a quiet green meadow"});
    call(&server, &bob, "POST", "/api/v1/users", asked);
    server.confirm_address(&ada);
    call(&server, &ada, "POST", "/api/v1/auth/switch", json!({"organization": "bob", "accept": true}));
    set_up_app(&server, &ada);
    let login = |server: &Server| {
        let body = json!({"username": "ada", "password": "a quiet green meadow"});
        server.post("/api/v1/auth/login", &body).json()
    };
    assert_eq!(login(&server)["mfa_required"], true);
    drop(server);

    let reset = |name: &str| run(tenure(data.path()).args(["platform-admin", "reset-mfa", name]));
    let (code, _, errors) = reset("nobody");
    assert!(code == 1 && errors.contains("nobody here is called nobody"), "{errors}");
    let (code, _, errors) = reset("bob");
    assert!(code == 1 && errors.contains("no second factor"), "{errors}");
    let (code, told, errors) = reset("ada@example.com");
    assert!(
        code == 0 && told.starts_with("removed the second factors of ada (ada@example.com); 1 of"),
        "{told} {errors}"
    );

    let server = Server::start(data.path());
    let ada = login(&server)["access_token"].as_str().unwrap().to_owned();
    let body = json!({"username": "bob", "password": "a quiet green meadow"});
    let bob = server.post("/api/v1/auth/login", &body).json()["access_token"].as_str().unwrap().to_owned();
    for token in [ada, bob] {
        let events = call(&server, &token, "GET", "/api/v1/audit/events?action=user.mfa-reset", Value::Null).json();
        let events = events["items"].as_array().unwrap();
        assert_eq!((events.len(), &events[0]["actor"]["id"]), (1, &json!("system:operator")), "{events:#?}");
    }
}

#[test]
fn people_are_suspended_and_resumed_on_the_servers_machine() {
    let data = data_dir();
    let login = |server: &Server| {
        server.post("/api/v1/auth/login", &json!({"username": "ada", "password": "a quiet green meadow"})).status
    };
    let server = Server::start(data.path());
    server.register("ada");
    drop(server);
    let admin = |args: &[&str]| run(tenure(data.path()).arg("platform-admin").args(args));
    let (code, _, errors) = admin(&["suspend", "ada"]);
    assert!(code == 2 && errors.contains("--reason"), "{errors}");
    let (code, _, errors) = admin(&["suspend", "nobody", "--reason", "a slip"]);
    assert!(code == 1 && errors.contains("nobody here is called nobody"), "{errors}");
    let (code, _, errors) = admin(&["suspend", "ada", "--reason", " "]);
    assert!(code == 1 && errors.contains("reason"), "{errors}");
    let (code, told, errors) = admin(&["suspend", "ada@example.com", "--reason", "their laptop was stolen"]);
    assert!(code == 0 && told == "suspended ada (ada@example.com); 1 of their logins ended\n", "{told} {errors}");

    let server = Server::start(data.path());
    assert_eq!(login(&server), 401);
    drop(server);
    let (code, told, errors) = admin(&["resume", "ada", "--reason", "found", "--json"]);
    assert_eq!(code, 0, "{errors}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["username"], &told["status"]), (&json!("ada"), &json!("active")));
    let server = Server::start(data.path());
    assert_eq!(login(&server), 200);
    drop(server);

    // The last administrator keeps the platform, whoever asks.
    let (code, _, errors) = admin(&["create", "ada"]);
    assert_eq!(code, 0, "{errors}");
    let (code, _, errors) = admin(&["suspend", "ada", "--reason", "a slip"]);
    assert!(code == 1 && errors.contains("nobody else administers the platform"), "{errors}");
}
