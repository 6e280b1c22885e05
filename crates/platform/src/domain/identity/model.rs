use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tenure_kernel::{Personal, Problem, Resource, Result, SessionId, TenantId, Timestamp, UserId, text};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::common_passwords;

/// A person.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Identifier.
    pub id: UserId,
    /// The name they log in with.
    pub username: Personal<String>,
    /// Their address.
    pub email: Personal<String>,
    /// What they are called.
    pub full_name: Personal<String>,
    /// Since when they are known here.
    pub created_at: Timestamp,
}

impl Resource for User {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

/// A login, as events tell of it.
#[derive(Debug, Clone, Serialize)]
pub struct Session {
    /// Identifier.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// For which organisation.
    pub tenant: TenantId,
}

impl Resource for Session {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

/// A user name: 2 to 64 letters, digits, `.`, `_`, `-`, no `@`; compared without case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// # Errors
    /// 422 at `pointer`.
    pub fn parse(text: &str, pointer: &str) -> Result<Self> {
        let text = text.trim();
        let fine = |c: char| c.is_alphanumeric() || "._-".contains(c);
        if (2..=64).contains(&text.chars().count()) && text.len() <= 64 && text.chars().all(fine) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Problem::invalid(pointer, "must be 2 to 64 letters, digits, dots, hyphens or underscores").into())
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An e-mail address: something, `@`, a domain; no spaces or control characters; at most 254 bytes. Whether it exists
/// only a mail can show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// # Errors
    /// 422 at `pointer`.
    pub fn parse(text: &str, pointer: &str) -> Result<Self> {
        let text = text.trim();
        let plausible = text.split_once('@').is_some_and(|(local, domain)| {
            let labels = || domain.split('.');
            !local.is_empty()
                && local.len() <= 64
                && !domain.contains('@')
                && !domain.is_empty()
                && labels().all(|label| !label.is_empty() && label.len() <= 63)
        });
        let clean = text.len() <= 254
            && text.chars().all(|c| !c.is_whitespace() && text::is_plain(c) && !"<>()[],;:\\\"".contains(c));
        if plausible && clean {
            Ok(Self(text.to_owned()))
        } else {
            Err(Problem::invalid(pointer, "is not an e-mail address").into())
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest password taken: more would only be a way to burn time.
pub(super) const MAX_PASSWORD: usize = 512;
pub(super) const MIN_PASSWORD: usize = 12;
/// Of who has a second factor.
pub(super) const MIN_PASSWORD_WITH_MFA: usize = 8;

/// Checks a new password (NIST SP 800-63B-4, 3.1.1.2: length, no composition rules, not the obvious, compared as a whole
/// with those that are tried first).
///
/// # Errors
/// 422 at `pointer`.
pub fn parse_password(password: &str, pointer: &str, names: &[&str]) -> Result<Zeroizing<String>> {
    parse_password_of(password, pointer, names, MIN_PASSWORD)
}

/// The same for a password of at least `least` characters: beside a second factor 8 are enough.
pub(super) fn parse_password_of(
    password: &str,
    pointer: &str,
    names: &[&str],
    least: usize,
) -> Result<Zeroizing<String>> {
    let invalid = |detail: &str| Err(Problem::invalid(pointer, detail).into());
    if password.chars().count() < least {
        let detail = format!("must be at least {least} characters; a few words you can remember are best");
        return Err(Problem::invalid(pointer, detail).into());
    }
    if password.len() > MAX_PASSWORD {
        return invalid("must be at most 512 bytes");
    }
    let lower = Zeroizing::new(password.to_lowercase());
    if common_passwords::contain(&lower) {
        return invalid(
            "is one of those that are tried first: a common or stolen one, perhaps with digits or a mark added; a few words that only you would put together are best",
        );
    }
    let mut distinct: Vec<char> = lower.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 4 {
        return invalid("repeats too few characters");
    }
    if names
        .iter()
        .any(|name| name.len() >= 4 && lower.trim_matches(|c: char| !c.is_alphabetic()) == name.to_lowercase())
    {
        return invalid("must not be your name or address");
    }
    Ok(Zeroizing::new(password.to_owned()))
}

/// A person's display name.
///
/// # Errors
/// 422 at `pointer` when empty, longer than 200 characters or with characters that do not show.
pub fn parse_name(text: &str, pointer: &str) -> Result<String> {
    text::line(text, pointer, 200).map(str::to_owned)
}

/// Somebody who is about to be known.
#[derive(Debug)]
pub struct NewPerson {
    /// Their login name.
    pub username: Username,
    /// Their address.
    pub email: Email,
    /// What they are called.
    pub full_name: String,
    /// The hash of their password, a PHC string.
    pub password_hash: Arc<str>,
    /// Whether somebody else chose the password: then it opens nothing but its own change (ASVS 6.4.1).
    pub must_change: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["a@b", "first.last+tag@example.co.uk", "ü@exämple.de"] {
            assert!(Email::parse(good, "/email").is_ok(), "{good}");
        }
        for bad in ["", "a", "@b", "a@", "a@b..c", "a b@c", "a@b@c", "a\u{7}@b", "<a@b>", "a@.b"] {
            assert!(Email::parse(bad, "/email").is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords() {
        assert!(parse_password("correct horse battery", "/password", &[]).is_ok());
        for bad in ["short", "aaaaaaaaaaaaaaaa", "abababababab"] {
            assert!(parse_password(bad, "/password", &[]).is_err(), "{bad}");
        }
        for bad in ["unbelievable", "UnBelievable", "1QAZ2wsx3edc"] {
            let error = parse_password(bad, "/password", &[]).unwrap_err();
            assert!(format!("{error:?}").contains("common"), "{bad}: {error:?}");
        }
        assert!(parse_password("alexanderthegreat1", "/password", &["alexanderthegreat"]).is_err());
    }
}
