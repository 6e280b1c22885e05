//! `/livez`, `/readyz`, and the gate that answers 503 at once while the embedded PostgreSQL is down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tenure_kernel::{Kernel, Problem};
use tenure_pgembed::{Cluster, State as ClusterState};

/// A ready server answers well within the second that probes usually wait.
const PING_WITHIN: Duration = Duration::from_millis(900);

/// Whether the embedded PostgreSQL takes connections; always so for a server of the operator's own, whose state shows
/// only when it is asked.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseWatch(Arc<AtomicBool>);

impl DatabaseWatch {
    /// Follows the cluster for as long as the process runs.
    pub(crate) fn start(kernel: &Kernel, cluster: Option<&Cluster>) -> Self {
        let up = Arc::new(AtomicBool::new(true));
        if let Some(cluster) = cluster {
            tokio::spawn(follow(kernel.clone(), cluster.state(), Arc::clone(&up)));
        }
        Self(up)
    }

    fn is_up(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

async fn follow(kernel: Kernel, mut states: tokio::sync::watch::Receiver<ClusterState>, up: Arc<AtomicBool>) {
    loop {
        let ready = *states.borrow_and_update() == ClusterState::Ready;
        if ready && !up.load(Ordering::Acquire) {
            // Connections to the server that died would each cost a request.
            kernel.drop_idle_connections();
            tracing::info!("PostgreSQL is back");
        }
        up.store(ready, Ordering::Release);
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
    if watch.is_up() { next.run(request).await } else { down().into_response() }
}

/// The process runs.
pub(super) async fn alive() -> Response {
    axum::Json(json!({"status": "alive"})).into_response()
}

/// Requests will be answered: PostgreSQL is there.
pub(super) async fn ready(State((kernel, watch)): State<(Kernel, DatabaseWatch)>) -> Response {
    if !watch.is_up() {
        return down().into_response();
    }
    match tokio::time::timeout(PING_WITHIN, kernel.ping()).await {
        Ok(Ok(())) => axum::Json(json!({"status": "ready"})).into_response(),
        Ok(Err(_)) | Err(_) => Problem::unavailable("the database does not answer").into_response(),
    }
}
