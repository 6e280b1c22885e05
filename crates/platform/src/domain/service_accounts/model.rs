use serde::{Deserialize, Serialize};
use tenure_kernel::{Resource, Result, ServiceAccountId, Timestamp, text};
use utoipa::ToSchema;

/// A member that is no person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceAccount {
    /// Identifier.
    pub id: ServiceAccountId,
    /// Unique in the organisation, without regard to case.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether its keys work.
    pub status: ServiceAccountStatus,
    /// Names of its roles.
    pub roles: Vec<String>,
    /// Single permissions beside the roles'.
    pub permissions: Vec<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Resource for ServiceAccount {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

/// Whether a service account may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceAccountStatus {
    /// Its keys work.
    Active,
    /// They do not, until it is active again.
    Deactivated,
}

impl ServiceAccountStatus {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deactivated => "deactivated",
        }
    }

    /// From what is stored; whatever is unknown may not act.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "active" { Self::Active } else { Self::Deactivated }
    }
}

/// 1 to 100 characters on one line, trimmed.
pub(super) fn parse_name(text: &str) -> Result<String> {
    text::line(text, "/name", 100).map(str::to_owned)
}
