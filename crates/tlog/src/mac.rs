//! HMAC-SHA-256 under a tenant's audit key.
//!
//! Two authentication codes are kept. The *event's*, over its leaf bytes, is written in the event's own transaction: it shows
//! an event that was changed or forged before it was sealed. The *seal's*, over index and leaf hash, is written by the
//! sealer: it binds the event to its place, so that a deletion, insertion or swap whose author renumbered everything after
//! it is still found at the right index. Neither helps against an author who has the key; checkpoints held elsewhere do.

use aws_lc_rs::hmac;

use crate::hash::Hash;

/// An HMAC-SHA-256 value.
pub type Mac = [u8; 32];

/// First bytes of a seal's message. Leaf bytes start with `{`, so no event's code is a seal's.
const SEAL_LABEL: &[u8] = b"tenure seal v1\n";

/// A tenant's audit key, ready for use.
#[derive(Clone)]
pub struct AuditKey(hmac::Key);

impl std::fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditKey(redacted)")
    }
}

impl AuditKey {
    /// Makes a key of 32 secret bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The code stored with an event, over its leaf bytes.
    #[must_use]
    pub fn event(&self, leaf_bytes: &[u8]) -> Mac {
        to_mac(hmac::sign(&self.0, leaf_bytes))
    }

    /// Whether `mac` is the event's code.
    #[must_use]
    pub fn verify_event(&self, leaf_bytes: &[u8], mac: &Mac) -> bool {
        hmac::verify(&self.0, leaf_bytes, mac).is_ok()
    }

    /// The code stored with a seal: `leaf` stands at `index` of the tenant's log.
    #[must_use]
    pub fn seal(&self, index: u64, leaf: &Hash) -> Mac {
        to_mac(hmac::sign(&self.0, &seal_message(index, leaf)))
    }

    /// Whether `mac` says that `leaf` stands at `index`.
    #[must_use]
    pub fn verify_seal(&self, index: u64, leaf: &Hash, mac: &Mac) -> bool {
        hmac::verify(&self.0, &seal_message(index, leaf), mac).is_ok()
    }
}

fn seal_message(index: u64, leaf: &Hash) -> Vec<u8> {
    [SEAL_LABEL, &index.to_be_bytes(), leaf.as_bytes()].concat()
}

fn to_mac(tag: hmac::Tag) -> Mac {
    let mut mac = [0; 32];
    mac.copy_from_slice(tag.as_ref());
    mac
}
