//! Runs the comparisons of this crate.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use tenure_bench::pgbench::JournalInserts;
use tenure_bench::{Report, Settings, compare, fsync};
use tenure_pgembed::{Binaries, Cluster, ClusterConfig};

/// Measure Tenure beside its references, in turns, on a quiet machine.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Bench {
    /// What PostgreSQL itself gives for journal-sized inserts: 32 clients beside one
    JournalFloor,
}

#[derive(Args)]
struct Options {
    /// Print one JSON document instead of a table
    #[arg(long, global = true)]
    json: bool,
    /// Undisturbed pairs wanted, at least 5
    #[arg(long, global = true, default_value_t = 5)]
    rounds: usize,
    /// Pairs tried before giving up on a machine that does not get quiet
    #[arg(long, global = true, default_value_t = 15)]
    max_rounds: usize,
    /// Seconds of each turn
    #[arg(long, global = true, default_value_t = 5)]
    seconds: u64,
    /// Where the scratch database lies; the disk that is measured
    #[arg(long, global = true, default_value = "/var/tmp")]
    directory: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Cli { bench, options } = Cli::parse();
    let scratch = tempfile::tempdir_in(&options.directory)
        .with_context(|| format!("cannot create a directory in {}", options.directory.display()))?;
    let settings = Settings {
        rounds: options.rounds,
        max_rounds: options.max_rounds,
        turn: Duration::from_secs(options.seconds),
        ..Settings::default()
    };
    let before = fsync::probe(scratch.path(), Duration::from_secs(1))?;
    let mut report = match bench {
        Bench::JournalFloor => journal_floor(scratch.path(), &settings).await?,
    };
    report.fsyncs_per_second = vec![before, fsync::probe(scratch.path(), Duration::from_secs(1))?];
    let text = if options.json { format!("{:#}\n", report.to_json()?) } else { report.to_string() };
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the report")
}

async fn journal_floor(scratch: &Path, settings: &Settings) -> Result<Report> {
    let binaries = Binaries::find(None, None)?;
    let cluster = Cluster::open(ClusterConfig::new(scratch.join("postgres"))).await?;
    let url = cluster.endpoint().superuser_url("postgres");
    let report = async {
        let mut many = JournalInserts::new(binaries.bin(), &url, 32).await?;
        let mut one = JournalInserts::new(binaries.bin(), &url, 1).await?;
        compare("group commit", &mut many, &mut one, settings).await
    }
    .await;
    cluster.stop().await;
    report
}
