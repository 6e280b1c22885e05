//! What a step sees, and maps: their list, and what their items gave.

use std::sync::Arc;

use serde_json::{Map, Value};
use tenure_kernel::{Error, Result, Timestamp};
use tenure_workflow::ErrorClass;
use tenure_workflow::machine::{Entry, Part, StepError, StepKey, Work};
use tenure_workflow::nodes::{Node, NodeKind};
use tenure_workflow::plan::NodeIndex;

use super::super::steps::{Done, Failure, StepEnd};
use super::Drive;
use super::outcome::kind_of;

/// The most steps that one map may become: each is a row of the journal, and all are held while it runs.
const MAX_STEPS: usize = 100_000;

impl Drive {
    /// The node that the step runs: of a map's item the map's body.
    pub(super) fn body_of(&self, index: NodeIndex, step: &StepKey) -> Arc<Node> {
        let node = self.compiled.plan.node(index);
        match (&node.kind, step.item) {
            (NodeKind::Map(map), Some(_)) => Arc::new(Node::clone(&map.body)),
            _ => Arc::new(node.clone()),
        }
    }

    pub(super) async fn see(&mut self, work: &Work, node: &Node) -> Result<(Arc<Value>, Option<Map<String, Value>>)> {
        let document = self.machine.document(&work.step).map_err(Error::internal)?;
        if work.step.item.is_none() {
            let (value, _) = self.values.document(&document).await?;
            return Ok((Arc::new(value), None));
        }
        // A plugin that asks for nothing is given its item alone: no need to make the rest.
        let item_alone =
            matches!(&node.kind, NodeKind::Plugin(plugin) if plugin.needs.is_none() && !plugin.config.is_templated());
        let known =
            self.shared_document.as_ref().filter(|(index, round, _)| *index == work.node && *round == work.step.round);
        if let Some((_, _, value)) = known {
            let value = Arc::clone(value);
            return Ok((value, self.values.locals(&document).await?));
        }
        let (value, locals) = if item_alone {
            (Value::Null, self.values.locals(&document).await?)
        } else {
            self.values.document(&document).await?
        };
        let value = Arc::new(value);
        self.shared_document = Some((work.node, work.step.round, Arc::clone(&value)));
        Ok((value, locals))
    }

    /// Evaluates a map's `over`.
    pub(super) async fn expand(&mut self, work: &Work) -> Result<()> {
        let started_at = self.now();
        let node = self.compiled.plan.node(work.node);
        let program = format!("{}/over", node.pointer);
        let document = self.machine.document(&work.step).map_err(Error::internal)?;
        let (value, _) = self.values.document(&document).await?;
        let list = match self.evaluate(&[(program, None)], &value).await.map(|mut results| results.pop()) {
            Ok(Some(Value::Array(list))) => list,
            Ok(other) => {
                let kind = other.map_or("nothing", |value| kind_of(&value));
                return self
                    .fail(
                        work,
                        started_at,
                        Failure::new(ErrorClass::Expression, format!("`over` gave {kind}, not a list")),
                    )
                    .await;
            }
            Err(failure) => return self.fail(work, started_at, failure).await,
        };
        let batch = match &node.kind {
            NodeKind::Map(map) => map.batch.map_or(1, |batch| batch as usize),
            _ => 1,
        };
        let steps = list.len().div_ceil(batch.max(1));
        let count = u32::try_from(list.len()).ok().filter(|_| steps <= MAX_STEPS);
        let Some(count) = count else {
            let message = format!(
                "`over` gave {} items, which are {steps} steps; a map takes {MAX_STEPS}: set `batch`",
                list.len()
            );
            return self.fail(work, started_at, Failure::new(ErrorClass::Limit, message)).await;
        };
        let items = match self.store(Value::Array(list)).await? {
            Ok(items) => items,
            Err(failure) => return self.fail(work, started_at, failure).await,
        };
        let row = self.row(&work.step, Some("expanded"), started_at, 1);
        self.journal(Entry::Expanded { step: work.step.clone(), items, count }, Some(row))
    }

    /// Assembles a map's list.
    pub(super) async fn close(&mut self, work: &Work, parts: Result<Vec<Part>, StepError>) -> Result<()> {
        let started_at = self.now();
        let batched = matches!(&self.compiled.plan.node(work.node).kind, NodeKind::Map(map) if map.batch.is_some());
        let end = match parts {
            Ok(parts) => StepEnd::Output(self.values.join(&parts, batched).await?),
            Err(error) => StepEnd::Failed(Failure { class: error.class, message: error.message }),
        };
        self.shared_document = None;
        self.finish(Done::at_once(work.step.clone(), end, started_at)).await
    }

    async fn fail(&mut self, work: &Work, started_at: Timestamp, failure: Failure) -> Result<()> {
        let done = Done::at_once(work.step.clone(), StepEnd::Failed(failure), started_at);
        self.finish(done).await
    }
}
