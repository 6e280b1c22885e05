//! The past of a step: everything that had to be over before it could start. What a step sees of the state follows from
//! its past alone, so that it does not depend on what else happened to be over.

use serde::{Deserialize, Serialize};

/// A set of small numbers that is mostly "all below some number": steps in the order in which they finished.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Past {
    /// All numbers below this.
    below: u32,
    /// Further numbers, in order.
    more: Vec<u32>,
}

impl Past {
    pub(super) fn contains(&self, number: u32) -> bool {
        number < self.below || self.more.binary_search(&number).is_ok()
    }

    pub(super) fn insert(&mut self, number: u32) {
        if number >= self.below
            && let Err(at) = self.more.binary_search(&number)
        {
            self.more.insert(at, number);
            self.fold();
        }
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.below = self.below.max(other.below);
        self.more.extend(&other.more);
        self.more.sort_unstable();
        self.more.dedup();
        self.fold();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..self.below).chain(self.more.iter().copied())
    }

    fn fold(&mut self) {
        let first = self.more.partition_point(|number| *number < self.below);
        self.more.drain(..first);
        let run = (self.below..).zip(&self.more).take_while(|(expected, number)| expected == *number).count();
        self.more.drain(..run);
        self.below += u32::try_from(run).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_set(a in proptest::collection::vec(0u32..20, 0..20), b in proptest::collection::vec(0u32..20, 0..20)) {
            let build = |numbers: &[u32]| {
                let mut past = Past::default();
                numbers.iter().for_each(|number| past.insert(*number));
                past
            };
            let mut union = build(&a);
            union.extend(&build(&b));
            let expected: BTreeSet<u32> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(union.iter().collect::<Vec<_>>(), expected.iter().copied().collect::<Vec<_>>());
            for number in 0..20 {
                prop_assert_eq!(union.contains(number), expected.contains(&number));
            }
            prop_assert_eq!(union, build(&expected.into_iter().collect::<Vec<_>>()));
        }
    }
}
