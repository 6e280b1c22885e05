//! `/livez`, `/readyz`, and the gate that answers 503 at once while the embedded PostgreSQL is down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tenure_kernel::error::{DISK_FULL_SECONDS, disk_full};
use tenure_kernel::{Code, Kernel, Problem};
use tenure_pgembed::{Cluster, State as ClusterState};
use tokio::time::Instant;

/// A ready server answers well within the second that probes usually wait.
const PING_WITHIN: Duration = Duration::from_millis(900);

/// Whether PostgreSQL can do its work: what the supervisor of the embedded one says (a server of the operator's own shows
/// its state only when it is asked), and what the last requests met.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseWatch {
    cluster: Arc<AtomicU8>,
    /// When a request last found no room to write; reading may go on meanwhile.
    full_at: Arc<RwLock<Option<Instant>>>,
}

const UP: u8 = 0;
const DOWN: u8 = 1;
/// Down, because nothing more can be written.
const FULL: u8 = 2;

impl DatabaseWatch {
    /// Follows the cluster for as long as the process runs.
    pub(crate) fn start(kernel: &Kernel, cluster: Option<&Cluster>) -> Self {
        let up = Arc::new(AtomicU8::new(UP));
        if let Some(cluster) = cluster {
            tokio::spawn(follow(kernel.clone(), cluster.state(), Arc::clone(&up)));
        }
        Self { cluster: up, full_at: Arc::default() }
    }

    /// Why nothing can be answered now.
    fn trouble(&self) -> Option<Problem> {
        match self.cluster.load(Ordering::Acquire) {
            UP => None,
            FULL => Some(disk_full()),
            _ => Some(down()),
        }
    }

    /// Learns from an answer.
    fn learn(&self, response: &Response) {
        if response.extensions().get::<Code>() == Some(&Code::DiskFull) {
            *self.full_at.write().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// Whether the next write is likely to find no room.
    fn was_full_lately(&self) -> bool {
        let full_at = *self.full_at.read().unwrap_or_else(PoisonError::into_inner);
        full_at.is_some_and(|at| at.elapsed() < Duration::from_secs(DISK_FULL_SECONDS))
    }
}

async fn follow(kernel: Kernel, mut states: tokio::sync::watch::Receiver<ClusterState>, up: Arc<AtomicU8>) {
    loop {
        let before = up.load(Ordering::Acquire);
        let now = match &*states.borrow_and_update() {
            ClusterState::Ready => UP,
            ClusterState::Down(outage) if outage.disk_full => FULL,
            // Started again and again while the disk stays full: that is still why.
            ClusterState::Starting if before == FULL => FULL,
            ClusterState::Starting | ClusterState::Down(_) | ClusterState::Stopped => DOWN,
        };
        if now == UP && before != UP {
            // Connections to the server that died would each cost a request.
            kernel.drop_idle_connections();
            tracing::info!("PostgreSQL is back");
        }
        up.store(now, Ordering::Release);
        if states.changed().await.is_err() {
            return;
        }
    }
}

fn down() -> Problem {
    Problem::unavailable("the database is being started again; try again in a moment")
}

/// Middleware of the API.
pub(super) async fn refuse_while_down(State(watch): State<DatabaseWatch>, request: Request, next: Next) -> Response {
    match watch.trouble() {
        None => {
            let response = next.run(request).await;
            watch.learn(&response);
            response
        }
        Some(problem) => problem.into_response(),
    }
}

/// The process runs.
pub(super) async fn alive() -> Response {
    axum::Json(json!({"status": "alive"})).into_response()
}

/// Requests will be answered: PostgreSQL is there, and has room to write.
pub(super) async fn ready(State((kernel, watch)): State<(Kernel, DatabaseWatch)>) -> Response {
    if let Some(problem) = watch.trouble() {
        return problem.into_response();
    }
    if watch.was_full_lately() {
        return disk_full().into_response();
    }
    match tokio::time::timeout(PING_WITHIN, kernel.ping()).await {
        Ok(Ok(())) => axum::Json(json!({"status": "ready"})).into_response(),
        Ok(Err(_)) | Err(_) => Problem::unavailable("the database does not answer").into_response(),
    }
}
