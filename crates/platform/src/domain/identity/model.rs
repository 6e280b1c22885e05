use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tenure_kernel::{Personal, Problem, Resource, Result, SessionId, TenantId, Timestamp, UserId, text};
use utoipa::ToSchema;

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
}
