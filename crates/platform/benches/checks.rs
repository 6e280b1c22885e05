//! What each request pays in process before its handler: a credential that this node knows, and the check of a permission.
//! Medians of interleaved rounds, beside a check of nothing.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use serde_json::json;
use tenure_kernel::permission::{Permission as _, TeamRead};
use tenure_kernel::{Credential, PermissionSet};
use tenure_platform::testkit::TestApp;

const ROUNDS: usize = 51;
const CALLS: u32 = 100_000;

/// Nanoseconds a call.
fn time(mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..CALLS {
        work();
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

#[tokio::main]
async fn main() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let key = app.post(&ada, "/api-keys", json!({"name": "timed", "scopes": ["team:read"]})).await.expect(201);
    let key = key.get("key").and_then(|key| key.as_str()).unwrap().to_owned();
    let from = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let kernel = &app.app.kernel;
    let (token, key) = (Credential::Bearer(&ada.token), Credential::Bearer(&key));
    let held = kernel.authenticate(token, from).await.unwrap().permissions;
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        // News may have made the node forget; the next request asks once.
        let _ = (kernel.authenticate(token, from).await.unwrap(), kernel.authenticate(key, from).await.unwrap());
        let known = |credential| {
            assert!(black_box(kernel.remembered(black_box(credential), from)).is_some(), "forgotten meanwhile");
        };
        let round = [
            time(|| assert!(black_box(true))),
            time(|| assert_eq!(TeamRead::NEEDS.missing_from(black_box(held)), PermissionSet::NONE)),
            time(|| known(token)),
            time(|| known(key)),
        ];
        for (all, one) in times.iter_mut().zip(round) {
            all.push(one);
        }
    }
    for (name, mut all) in ["nothing", "permission", "known token", "known API key"].into_iter().zip(times) {
        all.sort_by(f64::total_cmp);
        let of = |share: usize| all.get(all.len() * share / 100).copied().unwrap_or(f64::NAN);
        println!("{name:<14} {:>8.1} ns (median; P90 {:.1})", of(50), of(90));
    }
}
