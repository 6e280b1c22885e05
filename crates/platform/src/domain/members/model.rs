use serde::{Deserialize, Serialize};
use tenure_kernel::{Personal, Resource, Timestamp, UserId};
use utoipa::ToSchema;

/// A person as this organisation knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Identifier of the person.
    pub id: UserId,
    /// User name.
    pub username: Personal<String>,
    /// Address.
    pub email: Personal<String>,
    /// What they are called.
    pub full_name: Personal<String>,
    /// Where the membership stands.
    pub status: MemberStatus,
    /// Names of their roles.
    pub roles: Vec<String>,
    /// Single permissions beside the roles'.
    pub permissions: Vec<String>,
    /// Since when they are a member.
    pub created_at: Timestamp,
    /// When the membership was last changed.
    pub updated_at: Timestamp,
    /// Whether the person agreed to be a member. Not shown: `invited` says it, and after a withdrawal nobody needs to know.
    #[serde(skip)]
    pub accepted: bool,
}

impl Resource for Member {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

/// Where a membership stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberStatus {
    /// Asked, has not accepted.
    Invited,
    /// May log in.
    Active,
    /// Locked out for now.
    Locked,
    /// Gone.
    Deactivated,
}

impl MemberStatus {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Locked => "locked",
            Self::Deactivated => "deactivated",
        }
    }

    /// From what is stored; whatever is unknown may not log in.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "invited" => Self::Invited,
            "active" => Self::Active,
            "locked" => Self::Locked,
            _ => Self::Deactivated,
        }
    }
}
