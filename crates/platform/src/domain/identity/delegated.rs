//! Delegated tokens: what was cut out of a login, an API key or another such token (RFC 8693), as a signed JWT.
//!
//! It holds no power of its own. Whoever shows one may do what its root may do at that moment, cut down to what stands in it.
//! Stored is that it is out (`delegated_store.rs`), so that it can be revoked alone; never what it could be shown with.

use serde::{Deserialize, Serialize};
use tenure_kernel::context::{ActingAccount, DelegatedBy, Delegation, MAX_ACTORS};
use tenure_kernel::{
    Actor, KeyId, PermissionSet, Principal, ServiceAccountId, SessionId, TenantId, Timestamp, TokenId, UserId,
    WorkflowId,
};

use super::token::is_good_at;

/// `typ` of such a token: whoever takes access tokens alone takes none of these.
pub const TYPE: &str = "delegated+jwt";
/// `aud` of every delegated token.
pub const AUDIENCE: &str = "tenure:delegated";
/// How many exchanges may lie between a token and its root.
pub const MAX_DEPTH: u8 = 4;

/// What a delegated token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedClaims {
    /// Who made it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// As whom it acts.
    pub sub: Subject,
    /// The tenant.
    pub tid: TenantId,
    /// The login it comes from; this or `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// The API key it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// The permissions it is cut down to, with spaces between (RFC 8693, 4.2).
    pub scope: String,
    /// Who acts for `sub` (RFC 8693, 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
    /// The one workflow it is cut down to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowId>,
    /// How many exchanges lie between it and its root, from 1.
    pub depth: u8,
    /// This token.
    pub jti: TokenId,
    /// Made at, in seconds.
    pub iat: i64,
    /// Good until, in seconds.
    pub exp: i64,
}

/// As whom a token acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Subject {
    /// A person.
    User(UserId),
    /// A service account.
    ServiceAccount(ServiceAccountId),
}

impl From<Subject> for Principal {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::User(id) => Self::User(id),
            Subject::ServiceAccount(id) => Self::ServiceAccount(id),
        }
    }
}

/// A service account that acts, and whoever handed on to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Which.
    pub sub: ServiceAccountId,
    /// By which of its keys.
    pub key: KeyId,
    /// Who acted before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Self>>,
}

impl DelegatedClaims {
    /// Whether the token has begun and has not ended.
    #[must_use]
    pub fn are_good_at(&self, now: Timestamp) -> bool {
        is_good_at(now, self.iat, self.exp)
    }

    /// What it is cut down to. What an older node does not know is not in it.
    #[must_use]
    pub fn permissions(&self) -> PermissionSet {
        PermissionSet::from_patterns(self.scope.split(' '))
    }

    /// Who acts for the subject, the one that acts now first.
    pub fn actors(&self) -> impl Iterator<Item = ActingAccount> {
        let first = self.act.as_ref();
        std::iter::successors(first, |act| act.act.as_deref())
            .map(|act| ActingAccount { account: act.sub, key: act.key })
    }

    /// Who acts: the latest actor on behalf of the person, or the subject itself. Nothing if more stand between than may.
    #[must_use]
    pub fn actor(&self) -> Option<Actor> {
        let mut actors = [None; MAX_ACTORS];
        for (place, acting) in self.actors().enumerate() {
            *actors.get_mut(place)? = Some(acting);
        }
        let by = DelegatedBy::Token(self.jti.uuid());
        let delegation = Delegation { by, session: self.sid, key: self.key, actors };
        let (principal, on_behalf_of) = match (actors.first().copied().flatten(), self.sub) {
            (None, subject) => (subject.into(), None),
            (Some(acting), Subject::User(person)) => (Principal::ServiceAccount(acting.account), Some(person)),
            // Nobody acts for a service account: it has no person who could answer for it.
            (Some(_), Subject::ServiceAccount(_)) => return None,
        };
        Some(Actor { principal, session: None, key: None, on_behalf_of, delegation: Some(delegation) })
    }
}
