use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenure_kernel::{ApprovalId, ExecutionId, Problem, Result, Timestamp, text};
use utoipa::ToSchema;

use crate::domain::executions::{PersonRef, Requester, WorkflowRef};

/// How an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// It waits for people.
    Pending,
    /// Enough have approved.
    Approved,
    /// Somebody rejected it.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// The execution ended without it.
    Cancelled,
}

impl ApprovalState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Approved, Self::Rejected, Self::Expired, Self::Cancelled];

    /// As it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// From its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// What somebody decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No.
    Reject,
}

impl Verdict {
    /// As it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

/// Who may decide, as the definition names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredApprovers {
    #[serde(default)]
    pub(super) roles: Vec<String>,
    /// Names or identifiers.
    #[serde(default)]
    pub(super) teams: Vec<String>,
    /// User names, mail addresses or identifiers.
    #[serde(default)]
    pub(super) users: Vec<String>,
    pub(super) at_least: u32,
    pub(super) not_requester: bool,
}

/// Somebody or a team by name; where nobody is called that, the name as the definition has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Named {
    /// The identifier; the definition's word where it names nobody.
    pub id: String,
    /// What it is called.
    pub name: String,
}

/// Who may decide: whoever has one of the roles, is in one of the teams or is one of the users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Approvers {
    /// Names of roles.
    pub roles: Vec<String>,
    /// Teams.
    pub teams: Vec<Named>,
    /// People.
    pub users: Vec<Named>,
    /// How many of them must approve; one rejection is enough.
    pub at_least: u32,
}

/// One person's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// Yes or no.
    pub decision: Verdict,
    /// Who.
    pub by: PersonRef,
    /// When.
    pub at: Timestamp,
    /// What they said about it.
    pub comment: Option<String>,
}

/// A request for people's approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// Identifier.
    pub id: ApprovalId,
    /// Of which workflow.
    pub workflow: WorkflowRef,
    /// Which execution waits.
    pub execution_id: ExecutionId,
    /// At which step.
    pub step: String,
    /// How it stands.
    pub state: ApprovalState,
    /// What it is about, in a word: the node's identifier.
    pub title: String,
    /// What the approver sees (`show`).
    pub shown: Value,
    /// SHA-256 of `shown` as it is stored, in hexadecimal; the decision is bound to it.
    pub shown_digest: String,
    /// Who may decide.
    pub approvers: Approvers,
    /// Whether whoever started the execution may not.
    pub not_requester: bool,
    /// Who started the execution.
    pub requested_by: Requester,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it runs out.
    pub expires_at: Option<Timestamp>,
    /// When it was decided, ran out or was cancelled.
    pub decided_at: Option<Timestamp>,
    /// What was decided so far, oldest first.
    pub decisions: Vec<Decision>,
    /// Whether you may decide now.
    pub can_decide: bool,
    /// Why you may not.
    pub refusal: Option<String>,
}

/// What an approver says about their decision: at most 2,000 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comment(pub(super) Option<String>);

impl Comment {
    /// # Errors
    /// 422 at `/comment`.
    pub(super) fn parse(text: Option<String>) -> Result<Self> {
        let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        text.as_deref().map(|text| text::prose(text, "/comment", 2000)).transpose()?;
        Ok(Self(text))
    }
}

/// The digest of what an approver saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShownDigest(String);

impl ShownDigest {
    /// # Errors
    /// 422 at `/shown_digest`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let detail = "must be the approval's shown_digest: 64 hexadecimal digits";
            return Err(Problem::invalid("/shown_digest", detail).into());
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    pub(super) fn is(&self, digest: &str) -> bool {
        self.0 == digest
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
