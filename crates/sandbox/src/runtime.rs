//! The threads on which guests run.
//!
//! Guests run on a small runtime of their own at a lower priority, so that a bomb costs requests no latency: it shares the cores
//! with them only when they leave some over, and it gives way to other guests every tick. Dropping the future that waits for a
//! guest stops the guest at its next tick.

use crate::engine::TICK;
use crate::error::SandboxError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use wasmtime::Engine;

/// Below the server's own threads, above a batch job.
const NICENESS: i32 = 5;

pub(crate) struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    /// Starts the threads, and the one that advances the engine's epoch each [`TICK`].
    pub(crate) fn start(name: &'static str, engine: &Engine) -> Result<Self, SandboxError> {
        let start = |error: std::io::Error| SandboxError::Start(error.to_string());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(std::thread::available_parallelism().map_or(2, usize::from))
            .thread_name(name)
            .on_thread_start(|| {
                if let Err(error) = rustix::process::nice(NICENESS) {
                    tracing::debug!(%error, "guests keep the server's priority");
                }
            })
            .enable_time()
            .build()
            .map_err(start)?;
        let engine = engine.weak();
        std::thread::Builder::new()
            .name(format!("{name}-tick"))
            .spawn(move || {
                while let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .map_err(start)?;
        Ok(Self(Some(runtime)))
    }

    /// Runs `guest` on the guests' threads; dropping the returned future stops it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        guest: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Result<T, SandboxError>> + Send + 'static {
        let task = self.0.as_ref().map(|runtime| AbortOnDrop(runtime.spawn(guest)));
        async move {
            let mut task = task.ok_or(SandboxError::Stopped)?;
            (&mut task.0)
                .await
                .map_err(|error| if error.is_panic() { SandboxError::Panic } else { SandboxError::Stopped })
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // A runtime must not be dropped where async code runs; guests in flight end with it.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) struct AbortOnDrop<T>(pub(crate) JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The time a future has spent being polled: for a guest, its CPU time, without its waits.
#[derive(Clone)]
pub(crate) struct CpuClock(Arc<Readings>);

struct Readings {
    base: Instant,
    spent: AtomicU64,
    /// When the poll under way began, in nanoseconds after `base`, plus one; 0 between polls.
    since: AtomicU64,
}

impl CpuClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Readings { base: Instant::now(), spent: AtomicU64::new(0), since: AtomicU64::new(0) }))
    }

    pub(crate) fn read(&self) -> Duration {
        let since = self.0.since.load(Ordering::Relaxed);
        let running = if since == 0 { 0 } else { self.nanos().saturating_sub(since - 1) };
        Duration::from_nanos(self.0.spent.load(Ordering::Relaxed) + running)
    }

    /// `future`, with its polls counted.
    pub(crate) fn time<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        Timed { clock: self.clone(), future: Box::pin(future) }
    }

    fn nanos(&self) -> u64 {
        u64::try_from(self.0.base.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

struct Timed<F> {
    clock: CpuClock,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Timed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let start = self.clock.nanos();
        self.clock.0.since.store(start + 1, Ordering::Relaxed);
        let poll = self.future.as_mut().poll(context);
        let spent = self.clock.nanos().saturating_sub(start);
        self.clock.0.spent.fetch_add(spent, Ordering::Relaxed);
        self.clock.0.since.store(0, Ordering::Relaxed);
        poll
    }
}
