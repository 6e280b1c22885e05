//! How an execution ends.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tenure_kernel::Result;
use tenure_kernel::event::Outcome as EventOutcome;
use tenure_workflow::ErrorClass;
use tenure_workflow::machine::{Output, Status, StoredValue};

use super::super::Shared;
use super::super::queue::Claim;
use super::super::steps::Failure;
use super::super::writer::{End, Request};
use super::Drive;

impl Drive {
    /// How the execution ended, if it did.
    pub(super) async fn ended(&mut self) -> Result<Option<End>> {
        match self.machine.status().clone() {
            Status::Running => Ok(None),
            Status::Failed { step, error } => {
                let reason = reason_of(error.class);
                Ok(Some(failed(
                    &json!({ "class": error.class, "message": error.message, "step": step.to_string() }),
                    reason,
                )))
            }
            Status::Ended => match self.output().await? {
                Ok(output) => Ok(Some(End { output: Some(serde_json::to_string(&output)?), ..succeeded() })),
                Err(failure) => {
                    let failure = self.masked(failure);
                    let error = json!({ "class": failure.class, "message": format!("the output could not be made: {}", failure.message), "step": null });
                    Ok(Some(failed(&error, reason_of(failure.class))))
                }
            },
        }
    }

    async fn output(&mut self) -> Result<Result<StoredValue, Failure>> {
        let value = match self.machine.output() {
            Output::Nothing => return Ok(Ok(StoredValue::null())),
            Output::Value(value) => return Ok(Ok(value)),
            Output::ByNode(outputs) => {
                let mut map = Map::new();
                for (node, stored) in outputs {
                    map.insert(node.to_string(), Value::clone(&*self.values.value(&stored).await?));
                }
                Value::Object(map)
            }
            Output::Mapping(mapping) => {
                let (document, _) = self.values.document(&self.machine.final_document()).await?;
                let programs: Vec<_> = mapping.iter().map(|(_, program)| (program.clone(), None)).collect();
                match self.evaluate(&programs, &document).await {
                    Ok(values) => Value::Object(mapping.into_iter().map(|(name, _)| name).zip(values).collect()),
                    Err(failure) => return Ok(Err(failure)),
                }
            }
        };
        self.store(value).await
    }

    pub(super) async fn end(mut self, end: End) -> Result<()> {
        self.steps.abort_all();
        let asked = self.compiled.plan.asks_people();
        let end = End { actor: self.claim.actor, workflow: self.claim.workflow.to_string(), asked, ..end };
        if self.write(Some(end)).await? {
            self.tell(true);
        }
        Ok(())
    }
}

/// Ends a cancelled execution whose journal does not open. Where that cannot be written its lease runs out by itself.
pub(super) async fn unopened(shared: &Shared, claim: &Claim) {
    let end = End { actor: claim.actor, workflow: claim.workflow.to_string(), ..cancelled() };
    let request = Request {
        tenant: claim.tenant,
        execution: claim.execution,
        attempt: claim.attempt,
        rows: Vec::new(),
        end: Some(end),
    };
    if shared.writer.write(request).await.is_ok() {
        shared.tell_progress(claim.tenant, claim.execution, true);
    }
}

fn succeeded() -> End {
    end_as("succeeded", EventOutcome::Success, None)
}

fn end_as(state: &'static str, outcome: EventOutcome, reason: Option<&'static str>) -> End {
    let nobody = tenure_kernel::Actor::system(tenure_kernel::context::SystemPart::Engine);
    End { state, output: None, error: None, outcome, reason, actor: nobody, workflow: String::new(), asked: true }
}

/// A condition on an edge out of `start` could not be evaluated.
pub(super) fn not_begun(failure: &Failure) -> End {
    let message = format!("an edge out of `start` could not be decided: {}", failure.message);
    failed(&json!({ "class": failure.class, "message": message, "step": null }), reason_of(failure.class))
}

fn failed(error: &Value, reason: &'static str) -> End {
    End { error: Some(error.to_string()), ..end_as("failed", EventOutcome::Failure, Some(reason)) }
}

pub(super) fn cancelled() -> End {
    let error = json!({ "class": "cancelled", "message": "the execution was cancelled", "step": null });
    End { error: Some(error.to_string()), ..end_as("cancelled", EventOutcome::Failure, Some("cancelled")) }
}

pub(super) fn timed_out(limit: Option<Duration>) -> End {
    let limit = limit.map_or_else(String::new, |limit| format!(" of {limit:?}"));
    let error = json!({ "class": "timeout", "message": format!("the execution ran longer than its timeout{limit}"), "step": null });
    End { error: Some(error.to_string()), ..end_as("timed_out", EventOutcome::Failure, Some("timeout")) }
}

/// The class as events name it.
fn reason_of(class: ErrorClass) -> &'static str {
    class.as_str()
}
