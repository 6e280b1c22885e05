//! How often a step has failed and when it is tried again: written down before the wait, so that after a crash the count
//! goes on and the wait is kept. An attempt that a crash cut short is not counted, it is made again.

use std::collections::HashMap;

use tenure_kernel::{Audited, Error, ExecutionId, Result, SystemReason, SystemTx, TenantId, Timestamp};
use tenure_workflow::machine::StepKey;

use super::Step;

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Attempts {
    /// How many have failed.
    pub(in super::super) failed: u32,
    /// Not before.
    pub(in super::super) next_at: Option<Timestamp>,
}

/// Those of an execution's steps.
pub(in super::super) async fn of(
    tx: &mut SystemTx,
    tenant: TenantId,
    execution: ExecutionId,
) -> Result<HashMap<StepKey, Attempts>> {
    let rows = sqlx::query!(
        r#"select step, failed, next_at as "next_at: Timestamp" from execution_attempts where tenant_id = $1 and execution_id = $2"#,
        tenant.uuid(),
        execution.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    let attempts = rows.into_iter().map(|row| {
        let failed = u32::try_from(row.failed).map_err(Error::internal)?;
        Ok((row.step.parse().map_err(Error::internal)?, Attempts { failed, next_at: Some(row.next_at) }))
    });
    attempts.collect()
}

/// Writes them down. Where PostgreSQL is gone the step goes on all the same: its end cannot be written either, and whoever
/// takes the execution up then begins from the count before.
pub(super) async fn remember(step: &Step, attempts: Attempts) {
    let (tenant, execution, name) = (step.claim.tenant, step.claim.execution, step.key.to_string());
    let written = step
        .shared
        .kernel
        .system(SystemReason::EngineBatch)
        .run(async |tx| {
            sqlx::query!(
                "insert into execution_attempts (tenant_id, execution_id, step, failed, next_at) values ($1, $2, $3, $4, $5)
                 on conflict (tenant_id, execution_id, step) do update set failed = excluded.failed, next_at = excluded.next_at",
                tenant.uuid(),
                execution.uuid(),
                name,
                i32::try_from(attempts.failed).unwrap_or(i32::MAX),
                attempts.next_at.unwrap_or_else(|| tx.now())
            )
            .execute(&mut *tx)
            .await?;
            Ok(Audited::none("attempts are a part of their step", ()))
        })
        .await;
    if let Err(error) = written {
        tracing::warn!(%execution, step = %step.key, %error, "a failed attempt was not written down");
    }
}
