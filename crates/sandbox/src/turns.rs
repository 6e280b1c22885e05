//! Turns for a bounded number of places, given to the lanes round about.
//!
//! A plain semaphore hands its places out in the order of arrival: one tenant's ten thousand calls keep everybody else's waiting
//! until they are done. Here each lane (a tenant's, say) has a line of its own, and a place that gets free goes to the lane that has
//! waited longest for one. The first call of a lane waits for one turn of each other lane at most, however long their lines.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Whose line a call stands in.
pub(crate) type Lane = u128;

#[derive(Clone)]
pub(crate) struct Turns(Arc<Mutex<Line>>);

struct Line {
    free: usize,
    waiting: HashMap<Lane, VecDeque<oneshot::Sender<Turn>>>,
    /// The lanes with somebody in them, the next one first.
    order: VecDeque<Lane>,
}

/// A place; free again when dropped.
pub(crate) struct Turn(Arc<Mutex<Line>>);

impl Turns {
    pub(crate) fn new(places: usize) -> Self {
        let line = Line { free: places.max(1), waiting: HashMap::new(), order: VecDeque::new() };
        Self(Arc::new(Mutex::new(line)))
    }

    /// A place, when it is this lane's turn. Whoever stops waiting loses nothing and keeps nobody waiting.
    pub(crate) async fn take(&self, lane: Lane) -> Option<Turn> {
        let turn = {
            let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if line.free > 0 {
                line.free -= 1;
                return Some(Turn(Arc::clone(&self.0)));
            }
            let (sender, turn) = oneshot::channel();
            let queue = line.waiting.entry(lane).or_default();
            queue.push_back(sender);
            let first = queue.len() == 1;
            if first {
                line.order.push_back(lane);
            }
            turn
        };
        turn.await.ok()
    }
}

impl Line {
    /// Who is next. Lanes whose callers have gone away are passed over.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        while let Some(lane) = self.order.pop_front() {
            let Some(queue) = self.waiting.get_mut(&lane) else { continue };
            let mut next = queue.pop_front();
            while next.as_ref().is_some_and(oneshot::Sender::is_closed) {
                next = queue.pop_front();
            }
            if queue.is_empty() {
                self.waiting.remove(&lane);
            } else {
                self.order.push_back(lane);
            }
            if next.is_some() {
                return next;
            }
        }
        None
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let next = line.next();
            if next.is_none() {
                line.free += 1;
            }
            next
        };
        // Outside of the lock: a turn that nobody takes any more is dropped here, and goes on to whoever is next.
        if let Some(next) = next {
            drop(next.send(Self(Arc::clone(&self.0))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn settle() {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_lane_waits_for_one_turn_of_each_other_lane() {
        let turns = Turns::new(1);
        let first = turns.take(1).await.unwrap();
        let (served, order) = (Arc::new(Mutex::new(Vec::new())), turns.clone());
        let mut tasks = Vec::new();
        let arrivals = std::iter::repeat_n(1, 100).chain([2, 3, 2]);
        for lane in arrivals {
            let (turns, served) = (order.clone(), Arc::clone(&served));
            tasks.push(tokio::spawn(async move {
                let turn = turns.take(lane).await.unwrap();
                served.lock().unwrap().push(lane);
                tokio::task::yield_now().await;
                drop(turn);
            }));
            settle().await;
        }
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        let served = served.lock().unwrap().clone();
        assert_eq!(served.len(), 103);
        assert_eq!(served[..6], [1, 2, 3, 1, 2, 1], "{served:?}");
    }

    #[tokio::test]
    async fn who_stops_waiting_takes_no_place_along() {
        let turns = Turns::new(2);
        let (a, b) = (turns.take(1).await.unwrap(), turns.take(1).await.unwrap());
        for lane in [1, 2, 3] {
            assert!(tokio::time::timeout(Duration::from_millis(5), turns.take(lane)).await.is_err());
        }
        drop((a, b));
        let again = [turns.take(4).await, turns.take(5).await];
        assert!(again.iter().all(Option::is_some));
        let line = turns.0.lock().unwrap();
        assert_eq!((line.free, line.waiting.len(), line.order.len()), (0, 0, 0));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_place_is_lost_or_doubled() {
        let (turns, running) = (Turns::new(3), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
        let tasks = (0..2000_u64).map(|n| {
            let (turns, running) = (turns.clone(), Arc::clone(&running));
            tokio::spawn(async move {
                let patience = Duration::from_micros(n * 7919 % 3000);
                let work = async {
                    let turn = turns.take(u128::from(n % 7)).await.unwrap();
                    assert!(running.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 3);
                    tokio::task::yield_now().await;
                    running.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    drop(turn);
                };
                if n % 3 == 0 { drop(tokio::time::timeout(patience, turns.take(9)).await) } else { work.await }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let line = turns.0.lock().unwrap();
        assert_eq!((line.free, line.order.len()), (3, 0));
    }
}
