//! What follows from the end of a step: its output's place, its writes, its edges.

use std::sync::Arc;

use serde_json::{Map, Value};
use tenure_kernel::{Audited, Error, Result, SystemReason};
use tenure_sandbox::Evaluation;
use tenure_workflow::ErrorClass;
use tenure_workflow::machine::{Outcome, StepError, StepKey, StoredValue, Subject, Write};
use tenure_workflow::nodes::{Node, NodeKind};
use tenure_workflow::plan::{Condition, EdgeIndex, NodeIndex};

use super::super::steps::Failure;
use super::Drive;
use crate::domain::quotas;

/// How deep an output may nest. A row of the journal adds some levels, and JSON of more than 128 is not read back.
const MAX_DEPTH: usize = 100;

fn nests_deeper(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return value.is_array() || value.is_object() };
    match value {
        Value::Array(items) => items.iter().any(|item| nests_deeper(item, below)),
        Value::Object(members) => members.values().any(|member| nests_deeper(member, below)),
        _ => false,
    }
}

impl Drive {
    /// The outcome of a step with this output; or the failure of what belongs to it.
    pub(super) async fn succeed(
        &mut self,
        index: NodeIndex,
        key: &StepKey,
        value: Value,
        sensitive: Vec<String>,
    ) -> Result<Result<Outcome, Failure>> {
        if !sensitive.is_empty() {
            Arc::make_mut(&mut self.sensitive).add(&value, &sensitive);
        }
        let plan = Arc::clone(&self.compiled.plan);
        let node = plan.node(index);
        if nests_deeper(&value, MAX_DEPTH) {
            let message = format!("the output nests deeper than {MAX_DEPTH} levels");
            return Ok(Err(Failure::new(ErrorClass::Limit, message)));
        }
        let limit = if key.item.is_some() { self.body_of(index, key).limits.output } else { node.limits.output };
        if !matches!(node.kind, NodeKind::Map(_)) || key.item.is_some() {
            let size = serde_json::to_string(&value)?.len() as u64;
            if size > limit.0 {
                let message = format!("the output is {size} bytes of JSON; the node's limit is {}", limit.0);
                return Ok(Err(Failure::new(ErrorClass::Limit, message)));
            }
        }
        if key.item.is_some() {
            let stored = self.store_with(value, sensitive).await?;
            return Ok(stored.map(|output| Outcome::Succeeded { output, writes: Vec::new(), taken: Vec::new() }));
        }
        let writes = match self.writes(node, &value).await? {
            Ok(writes) => writes,
            Err(failure) => return Ok(Err(failure)),
        };
        let output = match self.store_with(value, sensitive).await? {
            Ok(output) => output,
            Err(failure) => return Ok(Err(failure)),
        };
        let conditions = self.machine.conditions(Subject::Step(key));
        let taken = if conditions.is_empty() {
            conditions.decide::<Failure>(Vec::new())
        } else {
            let document = match node.kind {
                NodeKind::Branch(_) => self.machine.document(key),
                _ => self.machine.document_after(key, &output, &writes),
            };
            self.decide(Subject::Step(key), &document.map_err(Error::internal)?).await
        };
        Ok(taken.map(|taken| {
            let output = match node.kind {
                NodeKind::Branch(_) => StoredValue::from(plan.branch_output(index, &taken)),
                _ => output,
            };
            Outcome::Succeeded { output, writes, taken }
        }))
    }

    /// What `set` writes.
    async fn writes(&mut self, node: &Node, output: &Value) -> Result<Result<Vec<Write>, Failure>> {
        if node.set.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let programs: Vec<(String, Option<&Map<String, Value>>)> =
            node.set.iter().map(|set| (format!("{}/set/{}", node.pointer, set.key), None)).collect();
        let values = match self.evaluate(&programs, output).await {
            Ok(values) => values,
            Err(failure) => return Ok(Err(failure)),
        };
        let plan = Arc::clone(&self.compiled.plan);
        let mut writes = Vec::with_capacity(values.len());
        for (set, value) in node.set.iter().zip(values) {
            if let Some(declared) = plan.definition().state.iter().find(|declared| declared.name == set.key)
                && let Err(fault) = declared.reduce.check(&value)
            {
                return Ok(Err(Failure::new(ErrorClass::Expression, format!("`set.{}`: {fault}", set.key))));
            }
            match self.store(value).await? {
                Ok(value) => writes.push(Write { key: set.key.clone(), value }),
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Ok(Ok(writes))
    }

    /// The outcome of a step that failed for good.
    pub(super) async fn failed(
        &mut self,
        index: NodeIndex,
        key: &StepKey,
        failure: Failure,
        attempts: u32,
    ) -> Result<Outcome> {
        let failure = self.masked(failure);
        let error = StepError { class: failure.class, message: failure.message, attempts };
        let plan = Arc::clone(&self.compiled.plan);
        let graph = plan.graph();
        let on_error = graph.node(index).outgoing.iter().any(|edge| graph.edge(*edge).condition == Condition::Error);
        if key.item.is_some() || on_error || !plan.node(index).continue_on_error {
            return Ok(Outcome::Failed { error, taken: Vec::new() });
        }
        let output = StoredValue::from(error.to_output());
        let document = self.machine.document_after(key, &output, &[]).map_err(Error::internal)?;
        let taken = self.decide(Subject::Step(key), &document).await.unwrap_or_default();
        Ok(Outcome::Failed { error, taken })
    }

    /// Evaluates the conditions of the edges and says which are taken.
    pub(super) async fn decide(
        &mut self,
        subject: Subject<'_>,
        document: &tenure_workflow::machine::Document,
    ) -> Result<Vec<EdgeIndex>, Failure> {
        let conditions = self.machine.conditions(subject);
        let programs: Vec<(String, Option<&Map<String, Value>>)> =
            conditions.expressions().map(|pointer| (pointer.to_owned(), None)).collect();
        let mut results = Vec::with_capacity(programs.len());
        if !programs.is_empty() {
            let (value, _) = self.values.document(document).await?;
            let evaluations: Vec<Evaluation<'_>> =
                programs.iter().map(|(program, _)| Evaluation::new(program, &value)).collect();
            for result in self.shared.sandbox.expressions()?.evaluate(&self.compiled.programs, &evaluations).await? {
                results.push(match result {
                    Ok(Value::Bool(holds)) => Ok(holds),
                    Ok(other) => Err(Failure::new(
                        ErrorClass::Expression,
                        format!("a condition gave {}, not true or false", kind_of(&other)),
                    )),
                    Err(error) => Err(Failure::from(error)),
                });
            }
        }
        conditions.decide(results)
    }

    pub(super) async fn evaluate(
        &self,
        programs: &[(String, Option<&Map<String, Value>>)],
        document: &Value,
    ) -> Result<Vec<Value>, Failure> {
        let evaluations: Vec<Evaluation<'_>> = programs
            .iter()
            .map(|(program, locals)| match locals {
                Some(locals) => Evaluation::new(program, document).with_locals(locals),
                None => Evaluation::new(program, document),
            })
            .collect();
        let results = self.shared.sandbox.expressions()?.evaluate(&self.compiled.programs, &evaluations).await?;
        results.into_iter().map(|result| result.map_err(Failure::from)).collect()
    }

    /// Where the value is kept; or why the organisation's storage does not take it.
    pub(super) async fn store(&self, value: Value) -> Result<Result<StoredValue, Failure>> {
        self.store_with(value, Vec::new()).await
    }

    /// `sensitive` are the parts of the value that a schema declares to be so.
    async fn store_with(&self, value: Value, sensitive: Vec<String>) -> Result<Result<StoredValue, Failure>> {
        let (objects, keys) = (&self.shared.objects, self.values.keys());
        let (tenant, execution) = (self.claim.tenant, self.claim.execution);
        let stored = if self.sensitive.is_empty() {
            objects.store(keys, tenant, execution, value).await?
        } else {
            objects.store_sensitive(keys, tenant, execution, &value, &self.sensitive, sensitive).await?
        };
        if stored.object().is_none_or(|object| object.key.is_empty()) {
            return Ok(Ok(stored));
        }
        let counted = self.shared.kernel.system(SystemReason::EngineBatch).run(async |tx| {
            let kept = quotas::keep_of(tx, tenant, execution, &stored).await;
            Ok(Audited::none("what a step gave is told of in the journal", kept?))
        });
        match counted.await {
            Ok(()) => Ok(Ok(stored)),
            Err(refused @ Error::Problem(_)) => {
                // Had it been there before, it would have been counted before.
                objects.remove(tenant, &stored).await;
                Ok(Err(Failure::from(refused)))
            }
            Err(fault) => Err(fault),
        }
    }

    /// A failure may quote what it was given.
    pub(super) fn masked(&self, failure: Failure) -> Failure {
        Failure { message: self.sensitive.masked_text(&failure.message), ..failure }
    }
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
