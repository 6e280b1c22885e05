//! What of an event enters the log: its leaf bytes.
//!
//! Version 1 is fixed for ever and pinned by `testdata/leaf-v1.json`. Every member is always present, `null` where the
//! event has no value, so that any JSON tool can rebuild the bytes from the stored columns:
//!
//! | member | form |
//! | --- | --- |
//! | `schema_version` | 1 |
//! | `id`, `tenant` | UUID, lowercase with hyphens |
//! | `time_us` | microseconds since 1970-01-01T00:00:00Z |
//! | `actor` | `{key, principal, session}` |
//! | `on_behalf_of`, `reason`, `request_id`, `trace_id`, `region`, `policy_version` | text |
//! | `action` | `resource.verb` |
//! | `resource` | `{id, type}` |
//! | `outcome` | `success`, `failure` or `denied` |
//! | `diff` | JSON, an array of [`PatchOp`] by convention |
//! | `address`, `user_agent` | hex of SHA-256 over a 128-bit salt and the value, see [`Salted`] |
//!
//! The whole is one object in RFC 8785 form; integers beyond ±(2⁵³ − 1) are strings (see [`crate::canonical`]). The event's
//! sequence is not in the leaf: it is the leaf's index in the tree.

use std::fmt;

use aws_lc_rs::rand;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    hash::{Hash, parse_hex, write_hex},
    jcs::{self, CanonicalError, ObjectWriter},
};

/// The schema that leaf bytes are made under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeafVersion {
    /// The form of the first release.
    #[default]
    V1,
}

/// A schema version that this build does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("leaf schema version {0} is unknown: verify with a newer release")]
pub struct UnknownLeafVersion(pub i16);

impl From<LeafVersion> for i16 {
    fn from(version: LeafVersion) -> Self {
        match version {
            LeafVersion::V1 => 1,
        }
    }
}

impl TryFrom<i16> for LeafVersion {
    type Error = UnknownLeafVersion;

    fn try_from(version: i16) -> Result<Self, UnknownLeafVersion> {
        match version {
            1 => Ok(Self::V1),
            unknown => Err(UnknownLeafVersion(unknown)),
        }
    }
}

/// How the action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was allowed and failed.
    Failure,
    /// It was refused.
    Denied,
}

impl Outcome {
    /// The outcome's name, as in the leaf.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

/// Who acted: ids as the API prints them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actor<'a> {
    /// The API key used, if any.
    pub key: Option<&'a str>,
    /// The user, service account or system that acted; none for an unknown caller.
    pub principal: Option<&'a str>,
    /// The session it acted in, if any.
    pub session: Option<&'a str>,
}

/// What was acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource<'a> {
    /// Its id as the API prints it; none for a collection or for what was never created.
    pub id: Option<&'a str>,
    /// Its type, such as `workflow`.
    pub kind: &'a str,
}

/// An event as it enters the log. [`leaf_bytes`](Self::leaf_bytes) of the stored columns must give the same bytes for ever.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeafInput<'a> {
    /// The schema these bytes are made under, stored with the event.
    pub schema_version: LeafVersion,
    /// The event's id (UUIDv7).
    pub id: Uuid,
    /// The tenant; none on the platform's own stream.
    pub tenant: Option<Uuid>,
    /// When, in microseconds since the Unix epoch, UTC.
    pub time_us: i64,
    /// Who.
    pub actor: Actor<'a>,
    /// For whom the actor acted, if not for itself.
    pub on_behalf_of: Option<&'a str>,
    /// What, as `resource.verb`.
    pub action: &'a str,
    /// On what.
    pub resource: Resource<'a>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was refused or failed, or what the actor gave as its reason.
    pub reason: Option<&'a str>,
    /// The HTTP request's id.
    pub request_id: Option<&'a str>,
    /// The trace's id.
    pub trace_id: Option<&'a str>,
    /// The region that wrote the event.
    pub region: Option<&'a str>,
    /// The policy version that was in force.
    pub policy_version: Option<&'a str>,
    /// Before and after, by convention an array of [`PatchOp`], with personal values already salted.
    pub diff: Option<&'a Value>,
    /// The caller's network address.
    pub address: Option<Salted>,
    /// The caller's user agent.
    pub user_agent: Option<Salted>,
}

impl LeafInput<'_> {
    /// The event's leaf bytes.
    ///
    /// # Errors
    /// If the diff holds a number that is not finite.
    pub fn leaf_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        match self.schema_version {
            LeafVersion::V1 => self.v1(),
        }
    }

    /// The members are in canonical order already.
    fn v1(&self) -> Result<Vec<u8>, CanonicalError> {
        let mut out = Vec::with_capacity(1024);
        let mut leaf = ObjectWriter::new(&mut out);
        leaf.text("action", Some(self.action));
        let mut actor = ObjectWriter::new(leaf.member("actor"));
        actor.text("key", self.actor.key);
        actor.text("principal", self.actor.principal);
        actor.text("session", self.actor.session);
        actor.end();
        leaf.text("address", self.address.map(|salted| salted.to_string()).as_deref());
        jcs::write_value(leaf.member("diff"), self.diff.unwrap_or(&Value::Null))?;
        leaf.text("id", Some(&self.id.to_string()));
        leaf.text("on_behalf_of", self.on_behalf_of);
        leaf.text("outcome", Some(self.outcome.as_str()));
        leaf.text("policy_version", self.policy_version);
        leaf.text("reason", self.reason);
        leaf.text("region", self.region);
        leaf.text("request_id", self.request_id);
        let mut resource = ObjectWriter::new(leaf.member("resource"));
        resource.text("id", self.resource.id);
        resource.text("type", Some(self.resource.kind));
        resource.end();
        jcs::write_i64(leaf.member("schema_version"), i16::from(self.schema_version).into());
        leaf.text("tenant", self.tenant.map(|tenant| tenant.to_string()).as_deref());
        jcs::write_i64(leaf.member("time_us"), self.time_us);
        leaf.text("trace_id", self.trace_id);
        leaf.text("user_agent", self.user_agent.map(|salted| salted.to_string()).as_deref());
        leaf.end();
        Ok(out)
    }
}

/// A 128-bit random value, stored beside a personal value under the same key, so that its hash cannot be guessed at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; Salt::LEN]);

/// The system gave no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random generator failed")]
pub struct RandomFailed;

impl Salt {
    /// Bytes in a salt.
    pub const LEN: usize = 16;

    /// A new salt.
    ///
    /// # Errors
    /// If the system's random generator fails.
    pub fn random() -> Result<Self, RandomFailed> {
        let mut bytes = [0; Self::LEN];
        rand::fill(&mut bytes).map_err(|_| RandomFailed)?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Salt {
    /// A salt is as personal as the value it hides.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(redacted)")
    }
}

/// A personal value as it enters the log: SHA-256 over a 128-bit salt and the value's bytes, in lowercase hex.
///
/// Salt and value are stored beside the event, sealed under the person's key; this hash stays when they are erased.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salted(pub [u8; Hash::LEN]);

impl Salted {
    /// Salts the bytes of a text.
    #[must_use]
    pub fn text(salt: &Salt, value: &str) -> Self {
        Self(Hash::of(&[&salt.0, value.as_bytes()]).0)
    }

    /// Salts the canonical bytes of a JSON value (a diff's value).
    ///
    /// # Errors
    /// If the value holds a number that is not finite.
    pub fn json(salt: &Salt, value: &Value) -> Result<Self, CanonicalError> {
        Ok(Self(Hash::of(&[&salt.0, &jcs::canonical(value)?]).0))
    }
}

impl fmt::Display for Salted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Salted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl Serialize for Salted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Salted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_hex(&text).map(Self).ok_or_else(|| serde::de::Error::custom("expected 64 lowercase hex digits"))
    }
}

/// One operation of a diff: RFC 6902, where `test` gives the value before, `add` and `replace` the one after.
///
/// A value that may not be shown is named instead of written: `value_sha256` for a personal one, `redacted` for a sealed one.
/// They are members of the operation, not of the value, so that no value of a tenant's can pass for one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchOp {
    /// The kind of operation.
    pub op: PatchVerb,
    /// Where: a JSON pointer (RFC 6901) into the resource.
    pub path: String,
    /// The value.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub value: Option<Value>,
    /// The salted hash of a personal value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_sha256: Option<Salted>,
    /// Whether the value is secret: that it changed is all that is told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
}

/// The operations of RFC 6902 that a diff uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchVerb {
    /// The member is new.
    Add,
    /// The member is gone.
    Remove,
    /// The member has another value now.
    Replace,
    /// The value before.
    Test,
}

/// How much of a value a diff may show.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// All of it.
    Clear(Value),
    /// Its salted hash: it is personal.
    Personal(Salted),
    /// Nothing: it is secret.
    Secret,
}

impl PatchOp {
    /// An operation that carries a value (`add`, `replace`, `test`).
    #[must_use]
    pub fn new(op: PatchVerb, path: impl Into<String>, shown: Shown) -> Self {
        let (value, value_sha256, redacted) = match shown {
            Shown::Clear(value) => (Some(value), None, false),
            Shown::Personal(salted) => (None, Some(salted), false),
            Shown::Secret => (None, None, true),
        };
        Self { op, path: path.into(), value, value_sha256, redacted }
    }

    /// `remove`, which carries none.
    #[must_use]
    pub fn remove(path: impl Into<String>) -> Self {
        Self { op: PatchVerb::Remove, path: path.into(), value: None, value_sha256: None, redacted: false }
    }
}

/// Keeps `"value": null` apart from no value.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
