//! `/livez`, `/readyz`, and the gate that answers 503 at once while the embedded PostgreSQL is down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tenure_kernel::error::disk_full;
use tenure_kernel::{Kernel, Problem};
use tenure_pgembed::{Cluster, State as ClusterState};

/// A ready server answers well within the second that probes usually wait.
const PING_WITHIN: Duration = Duration::from_millis(900);

/// Whether the embedded PostgreSQL takes connections; always so for a server of the operator's own, whose state shows
/// only when it is asked.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseWatch(Arc<AtomicU8>);

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
        Self(up)
    }

    /// Why nothing can be answered now.
    fn trouble(&self) -> Option<Problem> {
        match self.0.load(Ordering::Acquire) {
            UP => None,
            FULL => Some(disk_full()),
            _ => Some(down()),
        }
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
        None => next.run(request).await,
        Some(problem) => problem.into_response(),
    }
}

/// The process runs.
pub(super) async fn alive() -> Response {
    axum::Json(json!({"status": "alive"})).into_response()
}

/// Requests will be answered: PostgreSQL is there.
pub(super) async fn ready(State((kernel, watch)): State<(Kernel, DatabaseWatch)>) -> Response {
    if let Some(problem) = watch.trouble() {
        return problem.into_response();
    }
    match tokio::time::timeout(PING_WITHIN, kernel.ping()).await {
        Ok(Ok(())) => axum::Json(json!({"status": "ready"})).into_response(),
        Ok(Err(_)) | Err(_) => Problem::unavailable("the database does not answer").into_response(),
    }
}
