//! The demo's own receiver: takes reports that workflows post, keeps them in the data directory, and shows them.

use std::fs;
use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tenure_kernel::ExecutionId;
use tokio::net::TcpListener;

use super::page;
use super::report::Report;
use crate::commands::Failure;

/// Below the data directory: `address`, and for each execution its report as JSON and as a page that needs nothing else.
const DIRECTORY: &str = "reports";
const ADDRESS: &str = "address";
const MAX_REPORT: usize = 1024 * 1024;

/// A receiver that listens.
pub(super) struct Receiver {
    listener: TcpListener,
    directory: PathBuf,
    pub(super) address: SocketAddr,
}

#[derive(Debug)]
struct Shelf {
    directory: PathBuf,
    address: SocketAddr,
}

impl Receiver {
    /// Listens on a loopback port: the same one each time, because executions that wait have its address in their input.
    pub(super) async fn open(data_dir: &FilePath) -> Result<Self, Failure> {
        let directory = data_dir.join(DIRECTORY);
        let failed = |path: &FilePath, error: &Error| Failure::Failed(format!("{}: {error}", path.display()));
        fs::create_dir_all(&directory).map_err(|error| failed(&directory, &error))?;
        let file = directory.join(ADDRESS);
        let known: Option<SocketAddr> = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok());
        let wanted = known.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let listener = TcpListener::bind(wanted).await.map_err(|error| {
            Failure::Failed(format!(
                "the demo's receiver cannot listen on {wanted}: {error}; does another demo run on this data directory? \
                 Executions that wait have this address, so end what uses it, or delete {} to take another one",
                file.display()
            ))
        })?;
        let address = listener.local_addr().map_err(|error| Failure::Failed(error.to_string()))?;
        fs::write(&file, format!("{address}\n")).map_err(|error| failed(&file, &error))?;
        Ok(Self { listener, directory, address })
    }

    /// Where reports are posted to.
    pub(super) fn url(&self) -> String {
        format!("http://{}/reports", self.address)
    }

    /// Serves until the process ends.
    pub(super) fn start(self) {
        let shelf = Arc::new(Shelf { directory: self.directory, address: self.address });
        let router = Router::new()
            .route("/", get(list))
            .route("/reports", post(take))
            .route("/reports/{name}", get(show))
            .layer(DefaultBodyLimit::max(MAX_REPORT))
            .with_state(shelf);
        let listener = self.listener;
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the demo's receiver ended");
            }
        });
    }
}

impl Shelf {
    fn url(&self, execution: ExecutionId) -> String {
        format!("http://{}/reports/{execution}", self.address)
    }

    fn file(&self, execution: ExecutionId, kind: &str) -> PathBuf {
        self.directory.join(format!("{execution}.{kind}"))
    }

    fn read(&self, execution: ExecutionId) -> std::io::Result<Report> {
        let text = fs::read(self.file(execution, "json"))?;
        serde_json::from_slice(&text).map_err(|error| Error::new(ErrorKind::InvalidData, error))
    }

    /// Newest first.
    fn all(&self) -> Vec<Report> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().filter_map(Result::ok);
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok());
        let mut reports: Vec<Report> = ids.filter_map(|id| self.read(id).ok()).collect();
        reports.sort_by_key(|report| std::cmp::Reverse(report.execution.uuid()));
        reports
    }
}

/// Keeps a report. The same execution may post it again: what is kept is the same.
async fn take(State(shelf): State<Arc<Shelf>>, report: Result<Json<Report>, JsonRejection>) -> Response {
    let report = match report {
        Ok(Json(report)) => report,
        Err(rejection) => return (rejection.status(), rejection.body_text()).into_response(),
    };
    let kept = serde_json::to_vec_pretty(&report).map_err(Error::other).and_then(|text| {
        write(&shelf.file(report.execution, "json"), &text)?;
        write(&shelf.file(report.execution, "html"), page::report(&report).as_bytes())
    });
    match kept {
        Ok(()) => (StatusCode::CREATED, Json(json!({ "report": shelf.url(report.execution) }))).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Whole or not at all.
fn write(path: &FilePath, content: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("partial");
    fs::write(&beside, content).and_then(|()| fs::rename(&beside, path))
}

async fn list(State(shelf): State<Arc<Shelf>>) -> Response {
    html(page::list(&shelf.all()))
}

/// `exe_…` as a page, `exe_….json` as it was posted.
async fn show(State(shelf): State<Arc<Shelf>>, Path(name): Path<String>) -> Response {
    let (id, as_json) = match name.strip_suffix(".json") {
        Some(id) => (id, true),
        None => (name.as_str(), false),
    };
    match id.parse().ok().and_then(|id| shelf.read(id).ok()) {
        Some(report) if as_json => Json(report).into_response(),
        Some(report) => html(page::report(&report)),
        None => (StatusCode::NOT_FOUND, html(page::missing())).into_response(),
    }
}

fn html(page: String) -> Response {
    let policy = page::policy();
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, policy.as_str()),
    ];
    let headers: HeaderMap =
        headers.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect();
    (headers, page).into_response()
}
