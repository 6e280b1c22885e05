use serde::{Deserialize, Serialize};
use tenure_kernel::{Resource, Result, TeamId, Timestamp, text};
use utoipa::ToSchema;

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Team {
    /// Identifier.
    pub id: TeamId,
    /// Unique in the organisation, without regard to case.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Resource for Team {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

/// Whom something is private to.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamChoice {
    /// One of your teams; null is everybody in the organisation.
    pub team_id: Option<TeamId>,
}

impl tenure_kernel::Sample for TeamChoice {
    fn sample() -> serde_json::Value {
        serde_json::json!({"team_id": null})
    }
}

/// 1 to 100 characters on one line, trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamName(pub(super) String);

impl TeamName {
    /// # Errors
    /// 422 at `/name`.
    pub fn parse(text: &str) -> Result<Self> {
        text::line(text, "/name", 100).map(|text| Self(text.to_owned()))
    }
}

/// At most 1,000 characters on any number of lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description(pub(super) String);

impl Description {
    /// # Errors
    /// 422 at `/description`.
    pub fn parse(text: &str) -> Result<Self> {
        text::prose(text, "/description", 1000).map(|text| Self(text.to_owned()))
    }
}
