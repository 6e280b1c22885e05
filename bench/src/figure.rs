//! What a bench found, judged by what was asked for.

use std::fmt;

use serde::Serialize;

use crate::report::Report;

/// What a figure is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The ratio to the reference is at least this.
    RatioAtLeast(f64),
    /// The ratio to the reference is at most this.
    RatioAtMost(f64),
    /// The value is at least this.
    AtLeast(f64),
    /// The value is at most this.
    AtMost(f64),
    /// It is only shown.
    Shown,
}

/// A number with its unit and what it is a measure of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quantity {
    /// Of what.
    pub name: String,
    /// How much.
    pub value: f64,
    /// In what.
    pub unit: &'static str,
}

impl Quantity {
    /// A quantity.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit }
    }
}

/// One figure beside its reference.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub measured: Quantity,
    /// What the same run gave for comparison.
    pub reference: Option<Quantity>,
    /// Measured over reference: the median of pairs where there were several, so not always the quotient of the two.
    pub ratio: Option<f64>,
    /// What it should be.
    pub target: Target,
    /// Whether it is; `None` where nothing was asked for, or the machine was too busy to tell.
    pub met: Option<bool>,
    /// Checks that held, pairs that were discarded.
    pub note: String,
}

impl Figure {
    /// A figure that stands for itself.
    #[must_use]
    pub fn alone(measured: Quantity, target: Target, note: impl Into<String>) -> Self {
        let mut this = Self { measured, reference: None, ratio: None, target, met: None, note: note.into() };
        this.met = this.judge();
        this
    }

    /// A figure beside another of the same run.
    #[must_use]
    pub fn beside(measured: Quantity, reference: Quantity, target: Target, note: impl Into<String>) -> Self {
        let ratio = Some(measured.value / reference.value);
        let mut this = Self { measured, reference: Some(reference), ratio, target, met: None, note: note.into() };
        this.met = this.judge();
        this
    }

    /// The figure of an interleaved comparison. `target` judges the ratio of rates.
    #[must_use]
    pub fn of(report: &Report, target: Target) -> Self {
        let (subject, reference) = report.median_rates();
        let (kept, tried) = (report.kept().count(), report.pairs.len());
        let mut this = Self {
            measured: Quantity::new(report.subject.clone(), subject, "/s"),
            reference: Some(Quantity::new(report.reference.clone(), reference, "/s")),
            ratio: report.ratio(),
            target,
            met: None,
            note: format!("{kept} of {tried} pairs undisturbed, spread of ratios {}", report.spread()),
        };
        this.met = this.judge().filter(|_| report.is_complete());
        if !report.is_complete() {
            this.note.push_str("; too few: repeat this on a quiet machine");
        }
        this
    }

    /// The same as time per operation: rates become milliseconds, and the ratio is turned round.
    #[must_use]
    pub fn as_latency(mut self, target: Target) -> Self {
        let turn = |quantity: Quantity| Quantity { value: 1000.0 / quantity.value, unit: "ms", ..quantity };
        let complete = self.met.is_some();
        self.measured = turn(self.measured);
        self.reference = self.reference.map(turn);
        self.ratio = self.ratio.map(|ratio| 1.0 / ratio);
        self.target = target;
        self.met = self.judge().filter(|_| complete);
        self
    }

    fn judge(&self) -> Option<bool> {
        match self.target {
            Target::RatioAtLeast(bound) => self.ratio.map(|ratio| ratio >= bound),
            Target::RatioAtMost(bound) => self.ratio.map(|ratio| ratio <= bound),
            Target::AtLeast(bound) => Some(self.measured.value >= bound),
            Target::AtMost(bound) => Some(self.measured.value <= bound),
            Target::Shown => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RatioAtLeast(bound) => write!(f, "ratio ≥ {bound}"),
            Self::RatioAtMost(bound) => write!(f, "ratio ≤ {bound}"),
            Self::AtLeast(bound) => write!(f, "≥ {bound}"),
            Self::AtMost(bound) => write!(f, "≤ {bound}"),
            Self::Shown => f.write_str("–"),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.value.abs() >= 100.0 { 0 } else { 2 };
        write!(f, "{:.digits$} {}", self.value, self.unit)
    }
}

/// Everything a run found.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// fdatasyncs per second on the measured disk, before and after.
    pub fsyncs_per_second: Vec<f64>,
    /// Logical processors.
    pub processors: usize,
    /// Whether the programs were built with optimisation.
    pub optimized: bool,
    /// The figures in their order.
    pub figures: Vec<Figure>,
    /// The comparisons behind them, pair by pair.
    pub comparisons: Vec<Report>,
}

impl Findings {
    /// Adds a comparison with its figure.
    pub fn compared(&mut self, report: Report, target: Target) {
        self.figures.push(Figure::of(&report, target));
        self.comparisons.push(report);
    }

    /// Adds everything of `other`.
    pub fn extend(&mut self, other: Self) {
        self.figures.extend(other.figures);
        self.comparisons.extend(other.comparisons);
    }

    /// The figures that miss what was asked for.
    pub fn missed(&self) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(|figure| figure.met == Some(false))
    }
}

/// A table in Markdown, so that it can be kept as it is printed.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| measured | figure | reference | figure | ratio | asked for | met |")?;
        writeln!(f, "| --- | ---: | --- | ---: | ---: | --- | --- |")?;
        for figure in &self.figures {
            let (name, value) = figure.reference.as_ref().map_or_else(
                || ("–".to_owned(), String::new()),
                |reference| (reference.name.clone(), reference.to_string()),
            );
            let ratio = figure.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
            let met = match figure.met {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "–",
            };
            let (measured, target) = (&figure.measured, figure.target);
            writeln!(f, "| {} | {measured} | {name} | {value} | {ratio} | {target} | {met} |", measured.name)?;
        }
        writeln!(f)?;
        for figure in self.figures.iter().filter(|figure| !figure.note.is_empty()) {
            writeln!(f, "- {}: {}", figure.measured.name, figure.note)?;
        }
        write!(f, "\n{} processors", self.processors)?;
        if !self.fsyncs_per_second.is_empty() {
            let probes: Vec<String> = self.fsyncs_per_second.iter().map(|probe| format!("{probe:.0}")).collect();
            write!(f, ", fdatasyncs per second before and after: {}", probes.join(", "))?;
        }
        if !self.optimized {
            write!(f, "; BUILT WITHOUT OPTIMISATION: these figures mean nothing, run it with --release")?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_judged() {
        let value = |value| Quantity::new("a", value, "/s");
        let beside = |target| Figure::beside(value(40.0), value(100.0), target, "").met;
        assert_eq!(beside(Target::RatioAtLeast(0.4)), Some(true));
        assert_eq!(beside(Target::RatioAtMost(0.39)), Some(false));
        assert_eq!(Figure::alone(value(7.0), Target::AtMost(7.0), "").met, Some(true));
        assert_eq!(Figure::alone(value(7.0), Target::AtLeast(8.0), "").met, Some(false));
        assert_eq!(beside(Target::Shown), None);
    }

    #[test]
    fn a_rate_turns_into_a_latency() {
        let rate = |value| Quantity::new("a", value, "/s");
        let figure = Figure::beside(rate(500.0), rate(1000.0), Target::RatioAtLeast(0.4), "");
        let figure = figure.as_latency(Target::RatioAtMost(2.5));
        assert_eq!((figure.measured.value, figure.ratio, figure.met), (2.0, Some(2.0), Some(true)));
    }
}
