//! What was read is believed for a while, and never past news that it changed.
//!
//! Reading takes time, and news may come meanwhile: whoever reads takes a [`Glance`] before, and [`Remembered::keep`]
//! keeps nothing that news came since. It looks once more after it has kept, because news that came between its look
//! and its keeping found nothing to forget.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;

/// A cache that is told when it is wrong.
pub(crate) struct Remembered<K, V> {
    known: Cache<K, V>,
    /// Grows with each piece of news.
    epoch: Arc<AtomicU64>,
}

impl<K, V> std::fmt::Debug for Remembered<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remembered").finish_non_exhaustive()
    }
}

impl<K, V> Clone for Remembered<K, V> {
    fn clone(&self) -> Self {
        Self { known: self.known.clone(), epoch: Arc::clone(&self.epoch) }
    }
}

/// The moment before something is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glance(u64);

impl<K, V> Remembered<K, V>
where
    K: Hash + Eq + Send + Sync + Copy + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Keeps at most `most`, none longer than `lasts`.
    pub(crate) fn new(most: u64, lasts: Duration) -> Self {
        let known = Cache::builder().max_capacity(most).time_to_live(lasts).support_invalidation_closures().build();
        Self { known, epoch: Arc::default() }
    }

    /// What is believed.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.known.get(key)
    }

    /// To be taken before the reading begins.
    pub(crate) fn glance(&self) -> Glance {
        Glance(self.epoch.load(Ordering::SeqCst))
    }

    /// Keeps what was read since `glance`, unless news came.
    pub(crate) fn keep(&self, glance: Glance, key: K, value: V) {
        if self.moved_since(glance) {
            return;
        }
        self.known.insert(key, value);
        if self.moved_since(glance) {
            self.known.invalidate(&key);
        }
    }

    fn moved_since(&self, glance: Glance) -> bool {
        self.epoch.load(Ordering::SeqCst) != glance.0
    }

    /// News of one.
    pub(crate) fn forget(&self, key: &K) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.known.invalidate(key);
    }

    /// News of all that are such.
    pub(crate) fn forget_where(&self, stale: impl Fn(&V) -> bool + Send + Sync + 'static) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        if self.known.invalidate_entries_if(move |_, value| stale(value)).is_err() {
            self.known.invalidate_all();
        }
    }

    /// News of everything.
    pub(crate) fn forget_all(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.known.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered() -> Remembered<u32, &'static str> {
        Remembered::new(100, Duration::from_secs(60))
    }

    #[test]
    fn what_was_read_before_the_news_is_not_kept() {
        let remembered = remembered();
        let before = remembered.glance();
        remembered.forget(&1);
        remembered.keep(before, 1, "old");
        assert_eq!(remembered.get(&1), None);
        remembered.keep(remembered.glance(), 1, "new");
        assert_eq!(remembered.get(&1), Some("new"));
    }

    /// News that comes at any moment between the reading and the end of the keeping.
    #[test]
    fn whatever_the_order_nothing_old_stays() {
        let remembered = remembered();
        for round in 0..20_000_u32 {
            let glance = remembered.glance();
            let start = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    match round % 3 {
                        0 => remembered.forget(&round),
                        1 => remembered.forget_all(),
                        _ => remembered.forget_where(|_| true),
                    }
                });
                start.wait();
                remembered.keep(glance, round, "read before the news");
            });
            assert_eq!(remembered.get(&round), None, "in round {round}");
        }
    }
}
