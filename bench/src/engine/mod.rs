//! The engine: steps per second, latency of a step, waits, memory under many executions.
//!
//! Times come from the engine's own records (`executions`, `execution_journal`), read as superuser on the side. A queue is
//! filled while no tenant has a slot; then the slots are given back, so that what is measured is the engine and not the
//! API that fills it. Each run checks that every execution succeeded and that every step is there once.

mod crowd;
mod steps;
mod waits;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tenure_kernel::TenantId;

pub use crowd::crowd;
pub use steps::{sequential, throughput};
pub use waits::{fairness, idle};

use crate::client::{Api, Connection, request};
use crate::program::{Program, Server};
use crate::scratch::Scratch;

/// As many as the specification's run of 10,000 executions has.
const TENANTS: usize = 50;
/// Connections that fill the queue.
const FILLERS: usize = 12;
const END_WITHIN: Duration = Duration::from_secs(180);

const CLOSE: &str = "insert into quota_overrides (tenant_id, quota, max, updated_at)
    select tenant_id, 'concurrent_executions', 0, now() from tenants on conflict (tenant_id, quota) do update set max = 0";
/// With the wake-up that the API sends: else the engine would look by itself half a second later.
const OPEN: &str = "begin; delete from quota_overrides where quota = 'concurrent_executions'; commit;
    select pg_notify('tenure', '{\"kind\":\"work-queued\"}')";
/// What autovacuum would have told the planner within a minute: between emptying and filling no bench waits as long.
const KNOWN: &str = "checkpoint; analyze executions; analyze jobs; analyze execution_journal";
const EMPTY: &str =
    "truncate executions, execution_journal, execution_timers, approvals, approval_decisions, jobs cascade";

/// A tenant with the workflows that the benches run.
#[derive(Debug, Clone)]
struct Tenant {
    id: TenantId,
    token: String,
    /// Of each of [`Chain::ALL`], the workflow's identifier.
    workflows: Vec<String>,
}

/// A workflow that is a chain of equal steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chain {
    /// Twenty steps that do nothing.
    Empty20,
    /// Twenty jq transforms.
    Jq20,
    /// Forty steps that do nothing, as peers are measured.
    Empty40,
    /// Three jq transforms.
    Jq3,
}

impl Chain {
    const ALL: [Self; 4] = [Self::Empty20, Self::Jq20, Self::Empty40, Self::Jq3];

    const fn steps(self) -> u64 {
        match self {
            Self::Empty20 | Self::Jq20 => 20,
            Self::Empty40 => 40,
            Self::Jq3 => 3,
        }
    }

    fn definition(self) -> Value {
        let node = match self {
            // The step that asks nothing of anybody: what it waits for is long past.
            Self::Empty20 | Self::Empty40 => json!({ "type": "wait", "until": "2000-01-01T00:00:00Z" }),
            Self::Jq20 | Self::Jq3 => json!({ "type": "transform", "jq": ".input" }),
        };
        let name = |index: u64| format!("s{index}");
        let nodes: serde_json::Map<_, _> = (1..=self.steps()).map(|index| (name(index), node.clone())).collect();
        let mut edges = vec![json!({ "from": "start", "to": "s1" })];
        edges.extend((1..self.steps()).map(|index| json!({ "from": name(index), "to": name(index + 1) })));
        edges.push(json!({ "from": name(self.steps()), "to": "end" }));
        json!({ "name": format!("{self:?}"), "nodes": nodes, "edges": edges })
    }

    fn of(self, tenant: &Tenant) -> Result<&str> {
        let index = Self::ALL.iter().position(|chain| *chain == self);
        let id = index.and_then(|index| tenant.workflows.get(index));
        id.map(String::as_str).context("every tenant has every workflow")
    }
}

/// A server on a scratch database, with tenants and workflows.
#[derive(Debug)]
pub struct Stage<'a> {
    scratch: &'a Scratch,
    server: Server,
    tenants: Vec<Tenant>,
}

impl<'a> Stage<'a> {
    /// Starts the server and makes the tenants.
    ///
    /// # Errors
    /// If the server does not start, or refuses something.
    pub async fn set(scratch: &'a Scratch, program: &Program, data: &std::path::Path) -> Result<Stage<'a>> {
        let server = program.serve(data, "127.0.0.1:0", &scratch.environment()).await?;
        server.ready_after().await?;
        let mut tenants = Vec::with_capacity(TENANTS);
        let mut anonymous = Api::anonymous(server.address);
        for number in 0..TENANTS {
            let unique = format!("bench{}{number}", uuid::Uuid::new_v4().simple());
            let (id, token) = register(&mut anonymous, &unique).await?;
            let mut api = Api::with_token(server.address, &token);
            let mut workflows = Vec::new();
            for chain in Chain::ALL {
                let saved = api.call("POST", "/workflows", Some(&chain.definition()), 201).await?;
                workflows.push(text(&saved, "id")?);
            }
            tenants.push(Tenant { id, token, workflows });
        }
        Ok(Self { scratch, server, tenants })
    }

    /// Ends the server.
    ///
    /// # Errors
    /// If it does not end by itself.
    pub async fn close(self) -> Result<()> {
        self.server.stop().await
    }

    fn tenant(&self, index: usize) -> Result<&Tenant> {
        self.tenants.get(index).context("there are enough tenants")
    }

    /// Forgets earlier runs: tables that grow would slow later turns, and references begin with an empty table, too.
    async fn clear(&self) -> Result<()> {
        self.scratch.execute(EMPTY).await
    }

    /// Queues so many executions, spread over these tenants.
    async fn queue(&self, chain: Chain, tenants: &[Tenant], executions: usize) -> Result<()> {
        let mut shares: Vec<Vec<Vec<u8>>> = (0..FILLERS).map(|_| Vec::new()).collect();
        for (index, tenant) in (0..executions).zip(tenants.iter().cycle()) {
            if let Some(share) = shares.get_mut(index % FILLERS) {
                share.push(start_request(tenant, chain)?);
            }
        }
        let address = self.server.address;
        let fillers = shares.into_iter().map(|share| {
            let filler = async move {
                let mut connection = Connection::open(address).await?;
                for bytes in share {
                    connection.send(&bytes).await?.json(202)?;
                }
                Ok::<_, anyhow::Error>(())
            };
            async move { tokio::spawn(filler).await? }
        });
        try_join_all(fillers).await?;
        Ok(())
    }

    /// Until the queue is empty.
    async fn drained(&self) -> Result<()> {
        let mut admin = self.scratch.admin().await?;
        let begun = Instant::now();
        loop {
            let left: bool =
                sqlx::query_scalar("select exists (select from jobs)").fetch_one(&mut admin).await.context("jobs")?;
            if !left {
                return Ok(());
            }
            if begun.elapsed() > END_WITHIN {
                bail!("executions do not end; the server said:\n{}", self.server.said());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until every event is sealed, so that this is not left to the next turn.
    async fn sealed(&self) -> Result<()> {
        let begun = Instant::now();
        while self.scratch.count("select count(*) from unsealed_events").await? > 0 {
            ensure!(begun.elapsed() < END_WITHIN, "events are not sealed; the server said:\n{}", self.server.said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// That `executions` of this chain have succeeded, with each step once.
    async fn check(&self, executions: u64, chain: Chain) -> Result<()> {
        let succeeded = self.scratch.count("select count(*) from executions where state = 'succeeded'").await?;
        let all = self.scratch.count("select count(*) from executions").await?;
        ensure!(
            (succeeded, all) == (executions, executions),
            "{executions} executions were queued, {all} are there, {succeeded} of them succeeded; the server said:\n{}",
            self.server.said()
        );
        let rows = self.scratch.count("select count(*) from execution_journal where step is not null").await?;
        let distinct = "select count(*) from (select distinct tenant_id, execution_id, step from execution_journal
            where step is not null and state = 'succeeded') steps";
        let distinct = self.scratch.count(distinct).await?;
        let wanted = executions * chain.steps();
        ensure!(rows == wanted && distinct == wanted, "{wanted} steps wanted, {rows} rows, {distinct} distinct");
        // Each costs a second, in which whoever is in it stands still.
        let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
        let deadlocks = self.scratch.count(deadlocks).await?;
        ensure!(deadlocks == 0, "{deadlocks} transactions waited for one another");
        Ok(())
    }
}

/// Registers an organisation; its identifier and its administrator's access token.
///
/// # Errors
/// If the server refuses.
pub async fn register(api: &mut Api, name: &str) -> Result<(TenantId, String)> {
    let body = json!({
        "email": format!("{name}@example.com"), "username": name, "password": "a quiet green meadow",
        "full_name": name, "organization_name": name
    });
    let registered = api.call("POST", "/auth/register", Some(&body), 201).await?;
    let id = registered.pointer("/organization/id").and_then(Value::as_str).context("no organisation was answered")?;
    let id = id.parse().map_err(|_| anyhow::anyhow!("{id} is no tenant's identifier"))?;
    Ok((id, text(&registered, "access_token")?))
}

/// A member of an answer.
///
/// # Errors
/// If it is not there.
pub fn text(value: &Value, member: &str) -> Result<String> {
    let found = value.get(member).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("the answer has no {member}: {value}"))
}

/// What a step of the reference's journal holds is about as long.
fn input() -> Value {
    json!({ "input": { "label": "strike", "score": 0.97, "text": "Lorem ipsum dolor sit amet, consetetur sadipscing" } })
}

fn start_request(tenant: &Tenant, chain: Chain) -> Result<Vec<u8>> {
    let path = format!("/api/v1/workflows/{}/executions", chain.of(tenant)?);
    let bearer = format!("Bearer {}", tenant.token);
    Ok(request("POST", &path, &[("authorization", &bearer)], Some(&input())))
}
