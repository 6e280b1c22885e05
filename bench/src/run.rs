//! The interleaved run.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::future::BoxFuture;

use crate::machine::{CpuTimes, Shares};
use crate::report::{Pair, Report, Sample};

/// One of the two sides. What it measures it also checks: a run that lost or doubled work is an error, not a figure.
pub trait Contender: Send {
    /// Shown in the report.
    fn name(&self) -> &str;

    /// Works for about `time` and says how much was done.
    fn run(&mut self, time: Duration) -> BoxFuture<'_, Result<Measured>>;
}

/// What one side did in one turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Operations finished and found to be correct.
    pub operations: u64,
    /// The time they took, without set-up.
    pub elapsed: Duration,
}

impl Measured {
    /// Operations per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }
}

/// How a comparison is run.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Undisturbed pairs wanted, at least 5.
    pub rounds: usize,
    /// Pairs tried before giving up.
    pub max_rounds: usize,
    /// Length of each turn.
    pub turn: Duration,
    /// How long the machine is watched before each turn.
    pub watch: Duration,
    /// A turn counts only if the machine was idle for at least this share before it.
    pub min_idle: f64,
    /// A turn counts only if at most this share of the CPU was stolen during it.
    pub max_steal: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rounds: 5,
            max_rounds: 15,
            turn: Duration::from_secs(5),
            watch: Duration::from_millis(500),
            min_idle: 0.85,
            max_steal: 0.01,
        }
    }
}

/// Runs `subject` and `reference` in turns until `settings.rounds` pairs were undisturbed or `max_rounds` were tried.
/// A first, shorter turn of each warms up and is not counted.
///
/// # Errors
/// Whatever a contender's run returns, and fewer rounds than 5 asked for.
pub async fn compare(
    title: &str,
    subject: &mut dyn Contender,
    reference: &mut dyn Contender,
    settings: &Settings,
) -> Result<Report> {
    let mut reports = compare_all(title, &mut [subject], reference, settings).await?;
    reports.pop().context("one subject gives one report")
}

/// The same with several subjects, each of which has its turn before the reference has: one report each, in their order.
///
/// # Errors
/// As [`compare`].
pub async fn compare_all(
    title: &str,
    subjects: &mut [&mut dyn Contender],
    reference: &mut dyn Contender,
    settings: &Settings,
) -> Result<Vec<Report>> {
    ensure!(settings.rounds >= 5, "a comparison needs at least 5 rounds, not {}", settings.rounds);
    let report = |subject: &&mut dyn Contender| Report {
        title: title.to_owned(),
        subject: subject.name().to_owned(),
        reference: reference.name().to_owned(),
        wanted_rounds: settings.rounds,
        fsyncs_per_second: Vec::new(),
        pairs: Vec::new(),
    };
    let mut reports: Vec<Report> = subjects.iter().map(report).collect();
    for subject in subjects.iter_mut() {
        subject.run(settings.turn / 5).await?;
    }
    reference.run(settings.turn / 5).await?;
    for _ in 0..settings.max_rounds {
        if reports.iter().all(Report::is_complete) {
            break;
        }
        let mut samples = Vec::with_capacity(subjects.len());
        for subject in subjects.iter_mut() {
            samples.push(turn(&mut **subject, settings).await?);
        }
        let reference = turn(reference, settings).await?;
        for (report, subject) in reports.iter_mut().zip(samples) {
            report.pairs.push(Pair { subject, reference: reference.clone() });
        }
    }
    Ok(reports)
}

async fn turn(contender: &mut dyn Contender, settings: &Settings) -> Result<Sample> {
    let before = watch_until_idle(settings).await?;
    let start = CpuTimes::now()?;
    let measured = contender.run(settings.turn).await?;
    let during = CpuTimes::now()?.since(&start);
    Ok(Sample {
        per_second: measured.rate(),
        operations: measured.operations,
        idle_before: before.idle,
        steal: during.steal,
        kept: before.idle >= settings.min_idle && during.steal <= settings.max_steal,
    })
}

/// Gives the last turn's aftermath (checkpoints, closing connections) a few seconds to settle.
async fn watch_until_idle(settings: &Settings) -> Result<Shares> {
    let deadline = Instant::now() + 10 * settings.watch;
    loop {
        let start = CpuTimes::now()?;
        tokio::time::sleep(settings.watch).await;
        let shares = CpuTimes::now()?.since(&start);
        if shares.idle >= settings.min_idle || Instant::now() >= deadline {
            return Ok(shares);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use std::sync::{Arc, Mutex};

    struct Fixed(&'static str, u64, Arc<Mutex<Vec<&'static str>>>);

    impl Contender for Fixed {
        fn name(&self) -> &str {
            self.0
        }

        fn run(&mut self, _: Duration) -> BoxFuture<'_, Result<Measured>> {
            self.2.lock().unwrap().push(self.0);
            let measured = Measured { operations: self.1, elapsed: Duration::from_secs(1) };
            async move { Ok(measured) }.boxed()
        }
    }

    fn settings(min_idle: f64) -> Settings {
        Settings {
            max_rounds: 7,
            turn: Duration::ZERO,
            watch: Duration::from_millis(1),
            min_idle,
            max_steal: 1.0,
            ..Settings::default()
        }
    }

    #[tokio::test]
    async fn turns_alternate_and_the_median_ratio_is_reported() {
        let order = Arc::default();
        let (mut a, mut b) = (Fixed("a", 30, Arc::clone(&order)), Fixed("b", 60, Arc::clone(&order)));
        let report = compare("t", &mut a, &mut b, &settings(0.0)).await.unwrap();
        assert_eq!(order.lock().unwrap().concat(), "ab".repeat(6));
        assert_eq!(report.ratio(), Some(0.5));
        assert!(report.is_complete());
    }

    #[tokio::test]
    async fn disturbed_pairs_do_not_count_and_end() {
        let order = Arc::default();
        let (mut a, mut b) = (Fixed("a", 30, Arc::clone(&order)), Fixed("b", 60, order));
        let report = compare("t", &mut a, &mut b, &settings(1.1)).await.unwrap();
        assert_eq!((report.pairs.len(), report.ratio(), report.is_complete()), (7, None, false));
        assert!(compare("t", &mut a, &mut b, &Settings { rounds: 4, ..settings(0.0) }).await.is_err());
    }
}
