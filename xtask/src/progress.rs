//! Says what takes long, how long it has taken, and how long it took last time.

use std::{
    fs,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use crate::context::Context;

/// How often a long step says that it is still at work.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Runs one step. `guess` is what it takes on two cores when this machine has not done it yet.
pub(crate) fn step<T>(
    cx: &Context,
    name: &str,
    guess: Duration,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let memory = cx.cache.join("steps").join(name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    let last_time = fs::read_to_string(&memory).ok().and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let estimate = last_time.unwrap_or(guess);
    println!("▸ {name} (about {})", human(estimate));

    let begun = Instant::now();
    let (done, is_done) = mpsc::channel::<()>();
    let outcome = thread::scope(|scope| {
        scope.spawn(move || {
            while is_done.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                println!("  … {name}: {} of about {}", human(begun.elapsed()), human(estimate));
            }
        });
        let outcome = work();
        drop(done);
        outcome
    });
    let elapsed = begun.elapsed();
    match &outcome {
        Ok(_) => {
            println!("✓ {name} ({})", human(elapsed));
            // An estimate that cannot be kept is a guess next time.
            let _ = fs::create_dir_all(cx.cache.join("steps"))
                .and_then(|()| fs::write(&memory, elapsed.as_secs().to_string()));
        }
        Err(_) => println!("✗ {name} ({})", human(elapsed)),
    }
    outcome
}

/// `3 min 5 s`, `12 s`.
pub(crate) fn human(duration: Duration) -> String {
    match (duration.as_secs() / 60, duration.as_secs() % 60) {
        (0, seconds) => format!("{} s", seconds.max(1)),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// Shorthand for a guess.
pub(crate) const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// Shorthand for a guess.
pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
