//! Sealing and opening 1 KiB beside bare AWS-LC calls, interleaved: medians, and the median of paired ratios.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use std::{hint::black_box, time::Instant};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    rand,
};
use tenure_seal::{DataKey, KeyId, KeyMaterial, Place, open, seal};
use uuid::Uuid;

const ROUNDS: usize = 41;
const CALLS: u32 = 5_000;

/// Nanoseconds a call.
fn time(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..CALLS).for_each(|_| call());
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn compare(name: &str, mut ours: impl FnMut(), mut bare: impl FnMut()) {
    let pairs: Vec<_> = (0..ROUNDS).map(|_| (time(&mut bare), time(&mut ours))).collect();
    let bare = median(pairs.iter().map(|pair| pair.0).collect());
    let ours = median(pairs.iter().map(|pair| pair.1).collect());
    let ratio = median(pairs.iter().map(|pair| pair.1 / pair.0).collect());
    println!("{name}: {ours:.0} ns, bare {bare:.0} ns, ratio {ratio:.2}");
}

fn main() {
    let material = KeyMaterial::generate().unwrap();
    let key = DataKey::new(KeyId(Uuid::from_u128(1)), &material).unwrap();
    let bare = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, material.expose()).unwrap());
    let (tenant, row) = (Uuid::from_u128(2), Uuid::from_u128(3));
    let place = Place { tenant: Some(tenant), table: "secret_versions", column: "value", row: row.as_bytes() };
    let plaintext = vec![7; 1024];
    let random_nonce = || {
        let mut nonce = [0; 12];
        rand::fill(&mut nonce).unwrap();
        nonce
    };

    // The bare calls do the same work for the cipher: a random nonce, a fresh buffer, and as many bytes authenticated.
    let authenticated = [3; 145];
    compare(
        "seal 1 KiB",
        || drop(black_box(seal(&key, &place, black_box(&plaintext)).unwrap())),
        || {
            let mut sealed = Vec::with_capacity(1024 + 16);
            sealed.extend_from_slice(black_box(&plaintext));
            let nonce = Nonce::assume_unique_for_key(random_nonce());
            bare.seal_in_place_append_tag(nonce, Aad::from(&authenticated), &mut sealed).unwrap();
            black_box(sealed);
        },
    );

    let sealed = seal(&key, &place, &plaintext).unwrap();
    let nonce = random_nonce();
    let mut bare_sealed = plaintext.clone();
    bare.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&authenticated), &mut bare_sealed)
        .unwrap();
    compare(
        "open 1 KiB",
        || drop(black_box(open(&key, &place, black_box(&sealed)).unwrap())),
        || {
            let mut opened = black_box(&bare_sealed).clone();
            bare.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(&authenticated), &mut opened).unwrap();
            black_box(opened);
        },
    );
}
