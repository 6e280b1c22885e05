//! Runs the benches of this crate.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use tenure_bench::engine::{self, Stage};
use tenure_bench::figure::Target;
use tenure_bench::pgbench::JournalInserts;
use tenure_bench::program::Program;
use tenure_bench::scratch::Scratch;
use tenure_bench::{Findings, Settings, compare, fsync, identity, kill, requests, scratch, sealing, serve, start};

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
    /// Everything below, one after the other
    All(Kills),
    /// Steps per second, latency of a step, waits, memory under 10,000 executions
    Engine {
        /// Only these; all unless given
        #[arg(value_enum)]
        parts: Vec<Part>,
    },
    /// A read over HTTP beside a bare handler, a write with its event beside the same without
    Requests {
        /// Only these; all unless given
        #[arg(value_enum)]
        parts: Vec<Requests>,
    },
    /// Logins, refreshes, authenticated requests, reads under an open load and beside a storm, 100,000 people
    Identity {
        /// Only these; all unless given
        #[arg(value_enum)]
        parts: Vec<Identity>,
    },
    /// Events sealed per second
    Seal,
    /// Start, memory when idle, size of the program
    Start,
    /// kill -9 at random moments under load; ends with 1 if anything was lost, doubled or leaked
    Kill(Kills),
    /// What PostgreSQL itself gives for journal-sized inserts: 32 clients beside one
    JournalFloor,
    #[command(hide = true)]
    ServeBare { url: String },
    #[command(hide = true)]
    ServeWrites { app: String, system: String, master_key: String },
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Steps,
    Sequence,
    Idle,
    Fairness,
    Crowd,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Requests {
    Read,
    Write,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Identity {
    Logins,
    Refreshes,
    Hello,
    OpenLoop,
    Storm,
    Crowd,
}

#[derive(Args)]
struct Kills {
    /// How often the server is killed
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// At least so many of the kills while a step runs
    #[arg(long, default_value_t = 15)]
    while_running: usize,
    /// Decides every random moment
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
    #[arg(long, global = true, default_value_t = 8)]
    max_rounds: usize,
    /// Seconds of each turn
    #[arg(long, global = true, default_value_t = 4)]
    seconds: u64,
    /// A turn counts only if the machine was idle for at least this share before it
    #[arg(long, global = true, default_value_t = 0.85)]
    min_idle: f64,
    /// Where the scratch database lies; the disk that is measured
    #[arg(long, global = true, default_value = "/var/tmp")]
    directory: PathBuf,
    /// The program to measure; built beside this one unless given
    #[arg(long, global = true)]
    tenure: Option<PathBuf>,
    /// The guests it runs; where `cargo xtask guests` puts them unless given
    #[arg(long, global = true)]
    guests: Option<PathBuf>,
}

impl Options {
    fn settings(&self) -> Settings {
        Settings {
            rounds: self.rounds,
            max_rounds: self.max_rounds.max(self.rounds),
            turn: Duration::from_secs(self.seconds),
            min_idle: self.min_idle,
            ..Settings::default()
        }
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Cli { bench, options } = Cli::parse();
    match &bench {
        Bench::ServeBare { url } => return serve::bare(url).await.map(|()| ExitCode::SUCCESS),
        Bench::ServeWrites { app, system, master_key } => {
            return serve::writes(app, system, master_key).await.map(|()| ExitCode::SUCCESS);
        }
        _ => {}
    }
    let scratch = scratch::directory(&options.directory)?;
    let before = fsync::probe(scratch.path(), Duration::from_secs(1))?;
    let mut findings = run(&bench, &options, scratch.path()).await?;
    findings.fsyncs_per_second = vec![before, fsync::probe(scratch.path(), Duration::from_secs(1))?];
    findings.processors = std::thread::available_parallelism()?.get();
    findings.optimized = !cfg!(debug_assertions);
    let text = if options.json {
        format!("{}\n", serde_json::to_string_pretty(&findings)?)
    } else {
        let pairs: String = findings.comparisons.iter().map(|report| format!("{report}\n")).collect();
        format!("{pairs}{findings}")
    };
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the report")?;
    // Speed is for people to judge; what was lost, doubled or leaked is not.
    let broken = matches!(bench, Bench::All(_) | Bench::Kill(_))
        && findings.missed().any(|figure| figure.target == Target::AtMost(0.0));
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn run(bench: &Bench, options: &Options, directory: &Path) -> Result<Findings> {
    let settings = options.settings();
    let program = async || Program::find(options.tenure.clone(), options.guests.clone()).await;
    match bench {
        Bench::All(kills) => {
            let program = program().await?;
            let mut findings = engine(&[], &program, directory, &settings).await?;
            findings.extend(requests(&[], &program, directory, &settings).await?);
            findings.extend(identities(&[], &program, directory, &settings).await?);
            findings.extend(seal(directory, &settings).await?);
            say("start");
            findings.extend(start::start(&program, directory).await?);
            findings.extend(kills_of(kills, &program, directory).await?);
            Ok(findings)
        }
        Bench::Engine { parts } => engine(parts, &program().await?, directory, &settings).await,
        Bench::Requests { parts } => requests(parts, &program().await?, directory, &settings).await,
        Bench::Identity { parts } => identities(parts, &program().await?, directory, &settings).await,
        Bench::Seal => seal(directory, &settings).await,
        Bench::Start => start::start(&program().await?, directory).await,
        Bench::Kill(kills) => kills_of(kills, &program().await?, directory).await,
        Bench::JournalFloor => journal_floor(directory, &settings).await,
        Bench::ServeBare { .. } | Bench::ServeWrites { .. } => Ok(Findings::default()),
    }
}

/// On standard error, so that a JSON document stays one.
fn say(what: &str) {
    // Whoever closed it does not want to read it.
    let _ = writeln!(std::io::stderr(), "{what} …");
}

fn wanted<T: PartialEq>(parts: &[T], part: &T) -> bool {
    parts.is_empty() || parts.contains(part)
}

async fn engine(parts: &[Part], program: &Program, directory: &Path, settings: &Settings) -> Result<Findings> {
    let directory = &directory.join("engine");
    std::fs::create_dir(directory)?;
    let scratch = Scratch::open(directory).await?;
    let mut findings = Findings::default();
    if wanted(parts, &Part::Crowd) {
        say("10,000 executions");
        let stage = Stage::set(&scratch, program, &directory.join("crowd")).await?;
        findings.extend(engine::crowd(&stage).await?);
        stage.close().await?;
    }
    if [Part::Steps, Part::Sequence, Part::Idle, Part::Fairness].iter().any(|part| wanted(parts, part)) {
        let stage = Stage::set(&scratch, program, &directory.join("data")).await?;
        if wanted(parts, &Part::Steps) {
            say("steps per second");
            findings.extend(engine::throughput(&stage, settings).await?);
        }
        if wanted(parts, &Part::Sequence) {
            say("steps in sequence");
            findings.extend(engine::sequential(&stage, settings).await?);
        }
        if wanted(parts, &Part::Idle) {
            say("wait at idle");
            findings.extend(engine::idle(&stage).await?);
        }
        if wanted(parts, &Part::Fairness) {
            say("fairness");
            findings.extend(engine::fairness(&stage).await?);
        }
        stage.close().await?;
    }
    scratch.close().await;
    Ok(findings)
}

async fn requests(parts: &[Requests], program: &Program, directory: &Path, settings: &Settings) -> Result<Findings> {
    let directory = &directory.join("requests");
    std::fs::create_dir(directory)?;
    let scratch = Scratch::open(directory).await?;
    let mut findings = Findings::default();
    if wanted(parts, &Requests::Read) {
        say("reads");
        findings.extend(requests::read(&scratch, program, &directory.join("data"), settings).await?);
    }
    if wanted(parts, &Requests::Write) {
        say("writes");
        findings.extend(requests::write(&scratch, settings).await?);
    }
    scratch.close().await;
    Ok(findings)
}

async fn identities(parts: &[Identity], program: &Program, directory: &Path, settings: &Settings) -> Result<Findings> {
    let directory = &directory.join("identity");
    std::fs::create_dir(directory)?;
    let scratch = Scratch::open(directory).await?;
    let data = |name: &str| directory.join(name);
    let mut findings = Findings::default();
    if wanted(parts, &Identity::Logins) {
        say("logins");
        findings.extend(identity::logins(&scratch, program, &data("logins"), settings).await?);
    }
    if wanted(parts, &Identity::Refreshes) {
        say("refreshes");
        findings.extend(identity::refreshes(&scratch, program, &data("refreshes"), settings).await?);
    }
    if wanted(parts, &Identity::Hello) {
        say("hello");
        findings.extend(identity::hello(&scratch, settings).await?);
    }
    if wanted(parts, &Identity::OpenLoop) {
        say("open loop");
        findings.extend(identity::open_loop(&scratch, program, &data("open")).await?);
    }
    if wanted(parts, &Identity::Storm) {
        say("a storm of logins");
        findings.extend(identity::storm(&scratch, program, &data("storm")).await?);
    }
    // Last: it fills the tables.
    if wanted(parts, &Identity::Crowd) {
        say("100,000 people");
        findings.extend(identity::crowd(&scratch, program, &data("crowd")).await?);
    }
    scratch.close().await;
    Ok(findings)
}

async fn seal(directory: &Path, settings: &Settings) -> Result<Findings> {
    say("sealing");
    let directory = &directory.join("seal");
    std::fs::create_dir(directory)?;
    let scratch = Scratch::open(directory).await?;
    let findings = sealing::sealing(&scratch, directory, settings).await;
    scratch.close().await;
    findings
}

async fn kills_of(kills: &Kills, program: &Program, directory: &Path) -> Result<Findings> {
    say("kills");
    let plan = kill::Plan { kills: kills.kills, while_running: kills.while_running, seed: kills.seed };
    let outcome = kill::kill(program, directory, plan).await?;
    Ok(kill::figures(&outcome))
}

async fn journal_floor(directory: &Path, settings: &Settings) -> Result<Findings> {
    let scratch = Scratch::open(directory).await?;
    let report = async {
        let mut many = JournalInserts::new(scratch.bin(), &scratch.superuser_url(), 32).await?;
        let mut one = JournalInserts::new(scratch.bin(), &scratch.superuser_url(), 1).await?;
        compare("group commit", &mut many, &mut one, settings).await
    }
    .await;
    scratch.close().await;
    let mut findings = Findings::default();
    findings.compared(report?, Target::Shown);
    Ok(findings)
}
