//! What stands in `credentials` of a password: a hash of ours, or one of the system that a person was imported from.
//!
//! A hash says itself what it costs to check, and who imports one may be nobody's friend: beyond the bounds below it is
//! no hash that a login would check. Each keeps a check within about a second and 128 MiB, and lets through what the
//! usual systems make today, Django's million iterations for one.

use std::num::NonZeroU32;
use std::str::FromStr as _;

use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::password::OURS;

const MAX_BCRYPT_COST: u32 = 14;
/// Of PBKDF2: iterations times the blocks of output, each of which costs as much.
const MAX_PBKDF2_WORK: u64 = 2_000_000;
/// Of scrypt, in bytes: 128 · N · r.
const MAX_SCRYPT_MEMORY: u64 = 128 << 20;
/// Of scrypt, in bytes written: 128 · N · r · p.
const MAX_SCRYPT_WORK: u64 = 256 << 20;
const MAX_ARGON2_MEMORY_KIB: u32 = 128 << 10;
/// Of Argon2, in KiB filled: memory times passes.
const MAX_ARGON2_WORK_KIB: u64 = 1 << 20;
const MAX_ARGON2_LANES: u32 = 16;
/// Of salts and outputs, in bytes.
const MAX_BYTES: usize = 64;
const MIN_OUTPUT: usize = 16;

/// Whether a login could check this hash: of a kind that is known here, and within the bounds.
#[must_use]
pub fn is_known_hash(text: &str) -> bool {
    StoredPassword::parse(text).is_some()
}

/// A hash that can be checked within the bounds.
#[derive(Debug)]
pub(super) enum StoredPassword {
    Argon2(Box<PasswordHash>),
    /// `$2a$`, `$2b$` or `$2y$`.
    Bcrypt(String),
    /// Django's: bcrypt over the SHA-256 of the password in hexadecimal digits, which takes it whole.
    BcryptOfSha256(String),
    Scrypt {
        params: scrypt::Params,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    Pbkdf2 {
        digest: Digest,
        iterations: NonZeroU32,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
}

impl StoredPassword {
    /// Nothing for what is no hash that is known here, or costs too much to check.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('$').collect();
        match *parts.as_slice() {
            ["", "2a" | "2b" | "2y", cost, rest] => bcrypt(text, cost, rest),
            ["", "argon2id" | "argon2i" | "argon2d", ..] => argon2(text),
            // PHC, which is also what passlib writes.
            ["", "scrypt", params, salt, output] => {
                let [log_n, r, p] = parameters(params, ["ln", "r", "p"])?;
                scrypt(log_n, r, p, from_base64(salt)?, from_base64(output)?)
            }
            ["", name, params, salt, output] if params.contains('=') => {
                let digest = Digest::of(name.strip_prefix("pbkdf2-")?)?;
                let (first, length) = params.split_once(",l=").map_or((params, None), |(i, l)| (i, Some(l)));
                let [iterations] = parameters(first, ["i"])?;
                let output = from_base64(output)?;
                let agrees = length.is_none_or(|length| length.parse() == Ok(output.len()));
                if agrees { pbkdf2(digest, iterations, from_base64(salt)?, output) } else { None }
            }
            // passlib, whose base64 has a full stop for the plus, and which names SHA-1 by no name.
            ["", name, iterations, salt, output] => {
                let digest = if name == "pbkdf2" { Digest::Sha1 } else { Digest::of(name.strip_prefix("pbkdf2-")?)? };
                let adapted = |text: &str| from_base64(&text.replace('.', "+"));
                pbkdf2(digest, iterations.parse().ok()?, adapted(salt)?, adapted(output)?)
            }
            // Django, whose salts are text.
            ["scrypt", n, salt, r, p, output] => {
                scrypt(log2(n)?, r.parse().ok()?, p.parse().ok()?, salt.into(), from_base64(output)?)
            }
            ["argon2", "argon2id" | "argon2i" | "argon2d", ..] => argon2(text.strip_prefix("argon2")?),
            ["bcrypt", "", "2a" | "2b" | "2y", cost, rest] => bcrypt(text.strip_prefix("bcrypt$")?, cost, rest),
            ["bcrypt_sha256", "", "2a" | "2b" | "2y", cost, rest] => {
                match bcrypt(text.strip_prefix("bcrypt_sha256$")?, cost, rest)? {
                    Self::Bcrypt(hash) => Some(Self::BcryptOfSha256(hash)),
                    _ => None,
                }
            }
            [name, iterations, salt, output] => {
                let digest = Digest::of(name.strip_prefix("pbkdf2_")?)?;
                pbkdf2(digest, iterations.parse().ok()?, salt.into(), from_base64(output)?)
            }
            // Werkzeug, whose salts are text, too.
            [method, salt, output] => match *method.split(':').collect::<Vec<_>>().as_slice() {
                ["pbkdf2", name, iterations] => {
                    pbkdf2(Digest::of(name)?, iterations.parse().ok()?, salt.into(), from_hex(output)?)
                }
                ["scrypt", n, r, p] => {
                    scrypt(log2(n)?, r.parse().ok()?, p.parse().ok()?, salt.into(), from_hex(output)?)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the password is the one that this hash was made of. It takes as long as its parameters say.
    pub(super) fn is_of(&self, password: &str) -> bool {
        let password = password.as_bytes();
        match self {
            Self::Argon2(hash) => Argon2::default().verify_password(password, hash.as_ref()).is_ok(),
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::BcryptOfSha256(hash) => {
                let digits: Zeroizing<String> =
                    Zeroizing::new(Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect());
                bcrypt::verify(digits.as_bytes(), hash).unwrap_or(false)
            }
            Self::Scrypt { params, salt, output } => {
                let mut found = vec![0; output.len()];
                scrypt::scrypt(password, salt, params, &mut found).is_ok()
                    && verify_slices_are_equal(&found, output).is_ok()
            }
            Self::Pbkdf2 { digest, iterations, salt, output } => {
                pbkdf2::verify(digest.algorithm(), *iterations, salt, password, output).is_ok()
            }
        }
    }

    /// Whether a new hash would be made in just this way.
    pub(super) fn is_ours(&self) -> bool {
        let Self::Argon2(hash) = self else { return false };
        let version = u32::from(Version::V0x13);
        let of = |name: &str| hash.params.get_decimal(name);
        hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(version)
            && [of("m"), of("t"), of("p")] == OURS.map(Some)
    }
}

/// What PBKDF2 works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    fn of(name: &str) -> Option<Self> {
        match name {
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn algorithm(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    /// Bytes of output that cost one run of the iterations.
    const fn block(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

fn argon2(text: &str) -> Option<StoredPassword> {
    let hash = PasswordHash::new(text).ok()?;
    let of = |name: &str| hash.params.get_decimal(name);
    let (memory, passes, lanes) = (of("m")?, of("t")?, of("p")?);
    let within = memory <= MAX_ARGON2_MEMORY_KIB
        && u64::from(memory) * u64::from(passes) <= MAX_ARGON2_WORK_KIB
        && lanes <= MAX_ARGON2_LANES
        && hash.salt.is_some()
        && hash.hash.as_ref().is_some_and(|output| output.len() >= MIN_OUTPUT);
    within.then(|| StoredPassword::Argon2(Box::new(hash)))
}

fn bcrypt(text: &str, cost: &str, rest: &str) -> Option<StoredPassword> {
    let whole = cost.len() == 2 && rest.len() == 53;
    let cost = bcrypt::HashParts::from_str(text).ok()?.get_cost();
    (whole && (4..=MAX_BCRYPT_COST).contains(&cost)).then(|| StoredPassword::Bcrypt(text.to_owned()))
}

fn scrypt(log_n: u32, r: u32, p: u32, salt: Vec<u8>, output: Vec<u8>) -> Option<StoredPassword> {
    let n = 1_u64.checked_shl(log_n).filter(|n| (2..=MAX_SCRYPT_MEMORY).contains(n))?;
    let memory = n.checked_mul(128)?.checked_mul(r.into())?;
    let work = memory.checked_mul(p.into())?;
    let within = memory <= MAX_SCRYPT_MEMORY && work <= MAX_SCRYPT_WORK && are_sound(&salt, &output);
    let params = scrypt::Params::new(u8::try_from(log_n).ok()?, r, p).ok()?;
    within.then_some(StoredPassword::Scrypt { params, salt, output })
}

fn pbkdf2(digest: Digest, iterations: u32, salt: Vec<u8>, output: Vec<u8>) -> Option<StoredPassword> {
    let iterations = NonZeroU32::new(iterations)?;
    let blocks = u64::try_from(output.len().div_ceil(digest.block())).ok()?;
    let within = u64::from(iterations.get()).checked_mul(blocks)? <= MAX_PBKDF2_WORK && are_sound(&salt, &output);
    within.then_some(StoredPassword::Pbkdf2 { digest, iterations, salt, output })
}

/// A short output would be met by chance.
fn are_sound(salt: &[u8], output: &[u8]) -> bool {
    salt.len() <= MAX_BYTES && (MIN_OUTPUT..=MAX_BYTES).contains(&output.len())
}

/// `ln=15,r=8,p=1`: these names in this order, each a number, and nothing else.
fn parameters<const N: usize>(text: &str, names: [&str; N]) -> Option<[u32; N]> {
    let mut given = text.split(',');
    let mut values = [0; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = given.next()?.strip_prefix(name)?.strip_prefix('=')?.parse().ok()?;
    }
    given.next().is_none().then_some(values)
}

/// Of `16384` 14; nothing of what is no power of two.
fn log2(n: &str) -> Option<u32> {
    let n: u64 = n.parse().ok()?;
    n.is_power_of_two().then(|| n.trailing_zeros())
}

/// With or without padding. No more is decoded than may be sound.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    (text.len() <= 2 * MAX_BYTES).then(|| STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok())?
}

/// The same of hexadecimal digits.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let sound =
        text.len() <= 2 * MAX_BYTES && text.len().is_multiple_of(2) && text.bytes().all(|c| c.is_ascii_hexdigit());
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    if sound { (0..text.len()).step_by(2).map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests;
