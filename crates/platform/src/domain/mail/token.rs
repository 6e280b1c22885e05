//! What a link in a message carries: 32 random bytes, of which the database keeps the SHA-256.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use tenure_kernel::{Code, Error, Problem, Result};
use zeroize::Zeroizing;

const PREFIX: &str = "tnr_ml_";
/// More than any token of ours has.
const MAX: usize = 128;

/// A token of a link.
pub struct LinkToken {
    /// Goes into the message.
    pub text: Zeroizing<String>,
    /// Is stored.
    pub digest: Vec<u8>,
}

impl std::fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkToken(…)")
    }
}

impl LinkToken {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(Error::internal)?;
        let text = Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)));
        Ok(Self { digest: Sha256::digest(text.as_bytes()).to_vec(), text })
    }

    /// What is stored of a token that somebody sent.
    ///
    /// # Errors
    /// 410 for what can be none.
    pub fn digest(sent: &str) -> Result<Vec<u8>> {
        let sent = sent.trim();
        if !sent.starts_with(PREFIX) || sent.len() > MAX {
            return Err(link_over());
        }
        Ok(Sha256::digest(sent.as_bytes()).to_vec())
    }
}

/// 410: the same for a link that was used, one that has run out, and one that never was.
#[must_use]
pub fn link_over() -> Error {
    Problem::new(Code::LinkOver, "this link was used already, or has run out; ask for another").into()
}
