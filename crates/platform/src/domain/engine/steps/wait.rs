//! `wait`: for a span, or until a moment. The moment is written down before the wait begins, so that a restart goes on
//! waiting instead of beginning anew.

use serde_json::{Value, json};
use tenure_kernel::{Audited, SystemReason, Timestamp};
use tenure_workflow::ErrorClass;
use tenure_workflow::nodes::Wait;

use super::{Extras, Failure, Parking, Ran, SHORT_WAIT, Step, StepEnd};

pub(super) async fn run(step: &Step, wait: &Wait, extras: &mut Extras) -> Ran {
    let wake_at = match wait {
        // It stands in the definition: a restart finds it there.
        Wait::Until(template) if !template.is_templated() => moment(step, wait).await?,
        _ => match known(step).await? {
            Some(known) => known,
            None => {
                let wake_at = moment(step, wait).await?;
                remember(step, wake_at).await?;
                wake_at
            }
        },
    };
    if let Wait::For(span) = wait {
        extras.began = Some(wake_at.before(span.as_duration()));
    }
    let left = wake_at.since(step.now());
    if left > SHORT_WAIT {
        return Ok(StepEnd::Parked(Parking::Until(wake_at)));
    }
    if !left.is_zero() {
        tokio::time::sleep(left).await;
    }
    Ok(StepEnd::Output(json!({ "until": wake_at })))
}

async fn moment(step: &Step, wait: &Wait) -> Result<Timestamp, Failure> {
    let until = match wait {
        Wait::For(span) => return Ok(step.now().after(span.as_duration())),
        Wait::Until(template) if template.is_templated() => step.evaluate("until").await?,
        Wait::Until(template) => template.value().clone(),
    };
    let wrong = || {
        Failure::new(
            ErrorClass::Expression,
            format!("`until` gave {until}, which is no moment such as 2026-12-24T18:00:00Z"),
        )
    };
    match &until {
        Value::String(text) => text.parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

async fn known(step: &Step) -> Result<Option<Timestamp>, Failure> {
    let (tenant, execution, name) = (step.claim.tenant.uuid(), step.claim.execution.uuid(), step.key.to_string());
    let known = step
        .shared
        .kernel
        .system(SystemReason::EngineBatch)
        .run(async |tx| {
            let at = sqlx::query_scalar!(
                "select wake_at from execution_timers where tenant_id = $1 and execution_id = $2 and step = $3",
                tenant,
                execution,
                name
            )
            .fetch_optional(&mut *tx)
            .await?;
            Ok(Audited::none("looks up a wait that has begun", at))
        })
        .await?;
    Ok(known)
}

async fn remember(step: &Step, wake_at: Timestamp) -> Result<(), Failure> {
    let (tenant, execution, name) = (step.claim.tenant.uuid(), step.claim.execution.uuid(), step.key.to_string());
    step.shared
        .kernel
        .system(SystemReason::EngineBatch)
        .run(async |tx| {
            sqlx::query!(
                "insert into execution_timers (tenant_id, execution_id, step, wake_at) values ($1, $2, $3, $4) on conflict do nothing",
                tenant,
                execution,
                name,
                wake_at
            )
            .execute(&mut *tx)
            .await?;
            Ok(Audited::none("a wait is a part of its step", ()))
        })
        .await?;
    Ok(())
}
