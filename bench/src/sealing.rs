//! How fast the sealer takes events into the log.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tenure_kernel::{Audited, Kernel, NewEvent, Origin, Resource as _, SystemReason, TeamId, TenantId};
use tenure_platform::app::App;
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::audit::{AuditConfig, Sealer};

use crate::figure::{Figure, Findings, Target};
use crate::run::{Contender, Measured, Settings, compare};
use crate::scratch::{MASTER_KEY, Scratch};
use crate::serve::{self, BenchEvent, BenchTeam};

const TENANTS: usize = 10;
/// Events of one transaction.
const BATCH: usize = 1000;

/// Writes events in batches: the reference, and what the sealer finds to do.
struct Events<'a> {
    scratch: &'a Scratch,
    kernel: Kernel,
    tenants: Vec<TenantId>,
}

impl Events<'_> {
    async fn write(&self, count: usize) -> Result<()> {
        let origin = Origin {
            address: Some(std::net::Ipv4Addr::new(192, 0, 2, 7).into()),
            user_agent: Some("tenure-bench".into()),
            request: Some(uuid::Uuid::new_v4()),
            ..Origin::default()
        };
        let mut left = count;
        for tenant in self.tenants.iter().cycle() {
            let batch = left.min(BATCH);
            if batch == 0 {
                break;
            }
            left -= batch;
            let system = self.kernel.system(SystemReason::EngineBatch).from(&origin);
            system
                .run(async |tx| {
                    let now = tx.now();
                    let events = (0..batch).map(|number| {
                        let team = BenchTeam::new(TeamId::new(now), format!("Field operations {number}"), now);
                        let event = NewEvent::new(BenchEvent::CREATED, team.resource_id());
                        event.detail("team", &team).in_tenant(*tenant)
                    });
                    Ok(Audited::many((), events))
                })
                .await?;
        }
        Ok(())
    }

    async fn turn(&self, time: Duration) -> Result<Measured> {
        let (start, mut operations) = (Instant::now(), 0);
        while start.elapsed() < time {
            self.write(BATCH).await?;
            operations += BATCH as u64;
        }
        let elapsed = start.elapsed();
        // What this side wrote is not the other side's work.
        self.scratch.execute("truncate unsealed_events").await?;
        Ok(Measured { operations, elapsed })
    }
}

impl Contender for Events<'_> {
    fn name(&self) -> &str {
        "events written in batches of 1,000"
    }

    fn run(&mut self, time: Duration) -> BoxFuture<'_, Result<Measured>> {
        async move { self.turn(time).await }.boxed()
    }
}

struct Sealing<'a> {
    events: Events<'a>,
    sealer: Sealer,
    rate: f64,
}

impl Sealing<'_> {
    async fn turn(&mut self, time: Duration) -> Result<Measured> {
        let scratch = self.events.scratch;
        let count = (self.rate * time.as_secs_f64()) as usize;
        self.events.write(count).await?;
        scratch.execute("checkpoint").await?;
        let before = scratch.count("select count(*) from event_seals").await?;
        let start = Instant::now();
        while self.sealer.round().await? {}
        let elapsed = start.elapsed();
        let sealed = scratch.count("select count(*) from event_seals").await? - before;
        let left = scratch.count("select count(*) from unsealed_events").await?;
        ensure!(left == 0 && sealed == count as u64, "{count} events written, {sealed} sealed, {left} left");
        let measured = Measured { operations: sealed, elapsed };
        self.rate = measured.rate();
        Ok(measured)
    }
}

impl Contender for Sealing<'_> {
    fn name(&self) -> &str {
        "events sealed"
    }

    fn run(&mut self, time: Duration) -> BoxFuture<'_, Result<Measured>> {
        async move { self.turn(time).await }.boxed()
    }
}

/// Events sealed per second, by one sealer that finds them waiting, with its files outside the database.
///
/// # Errors
/// If an event was not sealed, or twice.
pub async fn sealing(scratch: &Scratch, data: &Path, settings: &Settings) -> Result<Findings> {
    let (app_url, system_url) = scratch.urls();
    let config =
        PlatformConfig { audit: AuditConfig { directory: Some(data.join("audit")) }, ..PlatformConfig::default() };
    let app: App = serve::open(&app_url, &system_url, MASTER_KEY, config).await?;
    let mut tenants = Vec::with_capacity(TENANTS);
    for number in 0..TENANTS {
        tenants.push(tenant(&app.kernel, number).await?);
    }
    let events = || Events { scratch, kernel: app.kernel.clone(), tenants: tenants.clone() };
    let mut subject = Sealing { events: events(), sealer: app.sealer(), rate: 10_000.0 };
    while subject.sealer.round().await? {}
    let report = compare("sealing", &mut subject, &mut events(), settings).await?;
    app.kernel.close().await;
    let mut figure = Figure::of(&report, Target::Shown);
    let complete = report.is_complete();
    figure.target = Target::AtLeast(20_000.0);
    figure.met = complete.then_some(figure.measured.value >= 20_000.0);
    Ok(Findings { figures: vec![figure], comparisons: vec![report], ..Findings::default() })
}

async fn tenant(kernel: &Kernel, number: usize) -> Result<TenantId> {
    let name = format!("Sealed {number} {}", uuid::Uuid::new_v4().simple());
    let made = kernel.system(SystemReason::ManagePeople);
    let organization = made
        .run(async |tx| {
            let plan = tenure_platform::domain::tenancy::Plan::Enterprise;
            let change = tenure_platform::domain::tenancy::store::insert(tx, &name, plan).await?;
            Ok(change.audited(tenure_platform::domain::tenancy::OrganizationEvent::CREATED))
        })
        .await?;
    Ok(organization.id)
}
