//! Takes an execution up: what it is, and how far it came.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use tenure_kernel::keys::TenantKeys;
use tenure_kernel::{Audited, Error, Result, SystemReason};
use tenure_workflow::machine::{self, Entry, Machine, Outcome, StepKey, StoredValue};
use tenure_workflow::plan::Plan;
use tenure_workflow::sensitive::SensitiveValues;
use tokio::task::JoinSet;

use super::super::Shared;
use super::super::document::Values;
use super::super::queue::Claim;
use super::super::steps::{Attempts, attempts};
use super::Drive;
use crate::domain::workflows::CompiledWorkflow;

impl Drive {
    pub(super) async fn open(shared: &Arc<Shared>, claim: &Arc<Claim>) -> Result<Self> {
        let Left { compiled, keys, entries, failed } = match Left::nothing(shared, claim) {
            Some(left) => left,
            None => Left::read(shared, claim).await?,
        };
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

/// What there is of an execution when it is taken up.
struct Left {
    compiled: Arc<CompiledWorkflow>,
    keys: Arc<TenantKeys>,
    entries: Vec<String>,
    failed: HashMap<StepKey, Attempts>,
}

impl Left {
    /// Of one that nobody has taken up before nothing is written, and where all else is known there is nothing to read.
    fn nothing(shared: &Shared, claim: &Claim) -> Option<Self> {
        if claim.attempt > 1 {
            return None;
        }
        let compiled = shared.plans.known(claim.tenant, claim.workflow, claim.version)?;
        let keys = shared.kernel.system(SystemReason::EngineBatch).known_keys(claim.tenant)?;
        Some(Self { compiled, keys, entries: Vec::new(), failed: HashMap::new() })
    }

    async fn read(shared: &Shared, claim: &Claim) -> Result<Self> {
        shared
            .kernel
            .system(SystemReason::EngineBatch)
            .run(async |tx| {
                let compiled = shared.plans.get(&mut *tx, claim.tenant, claim.workflow, claim.version).await?;
                let keys = tx.keys_of(claim.tenant).await?;
                let entries = sqlx::query_scalar!(
                    "select entry from execution_journal where tenant_id = $1 and execution_id = $2 order by seq",
                    claim.tenant.uuid(),
                    claim.execution.uuid()
                )
                .fetch_all(&mut *tx)
                .await?;
                let failed = attempts::of(tx, claim.tenant, claim.execution).await?;
                Ok(Audited::none("reads what an execution left", Self { compiled, keys, entries, failed }))
            })
            .await
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
