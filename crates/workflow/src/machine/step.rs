//! Names of steps: `node`, in a loop `node#2`, in a map `node[17]` (spec 20, *Semantics*).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One run of a node: in which round of its loops, and for which item of a map.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepKey {
    /// The node's id.
    pub node: Arc<str>,
    /// The node's round, from 1.
    pub round: u32,
    /// In a map the number of the item (with `batch`, of the batch), from 0.
    pub item: Option<u32>,
}

impl StepKey {
    /// A node's step in a round.
    #[must_use]
    pub fn new(node: &Arc<str>, round: u32) -> Self {
        Self { node: Arc::clone(node), round, item: None }
    }

    /// The step of one item of this map.
    #[must_use]
    pub fn with_item(&self, item: u32) -> Self {
        Self { item: Some(item), ..self.clone() }
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.node)?;
        if self.round > 1 {
            write!(f, "#{}", self.round)?;
        }
        match self.item {
            Some(item) => write!(f, "[{item}]"),
            None => Ok(()),
        }
    }
}

/// The text names no step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a step is named as node, node#2, node[17] or node#2[17]")]
pub struct StepKeyError;

impl FromStr for StepKey {
    type Err = StepKeyError;

    fn from_str(text: &str) -> Result<Self, StepKeyError> {
        let (text, item) = match text.strip_suffix(']') {
            Some(text) => {
                let (text, item) = text.rsplit_once('[').ok_or(StepKeyError)?;
                (text, Some(number(item)?))
            }
            None => (text, None),
        };
        let (node, round) = match text.split_once('#') {
            Some((node, round)) => (node, number(round)?),
            None => (text, 1),
        };
        let named = !node.is_empty() && node.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        // The first round is not written.
        if !named || round == 0 || (round == 1 && text.contains('#')) {
            return Err(StepKeyError);
        }
        Ok(Self { node: node.into(), round, item })
    }
}

fn number(text: &str) -> Result<u32, StepKeyError> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    if canonical { text.parse().map_err(|_| StepKeyError) } else { Err(StepKeyError) }
}

impl Serialize for StepKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StepKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_other_spellings() {
        for text in
            ["", "#2", "a#1", "a#0", "a#02", "a[", "a[]", "a[01]", "a[1", "a b", "a#2#3", "a[-1]", "a[+1]", "a#2[1][2]"]
        {
            assert_eq!(text.parse::<StepKey>(), Err(StepKeyError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(node in "[a-z_][a-z0-9_-]{0,8}", round in 1u32.., item: Option<u32>) {
            let step = StepKey { node: node.into(), round, item };
            prop_assert_eq!(step.to_string().parse(), Ok(step));
        }

        #[test]
        fn what_reads_is_written_the_same(text in "[a-c]{0,2}(#[0-9]{0,3})?(\\[[0-9]{0,3}\\])?") {
            if let Ok(step) = text.parse::<StepKey>() {
                prop_assert_eq!(step.to_string(), text);
            }
        }
    }
}
