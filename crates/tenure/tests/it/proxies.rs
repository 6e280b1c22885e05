use crate::harness::{Server, data_dir, run, tenure};

/// The address that the audit log holds of a refused login.
fn recorded(trusted: Option<&str>, forwarded: &str) -> String {
    let data = data_dir();
    let mut command = tenure(data.path());
    if let Some(trusted) = trusted {
        command.env("TENURE_TRUSTED_PROXIES", trusted);
    }
    let server = Server::start_with(command.args(["--log-format", "text"]));
    let register = serde_json::json!({
        "email": "ada@example.com", "username": "ada", "password": "a quiet green meadow", "full_name": "Ada",
        "organization_name": "Ada"
    });
    let headers = [("content-type", "application/json"), ("x-forwarded-for", forwarded)];
    let answer = server.ask("POST", "/api/v1/auth/register", &headers, &register.to_string());
    assert_eq!(answer.status, 201, "{}", answer.text());
    let bearer = format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());
    let events = server.ask("GET", "/api/v1/audit/events", &[("authorization", &bearer)], "");
    assert_eq!(events.status, 200, "{}", events.text());
    let items = events.json()["items"].clone();
    let registered = items.as_array().unwrap().iter().find(|event| event["action"] == "user.registered").unwrap();
    registered["origin"]["address"].as_str().or(registered["address"].as_str()).unwrap_or_default().to_owned()
}

#[test]
fn forwarded_addresses_are_believed_from_named_proxies_alone() {
    assert_eq!(recorded(None, "203.0.113.7"), "127.0.0.1");
    assert_eq!(recorded(Some("10.0.0.0/8"), "203.0.113.7"), "127.0.0.1");
    assert_eq!(recorded(Some("127.0.0.1, 10.0.0.0/8"), "198.51.100.1, 203.0.113.7, 10.1.2.3"), "203.0.113.7");
}

#[test]
fn a_proxy_that_is_no_address_is_named() {
    let data = data_dir();
    let (code, _, errors) = run(tenure(data.path()).env("TENURE_TRUSTED_PROXIES", "proxy.example.com").arg("serve"));
    assert_eq!(code, 2);
    assert!(errors.contains("TENURE_TRUSTED_PROXIES") && errors.contains("10.0.0.0/8"), "{errors}");
}
