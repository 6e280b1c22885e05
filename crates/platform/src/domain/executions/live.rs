//! What runs on this node at this moment. Not durable: after a crash the steps simply run again. With each sign of life the
//! engine writes the beginning of the list into the execution's job, for those who ask another node.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tenure_kernel::{ExecutionId, Timestamp};

/// How a step in flight stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveState {
    /// It runs.
    Running,
    /// It waits for a person, a moment or its next attempt.
    Waiting,
}

/// A step that has begun and is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStep {
    /// Its name: `node`, `node#2`, `node[17]`.
    pub step: String,
    /// The type of its node.
    pub node_type: String,
    /// How it stands.
    pub state: LiveState,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: Timestamp,
}

/// The steps in flight, by execution.
#[derive(Debug, Default)]
pub struct LiveSteps(Mutex<HashMap<ExecutionId, Vec<LiveStep>>>);

impl LiveSteps {
    /// Those of one execution, in the order they began.
    #[must_use]
    pub fn of(&self, execution: ExecutionId) -> Vec<LiveStep> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&execution).cloned().unwrap_or_default()
    }

    /// The step began, or begins another attempt.
    pub fn started(&self, execution: ExecutionId, step: LiveStep) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let steps = all.entry(execution).or_default();
        match steps.iter_mut().find(|known| known.step == step.step) {
            Some(known) => *known = step,
            None => steps.push(step),
        }
    }

    /// The step is over.
    pub fn finished(&self, execution: ExecutionId, step: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(steps) = all.get_mut(&execution) {
            steps.retain(|known| known.step != step);
        }
    }

    /// The execution is not here any more.
    pub fn forget(&self, execution: ExecutionId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&execution);
    }
}
