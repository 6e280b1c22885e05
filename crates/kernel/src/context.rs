//! Who acts, for which tenant, from where: what every transaction and every event carries.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::id::{ExecutionId, KeyId, ServiceAccountId, SessionId, TeamId, TenantId, UserId, WorkflowId};
use crate::limits::OwnRates;
use crate::permission::PermissionSet;

/// The one that acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Principal {
    /// A person.
    User(UserId),
    /// A member that is no person.
    ServiceAccount(ServiceAccountId),
    /// Tenure itself, in one of its roles (`engine`, `sealer` …).
    System(SystemPart),
    /// Somebody who did not prove who they are.
    Anonymous,
}

/// The parts of Tenure that act on their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SystemPart {
    /// Logins, registration, sessions.
    Identity,
    /// Runs executions.
    Engine,
    /// Seals events into the log.
    Sealer,
    /// The operator's command line.
    Operator,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => fmt::Display::fmt(id, f),
            Self::ServiceAccount(id) => fmt::Display::fmt(id, f),
            Self::System(SystemPart::Identity) => f.write_str("system:identity"),
            Self::System(SystemPart::Engine) => f.write_str("system:engine"),
            Self::System(SystemPart::Sealer) => f.write_str("system:sealer"),
            Self::System(SystemPart::Operator) => f.write_str("system:operator"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

/// The principal with the credential it came with and for whom it acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Who.
    pub principal: Principal,
    /// By which login.
    pub session: Option<SessionId>,
    /// By which API key.
    pub key: Option<KeyId>,
    /// For which person, where it acts for another.
    pub on_behalf_of: Option<UserId>,
    /// By what was handed on to it, where it holds no login or key of its own for this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Delegation>,
}

/// How many may stand between a person and the one that acts for them.
pub const MAX_ACTORS: usize = 3;

/// What an actor acts by that was cut out of somebody's login or key: then it has neither itself, so that nothing which asks
/// for one takes what was cut down for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// What was handed on.
    pub by: DelegatedBy,
    /// The login it comes from.
    pub session: Option<SessionId>,
    /// The API key it comes from.
    pub key: Option<KeyId>,
    /// The service accounts that act for the person, the one that acts now first (RFC 8693, 4.1).
    pub actors: [Option<ActingAccount>; MAX_ACTORS],
}

/// What was handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DelegatedBy {
    /// A token (its `jti`) that was exchanged for a login, a key or another such token.
    Token(Uuid),
    /// An execution: a step acts for whoever started it.
    Execution(ExecutionId),
}

/// A service account that acts for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActingAccount {
    /// Which.
    pub account: ServiceAccountId,
    /// By which of its keys.
    pub key: KeyId,
}

impl Delegation {
    /// The keys without which it is worth nothing.
    pub fn keys(&self) -> impl Iterator<Item = KeyId> {
        self.key.into_iter().chain(self.actors.into_iter().flatten().map(|acting| acting.key))
    }

    /// What the log says of it beside the actor: the token or the execution, and who else stands between.
    #[must_use]
    pub fn told(&self) -> serde_json::Value {
        let through: Vec<String> =
            self.actors.iter().flatten().skip(1).map(|acting| acting.account.to_string()).collect();
        let mut told = serde_json::Map::new();
        match self.by {
            DelegatedBy::Token(token) => told.insert("token".to_owned(), token.to_string().into()),
            DelegatedBy::Execution(execution) => told.insert("execution".to_owned(), execution.to_string().into()),
        };
        if !through.is_empty() {
            told.insert("through".to_owned(), through.into());
        }
        told.into()
    }
}

impl Actor {
    /// Whether all that it may do ends with this login.
    #[must_use]
    pub fn comes_from_session(&self, session: SessionId) -> bool {
        self.session == Some(session) || self.delegation.is_some_and(|by| by.session == Some(session))
    }

    /// Whether all that it may do ends with this API key.
    #[must_use]
    pub fn comes_from_key(&self, key: KeyId) -> bool {
        self.key == Some(key) || self.delegation.is_some_and(|by| by.keys().any(|known| known == key))
    }

    /// The API key that its requests are counted by: its own, or that of whoever acts.
    #[must_use]
    pub fn counted_key(&self) -> Option<KeyId> {
        let acting = |by: Delegation| by.actors.into_iter().flatten().map(|acting| acting.key).next().or(by.key);
        self.key.or_else(|| self.delegation.and_then(acting))
    }

    /// The person whose permissions these are, or who acts themselves.
    #[must_use]
    pub fn person(&self) -> Option<UserId> {
        self.on_behalf_of.or_else(|| self.user())
    }

    /// A part of Tenure itself.
    #[must_use]
    pub const fn system(part: SystemPart) -> Self {
        Self { principal: Principal::System(part), session: None, key: None, on_behalf_of: None, delegation: None }
    }

    /// Nobody known.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self { principal: Principal::Anonymous, session: None, key: None, on_behalf_of: None, delegation: None }
    }

    /// The service account, where it is one.
    #[must_use]
    pub const fn service_account(&self) -> Option<ServiceAccountId> {
        match self.principal {
            Principal::ServiceAccount(id) => Some(id),
            Principal::User(_) | Principal::System(_) | Principal::Anonymous => None,
        }
    }

    /// The person, where it is one.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        match self.principal {
            Principal::User(id) => Some(id),
            Principal::ServiceAccount(_) | Principal::System(_) | Principal::Anonymous => None,
        }
    }
}

/// Where a request came from; part of each of its events.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The peer's address; personal.
    pub address: Option<IpAddr>,
    /// What the peer calls itself; personal, cut to 256 bytes.
    pub user_agent: Option<Arc<str>>,
    /// This request.
    pub request: Option<Uuid>,
    /// The W3C trace it belongs to.
    pub trace: Option<Arc<str>>,
    /// The route's template (`/api/v1/teams/{id}`), for folding refusals.
    pub route: Option<Arc<str>>,
}

/// A way in which people prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// A password.
    Password,
    /// A code that changes every 30 seconds (RFC 6238).
    Totp,
    /// A passkey (`WebAuthn`).
    Passkey,
    /// One of the codes that each work once.
    RecoveryCode,
}

/// What a login has to do before it reaches anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owed {
    /// Choose a password: somebody else chose this one, or it is too short to stand without the second factor that is gone.
    NewPassword,
    /// Set up the second factor that the tenant asks for.
    SecondFactor,
}

/// How well a login has proven who its person is.
#[derive(Debug, Clone, Default)]
pub struct Assurance {
    /// When the person last proved a factor that is good for a step-up; never for what is no login.
    pub proven_at: Option<Timestamp>,
    /// Whether a second factor was proven.
    pub mfa: bool,
    /// What is to be done before it reaches anything else.
    pub owes: Option<Owed>,
    /// What a step-up of this person takes.
    pub factors: Vec<Factor>,
}

impl Assurance {
    /// Whether a factor was proven within the last [`PROVEN_FOR`].
    #[must_use]
    pub fn is_recent(&self, now: Timestamp) -> bool {
        self.proven_at.is_some_and(|at| now < at.after(PROVEN_FOR))
    }
}

/// So long after a factor was proven a sensitive route asks for no other.
pub const PROVEN_FOR: Duration = Duration::from_secs(5 * 60);

/// A verified caller: what a valid credential stands for at this moment. Shared by all requests of one token.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The tenant the credential is for.
    pub tenant: TenantId,
    /// Who, by which credential.
    pub actor: Actor,
    /// What they may do, already cut down by the credential's scope.
    pub permissions: PermissionSet,
    /// The teams whose private resources they see.
    pub teams: Arc<[TeamId]>,
    /// What they, their key and their tenant are limited to, where that is not what the installation says.
    pub rates: OwnRates,
    /// How well a login has proven whose it is; nothing of other credentials.
    pub assurance: Assurance,
    /// The one workflow, with its executions, that the credential is cut down to.
    pub workflow: Option<WorkflowId>,
}

/// What a unit of work in one tenant carries.
#[derive(Debug, Clone)]
pub struct Context {
    /// Who.
    pub identity: Arc<Identity>,
    /// From where.
    pub origin: Origin,
}

impl Context {
    /// The tenant all rows belong to.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.identity.tenant
    }

    /// Who acts.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.identity.actor
    }
}
