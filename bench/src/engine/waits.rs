//! How long an execution waits for its first step: at idle, and beside a tenant with a full queue.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tenure_kernel::Clock;

use super::{Chain, OPEN, Stage, Tenant, start_request};
use crate::client::Connection;
use crate::figure::{Figure, Findings, Quantity, Target};
use crate::stats::{median, percentile};

const CALLS: usize = 100;
/// Between two calls at idle: long enough for the last execution to end.
const PAUSE: Duration = Duration::from_millis(30);
const QUEUED: usize = 10_000;
const ROUNDS: usize = 3;
const SAMPLES: usize = 150;
const EVERY: Duration = Duration::from_millis(15);

/// From the call to the beginning of the first step, on an idle server.
///
/// # Errors
/// If the server fails.
pub async fn idle(stage: &Stage<'_>) -> Result<Findings> {
    stage.clear().await?;
    let tenant = stage.tenant(0)?;
    let (clock, bytes) = (Clock::system(), start_request(tenant, Chain::Jq3)?);
    let mut connection = Connection::open(stage.server.address).await?;
    let mut called = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        called.push(clock.now());
        connection.send(&bytes).await?.json(202)?;
        tokio::time::sleep(PAUSE).await;
    }
    stage.drained().await?;
    stage.check(CALLS as u64, Chain::Jq3).await?;
    let mut admin = stage.scratch.admin().await?;
    // One at a time, so the order of their beginnings is that of the calls.
    let begun: Vec<i64> = sqlx::query_scalar(
        "select (extract(epoch from min(started_at)) * 1000000)::bigint from execution_journal
         where step is not null group by tenant_id, execution_id order by min(started_at)",
    )
    .fetch_all(&mut admin)
    .await?;
    let waits: Vec<f64> =
        called.iter().zip(&begun).map(|(called, begun)| (begun - called.as_micros()) as f64 / 1000.0).collect();
    let half = median(&waits).context("there were calls")?;
    let most = percentile(&waits, 0.95).context("there were calls")?;
    let measured = Quantity::new("wait from the call to the first step at idle, P50", half, "ms");
    let note = format!("P95 {most:.1} ms, {CALLS} calls");
    Ok(Findings { figures: vec![Figure::alone(measured, Target::AtMost(10.0), note)], ..Findings::default() })
}

/// P95 of a small tenant's wait, alone and beside a tenant with 10,000 queued.
///
/// # Errors
/// If the server fails, or the full queue empties before the small tenant had its turns.
pub async fn fairness(stage: &Stage<'_>) -> Result<Findings> {
    let (small, large) = (stage.tenant(0)?, stage.tenant(1)?);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let mut left = Vec::new();
    for _ in 0..ROUNDS {
        stage.clear().await?;
        calls(stage, small, SAMPLES).await?;
        stage.drained().await?;
        alone.push(waits(stage, small).await?);

        stage.clear().await?;
        stage.scratch.execute(super::CLOSE).await?;
        stage.queue(Chain::Jq3, std::slice::from_ref(large), QUEUED).await?;
        stage.sealed().await?;
        stage.scratch.execute(super::KNOWN).await?;
        stage.scratch.execute(OPEN).await?;
        calls(stage, small, SAMPLES).await?;
        left.push(stage.scratch.count("select count(*) from jobs").await?);
        stage.drained().await?;
        beside.push(waits(stage, small).await?);
        stage.sealed().await?;
    }
    let of = |rounds: &[Vec<f64>], share| {
        let each: Option<Vec<f64>> = rounds.iter().map(|waits| percentile(waits, share)).collect();
        each.as_deref().and_then(median).context("there were calls")
    };
    let note = format!(
        "P50 {:.1} ms alone, {:.1} ms beside; {SAMPLES} calls in each of {ROUNDS} rounds; still queued at their end: {left:?}",
        of(&alone, 0.5)?,
        of(&beside, 0.5)?,
    );
    let measured = Quantity::new("P95 wait of a small tenant beside 10,000 queued", of(&beside, 0.95)?, "ms");
    let reference = Quantity::new("its P95 wait alone", of(&alone, 0.95)?, "ms");
    let figure = Figure::beside(measured, reference, Target::RatioAtMost(2.0), note);
    Ok(Findings { figures: vec![figure], ..Findings::default() })
}

async fn calls(stage: &Stage<'_>, tenant: &Tenant, count: usize) -> Result<()> {
    let bytes = start_request(tenant, Chain::Jq3)?;
    let mut connection = Connection::open(stage.server.address).await?;
    let mut ticks = tokio::time::interval(EVERY);
    for _ in 0..count {
        ticks.tick().await;
        connection.send(&bytes).await?.json(202)?;
    }
    Ok(())
}

/// From the moment it was queued to the beginning of its first step, of each of the tenant's executions, in milliseconds.
async fn waits(stage: &Stage<'_>, tenant: &Tenant) -> Result<Vec<f64>> {
    let mut admin = stage.scratch.admin().await?;
    let waits = sqlx::query_scalar(
        "select (extract(epoch from min(j.started_at) - min(e.created_at)) * 1000)::float8 from executions e
         join execution_journal j on j.tenant_id = e.tenant_id and j.execution_id = e.id and j.step is not null
         where e.tenant_id = $1 group by e.id",
    )
    .bind(tenant.id.uuid())
    .fetch_all(&mut admin)
    .await?;
    Ok(waits)
}
