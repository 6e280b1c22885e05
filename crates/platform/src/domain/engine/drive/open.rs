//! Takes an execution up: what it is, and how far it came.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use tenure_kernel::{Audited, Error, Result, SystemReason};
use tenure_workflow::machine::{self, Entry, Machine};
use tenure_workflow::plan::Plan;
use tokio::task::JoinSet;

use super::super::Shared;
use super::super::document::Values;
use super::super::queue::Claim;
use super::super::steps::attempts;
use super::Drive;

impl Drive {
    pub(super) async fn open(shared: &Arc<Shared>, claim: &Arc<Claim>) -> Result<Self> {
        let taken_up_before = claim.attempt > 1;
        let (compiled, keys, entries, failed) = shared
            .kernel
            .system(SystemReason::EngineBatch)
            .run(async |tx| {
                let compiled = shared.plans.get(&mut *tx, claim.tenant, claim.workflow, claim.version).await?;
                let keys = tx.keys_of(claim.tenant).await?;
                let entries = if taken_up_before {
                    sqlx::query_scalar!(
                        "select entry from execution_journal where tenant_id = $1 and execution_id = $2 order by seq",
                        claim.tenant.uuid(),
                        claim.execution.uuid()
                    )
                    .fetch_all(&mut *tx)
                    .await?
                } else {
                    Vec::new()
                };
                let failed = if taken_up_before {
                    attempts::of(tx, claim.tenant, claim.execution).await?
                } else {
                    HashMap::new()
                };
                Ok(Audited::none("reads what an execution left", (compiled, keys, entries, failed)))
            })
            .await?;
        let next_seq = i32::try_from(entries.len()).map_err(Error::internal)?;
        let mut entries = entries.iter().map(|entry| serde_json::from_str(entry)).collect::<Result<Vec<Entry>, _>>()?;
        let retried = missing_retry(&compiled.plan, &entries, claim.retries);
        entries.extend(retried.clone());
        let attempt = claim.retries.saturating_add(1);
        let execution = Arc::new(json!({ "id": claim.execution, "environment": "dev", "attempt": attempt }));
        let machine = Machine::replay(Arc::clone(&compiled.plan), claim.input.clone(), execution, entries)
            .map_err(Error::internal)?;
        let mut drive = Self {
            values: Values::new(shared.objects.clone(), keys, claim.tenant),
            shared: Arc::clone(shared),
            claim: Arc::clone(claim),
            compiled,
            machine,
            begun: Instant::now(),
            next_seq,
            unwritten: Vec::new(),
            steps: JoinSet::new(),
            aborts: HashMap::new(),
            parked: HashMap::new(),
            shared_document: None,
            failed,
            winding: false,
        };
        if let Some(entry) = retried {
            drive.journal_retry(&entry)?;
        }
        Ok(drive)
    }
}

/// Somebody had the execution go on after it had ended, and the journal does not say so yet.
fn missing_retry(plan: &Plan, entries: &[Entry], retries: i32) -> Option<Entry> {
    let written = entries.iter().filter(|entry| matches!(entry, Entry::Retried { .. })).count();
    let missing = usize::try_from(retries).unwrap_or(0) > written;
    missing.then(|| Entry::Retried { forgotten: machine::failures(plan, entries) })
}
