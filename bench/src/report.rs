//! What a comparison found, for people and for programs.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::stats::median;

/// A finished comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was compared.
    pub title: String,
    /// The side that is judged.
    pub subject: String,
    /// The side it is judged by.
    pub reference: String,
    /// Undisturbed pairs that were asked for.
    pub wanted_rounds: usize,
    /// fdatasyncs per second on the measured disk, before and after.
    pub fsyncs_per_second: Vec<f64>,
    /// All pairs in their order, kept and discarded.
    pub pairs: Vec<Pair>,
}

/// One round: both sides, one after the other.
#[derive(Debug, Clone, Serialize)]
pub struct Pair {
    /// The side that is judged.
    pub subject: Sample,
    /// The side it is judged by.
    pub reference: Sample,
}

/// One side's turn.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// Operations per second.
    pub per_second: f64,
    /// Operations done.
    pub operations: u64,
    /// Share of the CPU that was idle before the turn, 0 to 1.
    pub idle_before: f64,
    /// Share of the CPU that the hypervisor took during the turn, 0 to 1.
    pub steal: f64,
    /// Whether the turn was undisturbed.
    pub kept: bool,
}

impl Pair {
    /// Whether both turns were undisturbed.
    #[must_use]
    pub fn kept(&self) -> bool {
        self.subject.kept && self.reference.kept
    }

    /// Subject over reference.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.subject.per_second / self.reference.per_second
    }
}

impl Report {
    /// The median of the undisturbed pairs' ratios; `None` if no pair was.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        median(&self.kept().map(Pair::ratio).collect::<Vec<_>>())
    }

    /// Whether as many pairs were undisturbed as were asked for; if not, the ratio is not to be quoted.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.kept().count() >= self.wanted_rounds
    }

    /// The report as one JSON document, `ratio` and `complete` included.
    ///
    /// # Errors
    /// Never for a report of finite numbers.
    pub fn to_json(&self) -> serde_json::Result<serde_json::Value> {
        let mut json = serde_json::to_value(self)?;
        if let Some(fields) = json.as_object_mut() {
            fields.insert("ratio".to_owned(), self.ratio().into());
            fields.insert("complete".to_owned(), self.is_complete().into());
        }
        Ok(json)
    }

    /// The undisturbed pairs.
    pub fn kept(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().filter(|pair| pair.kept())
    }

    /// The median rates of subject and reference over the undisturbed pairs.
    #[must_use]
    pub fn median_rates(&self) -> (f64, f64) {
        (self.median_rate(|pair| &pair.subject), self.median_rate(|pair| &pair.reference))
    }

    /// The smallest and the largest ratio of the undisturbed pairs.
    #[must_use]
    pub fn spread(&self) -> String {
        let ratios = || self.kept().map(Pair::ratio);
        let (low, high) = (ratios().fold(f64::INFINITY, f64::min), ratios().fold(0.0, f64::max));
        if low > high { "none".to_owned() } else { format!("{low:.2} to {high:.2}") }
    }

    fn median_rate(&self, side: impl Fn(&Pair) -> &Sample) -> f64 {
        median(&self.kept().map(|pair| side(pair).per_second).collect::<Vec<_>>()).unwrap_or(f64::NAN)
    }
}

/// A table with a line for each pair and a summary.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} (A) beside {} (B)", self.title, self.subject, self.reference)?;
        writeln!(
            f,
            "{:>5} {:>12} {:>12} {:>7} {:>11} {:>7}",
            "round", "A per s", "B per s", "A/B", "idle before", "steal"
        )?;
        for (index, pair) in self.pairs.iter().enumerate() {
            let idle = pair.subject.idle_before.min(pair.reference.idle_before) * 100.0;
            let steal = pair.subject.steal.max(pair.reference.steal) * 100.0;
            writeln!(
                f,
                "{:>5} {:>12.0} {:>12.0} {:>7.3} {idle:>9.0} % {steal:>5.1} %{}",
                index + 1,
                pair.subject.per_second,
                pair.reference.per_second,
                pair.ratio(),
                if pair.kept() { "" } else { "  discarded: disturbed" },
            )?;
        }
        let kept = self.kept().count();
        match self.ratio() {
            Some(ratio) => writeln!(
                f,
                "median ratio {ratio:.3} of {kept} undisturbed pairs (A {:.0}/s, B {:.0}/s)",
                self.median_rate(|pair| &pair.subject),
                self.median_rate(|pair| &pair.reference),
            )?,
            None => writeln!(f, "no undisturbed pair: repeat this on a quiet machine")?,
        }
        if kept > 0 && !self.is_complete() {
            writeln!(
                f,
                "fewer than the {} pairs asked for: do not quote this, repeat it on a quiet machine",
                self.wanted_rounds
            )?;
        }
        let mut probes = String::new();
        for probe in &self.fsyncs_per_second {
            write!(probes, " {probe:.0}")?;
        }
        if probes.is_empty() { Ok(()) } else { writeln!(f, "fdatasync per second, before and after:{probes}") }
    }
}
