//! Password logins beside the bare Argon2 library, and reads beside a storm of logins.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};

use super::reads::paced;
use super::{PASSWORD, Stage};
use crate::client::Connection;
use crate::figure::{Figure, Findings, Quantity, Target};
use crate::load::Load;
use crate::program::Program;
use crate::requests::Loaded;
use crate::run::{Contender, Measured, Settings, compare};
use crate::scratch::Scratch;
use crate::stats::percentile;

const PEOPLE: u32 = 512;

/// The library on as many threads as the server's pool has, and nothing else.
struct Bare {
    threads: usize,
    hash: Arc<str>,
}

impl Bare {
    fn new() -> Result<Self> {
        let wrong = |error: &dyn std::fmt::Display| anyhow::anyhow!("Argon2: {error}");
        let hash = argon2()?.hash_password(PASSWORD.as_bytes()).map_err(|error| wrong(&error))?.to_string();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { threads: cores.saturating_sub(1).max(1), hash: hash.into() })
    }
}

/// OWASP's parameters, as the server has them.
fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|error| anyhow::anyhow!("Argon2: {error}"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

impl Contender for Bare {
    fn name(&self) -> &str {
        "the Argon2 library on as many threads"
    }

    fn run(&mut self, time: Duration) -> BoxFuture<'_, Result<Measured>> {
        let (threads, hash) = (self.threads, Arc::clone(&self.hash));
        async move {
            let start = Instant::now();
            let work = move || -> Result<u64> {
                let (argon2, mut done) = (argon2()?, 0);
                let hash = PasswordHash::new(&hash).map_err(|error| anyhow::anyhow!("Argon2: {error}"))?;
                while start.elapsed() < time {
                    argon2
                        .verify_password(PASSWORD.as_bytes(), &hash)
                        .map_err(|error| anyhow::anyhow!("Argon2: {error}"))?;
                    done += 1;
                }
                Ok(done)
            };
            let all = join_all((0..threads).map(|_| tokio::task::spawn_blocking(work.clone()))).await;
            let done: Vec<u64> = all.into_iter().map(|one| one.context("a thread failed")?).collect::<Result<_>>()?;
            Ok(Measured { operations: done.iter().sum(), elapsed: start.elapsed() })
        }
        .boxed()
    }
}

/// Logins per second of people who know their passwords.
///
/// # Errors
/// If the server fails, or a login that is right is refused.
pub async fn logins(scratch: &Scratch, program: &Program, data: &Path, settings: &Settings) -> Result<Findings> {
    let stage = Arc::new(Stage::set(scratch, program, data).await?);
    stage.people(scratch, PEOPLE).await?;
    let of = Arc::clone(&stage);
    let make = move |number: u64| of.login(number % u64::from(PEOPLE) + 1);
    let load = Load { address: stage.address(), connections: 16, request: Arc::new(make), status: 200 };
    let mut subject = Loaded::new("password logins", load);
    let report = compare("logins", &mut subject, &mut Bare::new()?, settings).await?;
    drop(subject);
    let stage = Arc::into_inner(stage).context("the load is over")?;
    stage.server.stop().await?;
    let mut findings = Findings::default();
    findings.compared(report, Target::RatioAtLeast(0.85));
    Ok(findings)
}

const READS_A_SECOND: u64 = 200;
const AT_ONCE: u64 = 1_000;
const STEADY: Duration = Duration::from_secs(60);
const STEADY_A_SECOND: u64 = 30;

/// A thousand logins at once, then thirty a second for a minute: how long reads of others take meanwhile, beside how long
/// they take at rest, and what became of every login.
///
/// # Errors
/// If the server fails, or answers a login otherwise than with success or 503.
pub async fn storm(scratch: &Scratch, program: &Program, data: &Path) -> Result<Findings> {
    let stage = Arc::new(Stage::set(scratch, program, data).await?);
    stage.people(scratch, u32::try_from(AT_ONCE)?).await?;
    let read = stage.read().await?;
    let going = Arc::new(AtomicBool::new(true));
    paced(stage.address(), read.clone(), READS_A_SECOND, Duration::from_secs(2), &going).await?;
    let idle = paced(stage.address(), read.clone(), READS_A_SECOND, Duration::from_secs(10), &going).await?;

    let (served, deferred) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let log_in = |number: u64| {
        let (stage, served, deferred) = (Arc::clone(&stage), Arc::clone(&served), Arc::clone(&deferred));
        tokio::spawn(async move {
            let answer = Connection::open(stage.address()).await?.send(&stage.login(number % AT_ONCE + 1)).await?;
            match answer.status {
                200 => served.fetch_add(1, Ordering::Relaxed),
                503 => deferred.fetch_add(1, Ordering::Relaxed),
                other => anyhow::bail!("a login was answered with {other}: {}", String::from_utf8_lossy(&answer.body)),
            };
            Ok(())
        })
    };
    let (address, beside) = (stage.address(), Arc::clone(&going));
    let reads =
        tokio::spawn(async move { paced(address, read, READS_A_SECOND, Duration::from_secs(600), &beside).await });
    let mut sent: Vec<_> = (0..AT_ONCE).map(log_in).collect();
    let begun = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / u32::try_from(STEADY_A_SECOND)?);
    while begun.elapsed() < STEADY {
        tick.tick().await;
        sent.push(log_in(u64::try_from(sent.len())?));
    }
    let all = u64::try_from(sent.len())?;
    for one in sent {
        one.await??;
    }
    going.store(false, Ordering::Relaxed);
    let busy = reads.await??;
    let (served, deferred) = (served.load(Ordering::Relaxed), deferred.load(Ordering::Relaxed));
    ensure!(served + deferred == all, "{all} logins were sent, {served} served, {deferred} deferred");
    let stage = Arc::into_inner(stage).context("the logins are over")?;
    stage.server.stop().await?;
    let p99 = |name: &str, times: &[f64]| -> Result<Quantity> {
        Ok(Quantity::new(name, percentile(times, 0.99).context("no read was answered")?, "ms"))
    };
    let note = format!("{all} logins: {served} served, {deferred} answered with 503, none lost");
    let mut findings = Findings::default();
    findings.figures.push(Figure::beside(
        p99("P99 of reads beside a storm of logins", &busy)?,
        p99("the same at rest", &idle)?,
        Target::RatioAtMost(3.0),
        note,
    ));
    Ok(findings)
}
