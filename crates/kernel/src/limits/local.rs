//! GCRA in this process.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Subject, Wanted};

const SHARDS: usize = 16;
/// A shard is swept of what has run out whenever it has grown by so many keys.
const SWEEP_EVERY: usize = 4096;

/// How a request stands to one limit, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    /// How far the subject is ahead of the clock.
    pub(super) ahead: u64,
    /// How long until the next passes, if this one does not.
    pub(super) wait: Option<u64>,
}

/// The state of everybody whom this node counts.
#[derive(Debug)]
pub(super) struct Local {
    hasher: RandomState,
    started: Instant,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    /// Theoretical arrival time, in microseconds since the start.
    arrivals: HashMap<Subject, u64>,
    sweep_at: usize,
}

impl Local {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            started: Instant::now(),
            shards: std::array::from_fn(|_| Mutex::new(Shard { arrivals: HashMap::new(), sweep_at: SWEEP_EVERY })),
        }
    }

    /// Counts one request.
    pub(super) fn count(&self, wanted: &Wanted) -> Count {
        self.count_at(wanted, self.started.elapsed())
    }

    pub(super) fn count_at(&self, wanted: &Wanted, now: Duration) -> Count {
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX / 4);
        let (window, interval) = (wanted.rate.window(), wanted.rate.interval());
        let shard = usize::try_from(self.hasher.hash_one(wanted.subject)).unwrap_or(0) % SHARDS;
        let Some(shard) = self.shards.get(shard) else { return Count { ahead: 0, wait: None } };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.arrivals.len() >= shard.sweep_at {
            shard.arrivals.retain(|_, arrival| *arrival > now);
            shard.sweep_at = shard.arrivals.len() + SWEEP_EVERY;
        }
        let arrival = shard.arrivals.entry(wanted.subject).or_insert(now);
        let next = (*arrival).max(now) + interval;
        let ahead = next - now;
        if ahead > window {
            return Count { ahead: ahead - interval, wait: Some(ahead - window) };
        }
        *arrival = next;
        Count { ahead, wait: None }
    }
}
