//! A route that only authenticates, counts and checks; reads that come at their own pace.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;

use super::Stage;
use crate::client::{Api, Connection, request};
use crate::engine::register;
use crate::figure::{Figure, Findings, Quantity, Target};
use crate::load::Load;
use crate::program::Program;
use crate::requests::{CONNECTIONS, Loaded, own_server, unique};
use crate::run::{Settings, compare};
use crate::scratch::{MASTER_KEY, Scratch};
use crate::stats::percentile;

/// An authenticated, limited and permitted request that then does nothing, beside axum's hello.
///
/// # Errors
/// If a server fails or refuses a request.
pub async fn hello(scratch: &Scratch, settings: &Settings) -> Result<Findings> {
    let (app, system) = scratch.urls();
    let server = own_server(&["serve-writes", &app, &system, MASTER_KEY]).await?;
    let (_, token) = register(&mut Api::anonymous(server.address), &unique()).await?;
    let bare = own_server(&["serve-bare", &scratch.superuser_url()]).await?;
    let ours = request("GET", "/bench/hello", &[("authorization", &format!("Bearer {token}"))], None);
    let theirs = request("GET", "/hello", &[], None);
    let load = |address, bytes: Vec<u8>| {
        let request = Arc::new(move |_| bytes.clone());
        Load { address, connections: CONNECTIONS, request, status: 200 }
    };
    let mut subject =
        Loaded::new("requests that are only authenticated, counted, permitted", load(server.address, ours));
    let mut reference = Loaded::new("axum's hello", load(bare.address, theirs));
    let report = compare("hello", &mut subject, &mut reference, settings).await?;
    bare.kill().await?;
    server.kill().await?;
    let mut findings = Findings::default();
    findings.compared(report, Target::RatioAtLeast(0.75));
    Ok(findings)
}

const A_SECOND: u64 = 10_000;

/// Reads that come 10,000 a second, whether or not earlier ones are answered.
///
/// # Errors
/// If the server fails or refuses a request.
pub async fn open_loop(scratch: &Scratch, program: &Program, data: &Path) -> Result<Findings> {
    let stage = Stage::set(scratch, program, data).await?;
    let (read, going) = (stage.read().await?, AtomicBool::new(true));
    paced(stage.address(), read.clone(), A_SECOND, Duration::from_secs(3), &going).await?;
    let times = paced(stage.address(), read, A_SECOND, Duration::from_secs(15), &going).await?;
    stage.server.stop().await?;
    let at = |share| percentile(&times, share).context("no read was answered");
    let note = format!("{} reads; P50 {:.2} ms, P99.9 {:.2} ms", times.len(), at(0.5)?, at(0.999)?);
    let p99 = Quantity::new("P99 of reads at 10,000 a second, open loop", at(0.99)?, "ms");
    let mut findings = Findings::default();
    findings.figures.push(Figure::alone(p99, Target::AtMost(5.0), note));
    Ok(findings)
}

/// Sends the request `rate` times a second for `time`, or until `going` is false. How long each took, in milliseconds, counted
/// from when it was due: one that waits for an earlier one on its connection has begun to wait.
pub(super) async fn paced(
    address: SocketAddr,
    request: Vec<u8>,
    rate: u64,
    time: Duration,
    going: &AtomicBool,
) -> Result<Vec<f64>> {
    let connections = rate.div_ceil(100).clamp(4, 100);
    let between = Duration::from_secs_f64(connections as f64 / rate as f64);
    let begun = Instant::now();
    let workers = (0..connections).map(|number| {
        let request = &request;
        async move {
            let mut connection = Connection::open(address).await?;
            let mut due = begun + between.mul_f64(number as f64 / connections as f64);
            let mut times = Vec::new();
            while due < begun + time && going.load(Ordering::Relaxed) {
                tokio::time::sleep_until(due.into()).await;
                let answer = connection.send(request).await?;
                ensure!(answer.status == 200, "a read was answered with {}", answer.status);
                times.push(due.elapsed().as_secs_f64() * 1e3);
                due += between;
            }
            anyhow::Ok(times)
        }
    });
    Ok(try_join_all(workers).await?.concat())
}
