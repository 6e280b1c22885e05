//! Tokens that are stale, tampered with, unsigned or another tenant's.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::Clock;
use tenure_platform::testkit::{Setup, TestApp, answer};

use super::{Bystander, rows, wanted};

fn parts(token: &str) -> (Value, Value, String) {
    let decode = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let mut parts = token.split('.');
    (decode(parts.next().unwrap()), decode(parts.next().unwrap()), parts.next().unwrap().to_owned())
}

fn token(header: &Value, claims: &Value, signature: &str) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", encode(header), encode(claims))
}

fn with(value: &Value, changes: &[(&str, Value)]) -> Value {
    let mut changed = value.clone();
    for (key, value) in changes {
        changed[*key] = value.clone();
    }
    changed
}

fn without(value: &Value, key: &str) -> Value {
    let mut changed = value.clone();
    changed.as_object_mut().unwrap().remove(key);
    changed
}

/// HMAC-SHA-256 with the public key as its secret: what a verifier takes that lets the token choose its algorithm.
fn confused(header: &Value, claims: &Value, key: &[u8]) -> String {
    let unsigned = token(header, claims, "");
    let unsigned = unsigned.trim_end_matches('.');
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
    let signature = URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, unsigned.as_bytes()).as_ref());
    format!("{unsigned}.{signature}")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_forged_token_is_taken() {
    let app = std::sync::Arc::new(TestApp::start().await);
    let (ada, hank) = (app.register("ada", "Acme").await, app.register("hank", "Globex").await);
    let bystander = Bystander::start(&app).await;
    let (header, claims, signature) = parts(&ada.token);
    let (_, other_claims, other_signature) = parts(&hank.token);
    let jwks = app.send(Method::GET, "/.well-known/jwks.json", None, None).await.expect(200);
    let public = URL_SAFE_NO_PAD.decode(jwks["keys"][0]["x"].as_str().unwrap()).unwrap();
    let flipped: String = signature
        .chars()
        .enumerate()
        .map(|(at, c)| if at == 10 { if c == 'A' { 'B' } else { 'A' } } else { c })
        .collect();
    let mut forged: Vec<(String, String)> = [
        ("no signature", token(&header, &claims, "")),
        ("a flipped signature", token(&header, &claims, &flipped)),
        ("another token's signature", token(&header, &claims, &other_signature)),
        ("a signature of zeros", token(&header, &claims, &"A".repeat(86))),
        ("a longer signature", token(&header, &claims, &format!("{signature}AAAA"))),
        ("another tenant", token(&header, &with(&claims, &[("tid", other_claims["tid"].clone())]), &signature)),
        ("another person", token(&header, &with(&claims, &[("sub", other_claims["sub"].clone())]), &signature)),
        ("a wider scope", token(&header, &with(&claims, &[("scope", json!("* platform"))]), &signature)),
        ("a later end", token(&header, &with(&claims, &[("exp", json!(9_999_999_999_u64))]), &signature)),
        ("an end that is text", token(&header, &with(&claims, &[("exp", json!("never"))]), &signature)),
        ("no end", token(&header, &without(&claims, "exp"), &signature)),
        ("another issuer", token(&header, &with(&claims, &[("iss", json!("https://example.com"))]), &signature)),
        ("another audience", token(&header, &with(&claims, &[("aud", json!("others"))]), &signature)),
        (
            "an unknown key",
            token(&with(&header, &[("kid", json!("key_01jd0000000000000000000000"))]), &claims, &signature),
        ),
        ("a key that is a path", token(&with(&header, &[("kid", json!("../../../dev/null"))]), &claims, &signature)),
        ("a key that is a statement", token(&with(&header, &[("kid", json!("' or 1=1 --"))]), &claims, &signature)),
        ("a key that it brings along", token(&with(&header, &[("jwk", jwks["keys"][0].clone())]), &claims, &flipped)),
        (
            "a key from elsewhere",
            token(&with(&header, &[("jku", json!("http://169.254.169.254/jwks"))]), &claims, &flipped),
        ),
        ("critical extensions", token(&with(&header, &[("crit", json!(["exp"]))]), &claims, &flipped)),
        ("no key's name", token(&without(&header, "kid"), &claims, &flipped)),
        ("another type", token(&with(&header, &[("typ", json!("refresh"))]), &claims, &flipped)),
        ("four parts", format!("{}.x", ada.token)),
        ("two parts", ada.token.rsplit_once('.').unwrap().0.to_owned()),
        ("the refresh token", ada.refresh_token.clone()),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
        ("64 KiB", format!("{}{}", ada.token, "A".repeat(64 << 10))),
        ("padding", format!("{}==", ada.token)),
    ]
    .into_iter()
    .map(|(what, token)| (what.to_owned(), token))
    .collect();
    for name in ["none", "None", "NONE", "nOnE", "", "null"] {
        for signature in ["", &signature] {
            forged.push((
                format!("algorithm {name:?}"),
                token(&with(&header, &[("alg", json!(name))]), &claims, signature),
            ));
        }
    }
    for name in ["HS256", "HS384", "HS512", "ES256", "RS256", "PS256", "ed25519"] {
        let header = with(&header, &[("alg", json!(name))]);
        forged.push((format!("signed with the public key as {name}"), confused(&header, &claims, &public)));
    }
    let before = rows(&app, ada.tenant()).await;
    for (what, token) in &forged {
        for (method, path) in [(Method::GET, "/workflows"), (Method::POST, "/teams"), (Method::GET, "/auth/me")] {
            let answer = answer(app.request(method, path, Some(token)).json(&json!({ "name": "x" }))).await;
            if answer.status == 431 && token.len() > 60_000 {
                continue;
            }
            // The same words for every reason: nobody learns which part was wrong.
            wanted(401, "unauthenticated", "").check(what, &answer);
            assert!(answer.headers.contains_key("www-authenticate"), "{what}");
        }
    }
    for scheme in ["Basic", "bearer", "Token", "Bearer Bearer", ""] {
        let request = app.client.get(app.url("/workflows")).header("authorization", format!("{scheme} {}", ada.token));
        let status = answer(request).await.status.as_u16();
        // The scheme's name is taken in any case (RFC 9110).
        assert_eq!(status == 200, scheme == "bearer", "{scheme}: {status}");
    }
    assert_eq!(rows(&app, ada.tenant()).await, before, "something was half-written");
    assert_eq!(app.get(&ada, "/auth/me").await.expect(200)["user"]["username"], "ada", "the real one still works");
    bystander.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_token_is_refused_also_from_the_cache() {
    let clock = Clock::manual(tenure_kernel::Timestamp::from_micros(1_900_000_000_000_000));
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let ada = app.register("ada", "Acme").await;
    let _ = app.get(&ada, "/auth/me").await.expect(200);
    clock.advance(Duration::from_secs(15 * 60 - 1));
    let _ = app.get(&ada, "/auth/me").await.expect(200);
    clock.advance(Duration::from_secs(62));
    wanted(401, "unauthenticated", "").check("stale", &app.get(&ada, "/auth/me").await);
}

/// A good token of one tenant with everything that names another: path, body, query and header.
#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_names_open_nothing() {
    let app = TestApp::start().await;
    let (ada, hank) = (app.register("ada", "Acme").await, app.register("hank", "Globex").await);
    let theirs = app.post(&hank, "/teams", json!({ "name": "Theirs" })).await.expect(201);
    let team = theirs["id"].as_str().unwrap();
    let plain = json!({
        "name": "Theirs", "nodes": { "a": { "type": "wait", "for": "1s" } },
        "edges": [{ "from": "start", "to": "a" }, { "from": "a", "to": "end" }],
    });
    let workflow = app.post(&hank, "/workflows", plain.clone()).await.expect(201);
    let workflow = workflow["id"].as_str().unwrap();
    let _ = app.put(&ada, "/secrets/mine", json!({ "value": "a value of mine" })).await.expect(200);
    let (mine, before) = (rows(&app, ada.tenant()).await, rows(&app, hank.tenant()).await);
    let not_found = wanted(404, "not-found", "");
    let invalid = wanted(422, "invalid", "");
    for (what, answer, wanted) in [
        ("team in the path", app.get(&ada, &format!("/teams/{team}")).await, not_found),
        ("person in the path", app.get(&ada, &format!("/users/{}", hank.user_id())).await, not_found),
        ("workflow in the path", app.get(&ada, &format!("/workflows/{workflow}")).await, not_found),
        (
            "workflow to execute",
            app.post(&ada, &format!("/workflows/{workflow}/executions"), json!({})).await,
            not_found,
        ),
        ("team in the query", app.post(&ada, &format!("/workflows?team={team}"), plain.clone()).await, invalid),
        (
            "workflow in the query",
            send_yaml(&app, &ada.token, &format!("/workflows/validate?workflow={workflow}"), &plain.to_string()).await,
            not_found,
        ),
        (
            "person in a team of ours",
            {
                let ours = app.post(&ada, "/teams", json!({ "name": "Ours" })).await.expect(201);
                let path = format!("/teams/{}/members/{}", ours["id"].as_str().unwrap(), hank.user_id());
                let refused = app.put(&ada, &path, json!({})).await;
                let _ = app.delete(&ada, &format!("/teams/{}", ours["id"].as_str().unwrap())).await.expect(204);
                refused
            },
            not_found,
        ),
        ("filter by their workflow", app.get(&ada, "/executions?workflow_id=nothing").await, invalid),
    ] {
        wanted.check(what, &answer);
        assert!(!answer.body.to_string().contains("Theirs"), "{what}: {:#}", answer.body);
    }
    let theirs = app.put(&ada, "/secrets/mine/grants", json!({ "workflow_ids": [workflow] })).await;
    invalid.at("/workflow_ids").check("workflow in a grant", &theirs);
    let nobodys = json!({ "workflow_ids": ["wf_01jd0000000000000000000000"] });
    let nobodys = app.put(&ada, "/secrets/mine/grants", nobodys).await;
    assert_eq!(nobodys.body, theirs.body, "theirs is answered like one that does not exist");
    let filtered = app.get(&ada, &format!("/executions?workflow_id={workflow}")).await;
    assert!(filtered.status == 404 || filtered.body["items"] == json!([]), "{:#}", filtered.body);
    // Headers that some servers believe.
    for header in ["x-tenant-id", "x-organization-id", "x-forwarded-user", "tenant"] {
        let request = app.request(Method::GET, "/teams", Some(&ada.token)).header(header, hank.tenant().to_string());
        assert!(!answer(request).await.expect(200).to_string().contains("Theirs"), "{header}");
    }
    assert_eq!(rows(&app, ada.tenant()).await, mine);
    assert_eq!(rows(&app, hank.tenant()).await, before);
}

async fn send_yaml(app: &TestApp, token: &str, path: &str, text: &str) -> tenure_platform::testkit::Answer {
    super::send(app, Some(token), Method::POST, path, "application/yaml", text.to_owned()).await
}
