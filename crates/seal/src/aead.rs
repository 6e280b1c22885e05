//! AES-256-GCM with a random 96-bit nonce in front.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};
use zeroize::Zeroizing;

use crate::{KeyMaterial, SecretBytes};

const TAG_LEN: usize = 16;

/// Nothing could be sealed: the system gave no randomness, or the value is beyond the cipher's length (64 GiB).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealing failed: no randomness, or the value is too long")]
pub struct SealError;

/// A sealed value or wrapped key did not open. Why is not told: wrong key, changed or cut bytes, and a value moved to
/// another place look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot be opened: it is under another key, was changed, or belongs elsewhere")]
pub struct OpenError;

/// A key ready for use. Random nonces are safe for 2³² values under one key (NIST SP 800-38D, section 8.3).
pub(crate) struct Aead(LessSafeKey);

impl Aead {
    pub(crate) fn new(material: &KeyMaterial) -> Result<Self, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, material.expose()).map_err(|_| SealError)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Appends nonce, ciphertext and tag to `out`.
    pub(crate) fn seal(&self, out: &mut Vec<u8>, aad: &[u8], plaintext: &[u8]) -> Result<(), SealError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| SealError)?;
        out.reserve_exact(NONCE_LEN + plaintext.len() + TAG_LEN);
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.resize(start + plaintext.len() + TAG_LEN, 0);
        let (ciphertext, tag) =
            out.get_mut(start..).and_then(|room| room.split_at_mut_checked(plaintext.len())).ok_or(SealError)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.seal_out_of_place_scatter(nonce, Aad::from(aad), plaintext, ciphertext, &[], tag).map_err(|_| SealError)
    }

    /// Opens nonce, ciphertext and tag.
    pub(crate) fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<SecretBytes, OpenError> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(OpenError)?;
        let mut in_out = Zeroizing::new(rest.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.0.open_in_place(nonce, Aad::from(aad), &mut in_out).map_err(|_| OpenError)?.len();
        in_out.truncate(length);
        Ok(SecretBytes::from(std::mem::take(&mut *in_out)))
    }
}
