//! Keys that another system made: how they are told from ours, and which of them are good enough.
//!
//! Such a key does not say whose it is. It is found by its SHA-256, so it has to be one that nobody finds by trying.

use tenure_kernel::{Problem, Result};

use super::text::{self, KeyDigest};

/// As many bits as nobody tries out.
const FEWEST_BITS: f64 = 128.0;
/// What is shorter holds too few bits in any alphabet; what is longer is no key. Bytes.
const SHORTEST: usize = 16;
const LONGEST: usize = 512;
/// Random text of so many bits has more different characters than this in every alphabet, but for one time in a million.
const FEWEST_DIFFERENT: usize = 6;

/// Whether a credential can be a key of another system, so that it is worth looking for.
pub(super) fn may_be(text: &str) -> bool {
    (SHORTEST..=LONGEST).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text::looks_like_a_key(text)
}

/// Whether a credential is meant to be an access token: the header of a JWT (RFC 7519) is a JSON object in base 64, and ours has no
/// space before its first member. In `X-API-Key` nothing is a token.
pub(super) fn looks_like_a_token(text: &str) -> bool {
    text.starts_with("eyJ")
}

/// What is stored of a key that another system gave out.
///
/// # Errors
/// 422 at `/key` where it could not be used, or could be guessed. The key is not repeated.
pub fn digest(key: &str) -> Result<KeyDigest> {
    let invalid = |detail: String| Err(Problem::invalid("/key", detail).into());
    if text::looks_like_a_key(key) {
        return invalid(
            "begins like a key of Tenure, and would be looked for as one; make a new key instead".to_owned(),
        );
    }
    if looks_like_a_token(key) {
        return invalid("begins like an access token, and would be read as one; make a new key instead".to_owned());
    }
    if key.len() > LONGEST || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return invalid(format!(
            "must be at most {LONGEST} visible ASCII characters without spaces: no header of a request holds others"
        ));
    }
    // Without hyphens nobody can tell it from 32 random digits.
    if key.contains('-') && uuid::Uuid::try_parse(key).is_ok() {
        return invalid(
            "is a UUID, which holds at most 122 random bits, and 128 are needed; make a new key instead".to_owned(),
        );
    }
    let (alphabet, called) = alphabet(key);
    let length = u16::try_from(key.len()).unwrap_or(u16::MAX);
    let bits = f64::from(length) * f64::from(alphabet).log2();
    if bits < FEWEST_BITS {
        let needed = (FEWEST_BITS / f64::from(alphabet).log2()).ceil();
        return invalid(format!(
            "has {length} characters of {called}, which hold at most {bits:.0} bits; 128 are needed, which is {needed} of these; make a new key instead"
        ));
    }
    if different(key) <= FEWEST_DIFFERENT {
        return invalid(format!(
            "has only {} different characters, so that it is not random; make a new key instead",
            different(key)
        ));
    }
    Ok(text::digest(key))
}

/// The smallest of the usual alphabets that a key is written in: how many characters, and what they are called.
fn alphabet(key: &str) -> (u8, &'static str) {
    let all = |is: fn(u8) -> bool| key.bytes().all(is);
    if all(|byte| byte.is_ascii_digit()) {
        (10, "digits")
    } else if all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        || all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
    {
        (16, "hexadecimal digits")
    } else if all(|byte| byte.is_ascii_lowercase()) || all(|byte| byte.is_ascii_uppercase()) {
        (26, "letters")
    } else if all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        || all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    {
        (36, "letters of one case and digits")
    } else if all(|byte| byte.is_ascii_alphanumeric()) {
        (62, "letters and digits")
    } else {
        (94, "letters, digits and signs")
    }
}

fn different(key: &str) -> usize {
    let mut seen = [false; 256];
    key.bytes().for_each(|byte| {
        if let Some(place) = seen.get_mut(usize::from(byte)) {
            *place = true;
        }
    });
    seen.into_iter().filter(|seen| *seen).count()
}

/// The SHA-256 of a key, in hexadecimal digits.
///
/// # Errors
/// 422 at `/key_sha256` for anything else.
pub fn parse_digest(hex: &str) -> Result<KeyDigest> {
    let invalid = || Problem::invalid("/key_sha256", "must be the SHA-256 of the key: 64 hexadecimal digits");
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(invalid().into());
    }
    let mut digest = KeyDigest::default();
    for (place, byte) in digest.iter_mut().enumerate() {
        let pair = hex.get(2 * place..2 * place + 2).ok_or_else(invalid)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid())?;
    }
    Ok(digest)
}

/// As [`parse_digest`] reads it.
#[must_use]
pub fn write_digest(digest: &KeyDigest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(key: &str) -> String {
        match digest(key) {
            Err(tenure_kernel::Error::Problem(problem)) => problem.errors[0].detail.clone(),
            other => panic!("{key} was not refused: {other:?}"),
        }
    }

    #[test]
    fn what_can_be_guessed_is_refused_with_length_and_alphabet() {
        for (key, told) in [
            ("4711", "4 characters of digits, which hold at most 13 bits"),
            ("9f2b6c1de4a85730fb1c24d9e6a7b83", "31 characters of hexadecimal digits, which hold at most 124 bits"),
            ("correcthorsebatterystaple", "25 characters of letters, which hold at most 118 bits"),
            ("gq0Vx2ZkPmT7Yd4sWb8Ra", "21 characters of letters and digits, which hold at most 125 bits"),
            ("sk_live_51HG7abzYq0", "19 characters of letters, digits and signs, which hold at most 125 bits"),
            ("00000000000000000000000000000000000000000000", "only 1 different"),
            ("8c5f6d4e-3b2a-4190-8877-665544332211", "a UUID"),
            ("tnr_prod_000", "like a key of Tenure"),
            ("eyJhbGciOiJIUzI1NiJ9.e30.x", "like an access token"),
            ("gq0Vx2ZkPm T7Yd4sWb8RaQn5", "without spaces"),
            ("gq0Vx2ZkPmüT7Yd4sWb8RaQn5", "visible ASCII"),
            ("", "0 characters"),
        ] {
            let found = refused(key);
            assert!(found.contains(told), "{key}: {found}");
            assert!(key.len() < 10 || !found.contains(key), "{found}");
        }
        for good in [
            "9f2b6c1de4a85730fb1c24d9e6a7b833",
            "sk_live_51HG7abzYq0Wn3Rd8KfTcVx2",
            "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",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        ] {
            assert_eq!(digest(good).unwrap(), text::digest(good));
            assert!(may_be(good), "{good}");
        }
    }

    proptest! {
        /// What is taken can be looked for, and what is looked for is neither ours nor a token in its header.
        #[test]
        fn what_is_taken_over_is_found_again(key in "[ -~]{0,60}") {
            if digest(&key).is_ok() {
                prop_assert!(may_be(&key) && !looks_like_a_token(&key), "{key}");
            }
        }

        #[test]
        fn random_keys_are_taken(bytes in any::<[u8; 16]>()) {
            use base64::Engine as _;
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
            prop_assume!(!base64.starts_with("eyJ"));
            prop_assert!(digest(&base64).is_ok(), "{base64}");
            prop_assert!(digest(&hex).is_ok() || different(&hex) <= FEWEST_DIFFERENT, "{hex}");
        }

        #[test]
        fn a_digest_is_read_as_it_was_written(bytes in any::<[u8; 32]>()) {
            let hex = write_digest(&bytes);
            prop_assert_eq!(parse_digest(&hex).unwrap(), bytes);
            prop_assert_eq!(parse_digest(&hex.to_ascii_uppercase()).unwrap(), bytes);
            prop_assert!(parse_digest(&hex[1..]).is_err());
        }

        #[test]
        fn whatever_is_no_digest_is_refused(text in ".{0,70}") {
            let is_one = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            prop_assert_eq!(parse_digest(&text).is_ok(), is_one);
        }
    }
}
