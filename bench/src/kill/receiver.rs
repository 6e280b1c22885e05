//! Counts effects from outside of what is killed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::{Value, json};
use tenure_kernel::Clock;
use tokio::net::TcpListener;

/// An answer takes up to so long: time enough to be killed in.
const SLOWEST_MS: u64 = 200;

/// A request of a step.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    /// The node, which is the path.
    pub(super) node: String,
    pub(super) execution: String,
    pub(super) key: Option<String>,
    /// Microseconds since 1970.
    pub(super) arrived: i64,
}

struct Shared {
    hits: Mutex<Vec<Hit>>,
    random: Mutex<fastrand::Rng>,
    under_way: AtomicUsize,
    clock: Clock,
}

/// A server in this process.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    pub(super) async fn start(seed: u64) -> Result<Self> {
        let shared = Arc::new(Shared {
            hits: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            under_way: AtomicUsize::new(0),
            clock: Clock::system(),
        });
        let router = Router::new().route("/{node}", post(receive)).with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // Ends with the process.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, shared, task })
    }

    /// Requests that have come and are not answered.
    pub(super) fn under_way(&self) -> usize {
        self.shared.under_way.load(Ordering::Acquire)
    }

    pub(super) fn hits(&self) -> Vec<Hit> {
        self.shared.hits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Also when whoever asked is gone and the handler is dropped.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    Path(node): Path<String>,
    headers: HeaderMap,
    axum::Json(body): axum::Json<Value>,
) -> axum::Json<Value> {
    let arrived = shared.clock.now().as_micros();
    shared.under_way.fetch_add(1, Ordering::AcqRel);
    let _under_way = UnderWay(&shared.under_way);
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let execution = body.get("execution").and_then(Value::as_str).unwrap_or_default().to_owned();
    shared.hits.lock().unwrap_or_else(PoisonError::into_inner).push(Hit { node, execution, key, arrived });
    let slow = shared.random.lock().unwrap_or_else(PoisonError::into_inner).u64(0..SLOWEST_MS);
    tokio::time::sleep(Duration::from_millis(slow)).await;
    axum::Json(json!({ "received": true }))
}
