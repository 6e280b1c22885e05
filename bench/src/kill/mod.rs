//! `kill -9` of the server at random moments under load, and what the database, the log and an outside receiver say of it.
//!
//! Executions of three steps are asked for all the time: an `http` step marked `idempotent`, a `transform`, an `http` step
//! that is not. A receiver in this process counts what reaches it. Requests that a kill cut off are repeated with their
//! `Idempotency-Key`. After the last start everything must end, and then:
//!
//! - each execution that was asked for is there once and succeeded, with each of its steps once;
//! - no request of a step reached the receiver after that step's end was in the journal;
//! - each idempotent step sent one key, however often it was begun;
//! - no job is left, so no slot is; the month's quota says as many executions as there are;
//! - `tenure audit verify` finds nothing.

mod asking;
mod receiver;
mod verdict;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::Api;
use crate::engine::{register, text};
use crate::figure::{Figure, Findings, Quantity, Target};
use crate::program::Program;
use crate::scratch;
use asking::Asking;
use receiver::Receiver;

/// What is done.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How often the server is killed.
    pub kills: usize,
    /// At least so many of them while a step runs.
    pub while_running: usize,
    /// Decides every random moment.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { kills: 50, while_running: 15, seed: 1 }
    }
}

const TENANTS: usize = 3;
/// From the line that says that it listens to the kill.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(1600);
/// Everything ends within this after the last start; leases of dead servers run out in six seconds.
const END_WITHIN: Duration = Duration::from_secs(90);

/// What a run of kills came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Decided every random moment.
    pub seed: u64,
    /// How often the server was killed.
    pub kills: usize,
    /// How often while a request of a step was under way.
    pub while_running: usize,
    /// Executions that were asked for and accepted.
    pub executions: usize,
    /// Requests that reached the receiver.
    pub requests: usize,
    /// How many of them repeated an earlier one of the same step, whose end was not journaled yet.
    pub repeats: usize,
    /// Median and longest time from a start to the line that says that it listens, in seconds.
    pub restart_seconds: (f64, f64),
    /// From the last start to the end of the last execution, in seconds.
    pub settled_after: f64,
    /// What is wrong; nothing if all holds.
    pub faults: Vec<String>,
}

/// Runs it. `directory` is where the data lies.
///
/// # Errors
/// If the server does not start, or its answers make no sense. What a kill broke is no error but a fault in the outcome.
pub async fn kill(program: &Program, directory: &Path, plan: Plan) -> Result<Outcome> {
    let data = scratch::directory(directory)?;
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let receiver = Receiver::start(random.u64(..)).await?;
    let host = receiver.address.to_string();
    let env = [("TENURE_EGRESS_ALLOW", host.clone())];
    let mut server = program.serve(data.path(), "127.0.0.1:0", &env).await?;
    // The same port each time, so that whoever asks finds it again.
    let address = server.address;
    let listen = address.to_string();

    let mut tenants = Vec::new();
    for name in (0..TENANTS).map(|number| format!("killed{number}")) {
        let (id, token) = register(&mut Api::anonymous(address), &name).await?;
        let saved = Api::with_token(address, &token).call("POST", "/workflows", Some(&definition(&host)), 201).await?;
        tenants.push(asking::Tenant { id, token, workflow: text(&saved, "id")? });
    }
    let asking = Asking::start(address, &tenants);
    let (mut restarts, mut while_running, mut kills) = (Vec::new(), 0, 0);
    while kills < plan.kills || while_running < plan.while_running {
        ensure!(kills < 3 * plan.kills, "steps do not run: only {while_running} of {kills} kills met one");
        let span = (LONGEST - SHORTEST).as_secs_f64();
        tokio::time::sleep(SHORTEST + Duration::from_secs_f64(span * random.f64())).await;
        if receiver.under_way() > 0 {
            while_running += 1;
        }
        server.kill().await?;
        kills += 1;
        server = program.serve(data.path(), &listen, &env).await?;
        restarts.push(server.listening_after.as_secs_f64());
    }
    let last_start = Instant::now();
    let asked = asking.finish().await?;
    let mut faults = Vec::new();
    if !settled(address, &tenants).await? {
        faults.push(format!("not every execution ended within {END_WITHIN:?} of the last start:\n{}", server.said()));
    }
    let settled_after = last_start.elapsed().as_secs_f64();
    server.stop().await?;

    let verified = program.command(data.path()).args(["audit", "verify", "--json"]).output().await?;
    if !verified.status.success() {
        let said = [verified.stdout.as_slice(), verified.stderr.as_slice()].map(String::from_utf8_lossy).concat();
        faults.push(format!("the log does not verify: {said}"));
    }
    let hits = receiver.hits();
    let repeats = verdict::judge(data.path(), &asked, &hits, &mut faults).await?;
    let middle = crate::stats::median(&restarts).context("there were restarts")?;
    let longest = restarts.iter().copied().fold(0.0, f64::max);
    if !faults.is_empty() {
        // Kept, so that somebody can look.
        faults.push(format!("the data directory is kept in {}", data.keep().display()));
    }
    Ok(Outcome {
        seed: plan.seed,
        kills,
        while_running,
        executions: asked.len(),
        requests: hits.len(),
        repeats,
        restart_seconds: (middle, longest),
        settled_after,
        faults,
    })
}

/// The outcome as figures.
#[must_use]
pub fn figures(outcome: &Outcome) -> Findings {
    let note = format!(
        "seed {}, {} kills, {} while a step ran; {} executions, each once and succeeded; {} requests reached the receiver, {} \
         repeated a step that had no end yet; restart {:.2} s (longest {:.2}), all ended {:.1} s after the last{}",
        outcome.seed,
        outcome.kills,
        outcome.while_running,
        outcome.executions,
        outcome.requests,
        outcome.repeats,
        outcome.restart_seconds.0,
        outcome.restart_seconds.1,
        outcome.settled_after,
        outcome.faults.iter().map(|fault| format!("; FAULT: {fault}")).collect::<String>(),
    );
    let measured = Quantity::new("faults after kill -9 at random moments", outcome.faults.len() as f64, "");
    Findings { figures: vec![Figure::alone(measured, Target::AtMost(0.0), note)], ..Findings::default() }
}

fn definition(receiver: &str) -> Value {
    let call = |path: &str, idempotent: bool| {
        json!({
            "type": "http", "idempotent": idempotent,
            "request": { "method": "POST", "url": format!("http://{receiver}/{path}"), "json": { "execution": "{{ execution.id }}" } }
        })
    };
    json!({
        "name": "effects",
        "nodes": {
            "idempotent": call("idempotent", true),
            "between": { "type": "transform", "jq": ".input" },
            "plain": call("plain", false),
        },
        "edges": [
            { "from": "start", "to": "idempotent" }, { "from": "idempotent", "to": "between" },
            { "from": "between", "to": "plain" }, { "from": "plain", "to": "end" }
        ],
    })
}

/// Whether nothing is unfinished any more.
async fn settled(address: std::net::SocketAddr, tenants: &[asking::Tenant]) -> Result<bool> {
    let begun = Instant::now();
    loop {
        let mut unfinished = 0;
        for tenant in tenants {
            let path = "/executions?state=queued,running,waiting,paused&limit=1";
            let list = Api::with_token(address, &tenant.token).call("GET", path, None, 200).await?;
            unfinished += list.get("items").and_then(Value::as_array).map_or(0, Vec::len);
        }
        if unfinished == 0 || begun.elapsed() > END_WITHIN {
            return Ok(unfinished == 0);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
