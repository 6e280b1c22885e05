//! An access token is taken whole and unchanged, or not at all: anything near a good one is refused as if it were nonsense.
//! What somebody makes on purpose is in `bad_input/tokens.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt as _;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use tenure_platform::testkit::{Actor, TestApp};

/// The token as the bytes of a header; `None` for what HTTP itself cannot carry or would trim.
fn header(token: &[u8]) -> Option<HeaderValue> {
    let untrimmed = !token.first().is_some_and(|byte| b" \t".contains(byte))
        && !token.last().is_some_and(|byte| b" \t".contains(byte));
    HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok().filter(|_| untrimmed)
}

/// How many of them were sent; each must have been refused like any other nonsense.
async fn refused(app: &TestApp, good: &str, tokens: impl IntoIterator<Item = Vec<u8>>) -> usize {
    let sent = tokens.into_iter().filter(|token| token != good.as_bytes()).filter_map(|token| {
        let header = header(&token)?;
        let request = app.request(Method::GET, "/auth/me", None).header("Authorization", header);
        Some(async move {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let problem: Value = response.json().await.unwrap();
            let shown = String::from_utf8_lossy(&token).into_owned();
            assert_eq!((status, &problem["code"]), (401, &json!("unauthenticated")), "{shown}: {problem}");
        })
    });
    let all: Vec<()> = futures::stream::iter(sent).buffer_unordered(16).collect().await;
    all.len()
}

async fn assert_good(app: &TestApp, actor: &Actor) {
    let _ = app.get(actor, "/auth/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bit_of_a_token_can_be_changed() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let token = ada.token.as_bytes();
    let flipped = (0..token.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))).map(|(at, bit)| {
        let mut changed = token.to_vec();
        changed[at] ^= 1 << bit;
        changed
    });
    // What does not pass is what a header cannot hold: control characters.
    let sent = refused(&app, &ada.token, flipped).await;
    assert!(sent > token.len() * 7, "{sent} of {} letters", token.len());
    let shorter = (0..token.len()).flat_map(|at| [token[..at].to_vec(), token[at + 1..].to_vec()]);
    let sent = refused(&app, &ada.token, shorter).await;
    assert_eq!(sent, token.len() * 2);
    let longer = (0x21..0x7f_u8).flat_map(|byte| [[token, &[byte]].concat(), [&[byte], token].concat()]);
    let sent = refused(&app, &ada.token, longer).await;
    assert!(sent > 180, "{sent}");
    assert_good(&app, &ada).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_good_tokens_make_no_other() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let bob = app.register("bob", "Motors").await;
    let again = app.log_in("ada").await;
    let tokens = [&ada, &bob, &again].map(|actor| actor.token.split('.').collect::<Vec<_>>());
    let pick = |from: usize, part: usize| tokens[from][part];
    let mut mixed = Vec::new();
    for (first, second, third) in (0..27).map(|n| (n / 9, n / 3 % 3, n % 3)) {
        // The header is the same in all: what was signed together must stay together.
        if second != third {
            mixed.push([pick(first, 0), pick(second, 1), pick(third, 2)].join("."));
        }
    }
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [0, 0, 2], [0, 1, 1], [1, 1, 2]] {
        mixed.push(order.map(|part| pick(0, part)).join("."));
    }
    let [head, claims, signature] = [0, 1, 2].map(|part| pick(0, part));
    for text in ["", ".", "..", "...", head, claims, signature] {
        mixed.extend([text.to_owned(), format!("{text}.{}", ada.token), format!("{}.{text}", ada.token)]);
    }
    mixed.extend([format!("{head}.{claims}"), format!("{head}.{claims}."), format!("{head}..{signature}")]);
    mixed.extend([ada.token.replace('.', ","), ada.token.to_uppercase(), format!("{0} {0}", ada.token)]);
    mixed.extend(["=", "=="].map(|padding| format!("{}{padding}", ada.token)));
    mixed.extend([ada.refresh_token.clone(), format!("Bearer {}", ada.token)]);
    let sent = refused(&app, &ada.token, mixed.into_iter().map(String::into_bytes)).await;
    assert!(sent > 45, "{sent}");
    for actor in [&ada, &bob, &again] {
        assert_good(&app, actor).await;
    }
}

/// Edits of any kind, and bytes that are no token at all.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_is_sent_is_refused() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let good = ada.token.clone().into_bytes();
    let bytes = prop_oneof![
        prop::collection::vec(
            any::<u8>().prop_filter("a header cannot hold it", |byte| *byte >= 0x20 && *byte != 0x7f),
            0..80
        ),
        "[A-Za-z0-9_.=-]{0,200}".prop_map(String::into_bytes),
        "([A-Za-z0-9_-]{0,40}\\.){2}[A-Za-z0-9_-]{0,90}".prop_map(String::into_bytes),
        "(\\{\"alg\":\"EdDSA\",?|\"kid\":|\\}|\"[a-z]{0,4}\"|null|\\[|\\]){0,8}".prop_map(|text| {
            let part = URL_SAFE_NO_PAD.encode(text);
            format!("{part}.{part}.{part}").into_bytes()
        }),
    ];
    let edit = (any::<Index>(), 0..40_usize, "[A-Za-z0-9_.-]{0,40}");
    let edited = prop::collection::vec(edit, 1..4).prop_map(move |edits| {
        edits.into_iter().fold(good.clone(), |mut token, (at, length, text)| {
            let at = at.index(token.len() + 1);
            drop(token.splice(at..(at + length).min(token.len()), text.into_bytes()));
            token
        })
    });
    let any_token = prop_oneof![bytes, edited];
    let mut runner = TestRunner::default();
    let tokens: Vec<Vec<u8>> = (0..2_000).map(|_| any_token.new_tree(&mut runner).unwrap().current()).collect();
    let sent = refused(&app, &ada.token, tokens).await;
    assert!(sent > 1_800, "{sent}");
    assert_good(&app, &ada).await;
}
