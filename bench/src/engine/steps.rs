//! Steps per second, and the latency of one step.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::{CLOSE, Chain, OPEN, Stage};
use crate::client::Connection;
use crate::figure::{Figure, Findings, Target};
use crate::pgbench::JournalInserts;
use crate::run::{Contender, Measured, Settings, compare, compare_all};

/// A chain of steps, in many executions at once.
struct Steps<'a> {
    stage: &'a Stage<'a>,
    name: &'static str,
    chain: Chain,
    /// What the last turn gave, to size the next.
    rate: f64,
}

impl Steps<'_> {
    async fn turn(&mut self, time: Duration) -> Result<Measured> {
        let stage = self.stage;
        let executions = (self.rate * time.as_secs_f64() / self.chain.steps() as f64).max(100.0) as usize;
        stage.clear().await?;
        stage.scratch.execute(CLOSE).await?;
        stage.queue(self.chain, &stage.tenants, executions).await?;
        stage.sealed().await?;
        stage.scratch.execute("checkpoint").await?;
        stage.scratch.execute(OPEN).await?;
        stage.drained().await?;
        stage.check(executions as u64, self.chain).await?;
        let mut admin = stage.scratch.admin().await?;
        let seconds: f64 =
            sqlx::query_scalar("select extract(epoch from max(finished_at) - min(started_at))::float8 from executions")
                .fetch_one(&mut admin)
                .await?;
        stage.sealed().await?;
        let operations = executions as u64 * self.chain.steps();
        let measured = Measured { operations, elapsed: Duration::from_secs_f64(seconds) };
        self.rate = measured.rate();
        Ok(measured)
    }
}

impl Contender for Steps<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn run(&mut self, time: Duration) -> BoxFuture<'_, Result<Measured>> {
        self.turn(time).boxed()
    }
}

/// Steps per second of an empty node and of a jq transform, beside `pgbench` with 32 clients.
///
/// # Errors
/// If anything was lost or doubled, or a server fails.
pub async fn throughput(stage: &Stage<'_>, settings: &Settings) -> Result<Findings> {
    let mut empty = Steps { stage, name: "steps, empty node", chain: Chain::Empty20, rate: 4000.0 };
    let mut jq = Steps { stage, name: "steps, jq transform", chain: Chain::Jq20, rate: 2000.0 };
    let mut floor = JournalInserts::new(stage.scratch.bin(), &stage.scratch.superuser_url(), 32).await?;
    let reports = compare_all("engine", &mut [&mut empty, &mut jq], &mut floor, settings).await?;
    let mut findings = Findings::default();
    for (report, share) in reports.into_iter().zip([0.5, 0.35]) {
        findings.compared(report, Target::RatioAtLeast(share));
    }
    Ok(findings)
}

/// Forty steps one after the other, in one execution at a time.
struct Sequence<'a>(&'a Stage<'a>);

impl Sequence<'_> {
    async fn turn(&mut self, time: Duration) -> Result<Measured> {
        let Self(stage) = self;
        stage.clear().await?;
        let tenant = stage.tenant(0)?;
        let path = format!("/api/v1/workflows/{}/executions?wait=30s", Chain::Empty40.of(tenant)?);
        let bearer = format!("Bearer {}", tenant.token);
        let bytes = crate::client::request("POST", &path, &[("authorization", &bearer)], Some(&super::input()));
        let mut connection = Connection::open(stage.server.address).await?;
        let (begun, mut executions) = (std::time::Instant::now(), 0);
        while begun.elapsed() < time {
            let done = connection.send(&bytes).await?.json(200)?;
            let state = done.get("state").and_then(serde_json::Value::as_str);
            ensure!(state == Some("succeeded"), "an execution did not succeed: {done}");
            executions += 1;
        }
        stage.check(executions, Chain::Empty40).await?;
        let mut admin = stage.scratch.admin().await?;
        let seconds: f64 = sqlx::query_scalar(
            "select extract(epoch from sum(last - first))::float8 from (select min(started_at) as first, max(finished_at) as last
             from execution_journal where step is not null group by tenant_id, execution_id) executions",
        )
        .fetch_one(&mut admin)
        .await
        .context("the journal holds the times")?;
        Ok(Measured { operations: executions * Chain::Empty40.steps(), elapsed: Duration::from_secs_f64(seconds) })
    }
}

impl Contender for Sequence<'_> {
    fn name(&self) -> &str {
        "a step of forty in sequence"
    }

    fn run(&mut self, time: Duration) -> BoxFuture<'_, Result<Measured>> {
        self.turn(time).boxed()
    }
}

/// The latency of a trivial step beside that of a commit.
///
/// # Errors
/// As [`throughput`].
pub async fn sequential(stage: &Stage<'_>, settings: &Settings) -> Result<Findings> {
    let mut floor = JournalInserts::new(stage.scratch.bin(), &stage.scratch.superuser_url(), 1).await?;
    let report = compare("latency", &mut Sequence(stage), &mut floor, settings).await?;
    let figure = Figure::of(&report, Target::RatioAtLeast(0.4)).as_latency(Target::RatioAtMost(2.5));
    Ok(Findings { figures: vec![figure], comparisons: vec![report], ..Findings::default() })
}
