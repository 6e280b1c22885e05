//! `tenure platform-admin` on the data directory of a server that is stopped, and what the server makes of it.

use serde_json::Value;

use crate::harness::{Server, data_dir, run, tenure};

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
