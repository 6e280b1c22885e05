//! Ten thousand executions of three steps, over fifty tenants.

use anyhow::Result;

use super::{CLOSE, Chain, OPEN, Stage};
use crate::figure::{Figure, Findings, Quantity, Target};

const EXECUTIONS: usize = 10_000;

/// Whether all end, and the most memory that the server took meanwhile. The stage's server should be a fresh one: the
/// most memory is counted from its start.
///
/// # Errors
/// If one was lost or doubled.
pub async fn crowd(stage: &Stage<'_>) -> Result<Findings> {
    stage.clear().await?;
    let idle = stage.server.memory("VmRSS")?;
    stage.scratch.execute(CLOSE).await?;
    let begun = std::time::Instant::now();
    stage.queue(Chain::Jq3, &stage.tenants, EXECUTIONS).await?;
    let queued = begun.elapsed();
    stage.scratch.execute(OPEN).await?;
    stage.drained().await?;
    stage.check(EXECUTIONS as u64, Chain::Jq3).await?;
    let mut admin = stage.scratch.admin().await?;
    let seconds: f64 =
        sqlx::query_scalar("select extract(epoch from max(finished_at) - min(started_at))::float8 from executions")
            .fetch_one(&mut admin)
            .await?;
    let most = stage.server.memory("VmHWM")?;
    let note = format!(
        "all of {EXECUTIONS} succeeded, each step once; queued over the API at {:.0}/s, run at {:.0} executions/s; {idle:.0} MiB before",
        EXECUTIONS as f64 / queued.as_secs_f64(),
        EXECUTIONS as f64 / seconds
    );
    stage.sealed().await?;
    let measured = Quantity::new("most memory of the server in 10,000 executions × 3 steps", most, "MiB");
    Ok(Findings { figures: vec![Figure::alone(measured, Target::AtMost(300.0), note)], ..Findings::default() })
}
