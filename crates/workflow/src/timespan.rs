//! Durations as people write them: `500ms`, `10m`, `1h30m`, `48h`, `7d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A length of time in whole milliseconds, at most ten years.
///
/// Written as numbers with units, from the largest to the smallest, each at most once: `d`, `h`, `m`, `s`, `ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timespan(u64);

/// Why a text is no [`Timespan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimespanError {
    /// Not numbers with units.
    #[error("write a duration as numbers with units, such as `500ms`, `90s`, `10m`, `1h30m` or `7d`")]
    Format,
    /// Longer than ten years.
    #[error("a duration is at most 3650d")]
    TooLong,
}

impl Timespan {
    /// Ten years.
    pub const MAX: Self = Self(3_650 * 86_400_000);

    /// A span of so many milliseconds, cut at [`Timespan::MAX`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// Its length in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// As the standard library's duration.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl From<Timespan> for Duration {
    fn from(span: Timespan) -> Self {
        span.as_duration()
    }
}

impl FromStr for Timespan {
    type Err = TimespanError;

    fn from_str(text: &str) -> Result<Self, TimespanError> {
        let mut rest = text;
        let mut units = UNITS.iter();
        let mut total: u64 = 0;
        if rest.is_empty() {
            return Err(TimespanError::Format);
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(TimespanError::Format)?;
            let (number, after) = rest.split_at(digits);
            if number.is_empty() {
                return Err(TimespanError::Format);
            }
            let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, after) = after.split_at(letters);
            // Searching on in the same iterator refuses units that repeat or grow.
            let (_, millis) = units.find(|(name, _)| *name == unit).ok_or(TimespanError::Format)?;
            total = number
                .parse::<u64>()
                .ok()
                .and_then(|number| number.checked_mul(*millis))
                .and_then(|part| total.checked_add(part))
                .filter(|total| *total <= Self::MAX.0)
                .ok_or(TimespanError::TooLong)?;
            rest = after;
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, millis) in UNITS {
            let count = rest / millis;
            rest %= millis;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Timespan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timespan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("500ms", 500),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("48h", 172_800_000),
            ("7d", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(text.parse(), Ok(Timespan::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "m", "1m1h", "1m1m", "1.5h", "-1s", "1 h", "10min", "1s\u{0}"] {
            assert_eq!(text.parse::<Timespan>(), Err(TimespanError::Format), "{text}");
        }
        assert_eq!("99999999999999999999d".parse::<Timespan>(), Err(TimespanError::TooLong));
        assert_eq!("4000d".parse::<Timespan>(), Err(TimespanError::TooLong));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in 0..=Timespan::MAX.0) {
            let span = Timespan::from_millis(millis);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn never_panics(text in "\\PC{0,20}") {
            let _ = text.parse::<Timespan>();
        }
    }
}
