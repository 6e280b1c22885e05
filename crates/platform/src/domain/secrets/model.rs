use std::fmt;

use serde::{Deserialize, Serialize};
use tenure_kernel::{
    KeyId, Personal, Problem, Resource, Result, SecretId, TeamId, Timestamp, UserId, WorkflowId, text,
};
use tenure_seal::SecretString;
use utoipa::ToSchema;

/// What is known of a secret; never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Secret {
    /// Identifier.
    pub id: SecretId,
    /// Unique in the organisation; workflows write `secrets.<name>`.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// How many values it has had, this one included.
    pub version: u32,
    /// The team whose members alone see it, and whose workflows alone can use it; everybody's where absent.
    pub team_id: Option<TeamId>,
    /// The workflows that may use it, as far as you see them.
    pub grants: Vec<Grant>,
    /// The key that the value is sealed under.
    pub key_id: KeyId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its value or description was last set.
    pub updated_at: Timestamp,
    /// Who set it last; null where they are no longer a member, or no person did.
    pub updated_by: Option<Editor>,
}

impl Resource for Secret {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

/// A workflow that may use a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// The workflow.
    pub id: WorkflowId,
}

/// Who set a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Editor {
    /// The person.
    pub id: UserId,
    /// Their user name.
    pub name: Personal<String>,
}

/// A lower-case letter, then up to 62 lower-case letters, digits and `_`: an identifier in every expression language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName(String);

impl SecretName {
    /// # Errors
    /// 422 at `#path/name`.
    pub fn parse(text: &str) -> Result<Self> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if text.len() > 63 || !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(fine) {
            let rule = "must be a lower-case letter followed by at most 62 lower-case letters, digits or underscores";
            return Err(Problem::invalid("#path/name", rule).into());
        }
        Ok(Self(text.to_owned()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A secret's value: 4 characters to 64 KiB of text without NUL. Zeroed when dropped, redacted when printed, not
/// serialisable.
pub struct SecretValue(SecretString);

impl SecretValue {
    /// The shortest that can be told from ordinary text, and so be kept out of answers and logs: outbound calls refuse
    /// to carry a shorter one (`tenure_egress::MIN_SECRET_BYTES`, as many in bytes).
    pub const MIN_CHARACTERS: usize = 4;
    /// 64 KiB.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// # Errors
    /// 422 at `/value`, without a word of the value.
    pub fn parse(value: SecretString) -> Result<Self> {
        let text = value.expose();
        if text.chars().count() < Self::MIN_CHARACTERS || text.len() > Self::MAX_BYTES {
            let rule = format!(
                "must be at least {} characters and at most {} bytes long",
                Self::MIN_CHARACTERS,
                Self::MAX_BYTES
            );
            return Err(Problem::invalid("/value", rule).into());
        }
        if value.expose().contains('\0') {
            return Err(Problem::invalid("/value", "must not contain NUL").into());
        }
        Ok(Self(value))
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(redacted)")
    }
}

/// What a secret is for: at most 500 characters on any number of lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecretDescription(pub(super) String);

impl SecretDescription {
    /// # Errors
    /// 422 at `/description`.
    pub fn parse(text: &str) -> Result<Self> {
        text::prose(text, "/description", 500).map(|text| Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers() {
        for name in ["a", "api_token", "k8s", &"x".repeat(63)] {
            assert_eq!(SecretName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "1a", "_a", "A", "a-b", "a.b", "ä", "a b", "a\n", &"x".repeat(64)] {
            assert!(SecretName::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn values_have_their_bounds_and_never_show() {
        let parse = |text: String| SecretValue::parse(SecretString::from(text));
        for fine in ["abcd".to_owned(), "é".repeat(4), "x".repeat(64 * 1024)] {
            assert_eq!(format!("{:?}", parse(fine).unwrap()), "SecretValue(redacted)");
        }
        for bad in ["abc".to_owned(), "é".repeat(3), String::new(), "x".repeat(64 * 1024 + 1), "abc\0def".to_owned()] {
            let problem = parse(bad).unwrap_err().problem();
            assert_eq!(problem.errors[0].pointer, "/value");
        }
    }
}
