//! What an event costs: making its leaf bytes and code, sealing it, verifying it. Medians of interleaved rounds.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use std::{hint::black_box, time::Instant};

use serde_json::json;
use tenure_tlog::{
    AuditKey, Frontier, Hash,
    leaf::{Actor, LeafInput, LeafVersion, Outcome, Resource, Salt, Salted},
    leaf_hash,
    verify::{Record, StoredEvent, Verifier},
};
use uuid::Uuid;

const ROUNDS: usize = 15;
const EVENTS: u64 = 10_000;

fn main() {
    let key = AuditKey::new(&[5; 32]);
    let diff = json!([
        {"op": "test", "path": "/name", "value": "strike triage"},
        {"op": "replace", "path": "/name", "value": "strike triage, by operator"},
        {"op": "replace", "path": "/updated_at", "value": "2026-01-01T00:00:00.123456Z"},
    ]);
    let salted = Salted::text(&Salt([1; 16]), "192.0.2.7");
    let event = |index: u64| LeafInput {
        schema_version: LeafVersion::V1,
        id: Uuid::from_u128(u128::from(index)),
        tenant: Some(Uuid::from_u128(1)),
        time_us: 1_767_225_600_123_456,
        actor: Actor {
            key: None,
            principal: Some("usr_01J0000000000000000000000A"),
            session: Some("ses_01J0000000000000000000000B"),
        },
        on_behalf_of: None,
        action: "workflow.update",
        resource: Resource { id: Some("wf_01J0000000000000000000000C"), kind: "workflow" },
        outcome: Outcome::Success,
        reason: None,
        request_id: Some("01J0000000000000000000000D"),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        region: Some("eu-central-1"),
        policy_version: Some("7"),
        diff: Some(&diff),
        address: Some(salted),
        user_agent: Some(salted),
    };
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        let mut clock = Instant::now();
        let mut lap = || {
            let elapsed = clock.elapsed().as_secs_f64() * 1e6 / EVENTS as f64;
            clock = Instant::now();
            elapsed
        };
        let leaves: Vec<_> = (0..EVENTS).map(|index| event(index).leaf_bytes().unwrap()).collect();
        let leaf_bytes = lap();
        let macs: Vec<_> = leaves.iter().map(|leaf| key.event(leaf)).collect();
        let event_mac = lap();
        // What a sealer does to each event: the code is checked, the leaf hashed, appended and its seal made.
        let mut frontier = Frontier::new();
        let mut records = Vec::new();
        for ((index, bytes), mac) in (0..).zip(leaves).zip(&macs) {
            assert!(key.verify_event(&bytes, mac));
            let hash: Hash = leaf_hash(&bytes);
            frontier.push(hash);
            let event_id = Uuid::from_u128(u128::from(index));
            let (event_mac, seal_mac) = (Some(*mac), Some(key.seal(index, &hash)));
            records.push(Record {
                index,
                event_id,
                event: StoredEvent::Present(bytes),
                leaf_hash: Some(hash),
                event_mac,
                seal_mac,
            });
        }
        black_box(frontier.root());
        let sealing = lap();
        let mut verifier = Verifier::new("log", vec![]).audit_keys(vec![key.clone()]);
        records.iter().for_each(|record| verifier.push(record));
        assert!(verifier.finish().is_ok());
        let verifying = lap();
        for (all, one) in times.iter_mut().zip([leaf_bytes, event_mac, sealing, verifying]) {
            all.push(one);
        }
    }
    for (name, mut all) in ["leaf bytes", "event code", "sealing", "verifying"].into_iter().zip(times) {
        all.sort_by(f64::total_cmp);
        let median = all.get(ROUNDS / 2).copied().unwrap_or(f64::NAN);
        println!("{name}: {median:.2} µs an event, {:.0} events/s", 1e6 / median);
    }
}
