//! Decisions: every "may this happen?" beyond a static permission.
//!
//! One input document, one answer. The input is logged whole, so that a decision can be replayed under another policy.
//! Whatever goes wrong while deciding is a refusal: fail closed.

use serde::{Deserialize, Serialize};

use crate::id::TenantId;

/// Where a decision is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecisionPoint {
    /// A workflow is about to be executed.
    WorkflowExecute,
    /// A step is about to start.
    StepStart,
    /// An outbound call is about to be made.
    Egress,
}

impl DecisionPoint {
    /// As it is logged.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WorkflowExecute => "workflow-execute",
            Self::StepStart => "step-start",
            Self::Egress => "egress",
        }
    }
}

/// What a policy is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DecisionInput {
    /// Where.
    pub point: DecisionPoint,
    /// In which tenant.
    pub tenant: TenantId,
    /// Short name of the tenant.
    pub tenant_slug: String,
    /// Who acts, as events write it.
    pub principal: String,
    /// The workflow: its identifier and its name.
    pub workflow: Option<(String, String)>,
    /// The step and the type of its node.
    pub step: Option<(String, String)>,
    /// Host of an outbound call.
    pub host: Option<String>,
}

/// What a policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether it may happen.
    pub allowed: bool,
    /// Why not; or what allowed it.
    pub reasons: Vec<String>,
    /// Which policy said so.
    pub policy_version: String,
}

/// A policy.
pub trait Policy: Send + Sync + std::fmt::Debug + 'static {
    /// Decides; what it cannot decide it refuses.
    fn decide(&self, input: &DecisionInput) -> Decision;

    /// Whether it may ever refuse at this point, in a step of this type if in one: where not, nothing is asked and nothing
    /// logged step by step.
    fn concerns(&self, point: DecisionPoint, node_type: Option<&str>) -> bool;
}
