//! Takes an execution up: what it is, and how far it came.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use tenure_kernel::{Audited, Error, Result, SystemReason};
use tenure_workflow::machine::{self, Entry, Machine, Outcome, StoredValue};
use tenure_workflow::plan::Plan;
use tenure_workflow::sensitive::SensitiveValues;
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
        let mut values = Values::new(shared.objects.clone(), keys, claim.tenant);
        let sensitive = sensitive_values(&mut values, &claim.input, &entries).await?;
        let machine = Machine::replay(Arc::clone(&compiled.plan), claim.input.clone(), execution, entries)
            .map_err(Error::internal)?;
        let mut drive = Self {
            values,
            sensitive: Arc::new(sensitive),
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

/// What the input and the outputs so far hold that schemas declare to be sensitive.
async fn sensitive_values(values: &mut Values, input: &StoredValue, entries: &[Entry]) -> Result<SensitiveValues> {
    let outputs = entries.iter().filter_map(|entry| match entry {
        Entry::Finished { outcome: Outcome::Succeeded { output, .. }, .. } => Some(output),
        _ => None,
    });
    let mut found = SensitiveValues::default();
    for stored in std::iter::once(input).chain(outputs) {
        let parts = stored.object().and_then(|object| object.sensitive.as_ref()).map(|sensitive| &sensitive.parts);
        if let Some(parts) = parts.filter(|parts| !parts.is_empty()) {
            found.add(&*values.value(stored).await?, parts);
        }
    }
    Ok(found)
}
