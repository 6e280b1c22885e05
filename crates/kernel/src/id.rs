//! Identifiers: UUIDv7 (RFC 9562) behind a readable prefix, written as a TypeID (`team_01j9…`).
//!
//! The text form is the TypeID specification 0.3: prefix, `_`, and the 128 bits in Crockford's base32 (26 characters,
//! most significant first). In PostgreSQL they are plain `uuid`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type as JsonType};
use uuid::Uuid;

use crate::clock::Timestamp;

/// What an identifier names; its prefix tells it apart in a log line.
pub trait Kind: 'static {
    /// Lower-case letters, at most 8.
    const PREFIX: &'static str;
    /// Name of the identifier's type, as the API's description has it: `TeamId`.
    const NAME: &'static str;
}

/// An identifier of one kind: a [`TeamId`] does not pass where a [`UserId`] is wanted.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

macro_rules! ids {
    ($($(#[$doc:meta])* $kind:ident $alias:ident = $prefix:literal;)*) => {
        /// The kinds of identifiers; uninhabited, they only stand in types.
        pub mod kind {
            $($(#[$doc])* #[derive(Debug)] pub enum $kind {} impl super::Kind for $kind {
                const PREFIX: &'static str = $prefix;
                const NAME: &'static str = stringify!($alias);
            })*
        }
        $($(#[$doc])* pub type $alias = Id<kind::$kind>;)*
        /// Every prefix in use, for the documentation and for a test that no two are the same.
        pub const PREFIXES: &[&str] = &[$($prefix),*];
    };
}

ids! {
    /// A tenant (organisation).
    Tenant TenantId = "ten";
    /// A person.
    User UserId = "usr";
    /// A member of a tenant that is no person.
    ServiceAccount ServiceAccountId = "svc";
    /// A group inside a tenant.
    Team TeamId = "team";
    /// A message by mail.
    Mail MailId = "mail";
    /// An invitation by mail.
    Invitation InvitationId = "inv";
    /// A login of a person.
    Session SessionId = "ses";
    /// A delegated token.
    Token TokenId = "tok";
    /// A person's passkey.
    Passkey PasskeyId = "psk";
    /// A device that a person trusts.
    Device DeviceId = "dev";
    /// An audit event.
    Event EventId = "evt";
    /// A workflow.
    Workflow WorkflowId = "wf";
    /// One run of a workflow.
    Execution ExecutionId = "exe";
    /// A request for a person's approval.
    Approval ApprovalId = "apr";
    /// A plugin.
    Plugin PluginId = "plg";
    /// A tenant's secret.
    Secret SecretId = "sec";
    /// A logged decision of the policy engine.
    Decision DecisionId = "dec";
    /// An import of people.
    Import ImportId = "imp";
    /// A key: of a tenant, or for signing.
    Key KeyId = "key";
}

impl<K> Id<K> {
    /// A new identifier that sorts by `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let micros = u64::try_from(now.as_micros()).unwrap_or(0);
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        let nanos = u32::try_from(rest * 1_000).unwrap_or(0);
        Self::from_uuid(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos)))
    }

    /// A new identifier that tells nothing, not even when it was made (`UUIDv4`): for what others may see the
    /// identifier of and may not learn the age of.
    #[must_use]
    pub fn random() -> Self {
        Self::from_uuid(Uuid::new_v4())
    }

    /// The identifier that has these bits.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// Its bits.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// Crockford's base32, lower case, as TypeID fixes it.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LEN: usize = 26;

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.as_u128();
        f.write_str(K::PREFIX)?;
        f.write_str("_")?;
        for place in (0..SUFFIX_LEN).rev() {
            let digit = usize::try_from((bits >> (5 * place)) & 31).unwrap_or(0);
            let letter = ALPHABET.get(digit).copied().unwrap_or(b'0');
            fmt::Write::write_char(f, char::from(letter))?;
        }
        Ok(())
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of the form {prefix}_ followed by 26 characters of base32")]
pub struct IdError {
    prefix: &'static str,
}

impl<K: Kind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { prefix: K::PREFIX };
        let suffix = text.strip_prefix(K::PREFIX).and_then(|rest| rest.strip_prefix('_')).ok_or(error.clone())?;
        // 26 digits of 5 bits are 130: the first may only use three of its bits.
        if suffix.len() != SUFFIX_LEN || suffix.as_bytes().first().is_none_or(|first| *first > b'7') {
            return Err(error);
        }
        let mut bits: u128 = 0;
        for byte in suffix.bytes() {
            let digit = ALPHABET.iter().position(|letter| *letter == byte).ok_or(error.clone())?;
            bits = (bits << 5) | digit as u128;
        }
        Ok(Self::from_uuid(Uuid::from_u128(bits)))
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<K: Kind> utoipa::PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(JsonType::String))
            .pattern(Some(format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", K::PREFIX)))
            .examples([serde_json::json!(Self::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000)))])
            .into()
    }
}
impl<K: Kind> utoipa::ToSchema for Id<K> {
    fn name() -> std::borrow::Cow<'static, str> {
        K::NAME.into()
    }
}

impl<K> Type<Postgres> for Id<K> {
    fn type_info() -> PgTypeInfo {
        <Uuid as Type<Postgres>>::type_info()
    }
}

impl<K> sqlx::postgres::PgHasArrayType for Id<K> {
    fn array_type_info() -> PgTypeInfo {
        <Uuid as sqlx::postgres::PgHasArrayType>::array_type_info()
    }
}

impl<K> Encode<'_, Postgres> for Id<K> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode_by_ref(&self.0, buffer)
    }
}

impl<K> Decode<'_, Postgres> for Id<K> {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        <Uuid as Decode<Postgres>>::decode(value).map(Self::from_uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the TypeID specification's `valid.json`.
    #[test]
    fn typeid_vectors() {
        for (uuid, suffix) in [
            ("00000000-0000-0000-0000-000000000000", "00000000000000000000000000"),
            ("00000000-0000-0000-0000-000000000020", "00000000000000000000000010"),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", "7zzzzzzzzzzzzzzzzzzzzzzzzz"),
            ("0110c853-1d09-52d8-d73e-1194e95b5f19", "0123456789abcdefghjkmnpqrs"),
        ] {
            let id = TeamId::from_uuid(uuid.parse().unwrap());
            assert_eq!(id.to_string(), format!("team_{suffix}"));
            assert_eq!(format!("team_{suffix}").parse::<TeamId>().unwrap(), id);
        }
    }

    #[test]
    fn what_is_no_identifier_is_refused() {
        for text in [
            "",
            "team",
            "team_",
            "usr_00000000000000000000000000",
            "team_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "team_0000000000000000000000000u",
            "team_000000000000000000000000000",
            "team_0000000000000000000000000A",
            "team_é0000000000000000000000000",
        ] {
            assert!(text.parse::<TeamId>().is_err(), "{text}");
        }
    }

    #[test]
    fn prefixes_are_distinct() {
        let mut seen = PREFIXES.to_vec();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), PREFIXES.len());
    }

    #[test]
    fn later_identifiers_sort_later() {
        let first = UserId::new(Timestamp::from_micros(1_700_000_000_000_000));
        let second = UserId::new(Timestamp::from_micros(1_700_000_001_000_000));
        assert!(first < second);
    }
}
