use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenure_kernel::{InvitationId, Personal, Problem, Resource, Result, TeamId, Timestamp, UserId};
use utoipa::ToSchema;

/// How long the link of an invitation works.
pub(super) const LASTS: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The most teams that somebody is invited into.
const MAX_TEAMS: usize = 50;

/// An invitation by mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// Identifier.
    pub id: InvitationId,
    /// Who is invited.
    pub email: Personal<String>,
    /// Names of the roles that they get.
    pub roles: Vec<String>,
    /// The teams that they are put into.
    pub teams: Vec<TeamId>,
    /// Where it stands.
    pub state: InvitationState,
    /// Who invites them: who sent it last. Its link opens nothing while they may not give what it gives.
    pub invited_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last sent.
    pub sent_at: Timestamp,
    /// When its link ends.
    pub expires_at: Timestamp,
    /// Who accepted it.
    pub accepted_by: Option<UserId>,
}

impl Resource for Invitation {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

/// Where an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InvitationState {
    /// Its link works.
    Open,
    /// Nobody opened its link in time; it can be sent again.
    Expired,
    /// They are a member.
    Accepted,
    /// It was taken back.
    Revoked,
}

impl InvitationState {
    /// From what is stored and the time; whatever is unknown opens nothing.
    #[must_use]
    pub fn parse(stored: &str, expires_at: Timestamp, now: Timestamp) -> Self {
        match stored {
            "open" if expires_at > now => Self::Open,
            "open" => Self::Expired,
            "accepted" => Self::Accepted,
            _ => Self::Revoked,
        }
    }
}

/// Teams at `/teams`, each once.
///
/// # Errors
/// 422 for too many.
pub(super) fn parse_teams(teams: &[TeamId]) -> Result<Vec<TeamId>> {
    if teams.len() > MAX_TEAMS {
        return Err(Problem::invalid("/teams", format!("must be at most {MAX_TEAMS}")).into());
    }
    let mut teams = teams.to_vec();
    teams.sort_unstable();
    teams.dedup();
    Ok(teams)
}
