//! What a member may do, and why.

use serde::Serialize;
use tenure_kernel::context::Owed;
use tenure_kernel::{PermissionId, PermissionSet, UserId};
use utoipa::ToSchema;

use super::model::{Member, MemberStatus};
use crate::domain::identity::InTheWay;
use crate::domain::roles::Role;

/// What a member may do and why, permission by permission.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// Who.
    user: UserId,
    /// Where their membership stands: only an active one may do anything.
    status: MemberStatus,
    /// What each of their logins has to do first: until then it may do nothing.
    owes: Option<Owes>,
    /// Whether the platform has suspended them: then nothing of theirs works.
    suspended: bool,
    /// Every one there is, in the order of the catalogue.
    permissions: Vec<Explained>,
}

/// What a login has to do before it reaches anything else.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Owes {
    /// Choose a password of its person's own.
    NewPassword,
    /// Set up the second factor that the organisation asks for.
    SecondFactor,
}

impl From<Owed> for Owes {
    fn from(owed: Owed) -> Self {
        match owed {
            Owed::NewPassword => Self::NewPassword,
            Owed::SecondFactor => Self::SecondFactor,
        }
    }
}

/// One permission.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explained {
    /// `resource:action`.
    permission: &'static str,
    /// What its holder may do.
    description: &'static str,
    /// Whether they may.
    allowed: bool,
    /// What gives it to them; empty where nothing does.
    because: Vec<Reason>,
    /// The answer as a sentence.
    why: String,
}

/// What gives a permission.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A role of this name.
    Role(String),
    /// What stands beside their roles: the permission or a wildcard.
    Permission(String),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Role(name) => write!(f, "the role “{name}”"),
            Self::Permission(pattern) => write!(f, "their own permission “{pattern}”"),
        }
    }
}

/// What stands between a member and what their roles give, as the end of a sentence; nothing if nothing does.
fn hindrance(status: MemberStatus, suspended: bool, owes: Option<Owes>) -> Option<String> {
    match (status, owes) {
        _ if suspended => Some("the platform has suspended them".into()),
        (MemberStatus::Active, None) => None,
        (MemberStatus::Active, Some(Owes::NewPassword)) => {
            Some("they have to choose a password of their own first".into())
        }
        (MemberStatus::Active, Some(Owes::SecondFactor)) => {
            Some("they have to set up the second factor first that the organisation asks for".into())
        }
        (status, _) => Some(format!("the membership is {}", status.as_str())),
    }
}

pub(super) fn explain(member: Member, roles: &[Role], in_the_way: InTheWay) -> Explanation {
    let (suspended, owes) = (in_the_way.suspended, in_the_way.owes.map(Owes::from));
    let hindrance = hindrance(member.status, suspended, owes);
    let explained = |id: &PermissionId| {
        let gives =
            |pattern: &String| PermissionSet::from_patterns([pattern.as_str()]).contains(PermissionSet::of(&[*id]));
        let of_roles = roles.iter().filter(|role| role.permissions.iter().any(gives));
        let because: Vec<Reason> = of_roles
            .map(|role| Reason::Role(role.name.clone()))
            .chain(member.permissions.iter().filter(|pattern| gives(pattern)).cloned().map(Reason::Permission))
            .collect();
        let allowed = hindrance.is_none() && !because.is_empty();
        let given: Vec<String> = because.iter().map(ToString::to_string).collect();
        let hold = if because.len() > 1 { "hold" } else { "holds" };
        let why = match (because.is_empty(), &hindrance) {
            (true, _) => "none of their roles holds it".to_owned(),
            (false, None) => format!("{} {hold} it", given.join(" and ")),
            (false, Some(hindrance)) => format!("{} {hold} it, but {hindrance}", given.join(" and ")),
        };
        Explained { permission: id.as_str(), description: id.description(), allowed, because, why }
    };
    Explanation {
        user: member.id,
        status: member.status,
        owes,
        suspended,
        permissions: PermissionId::ALL.iter().map(explained).collect(),
    }
}
