//! Requests per second: a read of one row beside a bare handler, a write with its event beside the same without.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::json;
use tenure_kernel::TeamId;
use tokio::process::Command;

use crate::client::{Api, request};
use crate::engine::{register, text};
use crate::figure::{Findings, Target};
use crate::load::Load;
use crate::program::{Program, Server};
use crate::run::{Contender, Measured, Settings, compare};
use crate::scratch::{MASTER_KEY, Scratch};
use crate::serve::MARKER;

pub(crate) const CONNECTIONS: u64 = 32;

/// A load whose effect in the database is counted, where it has one.
pub(crate) struct Loaded<'a> {
    name: &'static str,
    load: Load,
    sent: AtomicU64,
    effects: Option<(&'a Scratch, &'static str)>,
}

impl Loaded<'_> {
    /// A load without an effect that is counted.
    pub(crate) fn new(name: &'static str, load: Load) -> Self {
        Self { name, load, sent: AtomicU64::new(0), effects: None }
    }

    async fn turn(&self, time: Duration) -> Result<Measured> {
        let count = async |effects: &Option<(&Scratch, &'static str)>| match effects {
            Some((scratch, sql)) => scratch.count(sql).await,
            None => Ok(0),
        };
        let before = count(&self.effects).await?;
        let measured = self.load.run(time, self.sent.load(Ordering::Relaxed)).await?;
        // Numbers are used up in steps; the next turn begins behind the last one.
        self.sent.fetch_add(measured.operations * 2 + CONNECTIONS * 1_000_000, Ordering::Relaxed);
        if self.effects.is_some() {
            let after = count(&self.effects).await?;
            let (found, done) = (after - before, measured.operations);
            ensure!(found == done, "{done} requests succeeded, but {found} rows are new");
        }
        Ok(measured)
    }
}

impl Contender for Loaded<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn run(&mut self, time: Duration) -> BoxFuture<'_, Result<Measured>> {
        async move { self.turn(time).await }.boxed()
    }
}

/// A token-authenticated read of one row of a tenant over HTTP, beside a bare axum and sqlx handler with the same SQL.
///
/// # Errors
/// If a server fails or refuses a request.
pub async fn read(scratch: &Scratch, program: &Program, data: &Path, settings: &Settings) -> Result<Findings> {
    let server = program.serve(data, "127.0.0.1:0", &scratch.environment()).await?;
    server.ready_after().await?;
    let mut anonymous = Api::anonymous(server.address);
    let (tenant, token) = register(&mut anonymous, &unique()).await?;
    let mut api = Api::with_token(server.address, &token);
    let team =
        api.call("POST", "/teams", Some(&json!({ "name": "Field operations", "description": "all" })), 201).await?;
    let team = text(&team, "id")?;

    // The bare handler has no tenant to name, so its login must not be bound by row-level security.
    let bare = own_server(&["serve-bare", &scratch.superuser_url()]).await?;
    let bearer = format!("Bearer {token}");
    let ours = request("GET", &format!("/api/v1/teams/{team}"), &[("authorization", &bearer)], None);
    let id: TeamId = team.parse().map_err(|_| anyhow::anyhow!("{team} is no team's identifier"))?;
    let theirs = request("GET", &format!("/teams/{}/{}", tenant.uuid(), id.uuid()), &[], None);
    let loaded = |name, address, bytes: Vec<u8>| {
        let request = Arc::new(move |_| bytes.clone());
        Loaded::new(name, Load { address, connections: CONNECTIONS, request, status: 200 })
    };
    let mut subject = loaded("reads of a tenant's row over HTTP", server.address, ours);
    let mut reference = loaded("bare axum + sqlx, same SQL", bare.address, theirs);
    let report = compare("read", &mut subject, &mut reference, settings).await?;
    bare.kill().await?;
    server.stop().await?;
    let mut findings = Findings::default();
    findings.compared(report, Target::RatioAtLeast(0.5));
    Ok(findings)
}

/// A write through the kernel's only door with its event, beside the same without. The sealer works meanwhile.
///
/// # Errors
/// If the server fails or refuses a request, or the rows are not those that were answered for.
pub async fn write(scratch: &Scratch, settings: &Settings) -> Result<Findings> {
    let (app, system) = scratch.urls();
    let server = own_server(&["serve-writes", &app, &system, MASTER_KEY]).await?;
    let mut anonymous = Api::anonymous(server.address);
    let (_, token) = register(&mut anonymous, &unique()).await?;
    let bearer = format!("Bearer {token}");
    let loaded = |name, path: &'static str, effects| {
        let (bearer, run) = (bearer.clone(), uuid::Uuid::new_v4().simple().to_string());
        let make = move |number: u64| {
            let body = json!({ "name": format!("team {run} {number}") });
            request("POST", path, &[("authorization", &bearer)], Some(&body))
        };
        Loaded {
            name,
            load: Load { address: server.address, connections: CONNECTIONS, request: Arc::new(make), status: 200 },
            sent: AtomicU64::new(0),
            effects: Some((scratch, effects)),
        }
    };
    let mut subject =
        loaded("writes with their event", "/bench/with", "select count(*) from events where action = 'team.created'");
    let mut reference = loaded("the same without", "/bench/without", "select count(*) from teams");
    let report = compare("write", &mut subject, &mut reference, settings).await?;
    server.kill().await?;
    let mut findings = Findings::default();
    findings.compared(report, Target::RatioAtLeast(0.7));
    Ok(findings)
}

/// This program again, as one of its servers.
pub(crate) async fn own_server(arguments: &[&str]) -> Result<Server> {
    let mut command = Command::new(std::env::current_exe().context("this program has no path")?);
    command.args(arguments).stdin(std::process::Stdio::null()).kill_on_drop(true);
    Server::start(command, MARKER).await
}

pub(crate) fn unique() -> String {
    format!("bench{}", uuid::Uuid::new_v4().simple())
}
