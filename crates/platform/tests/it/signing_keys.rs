//! The keys that sign tokens: published ahead, replaced, retired, on every node.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::Value;
use tenure_kernel::{Clock, Timestamp};
use tenure_platform::testkit::{Setup, TestApp};

const DAY: u64 = 24 * 60 * 60;

fn kid(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

async fn published(app: &TestApp) -> Vec<String> {
    let keys = app.send(Method::GET, "/.well-known/jwks.json", None, None).await.expect(200)["keys"].clone();
    let mut names: Vec<String> =
        keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_known_before_it_signs_and_gone_when_nothing_of_it_is_left() {
    let clock = Clock::manual(Timestamp::from_micros(1_900_000_000_000_000));
    let setup = || Setup { clock: clock.clone(), ..Setup::default() };
    let (app, began) = (TestApp::with(setup()).await, clock.now());
    let other = app.another(setup()).await;
    let renew = async || {
        for node in [&app, &other] {
            node.app.tokens.renew(&node.app.kernel).await.unwrap();
        }
    };
    let ada = app.register("ada", "Engines").await;
    let first = kid(&ada.token);
    assert_eq!(published(&app).await, std::slice::from_ref(&first));

    // Nothing happens for a month.
    clock.advance(Duration::from_secs(30 * DAY));
    renew().await;
    assert_eq!(published(&other).await, std::slice::from_ref(&first));

    // Then a second is made, once, and both nodes publish it before either signs with it.
    clock.advance(Duration::from_secs(60 * 60));
    renew().await;
    let both = published(&app).await;
    assert_eq!((both.len(), published(&other).await), (2, both.clone()));
    let second = both.into_iter().find(|known| *known != first).unwrap();
    let still = app.log_in("ada").await;
    assert_eq!(kid(&still.token), first);

    clock.advance(Duration::from_secs(60 * 60));
    renew().await;
    let renewed = app.log_in("ada").await;
    assert_eq!(kid(&renewed.token), second);
    let _ = other.get(&renewed, "/auth/me").await.expect(200);

    // What the first signed is good until its end, and the first goes when none of that can be left.
    clock.advance(Duration::from_secs(DAY));
    renew().await;
    assert_eq!(published(&app).await, std::slice::from_ref(&second));
    assert_eq!(published(&other).await, [second]);
    let events: Vec<String> =
        sqlx::query_scalar("select action from events where action like 'signing-key.%' order by id")
            .fetch_all(&mut app.admin().await)
            .await
            .unwrap();
    assert_eq!(events, ["signing-key.created", "signing-key.created", "signing-key.retired"]);
    assert!(clock.now() > began);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_used_every_week_ends_all_the_same() {
    let clock = Clock::manual(Timestamp::from_micros(1_900_000_000_000_000));
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let mut refresh = app.register("ada", "Engines").await.refresh_token;
    let mut weeks = 0;
    loop {
        clock.advance(Duration::from_secs(7 * DAY));
        let body = serde_json::json!({ "refresh_token": refresh });
        let answer = app.send(Method::POST, "/auth/refresh", None, Some(&body)).await;
        if answer.status != 200 {
            let _ = answer.problem(401, "unauthenticated");
            break;
        }
        refresh = answer.body["refresh_token"].as_str().unwrap().to_owned();
        weeks += 1;
    }
    // 90 days.
    assert_eq!(weeks, 12);
}
