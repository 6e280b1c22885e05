use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tenure_kernel::text;
use tenure_kernel::{
    Code, Error, KeyId, PermissionSet, Personal, Problem, Resource, Result, ServiceAccountId, Timestamp, UserId,
};
use utoipa::ToSchema;

use crate::domain::rate_limits::RateLimit;
use crate::domain::roles;

const MOST_NETWORKS: usize = 50;

/// What is known of an API key; never the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    /// Identifier; it stands in the key too, unless that is imported.
    pub id: KeyId,
    /// What it is for.
    pub name: String,
    /// For whom it acts.
    pub owner: KeyOwner,
    /// What the owner is called.
    pub owner_name: Personal<String>,
    /// Which environment it is meant for.
    pub environment: Environment,
    /// Whether another system made it: its text has neither our beginning nor its identifier in it, and is found by its SHA-256. By
    /// rotation it becomes one of ours.
    #[serde(default)]
    pub imported: bool,
    /// Whether it has ended.
    pub state: KeyState,
    /// Why it is refused although it has not ended; null where nothing stands in its way.
    #[serde(default)]
    pub blocked: Option<KeyBlock>,
    /// Whether the login that made it had proven a second factor.
    #[serde(default)]
    pub second_factor: bool,
    /// The permissions it is cut down to: it may do what its owner may do at that moment and what stands here.
    pub scopes: Vec<String>,
    /// The networks it may be used from; from anywhere, if there are none.
    pub allowed_cidrs: Vec<String>,
    /// How many requests it may make.
    pub rate_limit: RateLimit,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it ends because another took its place.
    pub retires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The key whose place it took.
    pub rotated_from: Option<KeyId>,
    /// Who made it; null where no person did.
    pub created_by: Option<UserId>,
    /// Who answers for what a service account starts with it: who made it, or who took over from them when they left. Null for a
    /// person's, who answers themselves.
    #[serde(default)]
    pub answerable: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was last used, a few seconds late.
    pub last_used_at: Option<Timestamp>,
    /// From where it was last used.
    pub last_used_address: Option<Personal<String>>,
}

impl Resource for ApiKey {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

impl ApiKey {
    /// What it is cut down to.
    pub(super) fn scope(&self) -> PermissionSet {
        PermissionSet::from_patterns(self.scopes.iter().map(String::as_str))
    }
}

/// For whom a key acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum KeyOwner {
    /// A person.
    User {
        /// Who.
        id: UserId,
    },
    /// A service account.
    ServiceAccount {
        /// Which.
        id: ServiceAccountId,
    },
}

/// Which environment a key is meant for; it stands in the key, so that nobody mistakes one for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Where things are built.
    #[default]
    Dev,
    /// Where they are tried.
    Test,
    /// Where they count.
    Prod,
}

impl Environment {
    /// As it stands in keys and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Test => "test",
            Self::Prod => "prod",
        }
    }

    /// From what stands there.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Dev, Self::Test, Self::Prod].into_iter().find(|environment| environment.as_str() == text)
    }
}

/// Whether a key works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It does.
    Active,
    /// Until `retires_at`: another took its place.
    Retiring,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

/// Why a key of a person is refused although it has not ended. A second factor that is set up is asked for on every way in: also
/// on that of a key, by what the login had proven that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyBlock {
    /// Its owner has a second factor, and the login that made it had proven none.
    MadeWithoutSecondFactor,
    /// The organisation asks for a second factor, and its owner has none.
    OwnerWithoutSecondFactor,
}

impl KeyBlock {
    /// From what `key_block` says.
    pub(super) fn parse(text: &str) -> Result<Self> {
        match text {
            "made_without_second_factor" => Ok(Self::MadeWithoutSecondFactor),
            "owner_without_second_factor" => Ok(Self::OwnerWithoutSecondFactor),
            _ => Err(Error::internal("a key that is blocked for an unknown reason")),
        }
    }

    /// 403 for who holds the key: what is to be done about it.
    pub(super) fn problem(self) -> Problem {
        let detail = match self {
            Self::MadeWithoutSecondFactor => {
                "the owner of this API key has a second factor, and it was made by a login that had proven none: log in with the second factor and rotate it, or make another"
            }
            Self::OwnerWithoutSecondFactor => {
                "your organisation asks for a second factor, and the owner of this API key has none: set one up under /api/v1/auth/mfa, then rotate the key or make another"
            }
        };
        Problem::new(Code::KeyBlocked, detail).with("blocked", serde_json::json!(self))
    }
}

/// When a key ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) expires: Option<Timestamp>,
    pub(super) retires: Option<Timestamp>,
    pub(super) revoked: Option<Timestamp>,
}

impl Ends {
    /// When it ends by the clock.
    pub(super) fn at(self) -> Option<Timestamp> {
        [self.expires, self.retires].into_iter().flatten().min()
    }

    /// Where it stands at this moment.
    pub(super) fn state(self, now: Timestamp) -> KeyState {
        if self.revoked.is_some() {
            KeyState::Revoked
        } else if self.at().is_some_and(|end| end <= now) {
            KeyState::Expired
        } else if self.retires.is_some() {
            KeyState::Retiring
        } else {
            KeyState::Active
        }
    }
}

/// 1 to 100 characters on one line, trimmed.
///
/// # Errors
/// 422 at `/name`.
pub fn parse_name(text: &str) -> Result<String> {
    text::line(text, "/name", 100).map(str::to_owned)
}

/// The permissions that a list of names and wildcards means now. What a later release adds to a wildcard is not in it.
///
/// # Errors
/// 422 below `/scopes` at what stands for nothing, and for none.
pub fn parse_scopes(patterns: &[String]) -> Result<PermissionSet> {
    if patterns.is_empty() {
        return Err(Problem::invalid("/scopes", "must name at least one permission").into());
    }
    Ok(roles::parse_permissions(patterns, "/scopes")?.of_today())
}

/// Networks in CIDR notation, or single addresses, in their shortest form and each once.
///
/// # Errors
/// 422 below `/allowed_cidrs` at what is none, and for too many.
pub fn parse_networks(texts: &[String]) -> Result<Vec<String>> {
    if texts.len() > MOST_NETWORKS {
        let detail = format!("must be at most {MOST_NETWORKS} networks");
        return Err(Problem::invalid("/allowed_cidrs", detail).into());
    }
    let mut networks = BTreeSet::new();
    for (place, text) in texts.iter().enumerate() {
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        let network = network.ok_or_else(|| {
            Problem::invalid(format!("/allowed_cidrs/{place}"), "must be a network, like 192.0.2.0/24 or 2001:db8::/32")
        })?;
        networks.insert(network.trunc());
    }
    Ok(networks.into_iter().map(|network| network.to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_brought_into_one_form() {
        let parse = |texts: &[&str]| parse_networks(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            parse(&["192.0.2.77/24", "192.0.2.0/24", "2001:db8::1", "10.0.0.1"]).unwrap(),
            ["10.0.0.1/32", "192.0.2.0/24", "2001:db8::1/128"]
        );
        for wrong in ["", "10.0.0.0/33", "10.0.0", "::/129", "example.com", "10.0.0.1/"] {
            assert!(parse(&["10.0.0.0/8", wrong]).is_err(), "{wrong}");
        }
        assert!(parse(&["10.0.0.0/8"; MOST_NETWORKS + 1]).is_err());
    }

    #[test]
    fn a_key_ends_at_the_first_of_its_ends() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let ends = |expires: Option<i64>, retires: Option<i64>| Ends {
            expires: expires.map(at),
            retires: retires.map(at),
            revoked: None,
        };
        assert_eq!(ends(None, None).state(at(9)), KeyState::Active);
        assert_eq!(ends(Some(10), None).state(at(9)), KeyState::Active);
        assert_eq!(ends(Some(10), None).state(at(10)), KeyState::Expired);
        assert_eq!(ends(Some(20), Some(10)).state(at(9)), KeyState::Retiring);
        assert_eq!(ends(Some(20), Some(10)).state(at(10)), KeyState::Expired);
        assert_eq!(Ends { revoked: Some(at(1)), ..ends(None, None) }.state(at(0)), KeyState::Revoked);
    }
}
