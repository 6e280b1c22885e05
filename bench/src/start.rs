//! How long a start takes, what an idle server holds, how large the program is.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tenure_pgembed::{Cluster, ClusterConfig};

use crate::figure::{Figure, Findings, Quantity, Target};
use crate::program::Program;
use crate::scratch;
use crate::stats::median;

const ROUNDS: usize = 5;
/// After it is ready: pools, caches and background work have settled.
const SETTLE: Duration = Duration::from_secs(3);

/// The start of `tenure serve` on a new data directory and on an existing one, up to its first `200` on `/readyz`; the
/// reference is PostgreSQL alone, made and started in the same way.
///
/// # Errors
/// If a start fails.
pub async fn start(program: &Program, directory: &Path) -> Result<Findings> {
    let (mut first, mut again, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    let (mut postgres_first, mut postgres_again) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let data = scratch::directory(directory)?;
        let server = program.serve(data.path(), "127.0.0.1:0", &[]).await?;
        first.push(server.ready_after().await?.as_secs_f64());
        server.stop().await?;
        let server = program.serve(data.path(), "127.0.0.1:0", &[]).await?;
        again.push(server.ready_after().await?.as_secs_f64());
        tokio::time::sleep(SETTLE).await;
        memory.push(server.memory("VmRSS")?);
        server.stop().await?;

        let data = scratch::directory(directory)?;
        postgres_first.push(postgres(data.path()).await?);
        postgres_again.push(postgres(data.path()).await?);
    }
    let middle = |values: &[f64]| median(values).context("there were rounds");
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let times = |name, values: &[f64], reference, postgres: &[f64], bound| -> Result<Figure> {
        let note = format!("slowest of {ROUNDS}: {:.2} s; pages of files may be cached", most(values));
        let measured = Quantity::new(name, middle(values)?, "s");
        let reference = Quantity::new(reference, middle(postgres)?, "s");
        Ok(Figure::beside(measured, reference, Target::AtMost(bound), note))
    };
    let size = std::fs::metadata(&program.path).context("cannot see the program")?.len() as f64 / 1024.0 / 1024.0;
    let figures = vec![
        times("first start of `tenure serve`", &first, "PostgreSQL alone, made and started", &postgres_first, 5.0)?,
        times("start on existing data", &again, "PostgreSQL alone, started", &postgres_again, 1.0)?,
        Figure::alone(
            Quantity::new("memory of the idle server", middle(&memory)?, "MiB"),
            Target::AtMost(150.0),
            format!("resident, mapped files included; most of {ROUNDS}: {:.0} MiB", most(&memory)),
        ),
        Figure::alone(Quantity::new("size of the program", size, "MiB"), Target::AtMost(120.0), ""),
    ];
    Ok(Findings { figures, ..Findings::default() })
}

async fn postgres(directory: &Path) -> Result<f64> {
    let begun = std::time::Instant::now();
    let cluster = Cluster::open(ClusterConfig::new(directory.join("postgres"))).await?;
    let took = begun.elapsed().as_secs_f64();
    cluster.stop().await;
    Ok(took)
}
