use serde::{Deserialize, Serialize};
use tenure_kernel::{Resource, Result, TeamId, Timestamp, UserId, WorkflowId, text};
use utoipa::ToSchema;

/// A workflow; what it does stands in its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Workflow {
    /// Identifier.
    pub id: WorkflowId,
    /// The definition's name; unique in the organisation, without regard to case.
    pub name: String,
    /// The definition's description.
    pub description: Option<String>,
    /// The team whose members alone see it; everybody's where absent.
    pub team_id: Option<TeamId>,
    /// The definition's tags.
    pub tags: Vec<String>,
    /// Newest version, from 1.
    #[schema(minimum = 1)]
    pub version: i32,
    /// SHA-256 of the newest version's canonical definition, in hexadecimal.
    pub digest: String,
    /// Who created it.
    pub created_by: Option<UserId>,
    /// Who looks after it: whoever created it, or took over from them. Gives no permission.
    pub owner_id: Option<UserId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its newest version was saved.
    pub updated_at: Timestamp,
}

impl Resource for Workflow {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

/// Somebody by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Author {
    /// Who.
    pub id: UserId,
    /// What they are called; the identifier of somebody who has left.
    pub name: String,
}

impl Author {
    pub(super) fn new(id: Option<UserId>, name: Option<String>) -> Option<Self> {
        let id = id?;
        Some(Self { id, name: name.unwrap_or_else(|| id.to_string()) })
    }
}

/// A workflow in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkflowSummary {
    /// The workflow.
    #[serde(flatten)]
    pub workflow: Workflow,
    /// How many nodes its newest version has.
    pub node_count: i32,
    /// Who saved its newest version.
    pub updated_by: Option<Author>,
}

/// A version in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkflowVersion {
    /// From 1, without gaps.
    #[schema(minimum = 1)]
    pub version: i32,
    /// What its author said about it.
    pub message: Option<String>,
    /// Who saved it.
    pub author: Option<Author>,
    /// When it was saved.
    pub created_at: Timestamp,
    /// SHA-256 of the canonical definition, in hexadecimal.
    pub digest: String,
    /// How many nodes it has.
    pub node_count: i32,
}

/// A version with its text, as it is stored.
pub(super) struct StoredVersion {
    pub(super) version: WorkflowVersion,
    pub(super) definition: String,
    pub(super) source: String,
    pub(super) format: Format,
}

/// In which language a definition was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// JSON documents begin with a brace; all else that can be read is YAML.
    pub(super) fn of(text: &str) -> Self {
        if text.trim_start_matches('\u{feff}').trim_start().starts_with('{') { Self::Json } else { Self::Yaml }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
        }
    }
}

/// What an author says about a version: at most 1,000 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message(pub(super) Option<String>);

impl Message {
    /// # Errors
    /// 422 at `#query/message`.
    pub(super) fn parse(text: Option<String>) -> Result<Self> {
        let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        text.as_deref().map(|text| text::prose(text, "#query/message", 1000)).transpose()?;
        Ok(Self(text))
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
