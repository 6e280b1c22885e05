//! Second factors without their storage: codes of RFC 6238 and RFC 4226, and codes that each work once.

use qrcode::QrCode;
use qrcode::render::svg;
use sha2::{Digest as _, Sha256};
use tenure_kernel::{Error, Result, Timestamp, UserId};
use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

/// How many codes that each work once a person has.
pub(super) const RECOVERY_CODES: usize = 10;
const SECRET_BYTES: usize = 20;
/// 32 symbols that nobody mistakes for another: 5 bits each, 16 of them 80 bits.
const SYMBOLS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
const RECOVERY_SYMBOLS: usize = 16;

/// Authenticator apps show codes of 6 digits that change every 30 seconds, made with SHA-1: many know nothing else.
pub(super) struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    /// # Errors
    /// When the system gives no randomness.
    pub(super) fn random() -> Result<Self> {
        let mut bytes = Zeroizing::new(vec![0; SECRET_BYTES]);
        aws_lc_rs::rand::fill(&mut bytes).map_err(Error::internal)?;
        Ok(Self(bytes))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As people type it into an app that has no camera.
    pub(super) fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(Secret::from(self.bytes()).to_base32())
    }

    /// `otpauth://totp/…`, which apps read from the picture.
    pub(super) fn uri(&self, issuer: &str, account: &str) -> Result<Zeroizing<String>> {
        // A colon would end the issuer's name.
        let (issuer, account) = (issuer.replace(':', " "), account.replace(':', " "));
        let totp = Builder::new().with_secret(self.bytes()).with_issuer(Some(issuer)).with_account_name(account);
        let totp = totp.build().map_err(|error| Error::internal(error.to_string()))?;
        totp.to_url().map(Zeroizing::new).map_err(|error| Error::internal(error.to_string()))
    }

    /// The step of a code that is right now, or one step before or after, for clocks that differ. Which codes were taken
    /// already, the caller knows.
    pub(super) fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        let seconds = u64::try_from(now.as_seconds()).ok()?;
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let plain = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let step = plain.then(|| self.totp().check(&digits, seconds))??;
        i64::try_from(step).ok()
    }

    fn totp(&self) -> Totp {
        Builder::new().with_secret(self.bytes()).build_noncompliant()
    }
}

/// A picture of a URI, in black on white and as wide as its frame.
pub(super) fn qr_svg(text: &str) -> Result<Zeroizing<String>> {
    let code = QrCode::new(text.as_bytes()).map_err(Error::internal)?;
    let mut picture = code.render::<svg::Color<'_>>();
    picture.min_dimensions(220, 220).dark_color(svg::Color("#000000")).light_color(svg::Color("#ffffff"));
    Ok(Zeroizing::new(picture.build()))
}

/// New codes as their owner reads them: `abcd-efgh-jkmn-pqrs`.
///
/// # Errors
/// When the system gives no randomness.
pub(super) fn recovery_codes() -> Result<Vec<Zeroizing<String>>> {
    (0..RECOVERY_CODES).map(|_| recovery_code()).collect()
}

fn recovery_code() -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; RECOVERY_SYMBOLS]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(Error::internal)?;
    let mut code = Zeroizing::new(String::with_capacity(RECOVERY_SYMBOLS + 3));
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && index % 4 == 0 {
            code.push('-');
        }
        let symbol = SYMBOLS.get(usize::from(byte % 32)).copied().unwrap_or(b'a');
        code.push(char::from(symbol));
    }
    Ok(code)
}

/// What is stored of a code: with its owner, so that equal codes of two people are not seen to be.
pub(super) fn recovery_digest(user: UserId, code: &str) -> Vec<u8> {
    let symbols = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase());
    let plain: Zeroizing<String> = Zeroizing::new(symbols.collect());
    Sha256::new().chain_update(user.uuid().as_bytes()).chain_update(plain.as_bytes()).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use totp_rs::Algorithm;

    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// RFC 4226, appendix D: a counter of 0 to 9.
    #[test]
    fn hotp_vectors() {
        let totp = Builder::new().with_secret(SECRET).with_step_duration(1).build_noncompliant();
        let expected =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (counter, code) in (0_u64..).zip(expected) {
            assert_eq!(totp.generate(counter).to_string(), code, "{counter}");
        }
    }

    /// RFC 6238, appendix B, eight digits; and the six that are asked for here.
    #[test]
    fn totp_vectors() {
        let secret = TotpSecret::from_bytes(SECRET);
        let wide = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(8).with_secret(SECRET);
        let wide = wide.build_noncompliant();
        for (seconds, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(wide.generate(seconds).to_string(), code);
            let seconds = i64::try_from(seconds).unwrap();
            assert_eq!(secret.step_of(&code[2..], at(seconds)), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_for_a_step_before_and_after() {
        let secret = TotpSecret::from_bytes(SECRET);
        let code = secret.totp().generate(1_000 * 30).to_string();
        for (step, good) in [(998, false), (999, true), (1_000, true), (1_001, true), (1_002, false)] {
            let found = secret.step_of(&code, at(step * 30));
            assert_eq!(found, good.then_some(1_000), "{step}");
        }
        let spaced = format!("{} {}", &code[..3], &code[3..]);
        assert_eq!(secret.step_of(&spaced, at(30_000)), Some(1_000), "as apps show it");
    }

    #[test]
    fn the_uri_says_what_apps_need() {
        let uri = TotpSecret::from_bytes(SECRET).uri("Tenure: Acme", "ada@example.com").unwrap();
        assert!(uri.starts_with("otpauth://totp/Tenure"), "{}", *uri);
        assert!(uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{}", *uri);
        let again = Totp::from_url(&*uri).unwrap();
        assert_eq!((again.digits(), again.step(), again.algorithm()), (6, 30, Algorithm::SHA1));
        assert!(qr_svg(&uri).unwrap().contains("<svg"));
    }

    #[test]
    fn recovery_codes_are_distinct_and_read_without_regard_to_case_and_hyphens() {
        let codes = recovery_codes().unwrap();
        let distinct: std::collections::BTreeSet<&str> = codes.iter().map(|code| code.as_str()).collect();
        assert_eq!(distinct.len(), RECOVERY_CODES);
        let (ada, bob) = (UserId::random(), UserId::random());
        let code = codes[0].as_str();
        assert_eq!(code.len(), 19);
        let typed = format!(" {} ", code.to_uppercase().replace('-', " "));
        assert_eq!(recovery_digest(ada, code), recovery_digest(ada, &typed));
        assert_ne!(recovery_digest(ada, code), recovery_digest(bob, code));
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_judged(text in "\\PC*", seconds in 0_i64..4_000_000_000) {
            let step = TotpSecret::from_bytes(SECRET).step_of(&text, at(seconds));
            prop_assert!(step.is_none_or(|step| (step - seconds / 30).abs() <= 1));
            let _ = recovery_digest(UserId::random(), &text);
        }
    }
}
