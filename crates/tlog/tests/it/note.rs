//! Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint).

use proptest::prelude::*;
use tenure_tlog::{
    Checkpoint, CheckpointError, Hash, leaf_hash,
    note::{NoteError, SignedNote, SignerKey, VerifierKey},
};

/// The key and note of the documentation of Go's `golang.org/x/mod/sumdb/note`.
const GO_SKEY: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const GO_VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn log_key() -> SignerKey {
    SignerKey::from_seed("audit.example.com/t1", &[1; 32]).unwrap()
}

#[test]
fn agrees_with_gos_example() {
    let skey = SignerKey::from_skey(GO_SKEY).unwrap();
    assert_eq!(*skey.to_skey().unwrap(), GO_SKEY);
    let vkey: VerifierKey = GO_VKEY.parse().unwrap();
    assert_eq!(vkey.to_string(), GO_VKEY);
    assert_eq!(skey.verifier(), &vkey);
    let note: SignedNote = GO_NOTE.parse().unwrap();
    assert_eq!(note.verify(std::slice::from_ref(&vkey)).unwrap(), [&vkey]);
    assert_eq!(SignedNote::sign(note.text(), &skey).unwrap().to_string(), GO_NOTE);
}

#[test]
fn keys_that_are_none() {
    for wrong in [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10",
        "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ] {
        assert!(matches!(wrong.parse::<VerifierKey>(), Err(NoteError::Key(_))), "{wrong}");
        assert!(SignerKey::from_skey(wrong).is_err());
    }
    assert!(SignerKey::from_seed("a+b", &[0; 32]).is_err());
    assert_eq!(format!("{:?}", log_key()), "SignerKey(audit.example.com/t1, redacted)");
}

#[test]
fn signatures_of_several_keys() {
    let (log, other) = (log_key(), SignerKey::from_seed("witness", &[2; 32]).unwrap());
    let mut note = SignedNote::sign("text\n\nwith an empty line\n", &log).unwrap();
    note.add_signature(&other);
    let note: SignedNote = note.to_string().parse().unwrap();
    assert_eq!(note.text(), "text\n\nwith an empty line\n");
    let keys = [log.verifier().clone(), other.verifier().clone()];
    assert_eq!(note.verify(&keys).unwrap().len(), 2);
    assert_eq!(note.verify(&keys[1..]).unwrap(), [&keys[1]]);
    let stranger = SignerKey::from_seed("stranger", &[3; 32]).unwrap();
    assert_eq!(note.verify(&[stranger.verifier().clone()]), Err(NoteError::Unsigned));

    // One wrong signature of a known key spoils the note, though another is right.
    let forged = SignedNote::sign("other text\n", &log).unwrap();
    let spoilt = format!("{note}{}", forged.to_string().split_once("\n\n").unwrap().1);
    assert_eq!(spoilt.parse::<SignedNote>().unwrap().verify(&keys), Err(NoteError::WrongSignature));
}

#[test]
fn checkpoints() {
    let log = log_key();
    let keys = [log.verifier().clone()];
    let checkpoint = Checkpoint::new("audit.example.com/t1", 42, leaf_hash(b"x"));
    let note = checkpoint.sign(&log).unwrap().to_string();
    assert!(note.starts_with(&format!("audit.example.com/t1\n42\n{}\n\n— audit.example.com/t1 ", leaf_hash(b"x"))));
    assert_eq!(Checkpoint::open(&note, "audit.example.com/t1", &keys).unwrap(), checkpoint);
    assert!(matches!(Checkpoint::open(&note, "audit.example.com/t2", &keys), Err(CheckpointError::Origin { .. })));
    assert_eq!(
        Checkpoint::open(&note.replace("\n42\n", "\n43\n"), "audit.example.com/t1", &keys),
        Err(NoteError::WrongSignature.into())
    );
    for origin in ["", "two\nlines", "tab\t"] {
        assert!(Checkpoint::new(origin, 1, Hash::EMPTY_ROOT).sign(&log).is_err(), "{origin:?}");
    }
    let root = Hash::EMPTY_ROOT;
    for wrong in [
        String::new(),
        "\n".into(),
        format!("o\n1\n{root}"),
        format!("o\n01\n{root}\n"),
        format!("o\n+1\n{root}\n"),
        format!("o\n-1\n{root}\n"),
        format!("o\n18446744073709551616\n{root}\n"),
        format!("o\n1\n{root}=\n"),
        format!("o\n1\n{root}\n\n"),
        format!("o\n1\n{root}\next\n\n"),
        format!("\n1\n{root}\n"),
        "o\n1\nAAAA\n".into(),
    ] {
        assert!(wrong.parse::<Checkpoint>().is_err(), "{wrong:?}");
    }
    assert_eq!(format!("o\n1\n{root}\next\n").parse::<Checkpoint>().unwrap().extensions, ["ext"]);
}

/// A cosignature made as C2SP tlog-cosignature says counts as the witness's.
#[test]
fn witness_cosignature() {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use base64::{Engine, engine::general_purpose::STANDARD};

    let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let id = Hash::of(&[b"witness.example\n\x04", pair.public_key().as_ref()]).0[..4].to_vec();
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let public = STANDARD.encode([&[4], pair.public_key().as_ref()].concat());
    let witness: VerifierKey = format!("witness.example+{hex}+{public}").parse().unwrap();

    let note = Checkpoint::new("log", 1, Hash::EMPTY_ROOT).sign(&log_key()).unwrap();
    let time = 1_679_315_147_u64;
    let signature = pair.sign(format!("cosignature/v1\ntime {time}\n{}", note.text()).as_bytes());
    let line = |time: u64| STANDARD.encode([&id, time.to_be_bytes().as_slice(), signature.as_ref()].concat());
    let cosigned = |time| format!("{note}— witness.example {}\n", line(time)).parse::<SignedNote>().unwrap();
    let keys = [witness];
    assert_eq!(cosigned(time).verify(&keys).unwrap(), [&keys[0]]);
    assert_eq!(cosigned(time + 1).verify(&keys), Err(NoteError::WrongSignature));
}

proptest! {
    #[test]
    fn any_text_is_a_note_or_refused(text in "(\\PC|\n|— ){0,80}") {
        if let Ok(note) = text.parse::<SignedNote>() {
            prop_assert_eq!(note.to_string().parse::<SignedNote>().unwrap(), note);
        }
        if let Ok(checkpoint) = text.parse::<Checkpoint>() {
            prop_assert_eq!(checkpoint.to_string(), text.clone());
        }
        let _ = text.parse::<VerifierKey>();
        let _ = SignerKey::from_skey(&text);
    }

    /// No single changed byte of a signed checkpoint leaves it accepted as anything else.
    #[test]
    fn every_byte_counts(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let log = log_key();
        let keys = [log.verifier().clone()];
        let checkpoint = Checkpoint::new("audit.example.com/t1", 42, leaf_hash(b"x"));
        let mut bytes = checkpoint.sign(&log).unwrap().to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert!(Checkpoint::open(&text, "audit.example.com/t1", &keys).is_err());
        }
    }
}
