use tenure_kernel::decision::{Decision, DecisionInput, Policy};
use tenure_kernel::{DecisionId, Result, Timestamp};

/// Asks the policy and keeps question and answer, so that both can be replayed under another policy. `executor` is the
/// tenant's own transaction or the engine's.
///
/// # Errors
/// PostgreSQL's: what cannot be kept is not decided.
pub async fn decide<'c>(
    policy: &dyn Policy,
    executor: impl sqlx::PgExecutor<'c>,
    now: Timestamp,
    input: &DecisionInput,
) -> Result<Decision> {
    let decision = policy.decide(input);
    sqlx::query!(
        "insert into decisions (tenant_id, id, at, point, input, allowed, reasons, policy_version)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        input.tenant.uuid(),
        DecisionId::new(now).uuid(),
        now,
        input.point.as_str(),
        serde_json::to_value(input)?,
        decision.allowed,
        &decision.reasons,
        decision.policy_version
    )
    .execute(executor)
    .await?;
    Ok(decision)
}
