use crate::harness::{Server, data_dir, run, tenure};

#[test]
fn everybody_on_this_machine_is_the_administrator_and_nobody_else() {
    let data = data_dir();
    let server = Server::start_with(tenure(data.path()).env("TENURE_AUTH", "off").args(["--log-format", "text"]));
    let me = server.get("/api/v1/auth/me");
    assert_eq!(me.status, 200, "{}", me.text());
    assert_eq!(me.json()["roles"], serde_json::json!(["admin"]));
    assert_eq!(me.json()["organization"]["slug"], "local");

    for path in ["/api/v1/auth/me", "/", "/livez"] {
        let rebound = server.ask("GET", path, &[("host", "evil.example")], "");
        assert_eq!((rebound.status, &rebound.json()["code"]), (403, &"denied".into()), "{path}");
    }
    let foreign = [("origin", "http://evil.example"), ("content-type", "application/json")];
    let other_page = server.ask("POST", "/api/v1/teams", &foreign, r#"{"name": "Mallory"}"#);
    assert_eq!(other_page.status, 403, "{}", other_page.text());

    assert_eq!(server.me("no.such.token").status, 401, "a token that is sent is looked at");
    // Other cookies of this machine are no login.
    let console = [("x-tenure-console", "1"), ("cookie", "tenure_turning=1; theme=dark")];
    let console = server.ask("POST", "/api/v1/auth/refresh", &console, "");
    assert_eq!(console.status, 200);
    let token = console.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.me(&token).json()["user"]["username"], "local");
    // There is one login, the server's own; were it to end, nothing would answer until the next start.
    let here = [("x-tenure-console", "1")];
    assert_eq!(server.ask("POST", "/api/v1/auth/logout", &here, "").status, 409);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let revoked = server.ask("POST", "/api/v1/auth/revoke", &form, &format!("token={token}"));
    assert!(revoked.status >= 400, "{}", revoked.text());
    assert_eq!(server.get("/api/v1/auth/me").status, 200);
    assert!(server.errors().contains("logins are switched off"), "{}", server.errors());
}

#[test]
fn it_is_refused_where_others_could_reach_it() {
    let data = data_dir();
    for (arguments, words) in [
        (&["--listen", "0.0.0.0:0"][..], "listen on 127.0.0.1"),
        (&["--environment", "production"], "off is for development"),
    ] {
        let (code, _, errors) = run(tenure(data.path()).env("TENURE_AUTH", "off").arg("serve").args(arguments));
        assert_eq!(code, 2);
        assert!(errors.contains(words), "{errors}");
    }
    assert!(!data.path().join("postgres").exists());
}
