//! Runs a step by its node's type: one file each. A step sees its document and nothing of the machine.

mod approval;
pub(super) mod attempts;
mod http;
mod plugin;
mod transform;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tenure_kernel::decision::{DecisionInput, DecisionPoint};
use tenure_kernel::permission::WorkflowExecute;
use tenure_kernel::{Audited, Authorized, Code, Error, Origin, Problem, SystemReason, Timestamp};
use tenure_sandbox::{Evaluation, ExpressionError, ExpressionErrorKind, SandboxError};
use tenure_workflow::ErrorClass;
use tenure_workflow::machine::StepKey;
use tenure_workflow::nodes::{Node, NodeKind};
use tenure_workflow::sensitive::SensitiveValues;

pub(super) use attempts::Attempts;

use super::Shared;
use super::queue::Claim;
use crate::domain::executions::{LiveState, LiveStep};
use crate::domain::policies;
use crate::domain::workflows::CompiledWorkflow;

/// Everything a step may look at. Cheap to clone.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) shared: Arc<Shared>,
    pub(super) claim: Arc<Claim>,
    pub(super) compiled: Arc<CompiledWorkflow>,
    pub(super) key: StepKey,
    /// What is run: of a map's item the map's body.
    pub(super) node: Arc<Node>,
    /// `{input, state, execution}`.
    pub(super) document: Arc<Value>,
    /// `{item, index}` in a map.
    pub(super) locals: Option<Arc<Map<String, Value>>>,
    /// What came of it before.
    pub(super) attempts: Attempts,
    /// What is masked wherever people may see it.
    pub(super) sensitive: Arc<SensitiveValues>,
}

/// What came of a step.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) key: StepKey,
    pub(super) end: StepEnd,
    pub(super) attempts: u32,
    /// Where it waits for its next attempt: how it stands with them.
    pub(super) again: Option<Attempts>,
    pub(super) started_at: Timestamp,
    pub(super) logs: Option<Value>,
    pub(super) usage: Option<Value>,
    /// JSON pointers of the output's parts that a schema declares to be sensitive.
    pub(super) sensitive: Vec<String>,
}

impl Done {
    /// What took no task.
    pub(super) fn at_once(key: StepKey, end: StepEnd, started_at: Timestamp) -> Self {
        Self { key, end, attempts: 1, again: None, started_at, logs: None, usage: None, sensitive: Vec::new() }
    }
}

/// How a step ended, or why it has not yet.
#[derive(Debug)]
pub(super) enum StepEnd {
    /// With this output.
    Output(Value),
    /// For good.
    Failed(Failure),
    /// It waits, and gives its slot back.
    Parked(Parking),
}

/// What a parked step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parking {
    /// A moment.
    Until(Timestamp),
    /// People; or the moment when it is too late.
    People(Option<Timestamp>),
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) class: ErrorClass,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }
}

impl From<Error> for Failure {
    /// A refusal keeps its words; whatever else it is stays in the log.
    fn from(error: Error) -> Self {
        match &error {
            Error::Problem(problem) => {
                let class = match problem.code {
                    Code::PermissionDenied => ErrorClass::PermissionWithdrawn,
                    Code::QuotaExceeded => ErrorClass::Quota,
                    Code::Denied => ErrorClass::Denied,
                    _ => ErrorClass::Internal,
                };
                Self::new(class, problem.detail.clone())
            }
            Error::Database(_) | Error::Internal(_) => {
                tracing::error!(%error, "a step failed for a fault of the server's");
                Self::new(ErrorClass::Internal, "the server failed; the fault is in its log")
            }
        }
    }
}

impl From<ExpressionError> for Failure {
    fn from(error: ExpressionError) -> Self {
        let class = match error.kind {
            ExpressionErrorKind::Limit(_) | ExpressionErrorKind::Crash => ErrorClass::Limit,
            _ => ErrorClass::Expression,
        };
        Self::new(class, error.message)
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        Self::from(Error::internal(error))
    }
}

/// What a step gives besides its output.
#[derive(Debug, Default)]
pub(super) struct Extras {
    logs: Option<Value>,
    usage: Option<Value>,
    sensitive: Vec<String>,
    /// When it began, where that was before this node took it up: a wait is as long as it was.
    began: Option<Timestamp>,
}

pub(super) type Ran = Result<StepEnd, Failure>;

impl Step {
    /// Runs it, again where the node says so, until it ends, fails for good or waits.
    pub(super) async fn run(self) -> Done {
        let started_at = self.now();
        let mut attempts = self.attempts;
        loop {
            // A wait that a crash or a pause cut short goes on; a long one gives the slot back.
            let left = attempts.next_at.map_or(Duration::ZERO, |next_at| next_at.since(self.now()));
            let attempt = attempts.failed + 1;
            let mut extras = Extras::default();
            let end = match attempts.next_at.filter(|_| left > SHORT_WAIT) {
                Some(next_at) => StepEnd::Parked(Parking::Until(next_at)),
                None => {
                    // A timer of no time is a millisecond all the same.
                    if !left.is_zero() {
                        tokio::time::sleep(left).await;
                    }
                    self.show(attempt);
                    match self.attempt_in_time(&mut extras).await {
                        Ok(end) => end,
                        Err(failure) => {
                            let random = uuid::Uuid::new_v4().as_u64_pair().0;
                            if let Some(wait) = self.node.retry.wait_after(attempt, failure.class, random) {
                                attempts = Attempts { failed: attempt, next_at: Some(self.now().after(wait)) };
                                attempts::remember(&self, attempts).await;
                                continue;
                            }
                            StepEnd::Failed(failure)
                        }
                    }
                }
            };
            let again = matches!(end, StepEnd::Parked(_)).then_some(attempts);
            let Extras { logs, usage, sensitive, began } = extras;
            let started_at = began.unwrap_or(started_at);
            return Done { key: self.key, end, attempts: attempt, again, started_at, logs, usage, sensitive };
        }
    }

    async fn attempt_in_time(&self, extras: &mut Extras) -> Ran {
        let Some(limit) = self.node.timeout else { return self.attempt(extras).await };
        match tokio::time::timeout(limit.as_duration(), self.attempt(extras)).await {
            Ok(ran) => ran,
            Err(_) => Err(Failure::new(ErrorClass::Timeout, format!("it took longer than its timeout of {limit}"))),
        }
    }

    fn show(&self, attempt: u32) {
        let step = LiveStep {
            step: self.key.to_string(),
            node_type: self.node.kind.name().to_owned(),
            state: LiveState::Running,
            attempt,
            started_at: self.now(),
        };
        self.shared.live.started(self.claim.execution, step);
    }

    async fn attempt(&self, extras: &mut Extras) -> Ran {
        // What acts outside the execution does so as the person it runs for.
        if matches!(self.node.kind, NodeKind::Http(_) | NodeKind::Plugin(_)) {
            self.authorized().await?;
        }
        self.decide(DecisionPoint::StepStart, None).await?;
        match &self.node.kind {
            NodeKind::Transform(transform) => transform::run(self, transform).await,
            NodeKind::Http(http) => http::run(self, http, extras).await,
            NodeKind::Plugin(plugin) => plugin::run(self, plugin, extras).await,
            NodeKind::Approval(approval) => approval::run(self, approval, extras).await,
            NodeKind::Wait(wait) => wait::run(self, wait, extras).await,
            // What a branch decides are its edges; the driver makes its output of them.
            NodeKind::Branch(_) | NodeKind::Note(_) => Ok(StepEnd::Output(Value::Null)),
            NodeKind::Map(_) | NodeKind::Unknown(_) => {
                Err(Failure::new(ErrorClass::Internal, "this node cannot run here"))
            }
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.shared.kernel.clock().now()
    }

    /// The proof with which the step works in its tenant: whoever it runs for may still execute workflows. Not their own
    /// credential: what was cut out of it for this execution.
    pub(super) async fn authorized(&self) -> Result<Authorized<WorkflowExecute>, Failure> {
        let claim = &self.claim;
        let identity = self.shared.standings.identity(claim).await?;
        let withdrawn = || {
            let message = "whoever started this execution may not act any more: they are no active member of the organisation, or the API key that they used was revoked or has ended";
            Failure::new(ErrorClass::PermissionWithdrawn, message)
        };
        let identity = identity.ok_or_else(withdrawn)?;
        Ok(self.shared.kernel.act_as::<WorkflowExecute>(identity, Origin::default())?)
    }

    /// Asks the policy, where it has anything to say at this point; what it refuses is recorded.
    pub(super) async fn decide(&self, point: DecisionPoint, host: Option<String>) -> Result<(), Failure> {
        if !self.shared.policy.concerns(point, Some(self.node.kind.name())) {
            return Ok(());
        }
        let claim = &self.claim;
        let input = DecisionInput {
            point,
            tenant: claim.tenant,
            tenant_slug: claim.tenant_slug.clone(),
            principal: claim.actor.principal.to_string(),
            workflow: Some((claim.workflow.to_string(), claim.workflow_name.clone())),
            step: Some((self.key.to_string(), self.node.kind.name().to_owned())),
            host,
        };
        let decision = self
            .shared
            .kernel
            .system(SystemReason::EngineBatch)
            .run(async |tx| {
                let now = tx.now();
                let decision = policies::decide(&*self.shared.policy, &mut *tx, now, &input).await?;
                Ok(Audited::none("a decision has a log of its own; what it refuses is an event", decision))
            })
            .await?;
        if decision.allowed {
            return Ok(());
        }
        let problem =
            Problem::new(Code::Denied, format!("a policy refuses this step: {}", decision.reasons.join("; ")))
                .with("policy_version", decision.policy_version);
        let refused =
            self.shared.kernel.refused(Some(claim.tenant), &claim.actor, &Origin::default(), problem.into()).await;
        Err(Failure::from(refused))
    }

    /// Counts a call to another host against the month's.
    async fn count_call(&self) -> Result<(), Failure> {
        let claim = &self.claim;
        let Err(error) = self.shared.calls.take(&self.shared.kernel, claim.tenant).await else { return Ok(()) };
        let refused = self.shared.kernel.refused(Some(claim.tenant), &claim.actor, &Origin::default(), error).await;
        Err(Failure::from(refused))
    }

    /// Evaluates one expression of the node (`jq`, `request` …).
    pub(super) async fn evaluate(&self, part: &str) -> Result<Value, Failure> {
        self.evaluate_with(part, None).await
    }

    /// The same, with what stands for the secrets it may name.
    pub(super) async fn evaluate_with(
        &self,
        part: &str,
        secrets: Option<&std::collections::BTreeMap<String, String>>,
    ) -> Result<Value, Failure> {
        let program = format!("{}/{part}", self.node.pointer);
        let mut evaluation = Evaluation::new(&program, &self.document);
        if let Some(locals) = &self.locals {
            evaluation = evaluation.with_locals(locals);
        }
        if let Some(secrets) = secrets {
            evaluation = evaluation.with_secrets(secrets);
        }
        let results = self.shared.sandbox.expressions()?.evaluate(&self.compiled.programs, &[evaluation]).await?;
        match results.into_iter().next() {
            Some(result) => Ok(result?),
            None => Err(Failure::new(ErrorClass::Internal, "the sandbox gave no answer")),
        }
    }

    /// The same for every attempt at this step: what a receiver may tell repeats by.
    pub(super) fn idempotency_key(&self) -> String {
        use sha2::{Digest as _, Sha256};
        let digest = Sha256::new()
            .chain_update(self.claim.execution.uuid().as_bytes())
            .chain_update(self.key.to_string().as_bytes())
            .finalize();
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// How long a step sleeps in place rather than give its execution back.
const SHORT_WAIT: Duration = Duration::from_secs(1);
