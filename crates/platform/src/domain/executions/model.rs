use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tenure_kernel::{ExecutionId, Principal, ServiceAccountId, Timestamp, UserId, WorkflowId};
use tenure_workflow::machine::StoredValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::plugins::PinnedPlugin;

/// Values above this many bytes of JSON are not shown in line.
pub(super) const SHOWN_INLINE: u64 = 64 * 1024;

/// How an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionState {
    /// It waits for its turn.
    Queued,
    /// The engine works on it.
    Running,
    /// It waits for a person or for a moment.
    Waiting,
    /// Somebody halted it.
    Paused,
    /// It ended with an output.
    Succeeded,
    /// A step failed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// It took longer than its limit.
    TimedOut,
}

impl ExecutionState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Paused,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::TimedOut,
    ];

    /// As it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
        }
    }

    /// From its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::TimedOut)
    }
}

/// A workflow by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkflowRef {
    /// Which.
    pub id: WorkflowId,
    /// Its name now.
    pub name: String,
}

/// Somebody by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PersonRef {
    /// Who.
    pub id: UserId,
    /// What they are called; the identifier of somebody who has left.
    pub name: String,
}

impl PersonRef {
    pub(crate) fn new(id: UserId, name: Option<String>) -> Self {
        Self { id, name: name.unwrap_or_else(|| id.to_string()) }
    }
}

/// Which kind of member asked for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequesterKind {
    /// A person.
    #[default]
    User,
    /// A service account.
    ServiceAccount,
}

/// Who asked for something, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Requester {
    /// Which kind of member.
    #[serde(default)]
    pub kind: RequesterKind,
    /// Who: `usr_…`, of a service account `svc_…`.
    pub id: String,
    /// What they are called; the identifier of somebody who has left.
    pub name: String,
}

/// Who asked, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestedBy {
    kind: RequesterKind,
    id: Uuid,
    /// The person who answers for it where a service account asked: whom it acted for, or who made its key.
    pub answerable: Option<UserId>,
}

impl RequestedBy {
    /// From what is stored; whatever is no service account is a person, as all were once.
    #[must_use]
    pub fn stored(kind: &str, id: Uuid, answerable: Option<UserId>) -> Self {
        let kind = if kind == "service_account" { RequesterKind::ServiceAccount } else { RequesterKind::User };
        Self { kind, id, answerable }
    }

    /// Of a member; nothing for who is none.
    #[must_use]
    pub fn of(principal: Principal, answerable: Option<UserId>) -> Option<Self> {
        let (kind, id, answerable) = match principal {
            Principal::User(id) => (RequesterKind::User, id.uuid(), None),
            Principal::ServiceAccount(id) => (RequesterKind::ServiceAccount, id.uuid(), answerable),
            Principal::System(_) | Principal::Anonymous => return None,
        };
        Some(Self { kind, id, answerable })
    }

    /// As it is stored.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// As it is stored.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.kind {
            RequesterKind::User => "user",
            RequesterKind::ServiceAccount => "service_account",
        }
    }

    /// With what they are called.
    #[must_use]
    pub fn named(self, name: Option<String>) -> Requester {
        let id = match self.kind {
            RequesterKind::User => UserId::from_uuid(self.id).to_string(),
            RequesterKind::ServiceAccount => ServiceAccountId::from_uuid(self.id).to_string(),
        };
        Requester { kind: self.kind, name: name.unwrap_or_else(|| id.clone()), id }
    }
}

/// Why an execution or a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecutionError {
    /// The class (`timeout`, `plugin`, `rejected` …), as `retry.on` names it.
    pub class: String,
    /// What happened.
    pub message: String,
    /// Name of the step that failed.
    #[serde(default)]
    pub step: Option<String>,
    /// How often it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

/// An execution in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecutionSummary {
    /// Identifier.
    pub id: ExecutionId,
    /// What runs.
    pub workflow: WorkflowRef,
    /// In which version.
    pub version: i32,
    /// How it stands.
    pub state: ExecutionState,
    /// Who asked for it.
    pub requested_by: Requester,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its first step could begin.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<ExecutionError>,
    /// Steps known so far; loops and maps add to it as they go.
    pub steps_total: u32,
    /// Steps that are over.
    pub steps_finished: u32,
}

/// An execution with what it was given and what it gave.
#[derive(Debug, Serialize, ToSchema)]
pub struct Execution {
    /// How it stands.
    #[serde(flatten)]
    pub summary: ExecutionSummary,
    /// The definition of its version, in canonical form.
    #[schema(value_type = Object)]
    pub definition: Box<RawValue>,
    /// The published plugins that it runs with, in the versions that it keeps.
    pub plugins: Vec<PinnedPlugin>,
    /// The input, with `[sensitive]` for what its schema marks so; null when larger than 64 KiB, then `/input` below it has it.
    pub input: Value,
    /// Size of the input as JSON, in bytes.
    pub input_size: u64,
    /// The output; null until it succeeded, and when larger than 64 KiB, then `/output` below it has it.
    pub output: Value,
    /// Size of the output as JSON, in bytes; null until it succeeded.
    pub output_size: Option<u64>,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It runs.
    Running,
    /// It waits for a person, a moment or its next attempt.
    Waiting,
    /// It has an output.
    Succeeded,
    /// It failed for good.
    Failed,
    /// No way led to it.
    Skipped,
    /// It was stopped.
    Cancelled,
}

/// A step in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepSummary {
    /// `node`, in a loop `node#2`, in a map `node[17]`; unique in the execution.
    pub name: String,
    /// The node's identifier in the definition.
    pub node: String,
    /// The node's type.
    pub r#type: String,
    /// How it stands.
    pub state: StepState,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When it could begin.
    pub queued_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<ExecutionError>,
}

/// Something that a step wrote into its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// When; the step's end where that is all that is known.
    pub at: Timestamp,
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// What.
    pub message: String,
}

/// A step with what it gave.
#[derive(Debug, Serialize, ToSchema)]
pub struct Step {
    /// How it stands.
    #[serde(flatten)]
    pub summary: StepSummary,
    /// What the step was given: `{input, state, execution}`, in a map `item` and `index` too, a plugin only what it asked for.
    /// `{"not_shown": {"size": bytes}}` stands for values that are too large, `/input` below it has them; null for a step that was skipped.
    pub input: Value,
    /// What it returned; null until it ended, and when larger than 64 KiB, then `/output` below it has it.
    pub output: Value,
    /// Size of the output as JSON, in bytes; null until there is one.
    pub output_size: Option<u64>,
    /// What it logged.
    pub logs: Vec<LogLine>,
    /// Whether it logged more than is kept.
    pub logs_truncated: bool,
    /// What it used: `{fuel, cpu_ms, peak_memory}`, where that is measured.
    pub usage: Value,
}

/// What is shown of a stored value in line, its sensitive parts masked, and its size as JSON.
pub(super) fn shown(value: &StoredValue) -> serde_json::Result<(Value, u64)> {
    match value {
        StoredValue::Object(object) => {
            let shown = object.sensitive.as_ref().and_then(|sensitive| sensitive.shown.as_deref());
            Ok((shown.map(serde_json::from_str).transpose()?.unwrap_or_default(), object.size))
        }
        StoredValue::Inline(value) => {
            let size = u64::try_from(serde_json::to_vec(value)?.len()).unwrap_or(u64::MAX);
            let inline = if size <= SHOWN_INLINE { Value::clone(value) } else { Value::Null };
            Ok((inline, size))
        }
    }
}
