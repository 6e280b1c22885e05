use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::members::Member;

/// What a member owns, and what acts in their name.
#[derive(Debug, Serialize, ToSchema)]
pub struct Assets {
    /// Workflows; whoever takes over owns them.
    pub workflows: AssetList,
    /// Plugins; whoever takes over owns them.
    pub plugins: AssetList,
    /// API keys that act for them; they are revoked.
    pub api_keys: AssetList,
    /// API keys of service accounts that they made, or took over. They stay, and whoever takes over answers for what they start;
    /// rotate them, since they may have been copied.
    pub service_account_keys: AssetList,
    /// Teams that they are in; they leave them.
    pub teams: AssetList,
    /// Requests for approval that are open and name them. Whoever takes over is named instead where they may decide then; what
    /// is left is for whoever else may.
    pub approvals: i64,
    /// Executions that they asked for and that are not over; each ends at its next step that acts.
    pub executions: i64,
    /// Invitations that they sent and that are open; they are taken back.
    pub invitations: i64,
    /// Sessions in this organisation that have not ended; they end.
    pub sessions: i64,
}

/// Some things of one kind.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct AssetList {
    /// How many there are.
    pub total: i64,
    /// The first 100 by name, without those that are private to teams that you are not in.
    pub items: Vec<Asset>,
}

/// A thing that somebody owns.
#[derive(Debug, Serialize, ToSchema)]
pub struct Asset {
    /// Identifier.
    pub id: String,
    /// What it is called.
    pub name: String,
}

/// What an offboarding came to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Offboarded {
    /// The member, deactivated.
    pub member: Member,
    /// How many workflows have a new owner.
    pub workflows: usize,
    /// How many plugins have a new owner.
    pub plugins: usize,
    /// For how many API keys of service accounts somebody else answers now.
    #[serde(default)]
    pub service_account_keys: usize,
    /// In how many open requests for approval somebody else is named now.
    #[serde(default)]
    pub approvals: usize,
    /// How many open requests for approval name them still: others who may decide have to, or the execution is cancelled.
    #[serde(default)]
    pub approvals_left: usize,
    /// Why these were left, by reason.
    #[serde(default)]
    pub approvals_left_because: Vec<ApprovalsLeft>,
    /// How many API keys were revoked.
    pub revoked_keys: usize,
    /// How many invitations of theirs were taken back.
    pub revoked_invitations: usize,
    /// How many teams they left.
    pub left_teams: usize,
}

/// Open requests for approval that were left, for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalsLeft {
    /// The first reason that holds.
    pub because: LeftBecause,
    /// How many.
    pub approvals: usize,
}

impl ApprovalsLeft {
    /// By reason, in the order of the reasons.
    pub(super) fn counted(left: &[LeftBecause]) -> Vec<Self> {
        let count = |because: &LeftBecause| left.iter().filter(|one| *one == because).count();
        let counted = LeftBecause::ALL.iter().map(|because| Self { because: *because, approvals: count(because) });
        counted.filter(|left| left.approvals > 0).collect()
    }
}

/// Why an open request for approval names who has left still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeftBecause {
    /// You take over yourself, and nobody makes themselves an approver.
    Yourself,
    /// Whoever takes over does not hold `approval:decide`.
    NotPermitted,
    /// Its workflow is private to a team that whoever takes over is not in.
    OutOfReach,
    /// The requester may not decide, and one of the two is that or answers for the key that was.
    Requester,
    /// Whoever takes over has decided already.
    Decided,
    /// Fewer people than have to approve would be left.
    TooFew,
}

impl LeftBecause {
    const ALL: [Self; 6] =
        [Self::Yourself, Self::NotPermitted, Self::OutOfReach, Self::Requester, Self::Decided, Self::TooFew];
}
