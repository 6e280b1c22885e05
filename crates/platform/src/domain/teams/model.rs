use serde::{Deserialize, Serialize};
use tenure_kernel::{Problem, Resource, Result, TeamId, Timestamp};
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

/// 1 to 100 characters without control characters, trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamName(pub(super) String);

impl TeamName {
    /// # Errors
    /// 422 at `/name`.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > 100 || text.chars().any(char::is_control) {
            return Err(Problem::invalid("/name", "must be 1 to 100 characters without control characters").into());
        }
        Ok(Self(text.to_owned()))
    }
}

/// At most 1,000 characters; line breaks are fine, other control characters are not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description(pub(super) String);

impl Description {
    /// # Errors
    /// 422 at `/description`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.chars().count() > 1000 || text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err(
                Problem::invalid("/description", "must be at most 1000 characters without control characters").into()
            );
        }
        Ok(Self(text.to_owned()))
    }
}
