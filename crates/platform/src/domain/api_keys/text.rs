//! An API key as text: `tnr_<environment>_<key id>_<secret>_<checksum>`.
//!
//! A scanner recognises it by its beginning and, without asking anybody, by its checksum. The key id is the identifier
//! without its prefix; the secret is 32 random bytes as 43 digits of base 62, most significant first; the checksum is the
//! CRC-32 (IEEE 802.3) of all that stands before its `_`, as 6 digits of base 62.

use sha2::{Digest as _, Sha256};
use tenure_kernel::{Error, KeyId, Result};

use super::model::Environment;

/// What every key begins with.
const PREFIX: &str = "tnr";
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_BYTES: usize = 32;
const SECRET_DIGITS: usize = 43;
const CHECKSUM_DIGITS: usize = 6;

/// What is stored of a key, and found by.
pub type KeyDigest = [u8; 32];

/// A new key: its text is shown once and stored nowhere.
pub(super) struct NewKeyText {
    /// For its owner.
    pub(super) text: String,
    /// For the table.
    pub(super) digest: KeyDigest,
}

impl NewKeyText {
    /// A new secret for the key of this identifier.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(super) fn random(environment: Environment, id: KeyId) -> Result<Self> {
        let mut secret = [0; SECRET_BYTES];
        aws_lc_rs::rand::fill(&mut secret).map_err(Error::internal)?;
        let text = write(environment, id, &secret);
        Ok(Self { digest: digest(&text), text })
    }
}

/// What a well-formed key says of itself. Whether there is such a key is another question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WellFormed {
    pub(super) id: KeyId,
    pub(super) environment: Environment,
}

/// The SHA-256 of a key. It is random, so a slow hash would buy nothing.
pub(super) fn digest(text: &str) -> KeyDigest {
    Sha256::digest(text.as_bytes()).into()
}

/// Whether a credential is meant to be an API key; an access token never begins so.
pub(crate) fn looks_like_a_key(text: &str) -> bool {
    text.starts_with("tnr_")
}

/// Reads a key; nothing unless it is well-formed to the last letter. On the path of every request: without allocating.
pub(super) fn parse(text: &str) -> Option<WellFormed> {
    let (body, checksum) = text.rsplit_once('_')?;
    let sum = crc32fast::hash(body.as_bytes()).to_be_bytes();
    if checksum.len() != CHECKSUM_DIGITS || from_base62(checksum)? != sum {
        return None;
    }
    let mut parts = body.split('_');
    let (prefix, environment, id, secret) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if prefix != PREFIX || parts.next().is_some() || secret.len() != SECRET_DIGITS {
        return None;
    }
    from_base62::<SECRET_BYTES>(secret)?;
    Some(WellFormed { id: identifier(id)?, environment: Environment::parse(environment)? })
}

/// The identifier of these letters, which stand in a key without their prefix.
fn identifier(letters: &str) -> Option<KeyId> {
    const KIND: &[u8] = b"key_";
    let mut whole = [0; KIND.len() + 26];
    let (kind, rest) = whole.split_at_mut(KIND.len());
    kind.copy_from_slice(KIND);
    if letters.len() != rest.len() {
        return None;
    }
    rest.copy_from_slice(letters.as_bytes());
    std::str::from_utf8(&whole).ok()?.parse().ok()
}

fn write(environment: Environment, id: KeyId, secret: &[u8; SECRET_BYTES]) -> String {
    let id = id.to_string();
    let id = id.strip_prefix("key_").unwrap_or(&id);
    let body = format!("{PREFIX}_{}_{id}_{}", environment.as_str(), base62(secret, SECRET_DIGITS));
    format!("{body}_{}", checksum_of(&body))
}

fn checksum_of(body: &str) -> String {
    base62(&crc32fast::hash(body.as_bytes()).to_be_bytes(), CHECKSUM_DIGITS)
}

/// The number that these bytes are (most significant first), in exactly so many digits.
fn base62(bytes: &[u8], digits: usize) -> String {
    let mut number = bytes.to_vec();
    let mut letters = Vec::with_capacity(digits);
    for _ in 0..digits {
        let mut rest = 0;
        for byte in &mut number {
            let value = rest * 256 + u32::from(*byte);
            // The rest is below 62, so the quotient fits a byte.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        let digit = usize::try_from(rest).unwrap_or_default();
        letters.push(char::from(BASE62.get(digit).copied().unwrap_or(b'0')));
    }
    letters.into_iter().rev().collect()
}

/// The bytes of the number; nothing where it has other letters or is too large for so many bytes.
fn from_base62<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut number = [0; N];
    for letter in text.bytes() {
        let digit = BASE62.iter().position(|known| *known == letter)?;
        let mut carry = u32::try_from(digit).ok()?;
        for byte in number.iter_mut().rev() {
            let value = u32::from(*byte) * 62 + carry;
            *byte = value.to_be_bytes()[3];
            carry = value >> 8;
        }
        if carry > 0 {
            return None;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn environment() -> impl Strategy<Value = Environment> {
        prop_oneof![Just(Environment::Dev), Just(Environment::Test), Just(Environment::Prod)]
    }

    fn key() -> impl Strategy<Value = (Environment, KeyId, [u8; 32])> {
        let id = any::<u128>().prop_map(|bits| KeyId::from_uuid(uuid::Uuid::from_u128(bits)));
        (environment(), id, any::<[u8; 32]>())
    }

    /// Those of docs/api-keys.md.
    #[test]
    fn the_documented_vectors_hold() {
        let id = KeyId::from_uuid(uuid::Uuid::from_u128(0x0192_f0c1_a2b3_7c4d_8e5f_6071_8293_a4b5));
        let counted: [u8; 32] = std::array::from_fn(|place| u8::try_from(place).unwrap());
        let documented = include_str!("../../../../../docs/api-keys.md");
        for (environment, secret) in
            [(Environment::Dev, [0; 32]), (Environment::Test, counted), (Environment::Prod, [0xff; 32])]
        {
            let text = write(environment, id, &secret);
            assert!(documented.contains(&text), "{text} is not documented");
            assert_eq!(parse(&text), Some(WellFormed { id, environment }));
        }
    }

    #[test]
    fn a_number_that_no_32_bytes_hold_is_no_secret() {
        let id = KeyId::from_uuid(uuid::Uuid::nil());
        let largest = write(Environment::Dev, id, &[0xff; 32]);
        let (body, _) = largest.rsplit_once('_').unwrap();
        let (head, secret) = body.rsplit_once('_').unwrap();
        for wrong in ["z".repeat(43), format!("0{secret}"), secret[1..].to_owned(), format!("{}-", &secret[1..])] {
            let body = format!("{head}_{wrong}");
            assert_eq!(parse(&format!("{body}_{}", checksum_of(&body))), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read((environment, id, secret) in key()) {
            let text = write(environment, id, &secret);
            prop_assert_eq!(text.len(), 82 + environment.as_str().len());
            prop_assert!(looks_like_a_key(&text));
            prop_assert_eq!(parse(&text), Some(WellFormed { id, environment }));
        }

        #[test]
        fn base_62_leads_there_and_back(bytes in any::<[u8; 32]>()) {
            prop_assert_eq!(from_base62::<32>(&base62(&bytes, SECRET_DIGITS)), Some(bytes));
        }

        /// A CRC-32 sees every change of one byte.
        #[test]
        fn one_changed_letter_is_seen((environment, id, secret) in key(), at in any::<prop::sample::Index>(), letter in 0x21..0x7f_u8) {
            let text = write(environment, id, &secret);
            let mut bytes = text.clone().into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != letter);
            bytes[at] = letter;
            prop_assert_eq!(parse(&String::from_utf8(bytes).unwrap()), None);
        }

        #[test]
        fn whatever_is_no_key_is_nothing(text in ".{0,200}") {
            prop_assert_eq!(parse(&text), None);
        }

        #[test]
        fn what_has_the_shape_without_the_checksum_is_nothing(
            text in "tnr_(dev|test|prod|live)?_[0-9a-z]{20,30}_[0-9A-Za-z]{40,45}_[0-9A-Za-z]{5,7}"
        ) {
            prop_assert_eq!(parse(&text), None);
        }
    }
}
