//! A report as a workflow posts it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenure_kernel::ExecutionId;

/// What to show of an execution.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    pub(super) execution: ExecutionId,
    pub(super) title: String,
    pub(super) source: String,
    #[serde(default)]
    pub(super) tiles: Vec<Tile>,
    #[serde(default)]
    pub(super) charts: Vec<Chart>,
    pub(super) table: Option<Table>,
}

/// One figure.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tile {
    pub(super) label: String,
    pub(super) value: f64,
    #[serde(default)]
    pub(super) unit: String,
}

/// A figure for each of several names.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) kind: Kind,
    #[serde(default)]
    pub(super) unit: String,
    pub(super) values: Vec<(String, f64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A course of time, from left to right.
    Columns,
    /// Ranks, the largest first.
    Bars,
}

/// Rows of text and numbers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) title: String,
    #[serde(default)]
    pub(super) note: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
}

impl Chart {
    /// The names with their figures.
    pub(super) fn figures(&self) -> Vec<(&str, f64)> {
        let mut figures: Vec<(&str, f64)> = self.values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        if self.kind == Kind::Bars {
            figures.sort_by(|one, other| other.1.total_cmp(&one.1));
        }
        figures
    }
}

/// `40,545,276`, `$40,545,276`.
pub(super) fn number(value: f64, unit: &str) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{}{unit}{grouped}", if value < 0.0 { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(40_545_276.0, "$"), "$40,545,276");
        assert_eq!(number(0.0, ""), "0");
        assert_eq!(number(-1234.0, "$"), "-$1,234");
    }
}
