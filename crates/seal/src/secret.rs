//! Secret values in memory.
//!
//! They are zeroed when dropped, print as `redacted`, compare in constant time, and cannot be serialised: to let one out,
//! code must say `expose`, which can be searched for.

use std::{fmt, mem::MaybeUninit};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::{Deserialize, Deserializer};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A secret byte string.
///
/// ```compile_fail
/// fn leaks<T: serde::Serialize>(_: T) {}
/// leaks(tenure_seal::SecretBytes::from(vec![1]));
/// ```
#[derive(Clone)]
pub struct SecretBytes(Vec<u8>);

/// A secret text.
///
/// ```compile_fail
/// println!("{}", tenure_seal::SecretString::from(String::from("secret")));
/// ```
#[derive(Clone)]
pub struct SecretString(Zeroizing<String>);

impl SecretBytes {
    /// The bytes. Do not copy them anywhere that is not zeroed.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as a text, if they are UTF-8.
    ///
    /// # Errors
    /// Gives the bytes back if they are not.
    pub fn into_string(mut self) -> Result<SecretString, Self> {
        match String::from_utf8(std::mem::take(&mut self.0)) {
            Ok(text) => Ok(SecretString::from(text)),
            Err(error) => Err(Self::from(error.into_bytes())),
        }
    }
}

impl SecretString {
    /// The text. Do not copy it anywhere that is not zeroed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<String> for SecretString {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(redacted)")
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretString(redacted)")
    }
}

/// In constant time for equal lengths.
impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for SecretBytes {}

/// In constant time for equal lengths.
impl PartialEq for SecretString {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl Eq for SecretString {}

/// So that a request may carry one.
impl<'de> Deserialize<'de> for SecretString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl Zeroize for SecretBytes {
    /// Sets the whole buffer to zero in one go: byte by byte, as for `Vec<u8>`, takes longer than to decrypt it.
    fn zeroize(&mut self) {
        self.0.clear();
        self.0.spare_capacity_mut().fill(MaybeUninit::new(0));
        zeroize::optimization_barrier(self.0.spare_capacity_mut());
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for SecretBytes {}

impl Zeroize for SecretString {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}
