//! When a failed step is tried again (spec 20: `retry: { attempts, backoff: { initial, factor, max }, on }`).

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::definition::fields::Item;
use crate::error_class::ErrorClass;
use crate::fault::{Code, Faults};
use crate::timespan::Timespan;

/// What is tried again when `on` is not given: faults that pass by themselves.
const TRANSIENT: [ErrorClass; 4] =
    [ErrorClass::Timeout, ErrorClass::HttpStatus, ErrorClass::Network, ErrorClass::Internal];

/// A node's retry rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retry {
    /// How often the step is begun at most, the first time included.
    pub attempts: u32,
    /// How long to wait before each further attempt.
    pub backoff: Backoff,
    /// The classes of failure that are tried again.
    pub on: Vec<ErrorClass>,
}

/// Exponential backoff: before attempt *n* + 1 at most `initial` × `factor`ⁿ⁻¹, never more than `max`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Backoff {
    /// The longest wait before the second attempt.
    pub initial: Timespan,
    /// How much longer each further wait may be.
    pub factor: f64,
    /// The longest wait of all.
    pub max: Timespan,
}

impl Default for Backoff {
    /// One second, doubled each time, at most a minute.
    fn default() -> Self {
        Self { initial: Timespan::from_millis(1_000), factor: 2.0, max: Timespan::from_millis(60_000) }
    }
}

impl Default for Retry {
    /// One attempt: nothing is tried again.
    fn default() -> Self {
        Self { attempts: 1, backoff: Backoff::default(), on: TRANSIENT.to_vec() }
    }
}

impl Retry {
    /// How long to wait before the next attempt; `None` when the failure stands.
    ///
    /// `attempt` is the one that failed, from 1. `random` is any number, evenly spread over all of `u64`: full jitter
    /// takes the wait evenly from nothing to the backoff's bound, so that what failed together does not return together.
    #[must_use]
    pub fn wait_after(&self, attempt: u32, class: ErrorClass, random: u64) -> Option<Duration> {
        if attempt >= self.attempts || !class.is_retryable() || !self.on.contains(&class) {
            return None;
        }
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let initial = self.backoff.initial.as_duration().as_secs_f64();
        let bound = (initial * self.backoff.factor.powi(exponent)).min(self.backoff.max.as_duration().as_secs_f64());
        // 2⁻⁶⁴ of the bound for each step of `random`; precision beyond a double's does not matter here.
        #[expect(clippy::cast_precision_loss, reason = "a jitter needs no 64 bits")]
        let share = random as f64 / u64::MAX as f64;
        Some(Duration::from_secs_f64(bound * share))
    }

    pub(crate) fn parse(item: &Item<'_>, faults: &mut Faults) -> Self {
        let mut retry = Self::default();
        let Some(mut object) = item.object(faults) else { return retry };
        if let Some(attempts) = object.required("attempts", faults).and_then(|item| item.integer(1..=100, faults)) {
            retry.attempts = u32::try_from(attempts).unwrap_or(1);
        }
        if let Some(mut backoff) = object.optional("backoff").and_then(|item| item.object(faults)) {
            if let Some(initial) = backoff.optional("initial").and_then(|item| item.timespan(faults)) {
                retry.backoff.initial = initial;
                retry.backoff.max = retry.backoff.max.max(initial);
            }
            if let Some(factor) = backoff.optional("factor").and_then(|item| item.number(1.0..=100.0, faults)) {
                retry.backoff.factor = factor;
            }
            if let Some(max) = backoff.optional("max").and_then(|item| item.timespan(faults)) {
                retry.backoff.max = max;
            }
            backoff.finish(faults);
        }
        if let Some(classes) = object.optional("on").and_then(|item| item.list(faults)) {
            let words = ErrorClass::ALL.map(|class| (class.as_str(), class));
            retry.on = classes
                .iter()
                .filter_map(|item| {
                    let class = item.word(&words, faults)?;
                    if !class.is_retryable() {
                        faults.error(
                            Code::InvalidValue,
                            &item.pointer,
                            format!("`{class}` is final; it cannot be retried"),
                        );
                    }
                    Some(class)
                })
                .collect();
        }
        object.finish(faults);
        retry
    }

    pub(crate) fn schema() -> Value {
        let classes: Vec<&str> =
            ErrorClass::ALL.into_iter().filter(|class| class.is_retryable()).map(ErrorClass::as_str).collect();
        json!({
            "type": "object",
            "description": "When a failed step is tried again.",
            "required": ["attempts"],
            "additionalProperties": false,
            "properties": {
                "attempts": { "type": "integer", "minimum": 1, "maximum": 100, "description": "How often the step is begun at most." },
                "backoff": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "initial": { "$ref": "#/$defs/duration" },
                        "factor": { "type": "number", "minimum": 1, "maximum": 100 },
                        "max": { "$ref": "#/$defs/duration" }
                    }
                },
                "on": { "type": "array", "items": { "enum": classes }, "description": "The classes of failure that are tried again." }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn backs_off_to_the_bound_and_stops() {
        let retry = Retry { attempts: 4, ..Retry::default() };
        let longest = |attempt| retry.wait_after(attempt, ErrorClass::Network, u64::MAX);
        assert_eq!(longest(1), Some(Duration::from_secs(1)));
        assert_eq!(longest(2), Some(Duration::from_secs(2)));
        assert_eq!(longest(3), Some(Duration::from_secs(4)));
        assert_eq!(longest(4), None);
        assert_eq!(retry.wait_after(1, ErrorClass::Network, 0), Some(Duration::ZERO));
        assert_eq!(retry.wait_after(1, ErrorClass::Denied, 0), None);
        assert_eq!(retry.wait_after(1, ErrorClass::Plugin, 0), None);
    }

    proptest! {
        #[test]
        fn never_waits_longer_than_max(attempt in 1..u32::MAX, factor in 1.0..100.0, random: u64) {
            let retry = Retry { attempts: u32::MAX, backoff: Backoff { factor, ..Backoff::default() }, ..Retry::default() };
            let wait = retry.wait_after(attempt, ErrorClass::Network, random).unwrap();
            prop_assert!(wait <= Duration::from_secs(60));
        }
    }
}
